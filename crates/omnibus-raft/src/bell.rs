//! Wakes whoever opens a log and writes meanwhile.

use parking_lot::{Condvar, Mutex};

/// Rung when the log got something to write, or a shard got a leader.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    pub fn ring(&self) {
        *self.rung.lock() = true;
        self.heard.notify_one();
    }

    /// Waits until somebody has rung since the last time.
    pub fn wait(&self) {
        let mut rung = self.rung.lock();
        while !std::mem::take(&mut *rung) {
            self.heard.wait(&mut rung);
        }
    }
}
