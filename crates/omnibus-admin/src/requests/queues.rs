//! Queues: list, create, describe, delete, purge, rewind, move.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use omnibus_admin_api::queue::{
    Affected, MoveStarted, MoveView, PriorityView, QueueAlter, QueueCounts, QueueCreate, QueueLine, QueueList,
    QueueMove, QueueRewind, QueueView,
};
use omnibus_admin_api::{Code, Problem};
use omnibus_engine::Engine;
use omnibus_model::command::CreateQueue;
use omnibus_model::config::ConfigChange;
use omnibus_model::queue::{DeliveryOrder, Move, MoveState};
use omnibus_model::topic::{QueuePlace, SharedTopic, TopicConfig};
use omnibus_model::{MoveId, Offset, Refusal, Timestamp, TopicId, TopicName};

use super::topics;
use crate::errors::{Answer, Failure};
use crate::node::SharedNode;
use crate::queue_config;

pub(crate) async fn list(State(node): State<SharedNode>) -> Answer<QueueList> {
    let mut queues = Vec::new();
    for topic in node.engine.catalog().topics().iter().filter(|topic| topic.queue.is_some()) {
        queues.push(line(&node.engine, topic).await?.0);
    }
    Ok(Json(QueueList { queues }))
}

pub(crate) async fn describe(State(node): State<SharedNode>, Path(name): Path<String>) -> Answer<QueueView> {
    let (topic, _) = find(&node.engine, &name)?;
    Ok(Json(view(&node.engine, &topic).await?))
}

pub(crate) async fn create(
    State(node): State<SharedNode>,
    body: Result<Json<QueueCreate>, JsonRejection>,
) -> Result<(StatusCode, Json<QueueView>), Failure> {
    let Json(create) = body?;
    let mut queue = queue_config::defaults();
    for (key, value) in &create.config {
        queue_config::choose(&mut queue, key, value)?;
    }
    let id = TopicId(node.engine.random());
    let name = topics::checked_name(&create.name)?;
    let command = CreateQueue { name, id, config: TopicConfig::default(), queue };
    let topic = match create.priorities {
        0 => node.engine.create_queue(command).await?,
        priorities => node.engine.create_priority_queue(command, priorities).await?,
    };
    Ok((StatusCode::CREATED, Json(view(&node.engine, &topic).await?)))
}

pub(crate) async fn alter(
    State(node): State<SharedNode>,
    Path(name): Path<String>,
    body: Result<Json<QueueAlter>, JsonRejection>,
) -> Answer<QueueView> {
    let Json(alter) = body?;
    let (topic, _) = find(&node.engine, &name)?;
    let before = topic.queue.as_ref().map(|queue| queue.config.clone()).unwrap_or_default();
    let mut after = before.clone();
    for (key, value) in &alter.config {
        queue_config::choose(&mut after, key, value)?;
    }
    let topic = match before == after {
        true => topic,
        false => node.engine.alter_queue(topic.name.clone(), ConfigChange { before, after }).await?,
    };
    Ok(Json(view(&node.engine, &topic).await?))
}

pub(crate) async fn delete(State(node): State<SharedNode>, Path(name): Path<String>) -> Result<StatusCode, Failure> {
    let (topic, _) = find(&node.engine, &name)?;
    node.engine.delete_topic(topic.name.clone()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn purge(State(node): State<SharedNode>, Path(name): Path<String>) -> Answer<Affected> {
    let (_, queue) = find(&node.engine, &name)?;
    Ok(Json(Affected { records: node.engine.purge(queue).await? }))
}

pub(crate) async fn rewind(
    State(node): State<SharedNode>,
    Path(name): Path<String>,
    body: Result<Json<QueueRewind>, JsonRejection>,
) -> Answer<Affected> {
    let Json(rewind) = body?;
    let (_, queue) = find(&node.engine, &name)?;
    let records = match rewind {
        QueueRewind { offset: Some(_), time: None } if queue.has_priorities() => {
            let problem = Problem::new(Code::Invalid, "each priority of this queue has offsets of its own");
            return Err(problem.next("rewind it to a time").into());
        }
        QueueRewind { offset: Some(offset), time: None } => node.engine.rewind(queue.lowest, Offset(offset)).await?,
        QueueRewind { offset: None, time: Some(time) } => rewind_to_time(&node.engine, queue, Timestamp(time)).await?,
        _ => return Err(Problem::new(Code::Invalid, "name an offset or a time, one of both").into()),
    };
    Ok(Json(Affected { records }))
}

async fn rewind_to_time(engine: &Engine, queue: QueuePlace, time: Timestamp) -> Result<u64, Failure> {
    let mut places = BTreeMap::new();
    for stream in queue.streams() {
        let found = engine.offset_at(stream, time).await?;
        places.insert(stream, found.map_or_else(|| engine.bounds(stream).end, |found| found.offset));
    }
    Ok(engine.rewind_all(queue, |stream| places.get(&stream).copied().unwrap_or_default()).await?)
}

pub(crate) async fn start_move(
    State(node): State<SharedNode>,
    Path(name): Path<String>,
    body: Result<Json<QueueMove>, JsonRejection>,
) -> Result<(StatusCode, Json<MoveStarted>), Failure> {
    let Json(wanted) = body?;
    let (_, queue) = find(&node.engine, &name)?;
    let target = wanted.target.map(|target| find(&node.engine, &target)).transpose()?;
    let target = target.map(|(_, target)| target.lowest.stream);
    let task = node.engine.start_move(queue, target, wanted.rate_max).await?;
    Ok((StatusCode::CREATED, Json(MoveStarted { task: task.0 })))
}

pub(crate) async fn cancel_move(
    State(node): State<SharedNode>,
    path: Result<Path<(String, u64)>, PathRejection>,
) -> Answer<Affected> {
    let Path((name, task)) = path?;
    let (_, queue) = find(&node.engine, &name)?;
    Ok(Json(Affected { records: node.engine.cancel_move(queue, MoveId(task)).await? }))
}

/// Finds a queue by what a path calls it.
pub(crate) fn find(engine: &Engine, name: &str) -> Result<(SharedTopic, QueuePlace), Failure> {
    let topic = engine.queue(&TopicName::new(name)?)?;
    let place = place(&topic)?;
    Ok((topic, place))
}

fn place(topic: &SharedTopic) -> Result<QueuePlace, Failure> {
    Ok(topic.queue_place().ok_or_else(|| Refusal::NotAQueue { topic: topic.name.clone() })?)
}

/// A queue in a line, and its floor.
async fn line(engine: &Engine, topic: &SharedTopic) -> Result<(QueueLine, u64), Failure> {
    let place = place(topic)?;
    let known = engine.queue_view(place).await?;
    let queue = topic.queue.as_ref();
    let line = QueueLine {
        name: topic.name.to_string(),
        priorities: place.highest,
        ordered: queue.is_some_and(|queue| queue.config.cursor.order == DeliveryOrder::Ordered),
        dead_letters_to: queue.and_then(|queue| queue.config.dead_letters_to.as_ref()).map(ToString::to_string),
        counts: known.map(|known| counts(&known.counts)).unwrap_or_default(),
        oldest_age: known.and_then(|known| known.oldest).map(|oldest| engine.now().since(oldest).0),
    };
    Ok((line, known.map_or(0, |known| known.floor.0)))
}

async fn view(engine: &Engine, topic: &SharedTopic) -> Result<QueueView, Failure> {
    let queue = place(topic)?;
    let place = queue.lowest;
    let (line, floor) = line(engine, topic).await?;
    let bounds = engine.bounds(place.stream);
    let moves = engine.moves(queue).await?;
    Ok(QueueView {
        id: topics::id(topic.id),
        created_at: topic.created_at.0,
        shard: place.shard.0,
        stream: place.stream.0,
        start: bounds.start.0,
        end: bounds.end.0,
        floor,
        bytes: queue.streams().map(|stream| engine.stream_bytes(stream)).sum(),
        by_priority: by_priority(engine, queue).await?,
        line,
        config: topic.queue.as_ref().map(|queue| queue_config::show(&queue.config)).unwrap_or_default(),
        moves: moves.iter().map(|task| move_view(engine, task)).collect(),
    })
}

/// Each priority of a queue that has some, the highest first.
async fn by_priority(engine: &Engine, queue: QueuePlace) -> Result<Vec<PriorityView>, Failure> {
    let mut priorities = Vec::new();
    for partition in queue.partitions().filter(|_| queue.has_priorities()) {
        let known = engine.queue_view(partition).await?;
        let bounds = engine.bounds(partition.stream);
        priorities.push(PriorityView {
            priority: queue.priority_of(partition.stream).unwrap_or_default(),
            stream: partition.stream.0,
            start: bounds.start.0,
            end: bounds.end.0,
            floor: known.map_or(0, |known| known.floor.0),
            counts: known.map(|known| counts(&known.counts)).unwrap_or_default(),
        });
    }
    Ok(priorities)
}

fn counts(counts: &omnibus_model::queue::QueueCounts) -> QueueCounts {
    let omnibus_model::queue::QueueCounts {
        ready,
        leased,
        delayed,
        dying,
        enqueued,
        rewound,
        settled,
        expired,
        dropped,
        dead_lettered,
        moved,
        purged,
    } = *counts;
    QueueCounts {
        ready,
        leased,
        delayed,
        dying,
        enqueued,
        rewound,
        settled,
        expired,
        dropped,
        dead_lettered,
        moved,
        purged,
    }
}

fn move_view(engine: &Engine, task: &Move) -> MoveView {
    let state = match task.state {
        MoveState::Running => "running",
        MoveState::Finishing => "finishing",
        MoveState::Completed => "completed",
        MoveState::Cancelled => "cancelled",
    };
    let target = task.target.map(|target| {
        let known = engine.catalog().queue(target);
        known.map_or_else(|| format!("stream {target}, which is gone"), |topic| topic.name.to_string())
    });
    MoveView {
        task: task.id.0,
        target,
        rate_max: task.rate_max,
        state: state.to_owned(),
        started_at: task.started_at.0,
        planned: task.planned,
        moved: task.moved,
    }
}
