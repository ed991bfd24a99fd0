//! ListOffsets: the first, the last, and the first at or after a time.

use std::collections::BTreeSet;

use omnibus_engine::ReadError;
use omnibus_engine::questions::TimedOffset;
use omnibus_model::{Offset, ShardId, Timestamp};

use super::Context;
use super::concurrently;
use super::partition::{self, Place};
use crate::errors::read_error;
use crate::wire::ErrorCode;
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use crate::wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const NEWEST_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// From this version on an answer tells the leader's epoch (KIP-320).
const LEADER_EPOCH_FROM: i16 = 4;
const EPOCH_NONE: i32 = -1;

/// An answer without a time, and "nothing found".
const NONE: i64 = -1;

pub(super) async fn handle(context: &Context, request: ListOffsetsRequest, version: i16) -> ListOffsetsResponse {
    let confirmed = confirm(context, &request).await;
    let mut seen = BTreeSet::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let repeated = !seen.insert((topic.name.clone(), partition.partition_index));
            partitions.push(if repeated {
                failed(partition, ErrorCode::InvalidRequest)
            } else if version < known_from(partition.timestamp) {
                failed(partition, ErrorCode::UnsupportedVersion)
            } else {
                let listed = list(context, &confirmed, &topic, partition).await;
                ListOffsetsPartitionResponse {
                    leader_epoch: if version < LEADER_EPOCH_FROM { EPOCH_NONE } else { listed.leader_epoch },
                    ..listed
                }
            });
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name, partitions });
    }
    ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
}

/// Which of the shards in question this node leads for certain: what it knows is old where others do.
async fn confirm(context: &Context, request: &ListOffsetsRequest) -> BTreeSet<ShardId> {
    let mut shards = BTreeSet::new();
    for topic in &request.topics {
        let places = topic.partitions.iter().map(|wanted| wanted.partition_index);
        let places = places.filter_map(|index| partition::by_name(context, &topic.name, index).ok());
        shards.extend(places.map(|place| place.shard));
    }
    let confirming = shards.into_iter().map(|shard| {
        let engine = context.engine.clone();
        async move { engine.confirm_lead(shard).await.map(|()| shard) }
    });
    concurrently::all(confirming).await.into_iter().flatten().collect()
}

/// The first version that knows this special time (KIP-734, KIP-405, KIP-1005, KIP-1023).
const fn known_from(timestamp: i64) -> i16 {
    match timestamp {
        NEWEST_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => 0,
    }
}

async fn list(
    context: &Context,
    confirmed: &BTreeSet<ShardId>,
    topic: &ListOffsetsTopic,
    wanted: &ListOffsetsPartition,
) -> ListOffsetsPartitionResponse {
    let place = partition::by_name(context, &topic.name, wanted.partition_index)
        .and_then(|place| partition::check_epoch(context, &place, wanted.current_leader_epoch).map(|()| place));
    let place = match place {
        Ok(place) if confirmed.contains(&place.shard) => place,
        Ok(_) => return failed(wanted, ErrorCode::NotLeaderOrFollower),
        Err(error) => return failed(wanted, error),
    };
    match find(context, &place, wanted.timestamp).await {
        Ok(Some((offset, timestamp))) => ListOffsetsPartitionResponse {
            partition_index: wanted.partition_index,
            offset: partition::wire_offset(offset),
            timestamp,
            leader_epoch: context.leader_epoch(place.shard),
            ..ListOffsetsPartitionResponse::default()
        },
        Ok(None) => {
            ListOffsetsPartitionResponse { partition_index: wanted.partition_index, ..failed(wanted, ErrorCode::None) }
        }
        Err(error) => failed(wanted, read_error(&error)),
    }
}

async fn find(context: &Context, place: &Place, wanted: i64) -> Result<Option<(Offset, i64)>, ReadError> {
    let engine = &context.engine;
    let timed = |found: Option<TimedOffset>| found.map(|found| (found.offset, found.timestamp.0));
    match wanted {
        LATEST => Ok(Some((engine.bounds(place.stream).end, NONE))),
        EARLIEST | EARLIEST_LOCAL => Ok(Some((engine.bounds(place.stream).start, NONE))),
        NEWEST_TIMESTAMP => engine.newest(place.stream).await.map(timed),
        // Nothing is kept elsewhere.
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(None),
        time => engine.offset_at(place.stream, Timestamp(time)).await.map(timed),
    }
}

fn failed(wanted: &ListOffsetsPartition, error: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index: wanted.partition_index,
        error_code: error.number(),
        timestamp: NONE,
        offset: NONE,
        leader_epoch: EPOCH_NONE,
    }
}
