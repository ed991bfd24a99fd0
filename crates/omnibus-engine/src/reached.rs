//! How far this node has applied each shard's log.

use std::sync::atomic::{AtomicU64, Ordering};

use omnibus_model::{LogIndex, ShardId};
use tokio::sync::Notify;

/// By shard, the newest entry whose effects can be seen here.
#[derive(Debug)]
pub struct Reached {
    shards: Vec<Place>,
}

#[derive(Debug, Default)]
struct Place {
    newest: AtomicU64,
    bell: Notify,
}

impl Reached {
    /// For so many shards, none of which has applied anything.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self { shards: (0..shards).map(|_| Place::default()).collect() }
    }

    pub(crate) fn note(&self, shard: ShardId, index: LogIndex) {
        let place = self.of(shard);
        place.newest.store(index.0, Ordering::SeqCst);
        // Nobody waits at a node that leads.
        place.bell.notify_waiters();
    }

    pub(crate) fn newest(&self, shard: ShardId) -> LogIndex {
        LogIndex(self.of(shard).newest.load(Ordering::SeqCst))
    }

    /// Waits until an entry is applied here.
    pub(crate) async fn wait(&self, shard: ShardId, index: LogIndex) {
        loop {
            // The bell counts from here on, so nothing is missed between the look and the wait.
            let rung = self.of(shard).bell.notified();
            if self.newest(shard) >= index {
                return;
            }
            rung.await;
        }
    }

    fn of(&self, shard: ShardId) -> &Place {
        &self.shards[usize::from(shard.0)]
    }
}
