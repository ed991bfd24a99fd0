//! Consumer groups: list, describe, lag, delete.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use omnibus_admin_api::group::{Assigned, GroupDetail, GroupLag, GroupLine, GroupList, MemberDetail, PartitionLag};
use omnibus_engine::Engine;
use omnibus_engine::questions::OffsetsWanted;
use omnibus_model::group::{
    CommittedOffset, GroupKind, GroupState, GroupView, MemberView, TopicPartition, TopicPartitions,
};
use omnibus_model::{Command, GroupName, PartitionIndex, Refusal, TopicName};

use crate::errors::{Answer, Failure};
use crate::node::{Node, SharedNode};

pub(crate) async fn list(State(node): State<SharedNode>) -> Answer<GroupList> {
    let groups = node.engine.groups().await?.into_iter().map(|group| GroupLine {
        name: group.group.to_string(),
        kind: kind(group.kind).to_owned(),
        state: state(group.state).to_owned(),
        protocol_type: group.protocol_type,
    });
    Ok(Json(GroupList { groups: groups.collect() }))
}

pub(crate) async fn describe(State(node): State<SharedNode>, Path(name): Path<String>) -> Answer<GroupDetail> {
    let group = find(&node.engine, &name).await?;
    let members = group.members.iter().map(|member| MemberDetail {
        id: member.member.to_string(),
        instance: member.instance.as_ref().map(ToString::to_string),
        client: member.client.id.clone(),
        host: member.client.host.clone(),
        assigned: assigned(&node, &group, member),
    });
    Ok(Json(GroupDetail {
        name: group.group.to_string(),
        kind: kind(group.kind).to_owned(),
        state: state(group.state).to_owned(),
        protocol_type: group.protocol_type.clone(),
        protocol: group.protocol.clone(),
        epoch: group.epoch,
        members: members.collect(),
    }))
}

pub(crate) async fn lag(State(node): State<SharedNode>, Path(name): Path<String>) -> Answer<GroupLag> {
    let group = find(&node.engine, &name).await?;
    Ok(Json(lag_of(&node, &group).await?))
}

pub(crate) async fn delete(State(node): State<SharedNode>, Path(name): Path<String>) -> Result<StatusCode, Failure> {
    let group = GroupName::new(&name)?;
    node.engine.submit(node.engine.group_shard(&group), Command::DeleteGroup { group }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Finds a group by what a path calls it.
pub(crate) async fn find(engine: &Engine, name: &str) -> Result<GroupView, Failure> {
    let group = GroupName::new(name)?;
    let found = engine.group(group.clone()).await?;
    found.filter(|found| found.state != GroupState::Dead).ok_or_else(|| Refusal::UnknownGroup { group }.into())
}

/// All offsets that a group has committed.
pub(crate) async fn committed(
    engine: &Engine,
    group: GroupName,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Failure> {
    let wanted = OffsetsWanted { group, member: None, partitions: None };
    match engine.committed_offsets(wanted).await {
        Ok(offsets) => Ok(offsets.into_iter().collect()),
        Err(omnibus_engine::SubmitError::Refused(Refusal::UnknownGroup { .. })) => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
    }
}

/// How far a group is behind, in every partition that it has committed or that a member reads.
pub(crate) async fn lag_of(node: &Node, group: &GroupView) -> Result<GroupLag, Failure> {
    let committed = committed(&node.engine, group.group.clone()).await?;
    let mut offsets: BTreeMap<TopicPartition, Option<CommittedOffset>> =
        read_now(node, group).into_iter().map(|partition| (partition, None)).collect();
    offsets.extend(committed.into_iter().map(|(partition, offset)| (partition, Some(offset))));
    let lags = offsets.into_iter().filter_map(|(partition, offset)| partition_lag(&node.engine, partition, offset));
    let partitions: Vec<PartitionLag> = lags.collect();
    Ok(GroupLag {
        name: group.group.to_string(),
        state: state(group.state).to_owned(),
        total: partitions.iter().map(|partition| partition.lag).sum(),
        partitions,
    })
}

/// The lag in one partition; none if it is gone.
fn partition_lag(engine: &Engine, at: TopicPartition, committed: Option<CommittedOffset>) -> Option<PartitionLag> {
    let topic = engine.catalog().topic(at.topic.as_str())?;
    let partition = topic.partitions.get(usize::try_from(at.partition.0).ok()?)?;
    let bounds = engine.bounds(partition.stream);
    let offset = committed.as_ref().map(|committed| committed.offset);
    let next = offset.unwrap_or_default().max(bounds.start);
    Some(PartitionLag {
        topic: at.topic.to_string(),
        partition: at.partition.0,
        committed: offset.map(|offset| offset.0),
        start: bounds.start.0,
        end: bounds.end.0,
        lag: bounds.end.0.saturating_sub(next.0),
        committed_at: committed.map(|committed| committed.committed_at.0),
    })
}

/// The partitions that the group's members read now.
fn read_now(node: &Node, group: &GroupView) -> Vec<TopicPartition> {
    let assigned = group.members.iter().filter_map(|member| assigned(node, group, member)).flatten();
    let partitions = assigned.flat_map(|topic| {
        let name = TopicName::new(&topic.topic).ok();
        let partition = |index| Some(TopicPartition { topic: name.clone()?, partition: PartitionIndex(index) });
        topic.partitions.into_iter().filter_map(partition).collect::<Vec<_>>()
    });
    partitions.collect()
}

fn assigned(node: &Node, group: &GroupView, member: &MemberView) -> Option<Vec<Assigned>> {
    match &member.consumer {
        Some(consumer) => Some(consumer.owned.iter().filter_map(|topic| named(&node.engine, topic)).collect()),
        None => (node.read_assignment)(&group.protocol_type, &member.assignment),
    }
}

fn named(engine: &Engine, topic: &TopicPartitions) -> Option<Assigned> {
    Some(Assigned {
        topic: engine.catalog().topic_by_id(topic.topic)?.name.to_string(),
        partitions: topic.partitions.iter().map(|partition| partition.0).collect(),
    })
}

const fn kind(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::Classic => "classic",
        GroupKind::Consumer => "consumer",
    }
}

/// A group's state as its clients print it.
const fn state(state: GroupState) -> &'static str {
    match state {
        GroupState::Empty => "Empty",
        GroupState::PreparingRebalance => "PreparingRebalance",
        GroupState::CompletingRebalance => "CompletingRebalance",
        GroupState::Stable => "Stable",
        GroupState::Assigning => "Assigning",
        GroupState::Reconciling => "Reconciling",
        GroupState::Dead => "Dead",
    }
}
