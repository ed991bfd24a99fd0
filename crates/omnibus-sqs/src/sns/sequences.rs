//! Numbers of messages in FIFO topics: each greater than all before it.

use std::sync::atomic::{AtomicU64, Ordering};

use omnibus_model::Timestamp;

/// As AWS's, they have twenty digits.
const FIRST: u64 = 10_000_000_000_000_000_000;

/// So many numbers belong to a millisecond; who needs more borrows from the next.
const PER_MILLISECOND: u64 = 1 << 20;

/// Draws sequence numbers. They go by the clock, so that they go on growing after a restart.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    last: AtomicU64,
}

impl Sequences {
    pub(crate) fn next(&self, now: Timestamp) -> u64 {
        let millis = u64::try_from(now.0).unwrap_or(0);
        let by_clock = FIRST.saturating_add(millis.saturating_mul(PER_MILLISECOND));
        let step = |last: u64| Some(by_clock.max(last.saturating_add(1)));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        let last = last.unwrap_or_else(|last| last);
        by_clock.max(last.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_even_if_the_clock_does_not() {
        let sequences = Sequences::default();
        let drawn = [5, 5, 4, 6, 6].map(|millis| sequences.next(Timestamp(1_700_000_000_000 + millis)));
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]), "{drawn:?}");
        assert!(drawn.iter().all(|number| number.to_string().len() == 20));
    }
}
