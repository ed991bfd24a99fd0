//! What the engine counts, for metrics. All only ever grow.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub struct Counters {
    pub batches_appended: Count,
    pub records_appended: Count,
    pub bytes_appended: Count,
    pub bytes_read: Count,
    pub entries_proposed: Count,
    pub commands_refused: Count,
    pub pushes_begun: Count,
    /// Of those that ended: taken, to be tried again, and given up.
    pub pushes_accepted: Count,
    pub pushes_failed: Count,
    pub pushes_refused: Count,
}

/// One count.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
