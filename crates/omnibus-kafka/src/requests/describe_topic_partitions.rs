//! DescribeTopicPartitions: topics and their partitions, page by page (KIP-966).

use std::collections::BTreeSet;

use omnibus_model::topic::Topic;

use super::Context;
use super::create_topics::topic_name;
use super::metadata::{TOPIC_OPERATIONS, shards};
use crate::listed;
use crate::wire::messages::describe_topic_partitions_request::{Cursor as From, DescribeTopicPartitionsRequest};
use crate::wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition as Partition,
    DescribeTopicPartitionsResponseTopic as ResponseTopic,
};
use crate::wire::{ErrorCode, WireString};

/// The most partitions of one page.
const PAGE_PARTITIONS_MAX: usize = 2000;

pub(super) async fn handle(
    context: &Context,
    request: DescribeTopicPartitionsRequest,
    _version: i16,
) -> DescribeTopicPartitionsResponse {
    if request.cursor.as_ref().is_some_and(|cursor| cursor.partition_index < 0) {
        let failed = request.topics.into_iter().map(|topic| failed(topic.name, ErrorCode::InvalidRequest));
        return DescribeTopicPartitionsResponse {
            topics: failed.collect(),
            ..DescribeTopicPartitionsResponse::default()
        };
    }
    let names = names(context, &request);
    let known: Vec<_> = names.iter().filter_map(|name| listed::topic(context.engine.catalog(), name)).collect();
    context.know_leaders(&shards(&known)).await;
    let mut room = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, PAGE_PARTITIONS_MAX);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        if room == 0 {
            response.next_cursor = Some(Cursor { topic_name: name.as_str().into(), partition_index: 0 });
            break;
        }
        let Some(topic) = listed::topic(context.engine.catalog(), &name) else {
            response.topics.extend(missing(&request, &name));
            continue;
        };
        let first = first_partition(request.cursor.as_ref(), &name);
        let page = page(context, &topic, first, room);
        room -= page.partitions.len();
        let next = first + page.partitions.len();
        response.topics.push(page);
        if next < topic.partitions.len() {
            let partition_index = i32::try_from(next).unwrap_or(i32::MAX);
            response.next_cursor = Some(Cursor { topic_name: name.as_str().into(), partition_index });
            break;
        }
    }
    response
}

/// The wanted topics in alphabetical order, from the cursor on.
fn names(context: &Context, request: &DescribeTopicPartitionsRequest) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = if request.topics.is_empty() {
        listed::topics(context.engine.catalog()).iter().map(|topic| topic.name.as_str().to_owned()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.to_string()).collect()
    };
    match &request.cursor {
        Some(cursor) => names.split_off(&*cursor.topic_name),
        None => names,
    }
}

/// A topic that has gone between two pages of all topics is not missed.
fn missing(request: &DescribeTopicPartitionsRequest, name: &str) -> Option<ResponseTopic> {
    let error =
        if topic_name(name).is_ok() { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::InvalidTopicException };
    let missing = || ResponseTopic { topic_authorized_operations: TOPIC_OPERATIONS, ..failed(name.into(), error) };
    (!request.topics.is_empty()).then(missing)
}

fn failed(name: WireString, error: ErrorCode) -> ResponseTopic {
    ResponseTopic { error_code: error.number(), name: Some(name), ..ResponseTopic::default() }
}

fn first_partition(cursor: Option<&From>, topic: &str) -> usize {
    let cursor = cursor.filter(|cursor| *cursor.topic_name == *topic);
    cursor.and_then(|cursor| usize::try_from(cursor.partition_index).ok()).unwrap_or(0)
}

fn page(context: &Context, topic: &Topic, first: usize, room: usize) -> ResponseTopic {
    let (replicas, reachable) = (context.replicas(), context.reachable());
    let offline: Vec<i32> = replicas.iter().filter(|broker| !reachable.contains(broker)).copied().collect();
    let partitions = (0..).zip(topic.partitions.iter().enumerate()).skip(first).take(room);
    let described = partitions.map(|(partition_index, (place, partition))| {
        let (leader_id, leader_epoch) = context.wire_leader(partition.shard);
        Partition {
            partition_index,
            leader_id,
            leader_epoch,
            replica_nodes: context.in_order(&replicas, topic, place),
            isr_nodes: reachable.clone(),
            offline_replicas: offline.clone(),
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            ..Partition::default()
        }
    });
    ResponseTopic {
        name: Some(topic.name.as_str().into()),
        topic_id: topic.id,
        partitions: described.collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..ResponseTopic::default()
    }
}
