//! What queues are to AMQP's clients, read once for each state of a queue: every publish asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use omnibus_model::TopicId;
use omnibus_model::topic::SharedTopic;
use parking_lot::Mutex;

use crate::arguments::Nature;

/// Queues whose natures are kept at hand.
const KNOWN_MAX: usize = 4_096;

/// The natures of queues as they were when somebody asked last.
#[derive(Debug, Default)]
pub(crate) struct Natures {
    known: Mutex<BTreeMap<TopicId, (SharedTopic, Arc<Nature>)>>,
}

impl Natures {
    /// What a queue is as it is now; `None` if it is no queue.
    pub(crate) fn of(&self, topic: &SharedTopic) -> Option<Arc<Nature>> {
        let mut known = self.known.lock();
        if let Some((then, nature)) = known.get(&topic.id)
            && Arc::ptr_eq(then, topic)
        {
            return Some(Arc::clone(nature));
        }
        let nature = Arc::new(Nature::of(&topic.queue.as_deref()?.config));
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(topic.id, (Arc::clone(topic), Arc::clone(&nature)));
        Some(nature)
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::queue::Queue;
    use omnibus_model::topic::{Topic, TopicConfig};
    use omnibus_model::{Timestamp, TopicName};

    use super::*;
    use crate::arguments::{Declaration, QUEUE_TYPE};
    use crate::wire::{Table, Value};

    fn topic(kind: Option<&str>) -> SharedTopic {
        let queue = kind.map(|kind| {
            let arguments = Table::from([(QUEUE_TYPE, Value::text(kind))]);
            let wanted = Declaration { queue: "q".into(), is_durable: true, arguments, ..Declaration::default() };
            let made = wanted.made("me").unwrap();
            Box::new(Queue { config: made.config, limits: made.limits, altered_at: Timestamp(0) })
        });
        Arc::new(Topic {
            name: TopicName::new("q").unwrap(),
            id: TopicId(7),
            partitions: Vec::new(),
            config: TopicConfig::default(),
            created_at: Timestamp(0),
            queue,
            placed: Vec::new(),
        })
    }

    #[test]
    fn a_queue_that_has_changed_is_read_again() {
        let natures = Natures::default();
        let (before, after) = (topic(Some("classic")), topic(Some("quorum")));
        let first = natures.of(&before).unwrap();
        assert!(!first.is_quorum());
        assert!(Arc::ptr_eq(&first, &natures.of(&before).unwrap()));
        assert!(natures.of(&after).unwrap().is_quorum());
        assert!(natures.of(&topic(None)).is_none());
    }
}
