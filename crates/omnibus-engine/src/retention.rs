//! What a topic's retention no longer keeps.

use omnibus_log::Room;
use omnibus_model::topic::{EffectiveConfig, Limit, SharedTopic};
use omnibus_model::{Millis, Offset};

use crate::engine::{Engine, EngineConfig};
use crate::error::SubmitError;

/// Which of a topic's limits a round looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    AtBytes,
    AtBytesAndTime,
}

/// Which round comes next: only now and then one looks at the time.
#[derive(Debug)]
pub(crate) struct Rounds {
    until_time: u32,
    of_bytes: u32,
}

impl Rounds {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        let interval = config.housekeeping_interval.as_nanos().max(1);
        let all = config.retention_time_interval.as_nanos() / interval;
        let of_bytes = u32::try_from(all).unwrap_or(u32::MAX).saturating_sub(1);
        // Who starts anew again and again looks, too.
        Self { until_time: of_bytes.min(1), of_bytes }
    }

    /// Where the disk has no room to spare every round looks at all.
    pub(crate) fn next(&mut self, room: Room) -> Looks {
        if room != Room::Plenty {
            return Looks::AtBytesAndTime;
        }
        if let Some(left) = self.until_time.checked_sub(1) {
            self.until_time = left;
            return Looks::AtBytes;
        }
        self.until_time = self.of_bytes;
        Looks::AtBytesAndTime
    }
}

/// Forgets what a topic's retention no longer keeps, in the shards that this node leads.
pub(crate) async fn retain(engine: &Engine, topic: &SharedTopic, looks: Looks) -> Result<(), SubmitError> {
    let config = topic.config.effective(&engine.config_defaults());
    if !config.cleanup.deletes() {
        return Ok(());
    }
    for partition in topic.partitions.iter().filter(|partition| engine.leads(partition.shard)) {
        let from = retained_from(engine, (&config, looks), partition.stream);
        if from > engine.bounds(partition.stream).start {
            engine.trim(partition.shard, partition.stream, from).await?;
        }
    }
    Ok(())
}

/// Where a stream would begin if those limits of its topic were all that counts.
pub(crate) fn retained_from(
    engine: &Engine,
    (config, looks): (&EffectiveConfig, Looks),
    stream: omnibus_model::StreamId,
) -> Offset {
    let not_before = match (looks, config.retention_time) {
        (Looks::AtBytesAndTime, Limit::AtMost(millis)) => Some(engine.now().minus(Millis(millis))),
        (Looks::AtBytes, _) | (_, Limit::Unlimited) => None,
    };
    let bytes_max = match config.retention_bytes {
        Limit::AtMost(bytes) => Some(bytes),
        Limit::Unlimited => None,
    };
    let unlimited = not_before.is_none() && bytes_max.is_none();
    if unlimited { Offset::ZERO } else { engine.inner.log.retained_from(stream, not_before, bytes_max) }
}
