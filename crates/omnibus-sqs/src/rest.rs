//! Queues that were purged or deleted a short while ago, for those who want AWS's rule.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use omnibus_model::{Millis, Timestamp};

use crate::names::QueueName;

const REST: Millis = Millis(60_000);

/// Names that are remembered at most; the oldest is forgotten first.
const NAMES_MAX: usize = 10_000;

/// When each queue was last purged, or deleted, as this node saw it.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    purged: Mutex<BTreeMap<QueueName, Timestamp>>,
    deleted: Mutex<BTreeMap<QueueName, Timestamp>>,
}

impl Rest {
    pub(crate) fn was_purged(&self, queue: &QueueName, now: Timestamp) -> bool {
        is_resting(&self.purged, queue, now)
    }

    pub(crate) fn was_deleted(&self, queue: &QueueName, now: Timestamp) -> bool {
        is_resting(&self.deleted, queue, now)
    }

    pub(crate) fn purge(&self, queue: &QueueName, now: Timestamp) {
        note(&self.purged, queue, now);
    }

    pub(crate) fn delete(&self, queue: &QueueName, now: Timestamp) {
        note(&self.deleted, queue, now);
    }
}

fn is_resting(names: &Mutex<BTreeMap<QueueName, Timestamp>>, queue: &QueueName, now: Timestamp) -> bool {
    let names = names.lock().unwrap_or_else(PoisonError::into_inner);
    names.get(queue).is_some_and(|at| now < at.plus(REST))
}

fn note(names: &Mutex<BTreeMap<QueueName, Timestamp>>, queue: &QueueName, now: Timestamp) {
    let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
    if names.len() >= NAMES_MAX {
        names.retain(|_, at| now < at.plus(REST));
    }
    if names.len() >= NAMES_MAX {
        names.pop_first();
    }
    names.insert(queue.clone(), now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_rests_for_a_minute() {
        let queue = QueueName { account: "0".to_owned(), region: "r".to_owned(), name: "q".to_owned() };
        let rest = Rest::default();
        assert!(!rest.was_purged(&queue, Timestamp(0)));
        rest.purge(&queue, Timestamp(0));
        assert!(rest.was_purged(&queue, Timestamp(59_999)));
        assert!(!rest.was_purged(&queue, Timestamp(60_000)));
        assert!(!rest.was_deleted(&queue, Timestamp(0)));
    }
}
