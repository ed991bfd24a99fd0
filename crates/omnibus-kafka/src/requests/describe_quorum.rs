//! DescribeQuorum: who decides about topics, and how far its log is committed (KIP-595).

use omnibus_model::ShardId;

use super::Context;
use crate::errors::submit_error;
use crate::wire::messages::describe_quorum_request::{DescribeQuorumRequest, PartitionData as Wanted};
use crate::wire::messages::describe_quorum_response::{
    DescribeQuorumResponse, Listener, Node, PartitionData, ReplicaState, TopicData,
};
use crate::wire::{ErrorCode, WireString};

/// Under this name Kafka knows the log of what is decided about topics; it cannot be read.
const METADATA_LOG: &str = "__cluster_metadata";

/// From this version on a response tells where the voters are (KIP-853).
const NODES_FROM: i16 = 2;

const LISTENER: &str = "PLAINTEXT";

pub(super) async fn handle(context: &Context, request: DescribeQuorumRequest, version: i16) -> DescribeQuorumResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut told = false;
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let is_metadata = &*topic.topic_name == METADATA_LOG && wanted.partition_index == 0;
            told |= is_metadata;
            partitions.push(if is_metadata { quorum(context).await } else { missing(wanted) });
        }
        topics.push(TopicData { topic_name: topic.topic_name, partitions });
    }
    DescribeQuorumResponse {
        error_message: Some(WireString::new()),
        topics,
        nodes: if told && version >= NODES_FROM { vec![this_node(context)] } else { Vec::new() },
        ..DescribeQuorumResponse::default()
    }
}

/// One voter, which has all that is committed.
async fn quorum(context: &Context) -> PartitionData {
    let committed = match context.engine.committed(ShardId::METADATA).await {
        Ok(committed) => committed,
        Err(error) => return failed(0, submit_error(&error), &error.to_string()),
    };
    let end = i64::try_from(committed.next().0).unwrap_or(i64::MAX);
    let now = context.engine.now().0;
    let voter = ReplicaState {
        replica_id: context.settings.node_id,
        log_end_offset: end,
        last_fetch_timestamp: now,
        last_caught_up_timestamp: now,
        ..ReplicaState::default()
    };
    PartitionData {
        error_message: Some(WireString::new()),
        leader_id: context.settings.node_id,
        leader_epoch: context.leader_epoch(ShardId::METADATA),
        high_watermark: end,
        current_voters: vec![voter],
        ..PartitionData::default()
    }
}

fn missing(wanted: &Wanted) -> PartitionData {
    failed(
        wanted.partition_index,
        ErrorCode::UnknownTopicOrPartition,
        "only the log of what is decided about topics has a quorum to describe",
    )
}

fn failed(partition_index: i32, error: ErrorCode, message: &str) -> PartitionData {
    PartitionData {
        partition_index,
        error_code: error.number(),
        error_message: Some(message.into()),
        ..PartitionData::default()
    }
}

fn this_node(context: &Context) -> Node {
    let listener = Listener {
        name: WireString::from_static(LISTENER),
        host: context.host().into(),
        port: u16::try_from(context.port()).unwrap_or(0),
    };
    Node { node_id: context.settings.node_id, listeners: vec![listener] }
}
