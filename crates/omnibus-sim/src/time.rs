//! The simulated clocks: one that only grows, and one on the wall that people turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use omnibus_engine::shard::Moment;
use omnibus_io::Clock;
use omnibus_model::Timestamp;

/// The present.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    pub(crate) wall_millis: i64,
    pub(crate) elapsed: Duration,
    dial: Arc<Dial>,
}

/// Shows the present to those who look at a clock themselves.
#[derive(Debug, Default)]
pub(crate) struct Dial {
    wall_millis: AtomicI64,
    micros: AtomicU64,
}

impl Clock for Dial {
    fn wall_millis(&self) -> i64 {
        self.wall_millis.load(Ordering::Relaxed)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

impl Time {
    /// Begins some morning in 2026.
    pub(crate) fn start(dial: Arc<Dial>) -> Self {
        let time = Self { wall_millis: 1_790_000_000_000, elapsed: Duration::ZERO, dial };
        time.show();
        time
    }

    pub(crate) const fn moment(&self) -> Moment {
        Moment { wall: Timestamp(self.wall_millis), elapsed: self.elapsed }
    }

    pub(crate) fn pass(&mut self, micros: u64) {
        self.elapsed += Duration::from_micros(micros);
        self.wall_millis += i64::try_from(micros / 1000).unwrap_or(0);
        self.show();
    }

    /// Turns the clock on the wall.
    pub(crate) fn turn(&mut self, millis: i64) {
        self.wall_millis += millis;
        self.show();
    }

    fn show(&self) {
        self.dial.wall_millis.store(self.wall_millis, Ordering::Relaxed);
        let micros = u64::try_from(self.elapsed.as_micros()).unwrap_or(u64::MAX);
        self.dial.micros.store(micros, Ordering::Relaxed);
    }
}
