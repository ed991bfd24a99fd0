//! Queues that want something done which a shard cannot do by itself: records carried elsewhere,
//! envelopes read from the log.

use std::collections::BTreeSet;

use omnibus_model::topic::Partition;
use omnibus_model::{ShardId, StreamId};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// What all shards of a node tell those who do chores.
#[derive(Debug, Default)]
pub struct Chores {
    /// Queues that records are to leave.
    pub(crate) departures: Inbox,
    /// Queues that want to know envelopes.
    pub(crate) admissions: Inbox,
    /// Shards that this node has begun to lead.
    offices: Mutex<BTreeSet<ShardId>>,
    /// Shards that this node leads.
    led: watch::Sender<BTreeSet<ShardId>>,
}

impl Chores {
    /// Notes that this node has begun to lead a shard: what a leader before it has begun is to be finished.
    pub(crate) fn take_office(&self, shard: ShardId) {
        self.offices.lock().insert(shard);
        self.departures.bell.notify_one();
    }

    /// Notes that it was tried in vain; whoever does the next chore tries again.
    pub(crate) fn put_off(&self, shard: ShardId) {
        self.offices.lock().insert(shard);
    }

    /// Notes that this node leads a shard from now on.
    pub(crate) fn begin_to_lead(&self, shard: ShardId) {
        self.led.send_if_modified(|led| led.insert(shard));
    }

    /// Notes that this node leads a shard no more.
    pub(crate) fn end_to_lead(&self, shard: ShardId) {
        self.led.send_if_modified(|led| led.remove(&shard));
    }

    /// Begins to watch which shards this node leads.
    pub(crate) fn watch_led(&self) -> watch::Receiver<BTreeSet<ShardId>> {
        self.led.subscribe()
    }

    /// Takes all shards that this node has begun to lead.
    pub(crate) fn offices(&self) -> BTreeSet<ShardId> {
        std::mem::take(&mut *self.offices.lock())
    }
}

/// Queues, each at most once.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queues: Mutex<BTreeSet<(ShardId, StreamId)>>,
    bell: Notify,
}

impl Inbox {
    pub(crate) fn put(&self, queue: Partition) {
        if self.queues.lock().insert((queue.shard, queue.stream)) {
            self.bell.notify_one();
        }
    }

    /// Takes all that is there.
    pub(crate) fn take(&self) -> Vec<Partition> {
        let queues = std::mem::take(&mut *self.queues.lock());
        queues.into_iter().map(|(shard, stream)| Partition { stream, shard }).collect()
    }

    /// Waits until something is put in, unless that happened since it was waited for last.
    pub(crate) async fn filled(&self) {
        self.bell.notified().await;
    }
}
