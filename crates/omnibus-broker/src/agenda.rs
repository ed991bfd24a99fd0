//! What will be due when: an index, so that the next deadline costs one look.

use std::collections::BTreeSet;

use omnibus_model::{GroupName, ProducerId, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

/// Something that wants to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Due {
    /// A producer that may have been silent for too long.
    Producer(StreamId, ProducerId),
    /// The tombstone of a dropped stream.
    Tombstone(StreamId),
    /// A group with a timer.
    Group(GroupName),
    /// A queue with a lease or a delay.
    Queue(StreamId),
    /// A queue with priorities, by its lowest stream, that has more than it may.
    Overflow(StreamId),
}

/// Deadlines in order. Entries may be early, never late: whoever is woken looks again.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Agenda {
    entries: BTreeSet<(Timestamp, Due)>,
}

impl Agenda {
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.entries.first().map(|(at, _)| *at)
    }

    pub(crate) fn add(&mut self, at: Timestamp, due: Due) {
        self.entries.insert((at, due));
    }

    pub(crate) fn remove(&mut self, at: Timestamp, due: Due) {
        let known = self.entries.remove(&(at, due));
        assert!(known, "the agenda lost an entry");
    }

    /// Whether something is due by `latest`, for audits: it looks at everything until then.
    pub(crate) fn has_by(&self, latest: Timestamp, due: &Due) -> bool {
        self.entries.iter().take_while(|(at, _)| *at <= latest).any(|(_, other)| other == due)
    }

    /// Takes the earliest entry if it is due by `now`.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Due> {
        if self.next_deadline()? > now {
            return None;
        }
        self.entries.pop_first().map(|(_, due)| due)
    }
}
