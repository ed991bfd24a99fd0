//! What is left of deleted topics (ADR 0046), and what else the end of a process may leave half done.

use std::collections::BTreeMap;

use omnibus_model::queue::{CursorConfig, QueueLimits};
use omnibus_model::topic::QueuePlace;
use omnibus_model::{Command, StreamId, TopicId, TopicName};
use tokio::sync::Mutex;

use crate::error::SubmitError;

/// What the end of the process cut short in one shard. A start that leads all shards finishes it before it serves.
#[derive(Clone, Debug, Default)]
pub struct Leftovers {
    /// Streams that belong to no topic.
    pub streams: Vec<StreamId>,
    /// Topics that groups remember and the catalog does not have, by the id that members know.
    pub topics: Vec<(TopicName, TopicId)>,
    /// Queues whose cursor is not there yet, or not as the catalog has it.
    pub cursors: Vec<(QueuePlace, CursorConfig, QueueLimits)>,
    /// Deleted topics whose names are free once that is done.
    pub names: Vec<(TopicName, TopicId)>,
}

impl Leftovers {
    /// What finishes it, in order.
    pub(crate) fn commands(&self) -> impl Iterator<Item = Command> {
        let dropped = self.streams.iter().map(|stream| Command::DropStream { stream: *stream });
        let forgotten = self.topics.iter().map(|(topic, id)| Command::ForgetTopic { topic: topic.clone(), id: *id });
        let released = self.names.iter().map(|(topic, id)| Command::ReleaseName { topic: topic.clone(), id: *id });
        let made = self.cursors.iter().flat_map(|(place, config, limits)| {
            let configured = place.streams().map(move |stream| Command::ConfigureCursor { stream, config: *config });
            configured.chain([Command::limit(*place, *limits)])
        });
        dropped.chain(forgotten).chain(released).chain(made)
    }
}

/// Who waits at this node for deleted topics to be forgotten.
#[derive(Debug, Default)]
pub(crate) struct Deleting {
    /// Whose turn it is to have them forgotten.
    pub(crate) turn: Mutex<()>,
    /// What somebody waits for and nobody here has finished, and why not, if it was tried.
    wanted: parking_lot::Mutex<BTreeMap<TopicId, Option<SubmitError>>>,
}

impl Deleting {
    pub(crate) fn want(&self, topic: TopicId) {
        self.wanted.lock().insert(topic, None);
    }

    /// Whether nobody here has finished it.
    ///
    /// # Errors
    /// Why somebody could not who tried it meanwhile: one after the other would have to wait for that again.
    pub(crate) fn wants(&self, topic: TopicId) -> Result<bool, SubmitError> {
        match self.wanted.lock().get(&topic) {
            Some(Some(error)) => Err(error.clone()),
            Some(None) => Ok(true),
            None => Ok(false),
        }
    }

    pub(crate) fn done(&self, topic: TopicId) {
        self.wanted.lock().remove(&topic);
    }

    pub(crate) fn failed(&self, error: &SubmitError) {
        self.wanted.lock().values_mut().for_each(|tried| *tried = Some(error.clone()));
    }
}
