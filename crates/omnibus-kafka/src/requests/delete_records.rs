//! DeleteRecords: forgets all records of a partition before an offset.

use omnibus_model::Offset;
use omnibus_model::topic::Cleanup;

use super::Context;
use super::partition::{self, Place, read_offset, wire_offset};
use crate::errors::submit_error;
use crate::wire::ErrorCode;
use crate::wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use crate::wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

/// Stands for the end of the partition.
const HIGH_WATERMARK: i64 = -1;

pub(super) async fn handle(context: &Context, request: DeleteRecordsRequest, _version: i16) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for DeleteRecordsTopic { name, partitions: wanted } in request.topics {
        let mut partitions = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let (low_watermark, error) = match delete(context, &name, &wanted).await {
                Ok(start) => (wire_offset(start), ErrorCode::None),
                Err(error) => (-1, error),
            };
            let partition_index = wanted.partition_index;
            partitions.push(DeleteRecordsPartitionResult {
                partition_index,
                low_watermark,
                error_code: error.number(),
            });
        }
        topics.push(DeleteRecordsTopicResult { name, partitions });
    }
    DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
}

/// Returns the first offset that is left.
async fn delete(context: &Context, topic: &str, wanted: &DeleteRecordsPartition) -> Result<Offset, ErrorCode> {
    let place = partition::by_name(context, topic, wanted.partition_index)?;
    // Of a topic that only compacts, no record may be lost but to a newer one of its key.
    let config = place.topic.config.effective(&context.engine.config_defaults());
    // A queue's records go when they are settled, expire or are purged.
    if config.cleanup == Cleanup::Compact || place.topic.queue.is_some() {
        return Err(ErrorCode::PolicyViolation);
    }
    let before = before(context, &place, wanted.offset)?;
    let start = context.engine.bounds(place.stream).start;
    if before <= start {
        return Ok(start);
    }
    let trimmed = context.engine.trim(place.shard, place.stream, before).await;
    trimmed.map_err(|error| submit_error(&error))
}

fn before(context: &Context, place: &Place, wanted: i64) -> Result<Offset, ErrorCode> {
    let end = context.engine.bounds(place.stream).end;
    match wanted {
        HIGH_WATERMARK => Ok(end),
        offset => read_offset(offset).filter(|before| *before <= end).ok_or(ErrorCode::OffsetOutOfRange),
    }
}
