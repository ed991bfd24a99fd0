//! Moves a group that has no members to other offsets.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use omnibus_admin_api::group::{Seek, SeekMode, SeekTo, Sought, SoughtPartition};
use omnibus_admin_api::{Code, Problem};
use omnibus_engine::Engine;
use omnibus_model::command::CommitOffsets;
use omnibus_model::group::{CommittedOffset, TopicPartition};
use omnibus_model::{Command, GroupName, Offset, PartitionIndex, Refusal, StreamId, Timestamp};

use super::{groups, topics};
use crate::errors::{Answer, Failure};
use crate::node::SharedNode;

/// One partition that is to be moved.
struct Target {
    at: TopicPartition,
    stream: StreamId,
    before: Option<Offset>,
}

pub(crate) async fn seek(
    State(node): State<SharedNode>,
    Path(name): Path<String>,
    body: Result<Json<Seek>, JsonRejection>,
) -> Answer<Sought> {
    let Json(seek) = body?;
    let engine = &node.engine;
    let group = GroupName::new(&name)?;
    refuse_members(engine, &group).await?;
    let targets = targets(engine, &group, &seek).await?;
    let mut moves = Vec::with_capacity(targets.len());
    for target in targets {
        let after = destination(engine, &target, seek.to).await?;
        moves.push((target, after));
    }
    if seek.mode == SeekMode::Apply {
        commit(engine, group, &moves).await?;
    }
    let partitions = moves.into_iter().map(|(target, after)| SoughtPartition {
        topic: target.at.topic.to_string(),
        partition: target.at.partition.0,
        before: target.before.map(|offset| offset.0),
        after: after.0,
    });
    Ok(Json(Sought { name, mode: seek.mode, partitions: partitions.collect() }))
}

/// A member would go on where it is and commit over the move.
async fn refuse_members(engine: &Engine, group: &GroupName) -> Result<(), Failure> {
    if engine.group(group.clone()).await?.is_none_or(|found| found.members.is_empty()) {
        return Ok(());
    }
    let message = format!("group {group} has members, which would commit over the move");
    let next = format!("stop them and try again; `omnibus group describe {group}` names them");
    Err(Problem::new(Code::GroupNotEmpty, message).next(next).into())
}

async fn targets(engine: &Engine, group: &GroupName, seek: &Seek) -> Result<Vec<Target>, Failure> {
    let committed = groups::committed(engine, group.clone()).await?;
    let partitions = match (&seek.topic, seek.partition) {
        (Some(topic), partition) => named(engine, topic, partition)?,
        (None, Some(_)) => return Err(Problem::new(Code::Invalid, "a partition needs a topic").into()),
        (None, None) if committed.is_empty() => return Err(Refusal::UnknownGroup { group: group.clone() }.into()),
        (None, None) => known(engine, &committed),
    };
    let target = |(at, stream)| {
        let before = committed.get(&at).map(|committed| committed.offset);
        Target { at, stream, before }
    };
    Ok(partitions.into_iter().map(target).collect())
}

/// The partitions of a topic, or one of them.
fn named(engine: &Engine, topic: &str, partition: Option<u32>) -> Result<Vec<(TopicPartition, StreamId)>, Failure> {
    let topic = topics::find(engine, topic)?;
    let at = |number| TopicPartition { topic: topic.name.clone(), partition: PartitionIndex(number) };
    match partition {
        Some(number) => Ok(vec![(at(number), topics::partition(&topic, number)?.stream)]),
        None => Ok(topics::numbered(&topic).map(|(number, partition)| (at(number), partition.stream)).collect()),
    }
}

/// The partitions that a group has offsets for and that are still there.
fn known(engine: &Engine, committed: &BTreeMap<TopicPartition, CommittedOffset>) -> Vec<(TopicPartition, StreamId)> {
    let stream = |at: &TopicPartition| {
        let topic = engine.catalog().topic(at.topic.as_str())?;
        let partition = topic.partitions.get(usize::try_from(at.partition.0).ok()?)?;
        Some((at.clone(), partition.stream))
    };
    committed.keys().filter_map(stream).collect()
}

async fn destination(engine: &Engine, target: &Target, to: SeekTo) -> Result<Offset, Failure> {
    let bounds = engine.bounds(target.stream);
    match to {
        SeekTo::Earliest => Ok(bounds.start),
        SeekTo::Latest => Ok(bounds.end),
        SeekTo::Offset(offset) if (bounds.start.0..=bounds.end.0).contains(&offset) => Ok(Offset(offset)),
        SeekTo::Offset(offset) => {
            let TopicPartition { topic, partition } = &target.at;
            let place = format!("{topic} partition {partition} holds {} to {}", bounds.start, bounds.end);
            Err(Problem::new(Code::OffsetOutOfRange, format!("offset {offset} is not there: {place}")).into())
        }
        SeekTo::Timestamp(millis) => {
            let found = engine.offset_at(target.stream, Timestamp(millis)).await?;
            Ok(found.map_or(bounds.end, |found| found.offset))
        }
        SeekTo::Shift(by) => {
            let before = target.before.unwrap_or(bounds.start);
            let shifted = before.0.saturating_add_signed(by);
            Ok(Offset(shifted.clamp(bounds.start.0, bounds.end.0)))
        }
    }
}

async fn commit(engine: &Engine, group: GroupName, moves: &[(Target, Offset)]) -> Result<(), Failure> {
    let committed_at = engine.now();
    let offset = |(target, after): &(Target, Offset)| {
        let offset = CommittedOffset { offset: *after, leader_epoch: None, metadata: String::new(), committed_at };
        (target.at.clone(), offset)
    };
    let command = CommitOffsets {
        group: group.clone(),
        member: None,
        instance: None,
        generation: -1,
        stale_epoch_supported: false,
        retention: None,
        offsets: moves.iter().map(offset).collect(),
    };
    engine.submit(engine.group_shard(&group), Command::CommitOffsets(Box::new(command))).await?;
    Ok(())
}
