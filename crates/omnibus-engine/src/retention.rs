//! What a topic's retention no longer keeps.

use omnibus_model::topic::{EffectiveConfig, Limit, SharedTopic};
use omnibus_model::{Millis, Offset};

use crate::engine::Engine;
use crate::error::SubmitError;

/// Forgets what a topic's retention no longer keeps, in the shards that this node leads.
pub(crate) async fn retain(engine: &Engine, topic: &SharedTopic) -> Result<(), SubmitError> {
    let config = topic.config.effective(&engine.config_defaults());
    if !config.cleanup.deletes() {
        return Ok(());
    }
    for partition in topic.partitions.iter().filter(|partition| engine.leads(partition.shard)) {
        let from = retained_from(engine, &config, partition.stream);
        if from > engine.bounds(partition.stream).start {
            engine.trim(partition.shard, partition.stream, from).await?;
        }
    }
    Ok(())
}

/// Where a stream would begin if its topic's limits were all that counts.
pub(crate) fn retained_from(engine: &Engine, config: &EffectiveConfig, stream: omnibus_model::StreamId) -> Offset {
    let not_before = match config.retention_time {
        Limit::AtMost(millis) => Some(engine.now().minus(Millis(millis))),
        Limit::Unlimited => None,
    };
    let bytes_max = match config.retention_bytes {
        Limit::AtMost(bytes) => Some(bytes),
        Limit::Unlimited => None,
    };
    let unlimited = not_before.is_none() && bytes_max.is_none();
    if unlimited { Offset::ZERO } else { engine.inner.log.retained_from(stream, not_before, bytes_max) }
}
