//! How far a group has read, and for how long that is remembered.

use std::collections::BTreeMap;

use omnibus_model::group::{CommittedOffset, TopicPartition};
use omnibus_model::{Millis, PartitionIndex, Timestamp, TopicName};
use serde::{Deserialize, Serialize};

/// Who reads, which decides what may be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Readers {
    /// Members that read nobody knows what, or that are between two rounds: all is kept.
    Unclear,
    /// Nobody, since then: all expires.
    Nobody(Timestamp),
    /// Members whose topics are known, as of this round: what they do not read expires.
    Known(i32),
}

/// A committed offset and the wish of an old client for how long it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    committed: CommittedOffset,
    expires_at: Option<Timestamp>,
}

/// The offsets of one group.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offsets {
    by_topic: BTreeMap<TopicName, BTreeMap<PartitionIndex, Stored>>,
    /// Whom `deadline` was computed for.
    readers: Readers,
    /// When the first of them expires; may be early, never late.
    deadline: Option<Timestamp>,
}

/// What decides over the offsets' lives.
#[derive(Clone, Copy)]
pub(crate) struct Keeping<'a> {
    pub(crate) readers: Readers,
    /// Whether a topic is read, if the readers are known.
    pub(crate) reads: &'a dyn Fn(&TopicName) -> bool,
    pub(crate) retention: Millis,
}

impl Offsets {
    pub(crate) const fn new() -> Self {
        Self { by_topic: BTreeMap::new(), readers: Readers::Unclear, deadline: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    pub(crate) const fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    pub(crate) fn get(&self, partition: &TopicPartition) -> Option<&CommittedOffset> {
        Some(&self.by_topic.get(&partition.topic)?.get(&partition.partition)?.committed)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TopicPartition, &CommittedOffset)> {
        self.by_topic.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(|(partition, stored)| {
                (TopicPartition { topic: topic.clone(), partition: *partition }, &stored.committed)
            })
        })
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.by_topic.keys()
    }

    /// Remembers an offset; its age counts from its own stamp.
    pub(crate) fn commit(
        &mut self,
        partition: &TopicPartition,
        committed: CommittedOffset,
        expires_at: Option<Timestamp>,
        keeping: &Keeping<'_>,
    ) {
        let stored = Stored { committed, expires_at };
        self.watch(keeping.deadline(&partition.topic, &stored));
        self.by_topic.entry(partition.topic.clone()).or_default().insert(partition.partition, stored);
    }

    /// Forgets one offset; false if there is none.
    pub(crate) fn delete(&mut self, partition: &TopicPartition) -> bool {
        let Some(partitions) = self.by_topic.get_mut(&partition.topic) else {
            return false;
        };
        let deleted = partitions.remove(&partition.partition).is_some();
        if partitions.is_empty() {
            self.by_topic.remove(&partition.topic);
        }
        deleted
    }

    /// Forgets a whole topic; false if there is nothing to forget.
    pub(crate) fn forget_topic(&mut self, topic: &TopicName) -> bool {
        self.by_topic.remove(topic).is_some()
    }

    /// Computes the deadline anew if others read than before.
    pub(crate) fn readers_may_have_changed(&mut self, keeping: &Keeping<'_>) {
        if self.readers != keeping.readers {
            self.readers = keeping.readers;
            self.expire(Timestamp(i64::MIN), keeping);
        }
    }

    /// Forgets what has expired by `now`.
    pub(crate) fn expire(&mut self, now: Timestamp, keeping: &Keeping<'_>) {
        let mut first = None::<Timestamp>;
        self.by_topic.retain(|topic, partitions| {
            partitions.retain(|_, stored| match keeping.deadline(topic, stored) {
                Some(deadline) if deadline <= now => false,
                Some(deadline) => {
                    first = Some(first.map_or(deadline, |first| first.min(deadline)));
                    true
                }
                None => true,
            });
            !partitions.is_empty()
        });
        self.deadline = first;
    }

    fn watch(&mut self, deadline: Option<Timestamp>) {
        self.deadline = match (self.deadline, deadline) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
    }
}

impl Keeping<'_> {
    fn deadline(&self, topic: &TopicName, stored: &Stored) -> Option<Timestamp> {
        let committed_at = stored.committed.committed_at;
        let counted_from = match self.readers {
            Readers::Unclear => return None,
            Readers::Nobody(since) => since.max(committed_at),
            Readers::Known(_) if (self.reads)(topic) => return None,
            Readers::Known(_) => committed_at,
        };
        Some(stored.expires_at.unwrap_or_else(|| counted_from.plus(self.retention)))
    }
}
