//! How much a queue takes, changed while it is there.

use omnibus_model::config::ConfigChange;
use omnibus_model::queue::QueueLimits;
use omnibus_model::topic::SharedTopic;
use omnibus_model::{Command, TopicName};

use crate::engine::Engine;
use crate::error::SubmitError;

/// Whether a data shard is told of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Always,
    /// A new queue has none.
    IfAny,
}

impl Engine {
    /// Changes how much a queue takes and for how long it keeps it. What is there already came now, and its bytes do
    /// not count.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn limit_queue(
        &self,
        name: TopicName,
        change: ConfigChange<QueueLimits>,
    ) -> Result<SharedTopic, SubmitError> {
        let topic = self.change_topic(Command::LimitQueue { topic: name, change }).await?;
        self.configure_cursor(topic, Told::Always).await
    }
}
