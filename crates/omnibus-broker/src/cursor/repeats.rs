//! What must be recognised if it is asked again: sends, moved records and receives.

use std::collections::{BTreeMap, VecDeque};

use omnibus_model::queue::{LeaseKey, Origin};
use omnibus_model::{AttemptHash, DedupHash, Millis, Offset, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a receive may be repeated.
const ATTEMPT_WINDOW: Millis = Millis(5 * 60 * 1_000);
/// The most receives that are remembered; the oldest go first.
const ATTEMPTS_MAX: usize = 10_000;
/// What is over is forgotten this much later, so that it need not be one tick each.
const SLACK: Millis = Millis(10_000);

/// The memory of one queue for repetitions.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Repeats {
    sent: BTreeMap<DedupHash, (Offset, Timestamp)>,
    /// Oldest first; an id that was sent again after its window stands here twice.
    sent_order: VecDeque<(Timestamp, DedupHash)>,
    origins: BTreeMap<Origin, Offset>,
    attempts: BTreeMap<AttemptHash, Attempt>,
    attempts_order: VecDeque<(Timestamp, AttemptHash)>,
}

/// A receive that may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    until: Timestamp,
    /// What it got, with the deadlines it was told.
    pub(super) leases: Vec<(LeaseKey, Timestamp)>,
}

impl Attempt {
    /// When it got its leases.
    pub(super) fn granted_at(&self) -> Timestamp {
        self.until.minus(ATTEMPT_WINDOW)
    }
}

impl Repeats {
    pub(super) fn sent(&self, now: Timestamp, id: DedupHash) -> Option<Offset> {
        self.sent.get(&id).filter(|(_, until)| now < *until).map(|(offset, _)| *offset)
    }

    pub(super) fn sent_len(&self) -> usize {
        self.sent_order.len()
    }

    pub(super) fn note_sent(&mut self, id: DedupHash, offset: Offset, until: Timestamp) {
        self.sent.insert(id, (offset, until));
        self.sent_order.push_back((until, id));
    }

    /// Forgets all but the origins; returns whether there was anything.
    pub(super) fn forget_sends_and_attempts(&mut self) -> bool {
        let any = !self.sent_order.is_empty() || !self.attempts_order.is_empty();
        *self = Self { origins: std::mem::take(&mut self.origins), ..Self::default() };
        any
    }

    pub(super) fn from(&self, origin: Origin) -> Option<Offset> {
        self.origins.get(&origin).copied()
    }

    pub(super) fn origins(&self) -> impl Iterator<Item = Origin> {
        self.origins.keys().copied()
    }

    pub(super) fn origins_len(&self) -> usize {
        self.origins.len()
    }

    pub(super) fn note_origin(&mut self, origin: Origin, offset: Offset) {
        self.origins.insert(origin, offset);
    }

    /// Returns whether it was known.
    pub(super) fn forget_origin(&mut self, origin: Origin) -> bool {
        self.origins.remove(&origin).is_some()
    }

    pub(super) fn attempt(&self, now: Timestamp, id: AttemptHash) -> Option<&Attempt> {
        self.attempts.get(&id).filter(|attempt| now < attempt.until)
    }

    pub(super) fn note_attempt(&mut self, now: Timestamp, id: AttemptHash, leases: Vec<(LeaseKey, Timestamp)>) {
        let until = now.plus(ATTEMPT_WINDOW);
        self.attempts.insert(id, Attempt { until, leases });
        self.attempts_order.push_back((until, id));
        if self.attempts_order.len() > ATTEMPTS_MAX {
            self.drop_attempt();
        }
    }

    /// The same leases with new deadlines; how long it may be repeated does not change.
    pub(super) fn renew_attempt(&mut self, id: AttemptHash, deadline: Timestamp) {
        let attempt = self.attempts.get_mut(&id).expect("the attempt was just found");
        attempt.leases.iter_mut().for_each(|(_, until)| *until = deadline);
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let sent = self.sent_order.front().map(|(until, _)| *until);
        let attempt = self.attempts_order.front().map(|(until, _)| *until);
        sent.into_iter().chain(attempt).min().map(|until| until.plus(SLACK))
    }

    /// Forgets up to `items_max` of what is over; returns how many.
    pub(super) fn tick(&mut self, now: Timestamp, items_max: u32) -> u32 {
        let mut done = 0;
        if self.next_deadline().is_none_or(|deadline| deadline > now) {
            return done;
        }
        while done < items_max && self.sent_order.front().is_some_and(|(until, _)| *until <= now) {
            let (until, id) = self.sent_order.pop_front().expect("there was a first");
            if self.sent.get(&id).is_some_and(|(_, latest)| *latest == until) {
                self.sent.remove(&id);
            }
            done += 1;
        }
        while done < items_max && self.attempts_order.front().is_some_and(|(until, _)| *until <= now) {
            self.drop_attempt();
            done += 1;
        }
        done
    }

    fn drop_attempt(&mut self) {
        let Some((until, id)) = self.attempts_order.pop_front() else { return };
        if self.attempts.get(&id).is_some_and(|attempt| attempt.until == until) {
            self.attempts.remove(&id);
        }
    }
}
