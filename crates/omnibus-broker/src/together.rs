//! Queues with priorities that take only so much: which streams have their bounds together.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use omnibus_model::{StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::agenda::{Agenda, Due};

/// What has more than it may is due at once.
const AT_ONCE: Timestamp = Timestamp(0);

/// Bounded queues with priorities, by their lowest streams.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Together {
    by_lowest: BTreeMap<StreamId, Bounded>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bounded {
    highest: u8,
    /// Whether the agenda knows that it has too much.
    is_due: bool,
}

impl Together {
    /// The streams of the bounded queue with priorities that a stream is of.
    pub(crate) fn of(&self, stream: StreamId) -> Option<RangeInclusive<StreamId>> {
        let (lowest, bounded) = self.by_lowest.range(..=stream).next_back()?;
        Some(streams(*lowest, bounded.highest)).filter(|streams| streams.contains(&stream))
    }

    /// Notes that streams have their bounds together, which have none with others.
    pub(crate) fn join(&mut self, lowest: StreamId, highest: u8) {
        self.by_lowest.insert(lowest, Bounded { highest, is_due: false });
    }

    /// Notes that the streams of a queue have no bounds together any more.
    pub(crate) fn part(&mut self, agenda: &mut Agenda, lowest: StreamId) {
        if self.by_lowest.remove(&lowest).is_some_and(|bounded| bounded.is_due) {
            agenda.remove(AT_ONCE, Due::Overflow(lowest));
        }
    }

    /// Sees to it that a tick goes on with a queue that has too much.
    pub(crate) fn keep_appointment(&mut self, agenda: &mut Agenda, lowest: StreamId) {
        if let Some(bounded) = self.by_lowest.get_mut(&lowest).filter(|bounded| !bounded.is_due) {
            bounded.is_due = true;
            agenda.add(AT_ONCE, Due::Overflow(lowest));
        }
    }

    /// Notes that the agenda has woken a queue.
    pub(crate) fn woken(&mut self, lowest: StreamId) {
        if let Some(bounded) = self.by_lowest.get_mut(&lowest) {
            bounded.is_due = false;
        }
    }

    /// Their streams, queue by queue.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RangeInclusive<StreamId>> {
        self.by_lowest.iter().map(|(lowest, bounded)| streams(*lowest, bounded.highest))
    }

    /// # Panics
    /// If the agenda does not know what it should, or a stream is of two queues.
    pub(crate) fn audit(&self, agenda: &Agenda) {
        let mut before = None;
        for (lowest, bounded) in &self.by_lowest {
            assert!(before.is_none_or(|last| last < *lowest), "{lowest} is of one queue");
            before = Some(*streams(*lowest, bounded.highest).end());
            let is_due = agenda.has_by(AT_ONCE, &Due::Overflow(*lowest));
            assert_eq!(is_due, bounded.is_due, "the agenda knows of the queue of {lowest}");
        }
    }
}

/// The streams of a queue with so many priorities above 0.
pub(crate) const fn streams(lowest: StreamId, highest: u8) -> RangeInclusive<StreamId> {
    lowest..=StreamId(lowest.0.saturating_add(highest as u64))
}
