//! Who waits for records of a queue, in order of arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use omnibus_model::StreamId;
use omnibus_model::command::Acquire;
use omnibus_model::outcome::Acquired;
use tokio::sync::oneshot;

use crate::error::SubmitError;

pub(crate) type ReceiveReply = oneshot::Sender<Result<Acquired, SubmitError>>;

/// A wish for records of a queue.
#[derive(Debug)]
pub struct Receive {
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
    pub(crate) acquire: Acquire,
    pub(crate) reply: ReceiveReply,
}

/// A queue, and a number that grows with every arrival.
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
    pub(crate) fn push(&mut self, deadline: Duration, acquire: Acquire, reply: ReceiveReply) {
        self.arrivals += 1;
        let place = (acquire.stream, self.arrivals);
        self.put_back(Receiver { place, deadline, acquire, reply });
    }

    /// Takes the first who waits for a queue, and forgets those before who hung up.
    pub(crate) fn pop_first(&mut self, stream: StreamId) -> Option<Receiver> {
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
    pub(crate) fn queues(&self) -> Vec<StreamId> {
        let mut queues = Vec::new();
        let mut next = self.by_place.keys().next();
        while let Some((stream, _)) = next {
            queues.push(*stream);
            let behind = (std::ops::Bound::Excluded((*stream, u64::MAX)), std::ops::Bound::Unbounded);
            next = self.by_place.range(behind).next().map(|(place, _)| place);
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
    use super::*;
    use omnibus_model::Millis;

    fn push(receivers: &mut Receivers, stream: u64, deadline: u64) -> oneshot::Receiver<Result<Acquired, SubmitError>> {
        let (reply, answer) = oneshot::channel();
        let stream = StreamId(stream);
        let acquire = Acquire { stream, count_max: 1, lease: Millis(1), holder: None, attempt: None };
        receivers.push(Duration::from_secs(deadline), acquire, reply);
        answer
    }

    #[test]
    fn who_came_first_is_first_and_who_hung_up_is_forgotten() {
        let mut receivers = Receivers::default();
        let gone = push(&mut receivers, 1, 5);
        let (_second, _other) = (push(&mut receivers, 1, 9), push(&mut receivers, 2, 3));
        assert_eq!(receivers.queues(), [StreamId(1), StreamId(2)]);
        drop(gone);
        let first = receivers.pop_first(StreamId(1)).unwrap();
        assert_eq!(first.deadline, Duration::from_secs(9));
        receivers.put_back(first);
        assert_eq!(receivers.next_deadline(), Some(Duration::from_secs(3)));
        assert!(receivers.pop_due(Duration::from_secs(3)).is_some());
        assert!(receivers.pop_due(Duration::from_secs(3)).is_none());
        assert_eq!(receivers.take_all().count(), 1);
        assert_eq!((receivers.next_deadline(), receivers.queues().len()), (None, 0));
    }
}
