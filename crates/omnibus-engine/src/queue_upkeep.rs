//! What a queue no longer keeps: records that are too old, and those that nobody will ask for.

use omnibus_model::queue::{History, QueueConfig};
use omnibus_model::topic::{Partition, SharedTopic};
use omnibus_model::{Command, Offset, Outcome};

use crate::engine::Engine;
use crate::error::SubmitError;
use crate::retention::{self, Looks, retained_from};

/// Lets what is too old expire, and forgets what is gone unless the queue keeps its history.
pub(crate) async fn retain(engine: &Engine, topic: &SharedTopic) -> Result<(), SubmitError> {
    let Some((queue_place, queue)) = topic.queue_place().zip(topic.queue.as_ref()) else { return Ok(()) };
    if queue.config.cursor.history == History::Retained {
        for place in queue_place.partitions().filter(|place| engine.leads(place.shard)) {
            // Nobody is given it any more, whether it stays or not.
            expire(engine, place, &queue.config).await?;
        }
        return retention::retain(engine, topic, Looks::AtBytesAndTime).await;
    }
    for place in queue_place.partitions() {
        retain_partition(engine, (topic, &queue.config), place).await?;
    }
    Ok(())
}

/// Does so for a part of the queue, if this node leads its shard.
async fn retain_partition(
    engine: &Engine,
    (topic, queue): (&SharedTopic, &QueueConfig),
    place: Partition,
) -> Result<(), SubmitError> {
    if !engine.leads(place.shard) {
        return Ok(());
    }
    let stream = place.stream;
    let bounds = engine.bounds(stream);
    // A hundred thousand queues may have nothing in them.
    if bounds.start == bounds.end {
        return Ok(());
    }
    expire(engine, place, queue).await?;
    let floor = engine.ask(place.shard, move |broker| broker.queue_floor(stream)).await?;
    let Some(floor) = floor else { return Ok(()) };
    let before = match queue.cursor.history {
        History::Trimmed => floor,
        // The topic's own retention says how long the past is kept.
        History::Kept | History::Retained => floor.min(past_from(engine, topic, place)),
    };
    if before > engine.bounds(stream).start {
        engine.trim(place.shard, stream, before).await?;
    }
    Ok(())
}

/// Lets records expire that came before the queue's retention.
async fn expire(engine: &Engine, place: Partition, queue: &QueueConfig) -> Result<(), SubmitError> {
    let stream = place.stream;
    let Some(retention) = queue.retention else { return Ok(()) };
    let before = engine.inner.log.retained_from(stream, Some(engine.now().minus(retention)), None);
    if before <= engine.bounds(stream).start {
        return Ok(());
    }
    match engine.submit(place.shard, Command::ExpireBefore { stream, before }).await? {
        // How far it went at once; the rest goes next time.
        Outcome::Expired { .. } => Ok(()),
        other => unreachable!("expiring ended in {other:?}"),
    }
}

fn past_from(engine: &Engine, topic: &SharedTopic, place: Partition) -> Offset {
    let config = topic.config.effective(&engine.config_defaults());
    if config.cleanup.deletes() {
        retained_from(engine, (&config, Looks::AtBytesAndTime), place.stream)
    } else {
        Offset::ZERO
    }
}
