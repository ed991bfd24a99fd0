//! What was handed out to a consumer and waits for it.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use omnibus_model::queue::Lease;
use omnibus_model::{LogIndex, NodeId, StreamId};
use omnibus_record::Message;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::Notify;

/// What may wait of messages that need not be read, in one outbox.
const BYTES_AT_ONCE_MAX: usize = 64 << 10;

/// Why nothing comes any more. New ones go to the end: it is told to other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Ended {
    #[error("the consumer was cancelled")]
    Cancelled,
    #[error("the queue is gone")]
    QueueDeleted,
    #[error("a write to the log failed, this process acknowledges nothing more")]
    Broken,
    /// Another node serves the queue now. What was held was released there.
    #[error("the consumer is known no more to whoever leads the queue's shard")]
    NotLeader { leader: Option<NodeId> },
    #[error("the broker is shutting down")]
    Closing,
}

/// Leases of one partition of a queue, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) stream: StreamId,
    pub(crate) leases: VecDeque<Lease>,
    /// The records can be read where this entry is applied.
    pub(crate) at: LogIndex,
    /// Those of all leases, if they need not be read. They are never carried to other nodes.
    #[serde(skip)]
    pub(crate) messages: VecDeque<Message>,
}

/// What was handed out to a consumer and not taken yet: at most its credit.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    bell: Notify,
    /// Where it is told that there is something, if somebody looks after many.
    ringer: Option<Ringer>,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    /// Handed out and not taken, whether or not committed yet.
    promised: u64,
    /// How many batches come when they are committed.
    expected: u64,
    /// Of messages that need not be read.
    bytes: usize,
    ended: Option<Ended>,
}

impl Outbox {
    pub(crate) fn new(ringer: Option<Ringer>) -> Self {
        Self { ringer, ..Self::default() }
    }

    pub(crate) fn promised(&self) -> u64 {
        self.waiting.lock().promised
    }

    pub(crate) fn promise(&self, count: u64) {
        self.waiting.lock().promised += count;
    }

    /// Notes that so many of those that it was promised have been taken where they were carried.
    pub(crate) fn took(&self, count: u64) {
        let mut waiting = self.waiting.lock();
        waiting.promised = waiting.promised.saturating_sub(count);
    }

    /// Notes that a batch comes when it is committed.
    pub(crate) fn expect(&self) {
        self.waiting.lock().expected += 1;
    }

    /// Puts in what was expected.
    pub(crate) fn put_expected(&self, batch: Batch) {
        {
            let mut waiting = self.waiting.lock();
            waiting.expected = waiting.expected.saturating_sub(1);
        }
        self.put(batch);
    }

    pub(crate) fn put(&self, batch: Batch) {
        self.waiting.lock().batches.push_back(batch);
        self.ring();
    }

    /// Whether messages that need not be read would come to where they are taken: nothing is on its way that was handed
    /// out before them, and they do not go to another node.
    pub(crate) fn takes_at_once(&self) -> bool {
        self.ringer.is_none() && self.waiting.lock().expected == 0
    }

    /// Puts in messages that need not be read, if it takes such and not much waits already; else they are given back, to be
    /// read.
    ///
    /// # Errors
    /// The batch, without its messages.
    pub(crate) fn put_at_once(&self, batch: Batch, bytes: usize) -> Result<(), Batch> {
        {
            let mut waiting = self.waiting.lock();
            if waiting.expected > 0 || self.ringer.is_some() || waiting.bytes + bytes > BYTES_AT_ONCE_MAX {
                return Err(Batch { messages: VecDeque::new(), ..batch });
            }
            waiting.bytes += bytes;
            waiting.batches.push_back(batch);
        }
        self.ring();
        Ok(())
    }

    pub(crate) fn end(&self, ended: Ended) {
        self.waiting.lock().ended.get_or_insert(ended);
        self.ring();
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.waiting.lock().ended
    }

    /// Takes all that is there.
    pub(crate) fn take(&self) -> VecDeque<Batch> {
        let batches = {
            let mut waiting = self.waiting.lock();
            waiting.bytes = 0;
            std::mem::take(&mut waiting.batches)
        };
        self.took(batches.iter().map(|batch| batch.leases.len() as u64).sum());
        batches
    }

    /// Takes so many leases at most, to be carried elsewhere; says whether there are more.
    pub(crate) fn carry(&self, leases_max: usize) -> (Vec<Batch>, bool) {
        let mut waiting = self.waiting.lock();
        let (mut carried, mut left) = (Vec::new(), leases_max);
        while let Some(first) = waiting.batches.front_mut().filter(|_| left > 0) {
            let leases: VecDeque<Lease> = first.leases.drain(..first.leases.len().min(left)).collect();
            left -= leases.len();
            carried.push(Batch { stream: first.stream, leases, at: first.at, messages: VecDeque::new() });
            if first.leases.is_empty() {
                waiting.batches.pop_front();
            }
        }
        (carried, !waiting.batches.is_empty())
    }

    /// Waits until there is something, and takes all of it.
    ///
    /// # Errors
    /// [`Ended`] if there will be nothing more.
    pub(crate) async fn next(&self) -> Result<VecDeque<Batch>, Ended> {
        loop {
            let batches = self.take();
            if !batches.is_empty() {
                return Ok(batches);
            }
            match self.ended() {
                Some(ended) => return Err(ended),
                None => self.bell.notified().await,
            }
        }
    }

    /// Waits until nothing more comes.
    pub(crate) async fn until_ended(&self) -> Ended {
        loop {
            match self.ended() {
                Some(ended) => return ended,
                None => self.bell.notified().await,
            }
        }
    }

    fn ring(&self) {
        self.bell.notify_one();
        if let Some(Ringer { bells, number }) = &self.ringer {
            bells.ring(*number);
        }
    }
}

/// One of many outboxes.
#[derive(Clone, Debug)]
pub(crate) struct Ringer {
    pub(crate) bells: Arc<Bells>,
    pub(crate) number: u64,
}

/// Says which of many outboxes have something.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    ringing: Mutex<BTreeSet<u64>>,
    rung: Notify,
}

impl Bells {
    pub(crate) fn ring(&self, number: u64) {
        self.ringing.lock().insert(number);
        self.rung.notify_waiters();
    }

    /// Wakes whoever waits.
    pub(crate) fn wake(&self) {
        self.rung.notify_waiters();
    }

    /// The first that rings behind another; the ones before it come after all others.
    pub(crate) fn take_behind(&self, number: u64) -> Option<u64> {
        let mut ringing = self.ringing.lock();
        let behind = ringing.range((Bound::Excluded(number), Bound::Unbounded)).next().copied();
        let first = behind.or_else(|| ringing.first().copied())?;
        ringing.remove(&first);
        Some(first)
    }

    /// Waits for the next that rings from now on.
    pub(crate) fn rung(&self) -> tokio::sync::futures::Notified<'_> {
        self.rung.notified()
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::queue::LeaseKey;
    use omnibus_model::{LeaseEpoch, Offset, Timestamp};

    use super::*;

    fn batch(stream: u64, offsets: std::ops::Range<u64>) -> Batch {
        let lease = |offset| Lease {
            key: LeaseKey { offset: Offset(offset), epoch: LeaseEpoch(offset) },
            delivery_count: 1,
            first_delivered_at: Timestamp(0),
            deadline: Timestamp(0),
        };
        let leases = offsets.map(lease).collect();
        Batch { stream: StreamId(stream), leases, at: LogIndex(0), messages: VecDeque::new() }
    }

    #[test]
    fn what_is_carried_is_bounded_and_stays_in_order() {
        let outbox = Outbox::default();
        outbox.promise(5);
        outbox.put(batch(1, 0..3));
        outbox.put(batch(2, 3..5));
        assert_eq!(outbox.carry(2), (vec![batch(1, 0..2)], true));
        assert_eq!(outbox.carry(2), (vec![batch(1, 2..3), batch(2, 3..4)], true));
        assert_eq!(outbox.carry(2), (vec![batch(2, 4..5)], false));
        assert_eq!(outbox.promised(), 5, "nobody has them yet");
        outbox.took(3);
        assert_eq!(outbox.promised(), 2);
    }

    #[test]
    fn those_that_ring_are_looked_after_in_turn() {
        let bells = Bells::default();
        [1, 2, 3].into_iter().for_each(|number| bells.ring(number));
        assert_eq!(bells.take_behind(1), Some(2));
        bells.ring(2);
        assert_eq!(bells.take_behind(2), Some(3));
        assert_eq!(bells.take_behind(3), Some(1));
        assert_eq!(bells.take_behind(1), Some(2));
        assert_eq!(bells.take_behind(2), None);
    }
}
