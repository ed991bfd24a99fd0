//! OffsetFetch: how far a group has read. What it never committed is −1, and no error.

use std::collections::BTreeMap;

use omnibus_engine::questions::OffsetsWanted;
use omnibus_model::group::{CommittedOffset, TopicPartition};
use omnibus_model::{PartitionIndex, TopicId, TopicName};

use super::Context;
use super::group::{TOPIC_ID_FROM, any_group_name, member_id};
use super::partition::wire_offset;
use crate::errors::coordinator_error;
use crate::listed;
use crate::wire::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::wire::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use crate::wire::{ErrorCode, WireString};

/// From these versions on a response has an error of its own, and a request many groups.
const GROUP_ERROR_FROM: i16 = 2;
const BATCHED_FROM: i16 = 8;

/// What a group has committed, as far as it was asked for.
type Committed = BTreeMap<TopicPartition, CommittedOffset>;

pub(super) async fn handle(context: &Context, request: OffsetFetchRequest, version: i16) -> OffsetFetchResponse {
    if version < BATCHED_FROM {
        let group = fetch(context, single(request), version).await;
        return single_response(group, version);
    }
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        groups.push(fetch(context, group, version).await);
    }
    OffsetFetchResponse { groups, ..OffsetFetchResponse::default() }
}

/// Reads an older request as one of a single group.
fn single(request: OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topic = |topic: OffsetFetchRequestTopic| OffsetFetchRequestTopics {
        name: topic.name,
        partition_indexes: topic.partition_indexes,
        ..OffsetFetchRequestTopics::default()
    };
    OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics: request.topics.map(|topics| topics.into_iter().map(topic).collect()),
        ..OffsetFetchRequestGroup::default()
    }
}

/// Writes the answer of a single group as older versions have it.
fn single_response(group: OffsetFetchResponseGroup, version: i16) -> OffsetFetchResponse {
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: if version < GROUP_ERROR_FROM { group.error_code } else { partition.error_code },
    };
    let topic = |topic: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    };
    OffsetFetchResponse {
        topics: group.topics.into_iter().map(topic).collect(),
        error_code: group.error_code,
        ..OffsetFetchResponse::default()
    }
}

async fn fetch(context: &Context, mut request: OffsetFetchRequestGroup, version: i16) -> OffsetFetchResponseGroup {
    let group_id = std::mem::take(&mut request.group_id);
    let (topics, error) = match committed(context, &group_id, &request, version).await {
        Ok(committed) => (answer(context, request.topics, &committed, version), ErrorCode::None),
        // Version 1 has a place for the error only in its partitions.
        Err(error) if version < GROUP_ERROR_FROM => {
            (answer(context, request.topics, &Committed::new(), version), error)
        }
        Err(error) => (Vec::new(), error),
    };
    OffsetFetchResponseGroup { group_id, topics, error_code: error.number() }
}

async fn committed(
    context: &Context,
    group_id: &str,
    request: &OffsetFetchRequestGroup,
    version: i16,
) -> Result<Committed, ErrorCode> {
    // A name that no group can have is that of a group which has committed nothing.
    let Ok(group) = any_group_name(group_id) else { return Ok(Committed::new()) };
    let member = request.member_id.as_deref().and_then(member_id).map(|member| (member, request.member_epoch));
    let partitions = request
        .topics
        .as_ref()
        .map(|topics| topics.iter().flat_map(|topic| partitions(context, topic, version)).collect());
    let found = context.engine.committed_offsets(OffsetsWanted { group, member, partitions }).await;
    found.map(Committed::from_iter).map_err(|error| coordinator_error(&error))
}

/// The partitions that are asked for, as far as there can be such.
fn partitions(context: &Context, topic: &OffsetFetchRequestTopics, version: i16) -> Vec<TopicPartition> {
    let Some(name) = topic_name(context, topic, version) else { return Vec::new() };
    let partition = |index: &i32| u32::try_from(*index).ok().map(PartitionIndex);
    let partitions = topic.partition_indexes.iter().filter_map(partition);
    partitions.map(|partition| TopicPartition { topic: name.clone(), partition }).collect()
}

fn topic_name(context: &Context, topic: &OffsetFetchRequestTopics, version: i16) -> Option<TopicName> {
    if version >= TOPIC_ID_FROM {
        listed::topic_by_id(context.engine.catalog(), topic.topic_id).map(|topic| topic.name.clone())
    } else {
        TopicName::new(&topic.name).ok()
    }
}

fn answer(
    context: &Context,
    wanted: Option<Vec<OffsetFetchRequestTopics>>,
    committed: &Committed,
    version: i16,
) -> Vec<OffsetFetchResponseTopics> {
    match wanted {
        Some(topics) => topics.into_iter().map(|topic| answer_topic(context, topic, committed, version)).collect(),
        None => answer_all(context, committed, version),
    }
}

fn answer_topic(
    context: &Context,
    wanted: OffsetFetchRequestTopics,
    committed: &Committed,
    version: i16,
) -> OffsetFetchResponseTopics {
    let topic = topic_name(context, &wanted, version);
    let answer_partition = |partition_index: i32| {
        let key = topic.clone().zip(u32::try_from(partition_index).ok());
        let key = key.map(|(topic, index)| TopicPartition { topic, partition: PartitionIndex(index) });
        let unknown = version >= TOPIC_ID_FROM && topic.is_none();
        OffsetFetchResponsePartitions {
            error_code: if unknown { ErrorCode::UnknownTopicId } else { ErrorCode::None }.number(),
            ..committed_partition(partition_index, key.and_then(|key| committed.get(&key)))
        }
    };
    OffsetFetchResponseTopics {
        partitions: wanted.partition_indexes.into_iter().map(answer_partition).collect(),
        name: wanted.name,
        topic_id: wanted.topic_id,
    }
}

/// All that the group has; by id only what belongs to a topic that is there.
fn answer_all(context: &Context, committed: &Committed, version: i16) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: Vec<(TopicName, OffsetFetchResponseTopics)> = Vec::new();
    for (TopicPartition { topic, partition }, offset) in committed {
        if topics.last().is_none_or(|(name, _)| name != topic) {
            let Some(topic_id) = topic_id(context, topic, version) else { continue };
            let name = WireString::from(topic.as_str());
            topics.push((topic.clone(), OffsetFetchResponseTopics { name, topic_id, partitions: Vec::new() }));
        }
        if let Some((_, topic)) = topics.last_mut() {
            let index = i32::try_from(partition.0).unwrap_or(i32::MAX);
            topic.partitions.push(committed_partition(index, Some(offset)));
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}

fn topic_id(context: &Context, topic: &TopicName, version: i16) -> Option<TopicId> {
    if version < TOPIC_ID_FROM {
        return Some(TopicId::default());
    }
    listed::topic(context.engine.catalog(), topic.as_str()).map(|topic| topic.id)
}

fn committed_partition(partition_index: i32, offset: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    let epoch = offset.and_then(|offset| offset.leader_epoch);
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: offset.map_or(-1, |offset| wire_offset(offset.offset)),
        committed_leader_epoch: epoch.map_or(-1, |epoch| i32::try_from(epoch.0).unwrap_or(i32::MAX)),
        metadata: Some(offset.map_or_else(WireString::new, |offset| offset.metadata.as_str().into())),
        error_code: ErrorCode::None.number(),
    }
}
