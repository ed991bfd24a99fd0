//! What is left of deleted topics.
//!
//! Their names nobody may take yet: offsets are kept under a topic's name. If the name were taken at once, a group could find
//! its old offsets in the new topic, or the forgetting could take its new ones. Nothing of this
//! is on disk: a start finishes all forgetting before it serves (ADR 0025).

use std::collections::BTreeSet;

use omnibus_model::queue::CursorConfig;
use omnibus_model::{Bug, planted};
use omnibus_model::{Command, Outcome, Refusal, StreamId, TopicId, TopicName};

/// What the end of the process cut short in one shard.
#[derive(Clone, Debug, Default)]
pub struct Leftovers {
    /// Streams that belong to no topic.
    pub streams: Vec<StreamId>,
    /// Topics that groups remember and the catalog does not have, by the id that members know.
    pub topics: Vec<(TopicName, TopicId)>,
    /// Queues whose cursor is not there yet, or not as the catalog has it.
    pub cursors: Vec<(StreamId, CursorConfig)>,
}

/// The names.
#[derive(Debug, Default)]
pub(crate) struct Departing {
    names: BTreeSet<TopicName>,
}

impl Departing {
    /// Refuses to give a name away too early.
    ///
    /// # Errors
    /// [`Refusal::TopicExists`].
    pub(crate) fn check(&self, command: &Command) -> Result<(), Refusal> {
        let name = match command {
            Command::CreateTopic(wish) => &wish.name,
            Command::CreateQueue(wish) | Command::CreatePriorityQueue { create: wish, .. } => &wish.name,
            _ => return Ok(()),
        };
        if self.names.contains(name) && !planted(Bug::NameFreeEarly) {
            return Err(Refusal::TopicExists { topic: name.clone() });
        }
        Ok(())
    }

    /// Keeps the name of a topic that was just deleted.
    pub(crate) fn note(&mut self, outcome: &Outcome) {
        if let Outcome::TopicDeleted { topic } = outcome {
            self.names.insert(topic.name.clone());
        }
    }

    /// Gives a name free that everybody has forgotten.
    pub(crate) fn release(&mut self, name: &TopicName) {
        self.names.remove(name);
    }
}
