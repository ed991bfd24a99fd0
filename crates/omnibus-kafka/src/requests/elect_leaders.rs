//! ElectLeaders: the one node there is leads already.

use super::{Context, partition};
use crate::wire::messages::elect_leaders_request::{ElectLeadersRequest, TopicPartitions};
use crate::wire::messages::elect_leaders_response::{ElectLeadersResponse, PartitionResult, ReplicaElectionResult};
use crate::wire::{ErrorCode, WireString};

/// The kinds of elections, by their numbers on the wire.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

/// From this version on the response has an error of its own.
const ERROR_FROM: i16 = 1;

pub(super) async fn handle(context: &Context, request: ElectLeadersRequest, version: i16) -> ElectLeadersResponse {
    let is_known = matches!(request.election_type, PREFERRED | UNCLEAN);
    let error = if is_known { ErrorCode::None } else { ErrorCode::InvalidRequest };
    let elect = |topic: &TopicPartitions, partition: i32| match partition::by_name(context, &topic.topic, partition) {
        _ if !is_known => (ErrorCode::InvalidRequest, "there are preferred and unclean elections"),
        Ok(_) => (ErrorCode::ElectionNotNeeded, "the leader stays"),
        Err(error) => (error, "there is no such partition"),
    };
    let result = |topic: TopicPartitions| {
        let partitions = topic.partitions.iter().map(|index| partition_result(*index, elect(&topic, *index)));
        ReplicaElectionResult { partition_result: partitions.collect(), topic: topic.topic }
    };
    ElectLeadersResponse {
        error_code: if version >= ERROR_FROM { error.number() } else { ErrorCode::None.number() },
        // Of all partitions only those are told that had an election.
        replica_election_results: request.topic_partitions.unwrap_or_default().into_iter().map(result).collect(),
        ..ElectLeadersResponse::default()
    }
}

fn partition_result(partition_id: i32, (error, message): (ErrorCode, &'static str)) -> PartitionResult {
    PartitionResult { partition_id, error_code: error.number(), error_message: Some(WireString::from_static(message)) }
}
