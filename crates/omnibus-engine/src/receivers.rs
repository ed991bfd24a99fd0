//! Who waits for records of a queue, in order of arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use omnibus_model::command::Acquire;
use omnibus_model::queue::Lease;
use omnibus_model::topic::{Partition, QueuePlace};
use omnibus_model::{StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::error::SubmitError;

pub(crate) type ReceiveReply = oneshot::Sender<Result<Received, SubmitError>>;

/// What a receive got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Leases of each partition that has given some, in the order in which they shall be processed.
    pub batches: Vec<(Partition, Vec<Lease>)>,
    /// When they were granted: earlier than now if the receive is one that is repeated.
    pub granted_at: Timestamp,
}

impl Received {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.iter().all(|(_, leases)| leases.is_empty())
    }

    /// All leases, in order.
    pub fn leases(&self) -> impl Iterator<Item = Lease> {
        self.batches.iter().flat_map(|(_, leases)| leases.iter().copied())
    }
}

/// A wish for records of a queue.
#[derive(Debug)]
pub struct Receive {
    pub queue: QueuePlace,
    /// Of the queue's lowest partition; the others are asked for the same.
    pub acquire: Acquire,
    /// How long it may stay open if there is nothing; zero asks once.
    pub wait: Duration,
    pub reply: ReceiveReply,
}

/// One who waits.
#[derive(Debug)]
pub(crate) struct Receiver {
    place: Place,
    deadline: Duration,
    pub(crate) queue: QueuePlace,
    pub(crate) acquire: Acquire,
    pub(crate) reply: ReceiveReply,
}

/// A queue's lowest stream, and a number that grows with every arrival.
type Place = (StreamId, u64);

/// All who wait.
#[derive(Debug, Default)]
pub(crate) struct Receivers {
    by_place: BTreeMap<Place, Receiver>,
    by_deadline: BTreeSet<(Duration, Place)>,
    arrivals: u64,
}

impl Receivers {
    /// Lets somebody wait until `deadline`.
    pub(crate) fn push(&mut self, deadline: Duration, (queue, acquire): (QueuePlace, Acquire), reply: ReceiveReply) {
        self.arrivals += 1;
        let place = (queue.lowest.stream, self.arrivals);
        self.put_back(Receiver { place, deadline, queue, acquire, reply });
    }

    /// The queue that a stream is of, if somebody waits for it. Queues do not overlap, so it is the next below.
    pub(crate) fn queue_of(&self, stream: StreamId) -> Option<QueuePlace> {
        let (_, receiver) = self.by_place.range(..=(stream, u64::MAX)).next_back()?;
        receiver.queue.priority_of(stream).map(|_| receiver.queue)
    }

    /// Takes the first who waits for a queue, and forgets those before who hung up.
    pub(crate) fn pop_first(&mut self, queue: QueuePlace) -> Option<Receiver> {
        let stream = queue.lowest.stream;
        loop {
            let (place, _) = self.by_place.range((stream, 0)..=(stream, u64::MAX)).next()?;
            let receiver = self.remove(*place);
            if receiver.as_ref().is_some_and(|receiver| !receiver.reply.is_closed()) {
                return receiver;
            }
        }
    }

    /// Lets somebody wait on who was taken and got nothing, at the old place.
    pub(crate) fn put_back(&mut self, receiver: Receiver) {
        self.by_deadline.insert((receiver.deadline, receiver.place));
        self.by_place.insert(receiver.place, receiver);
    }

    /// The queues that somebody waits for.
    pub(crate) fn queues(&self) -> Vec<QueuePlace> {
        let mut queues = Vec::new();
        let mut next = self.by_place.iter().next();
        while let Some(((stream, _), receiver)) = next {
            queues.push(receiver.queue);
            let behind = (std::ops::Bound::Excluded((*stream, u64::MAX)), std::ops::Bound::Unbounded);
            next = self.by_place.range(behind).next();
        }
        queues
    }

    /// When the next has waited long enough.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Takes one who has waited long enough.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<Receiver> {
        let (deadline, place) = *self.by_deadline.first()?;
        if deadline > now { None } else { self.remove(place) }
    }

    /// Takes everybody.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Receiver> + use<> {
        self.by_deadline.clear();
        std::mem::take(&mut self.by_place).into_values()
    }

    fn remove(&mut self, place: Place) -> Option<Receiver> {
        let receiver = self.by_place.remove(&place)?;
        self.by_deadline.remove(&(receiver.deadline, place));
        Some(receiver)
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::{Millis, ShardId};

    use super::*;

    fn queue(stream: u64, highest: u8) -> QueuePlace {
        QueuePlace { lowest: Partition { stream: StreamId(stream), shard: ShardId(1) }, highest }
    }

    fn push(
        receivers: &mut Receivers,
        queue: QueuePlace,
        deadline: u64,
    ) -> oneshot::Receiver<Result<Received, SubmitError>> {
        let (reply, answer) = oneshot::channel();
        let stream = queue.lowest.stream;
        let acquire = Acquire { stream, count_max: 1, lease: Millis(1), holder: None, attempt: None };
        receivers.push(Duration::from_secs(deadline), (queue, acquire), reply);
        answer
    }

    #[test]
    fn who_came_first_is_first_and_who_hung_up_is_forgotten() {
        let mut receivers = Receivers::default();
        let (one, two) = (queue(1, 0), queue(2, 0));
        let gone = push(&mut receivers, one, 5);
        let (_second, _other) = (push(&mut receivers, one, 9), push(&mut receivers, two, 3));
        assert_eq!(receivers.queues(), [one, two]);
        drop(gone);
        let first = receivers.pop_first(one).unwrap();
        assert_eq!(first.deadline, Duration::from_secs(9));
        receivers.put_back(first);
        assert_eq!(receivers.next_deadline(), Some(Duration::from_secs(3)));
        assert!(receivers.pop_due(Duration::from_secs(3)).is_some());
        assert!(receivers.pop_due(Duration::from_secs(3)).is_none());
        assert_eq!(receivers.take_all().count(), 1);
        assert_eq!((receivers.next_deadline(), receivers.queues().len()), (None, 0));
    }

    #[test]
    fn who_waits_for_a_queue_waits_for_all_its_priorities() {
        let mut receivers = Receivers::default();
        let (plain, graded) = (queue(4, 0), queue(5, 2));
        let _waiting = (push(&mut receivers, plain, 5), push(&mut receivers, graded, 5));
        let found = |stream| receivers.queue_of(StreamId(stream));
        assert_eq!([3, 4, 5, 7, 8].map(found), [None, Some(plain), Some(graded), Some(graded), None]);
    }
}
