//! The simulated clocks: one that only grows, and one on the wall that people turn.

use std::time::Duration;

use omnibus_engine::shard::Moment;
use omnibus_model::Timestamp;

/// The present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub(crate) wall_millis: i64,
    pub(crate) elapsed: Duration,
}

impl Time {
    /// Some morning in 2026.
    pub(crate) const START: Self = Self { wall_millis: 1_790_000_000_000, elapsed: Duration::ZERO };

    pub(crate) const fn moment(&self) -> Moment {
        Moment { wall: Timestamp(self.wall_millis), elapsed: self.elapsed }
    }

    pub(crate) fn pass(&mut self, micros: u64) {
        self.elapsed += Duration::from_micros(micros);
        self.wall_millis += i64::try_from(micros / 1000).unwrap_or(0);
    }

    /// Turns the clock on the wall.
    pub(crate) const fn turn(&mut self, millis: i64) {
        self.wall_millis += millis;
    }
}
