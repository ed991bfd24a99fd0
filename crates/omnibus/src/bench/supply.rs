//! Which records are due: as many as there is room for, or those of a fixed rate.
//!
//! At a fixed rate a record is due at its time, whether the broker keeps up or not: its
//! latency counts from there (coordinated omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use omnibus_io::{Clock, SystemClock};
use tokio::sync::Notify;

/// The shortest pause between two looks for records that are due.
const PAUSE_MIN: Duration = Duration::from_micros(100);

/// The longest.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// What bounds a whole measurement.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) clock: Arc<SystemClock>,
    /// When it ends.
    pub(super) end: Duration,
    /// Records that may still be taken.
    left: AtomicU64,
}

/// One connection's share of the records.
#[derive(Debug)]
pub(super) struct Supply {
    bounds: Arc<Bounds>,
    batch_records: u64,
    pace: Option<Pace>,
}

/// A fixed rate.
#[derive(Debug)]
struct Pace {
    start: Duration,
    records_per_second: f64,
    taken: u64,
    tick: Arc<Notify>,
}

/// Records that are due.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) count: u64,
    /// When each was due, or when they were sent.
    pub(super) schedule: Schedule,
}

/// When records were due.
#[derive(Clone, Debug)]
pub(super) enum Schedule {
    Now(Duration),
    Paced { start: Duration, records_per_second: f64, first: u64 },
}

impl Bounds {
    pub(super) fn new(clock: Arc<SystemClock>, end: Duration, records: Option<u64>) -> Self {
        Self { clock, end, left: AtomicU64::new(records.unwrap_or(u64::MAX)) }
    }

    /// Takes up to `wanted` records from what is left.
    fn take(&self, wanted: u64) -> u64 {
        let before =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(wanted)));
        before.unwrap_or_else(|left| left).min(wanted)
    }
}

impl Supply {
    /// As many records as there is room for.
    pub(super) const fn flat_out(bounds: Arc<Bounds>, batch_records: u64) -> Self {
        Self { bounds, batch_records, pace: None }
    }

    /// Records at a fixed rate from now on.
    pub(super) fn paced(bounds: Arc<Bounds>, batch_records: u64, records_per_second: f64, pacer: &mut Pacer) -> Self {
        let tick = Arc::new(Notify::new());
        pacer.ticks.push(Arc::clone(&tick));
        let start = bounds.clock.elapsed();
        Self { bounds, batch_records, pace: Some(Pace { start, records_per_second, taken: 0, tick }) }
    }

    /// Waits for records that are due; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Due> {
        self.next_up_to(self.batch_records).await
    }

    /// Waits for records that are due, and takes no more than `most` of them; `None` at the end.
    pub(super) async fn next_up_to(&mut self, most: u64) -> Option<Due> {
        let most = most.min(self.batch_records);
        let Some(pace) = &mut self.pace else {
            let now = self.bounds.clock.elapsed();
            let count = if now < self.bounds.end { self.bounds.take(most) } else { 0 };
            return (count > 0).then_some(Due { count, schedule: Schedule::Now(now) });
        };
        loop {
            let now = self.bounds.clock.elapsed();
            let waiting = pace.due(now.min(self.bounds.end)).saturating_sub(pace.taken);
            if waiting > 0 {
                let count = self.bounds.take(waiting.min(most));
                let first = pace.taken;
                pace.taken += count;
                let Pace { start, records_per_second, .. } = *pace;
                let schedule = Schedule::Paced { start, records_per_second, first };
                return (count > 0).then_some(Due { count, schedule });
            }
            if now >= self.bounds.end {
                return None;
            }
            pace.tick.notified().await;
        }
    }
}

impl Pace {
    /// How many records were due by `now`.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of records, not negative")]
    fn due(&self, now: Duration) -> u64 {
        (now.saturating_sub(self.start).as_secs_f64() * self.records_per_second) as u64
    }
}

impl Schedule {
    /// When the record at this place was due.
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 records")]
    pub(super) fn at(&self, place: u64) -> Duration {
        match self {
            Self::Now(now) => *now,
            Self::Paced { start, records_per_second, first } => {
                *start + Duration::from_secs_f64((first + place) as f64 / records_per_second)
            }
        }
    }
}

/// Wakes the supplies; a thread of its own, since the runtime's timers count milliseconds.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    ticks: Vec<Arc<Notify>>,
    stop: Arc<AtomicBool>,
}

impl Pacer {
    /// Begins to wake them; ends when what is returned is dropped.
    pub(super) fn start(self, rate_of_each: f64) -> PacerRunning {
        let stop = Arc::clone(&self.stop);
        let pause = Duration::from_secs_f64(1.0 / rate_of_each.max(1.0)).clamp(PAUSE_MIN, PAUSE_MAX);
        std::thread::spawn(move || {
            while !self.stop.load(Ordering::Relaxed) {
                self.ticks.iter().for_each(|tick| tick.notify_one());
                std::thread::sleep(pause);
            }
        });
        PacerRunning { stop }
    }
}

/// A pacer that runs.
#[derive(Debug)]
pub(super) struct PacerRunning {
    stop: Arc<AtomicBool>,
}

impl Drop for PacerRunning {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(records: Option<u64>) -> Arc<Bounds> {
        Arc::new(Bounds::new(Arc::new(SystemClock::default()), Duration::from_secs(3600), records))
    }

    #[tokio::test]
    async fn no_more_records_are_supplied_than_asked_for() {
        let mut supply = Supply::flat_out(bounds(Some(25)), 10);
        let mut counts = Vec::new();
        while let Some(due) = supply.next().await {
            counts.push(due.count);
        }
        assert_eq!(counts, [10, 10, 5]);
    }

    #[tokio::test]
    async fn no_more_records_are_supplied_than_there_is_room_for() {
        let mut supply = Supply::flat_out(bounds(Some(20)), 10);
        let mut counts = Vec::new();
        for room in [3, 30, 30, 30] {
            counts.push(supply.next_up_to(room).await.map(|due| due.count));
        }
        assert_eq!(counts, [Some(3), Some(10), Some(7), None]);
    }

    #[test]
    fn record_is_due_at_its_time_however_late_it_is_sent() {
        let schedule = Schedule::Paced { start: Duration::from_secs(1), records_per_second: 1000.0, first: 500 };
        assert_eq!(schedule.at(0), Duration::from_millis(1500));
        assert_eq!(schedule.at(250), Duration::from_millis(1750));
    }

    #[tokio::test]
    async fn paced_records_come_in_order_and_without_gaps() {
        let mut pacer = Pacer::default();
        let mut supply = Supply::paced(bounds(Some(500)), 100, 1e6, &mut pacer);
        let running = pacer.start(1e6);
        let mut expected = 0;
        while let Some(due) = supply.next().await {
            let Schedule::Paced { first, .. } = due.schedule else { unreachable!() };
            assert_eq!(first, expected);
            expected += due.count;
        }
        assert_eq!(expected, 500);
        drop(running);
    }
}
