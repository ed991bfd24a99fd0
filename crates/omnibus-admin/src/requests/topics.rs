//! Topics: list, create, describe, alter, delete.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use omnibus_admin_api::topic::{PartitionView, TopicAlter, TopicCreate, TopicLine, TopicList, TopicView};
use omnibus_admin_api::{Code, Problem};
use omnibus_engine::Engine;
use omnibus_model::command::CreateTopic;
use omnibus_model::config::ConfigChange;
use omnibus_model::queue::{History, Queue};
use omnibus_model::topic::{Partition, SharedTopic, Topic, TopicConfig};
use omnibus_model::{TopicId, TopicName};

use crate::errors::{Answer, Failure};
use crate::node::SharedNode;
use crate::topic_config;

/// Kafka's limit, which its clients check.
const NAME_BYTES_MAX: usize = 249;

pub(crate) async fn list(State(node): State<SharedNode>) -> Json<TopicList> {
    let line = |topic: SharedTopic| {
        let (records, bytes) = totals(&node.engine, &topic);
        TopicLine {
            name: topic.name.to_string(),
            id: id(topic.id),
            partitions: partition_count(&topic),
            records,
            bytes,
        }
    };
    Json(TopicList { topics: node.engine.catalog().topics().into_iter().map(line).collect() })
}

pub(crate) async fn describe(State(node): State<SharedNode>, Path(name): Path<String>) -> Answer<TopicView> {
    let topic = find(&node.engine, &name)?;
    Ok(Json(view(&node.engine, &topic)))
}

pub(crate) async fn create(
    State(node): State<SharedNode>,
    body: Result<Json<TopicCreate>, JsonRejection>,
) -> Result<(StatusCode, Json<TopicView>), Failure> {
    let Json(create) = body?;
    let mut config = TopicConfig::default();
    for (key, value) in &create.config {
        topic_config::choose(&mut config, key, Some(value))?;
    }
    let command = CreateTopic {
        name: checked_name(&create.name)?,
        id: TopicId(node.engine.random()),
        partitions: create.partitions.unwrap_or(node.partitions_default),
        config,
    };
    let topic = node.engine.create_topic(command).await?;
    Ok((StatusCode::CREATED, Json(view(&node.engine, &topic))))
}

pub(crate) async fn alter(
    State(node): State<SharedNode>,
    Path(name): Path<String>,
    body: Result<Json<TopicAlter>, JsonRejection>,
) -> Answer<TopicView> {
    let Json(alter) = body?;
    let engine = &node.engine;
    let mut topic = find(engine, &name)?;
    check_configurable(&topic)?;
    let mut config = topic.config.clone();
    for (key, value) in &alter.config {
        topic_config::choose(&mut config, key, value.as_deref())?;
    }
    if config != topic.config {
        let change = ConfigChange { before: topic.config.clone(), after: config };
        topic = engine.alter_topic(topic.name.clone(), change).await?;
    }
    if let Some(total) = alter.partitions.filter(|total| *total != partition_count(&topic)) {
        topic = engine.add_partitions(topic.name.clone(), total).await?;
    }
    Ok(Json(view(engine, &topic)))
}

/// Refuses settings that would do nothing: only the past of a queue is kept as a topic's records are.
fn check_configurable(topic: &Topic) -> Result<(), Failure> {
    let is_trimmed = |queue: &Queue| queue.config.cursor.history == History::Trimmed;
    if topic.queue.as_ref().is_some_and(|queue| is_trimmed(queue)) {
        let message = format!("{} is a queue that keeps no history, which has none of a topic's settings", topic.name);
        return Err(Problem::new(Code::Invalid, message).next("`omnibus queue describe` shows its own").into());
    }
    Ok(())
}

pub(crate) async fn delete(State(node): State<SharedNode>, Path(name): Path<String>) -> Result<StatusCode, Failure> {
    let topic = find(&node.engine, &name)?;
    node.engine.delete_topic(topic.name.clone()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Finds a topic by what a path calls it.
pub(crate) fn find(engine: &Engine, name: &str) -> Result<SharedTopic, Failure> {
    Ok(engine.topic(&TopicName::new(name)?)?)
}

/// The partition of a topic with this number.
pub(crate) fn partition(topic: &Topic, number: u32) -> Result<Partition, Failure> {
    let found = usize::try_from(number).ok().and_then(|number| topic.partitions.get(number));
    found.copied().ok_or_else(|| {
        let message = format!("topic {} has no partition {number}", topic.name);
        Problem::new(Code::UnknownPartition, message).next(format!("it has {}, from 0", partition_count(topic))).into()
    })
}

/// A topic's partitions with their numbers.
pub(crate) fn numbered(topic: &Topic) -> impl Iterator<Item = (u32, Partition)> + '_ {
    (0..).zip(topic.partitions.iter().copied())
}

/// A topic's partitions, counted.
pub(crate) fn partition_count(topic: &Topic) -> u32 {
    u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX)
}

fn view(engine: &Engine, topic: &Topic) -> TopicView {
    let (records, bytes) = totals(engine, topic);
    let partitions = numbered(topic).map(|(number, partition)| {
        let bounds = engine.bounds(partition.stream);
        PartitionView {
            partition: number,
            shard: partition.shard.0,
            stream: partition.stream.0,
            start: bounds.start.0,
            end: bounds.end.0,
            bytes: engine.stream_bytes(partition.stream),
        }
    });
    TopicView {
        name: topic.name.to_string(),
        id: id(topic.id),
        created_at: topic.created_at.0,
        records,
        bytes,
        partitions: partitions.collect(),
        config: topic_config::show(&topic.config, &engine.config_defaults()),
    }
}

/// Records and bytes of all partitions.
fn totals(engine: &Engine, topic: &Topic) -> (u64, u64) {
    topic.partitions.iter().fold((0, 0), |(records, bytes), partition| {
        let bounds = engine.bounds(partition.stream);
        (records + bounds.end.0.saturating_sub(bounds.start.0), bytes + engine.stream_bytes(partition.stream))
    })
}

/// The name of a new topic; only what every Kafka client takes.
pub(crate) fn checked_name(name: &str) -> Result<TopicName, Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_valid = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(is_plain);
    if !is_valid || name == "." || name == ".." {
        let rule = "a topic's name is 1 to 249 letters, digits, dots, underscores and hyphens";
        return Err(Problem::new(Code::Invalid, format!("{name:?} cannot name a topic")).next(rule).into());
    }
    Ok(TopicName::new(name)?)
}

pub(crate) fn id(id: TopicId) -> String {
    format!("{:032x}", id.0)
}
