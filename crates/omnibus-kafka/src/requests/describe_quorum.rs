//! DescribeQuorum: who decides about topics, and how far its log is committed (KIP-595).

use omnibus_model::ShardId;

use super::Context;
use crate::cluster::{Broker, NO_BROKER};
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

/// What is not known of a replica.
const UNKNOWN: i64 = -1;

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
        nodes: if told && version >= NODES_FROM {
            context.brokers().into_iter().map(node).collect()
        } else {
            Vec::new()
        },
        ..DescribeQuorumResponse::default()
    }
}

/// The voters; this node tells how far it is itself.
async fn quorum(context: &Context) -> PartitionData {
    let committed = match context.engine.committed(ShardId::METADATA).await {
        Ok(committed) => committed,
        Err(error) => return failed(0, submit_error(&error), &error.to_string()),
    };
    let end = i64::try_from(committed.next().0).unwrap_or(i64::MAX);
    let now = context.engine.now().0;
    let voter = |replica_id: i32| {
        // Of the others it is not known here how far they are.
        let (log_end_offset, seen) =
            if replica_id == context.settings.node_id { (end, now) } else { (UNKNOWN, UNKNOWN) };
        ReplicaState {
            replica_id,
            log_end_offset,
            last_fetch_timestamp: seen,
            last_caught_up_timestamp: seen,
            ..ReplicaState::default()
        }
    };
    PartitionData {
        error_message: Some(WireString::new()),
        leader_id: context.leader(ShardId::METADATA).unwrap_or(NO_BROKER),
        leader_epoch: context.leader_epoch(ShardId::METADATA),
        high_watermark: end,
        current_voters: context.replicas().into_iter().map(voter).collect(),
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

fn node(broker: Broker) -> Node {
    let listener = Listener {
        name: WireString::from_static(LISTENER),
        host: broker.host.into(),
        port: u16::try_from(broker.port).unwrap_or(0),
    };
    Node { node_id: broker.id, listeners: vec![listener] }
}
