//! OffsetForLeaderEpoch: where an epoch of leaders ended, so that a reader can tell whether
//! what it has read was lost (KIP-101, KIP-320).

use omnibus_model::LeaderEpoch;

use super::Context;
use super::partition::{self, wire_offset};
use crate::errors::submit_error;
use crate::wire::ErrorCode;
use crate::wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::wire::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};

pub(super) async fn handle(
    context: &Context,
    request: OffsetForLeaderEpochRequest,
    _version: i16,
) -> OffsetForLeaderEpochResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for OffsetForLeaderTopic { topic, partitions: wanted } in request.topics {
        let mut partitions = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let found = find(context, &topic, &wanted).await;
            let failed = |error: ErrorCode| EpochEndOffset { error_code: error.number(), ..EpochEndOffset::default() };
            partitions.push(EpochEndOffset { partition: wanted.partition, ..found.unwrap_or_else(failed) });
        }
        topics.push(OffsetForLeaderTopicResult { topic, partitions });
    }
    OffsetForLeaderEpochResponse { topics, ..OffsetForLeaderEpochResponse::default() }
}

async fn find(context: &Context, topic: &str, wanted: &OffsetForLeaderPartition) -> Result<EpochEndOffset, ErrorCode> {
    let place = partition::by_name(context, topic, wanted.partition)?;
    partition::check_epoch(context, &place, wanted.current_leader_epoch)?;
    let known = 0..=context.leader_epoch(place.shard);
    let Some(epoch) = u32::try_from(wanted.leader_epoch).ok().filter(|_| known.contains(&wanted.leader_epoch)) else {
        return Ok(EpochEndOffset::default());
    };
    let end = context.engine.epoch_end(place.shard, place.stream, LeaderEpoch(epoch)).await;
    Ok(match end.map_err(|error| submit_error(&error))? {
        Some((epoch, end)) => EpochEndOffset {
            leader_epoch: i32::try_from(epoch.0).unwrap_or(i32::MAX),
            end_offset: wire_offset(end),
            ..EpochEndOffset::default()
        },
        // Nothing was ever written here.
        None => EpochEndOffset {
            leader_epoch: wanted.leader_epoch,
            end_offset: wire_offset(context.engine.bounds(place.stream).end),
            ..EpochEndOffset::default()
        },
    })
}
