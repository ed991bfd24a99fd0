//! OffsetCommit: a group remembers how far it has read.

use omnibus_engine::SubmitError;
use omnibus_model::command::CommitOffsets;
use omnibus_model::group::{CommittedOffset, TopicPartition};
use omnibus_model::{Command, GroupName, LeaderEpoch, Millis};

use super::Context;
use super::group::{METADATA_BYTES_MAX, TOPIC_ID_FROM, any_group_name, instance_id, member_id};
use super::partition::{self, read_offset};
use crate::errors::coordinator_error;
use crate::wire::ErrorCode;
use crate::wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

/// From this version on a request knows member epochs (KIP-848).
const MEMBER_EPOCH_FROM: i16 = 9;

pub(super) async fn handle(context: &Context, request: OffsetCommitRequest, version: i16) -> OffsetCommitResponse {
    let mut offsets = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partitions.iter();
        topics.push(OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: partitions.map(|wanted| check(context, topic, wanted, &mut offsets, version)).collect(),
        });
    }
    let committed = if offsets.is_empty() { Ok(()) } else { commit(context, &request, offsets, version).await };
    if let Err(error) = committed {
        fail_accepted(&mut topics, error);
    }
    OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }
}

/// Adds the offset to those that are to be committed, or says why not.
fn check(
    context: &Context,
    topic: &OffsetCommitRequestTopic,
    wanted: &OffsetCommitRequestPartition,
    offsets: &mut Vec<(TopicPartition, CommittedOffset)>,
    version: i16,
) -> OffsetCommitResponsePartition {
    let partition_index = wanted.partition_index;
    match find(context, topic, partition_index, version).and_then(|found| Ok((found, offset(context, wanted)?))) {
        Ok(accepted) => {
            offsets.push(accepted);
            OffsetCommitResponsePartition { partition_index, ..OffsetCommitResponsePartition::default() }
        }
        Err(error) => OffsetCommitResponsePartition { partition_index, error_code: error.number() },
    }
}

fn find(
    context: &Context,
    topic: &OffsetCommitRequestTopic,
    partition: i32,
    version: i16,
) -> Result<TopicPartition, ErrorCode> {
    let found = if version >= TOPIC_ID_FROM {
        partition::by_id(context, topic.topic_id, partition)?
    } else {
        partition::by_name(context, &topic.name, partition)?
    };
    Ok(TopicPartition { topic: found.topic.name.clone(), partition: found.partition })
}

fn offset(context: &Context, wanted: &OffsetCommitRequestPartition) -> Result<CommittedOffset, ErrorCode> {
    let metadata = wanted.committed_metadata.as_deref().unwrap_or_default();
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    Ok(CommittedOffset {
        offset: read_offset(wanted.committed_offset).ok_or(ErrorCode::OffsetOutOfRange)?,
        leader_epoch: u32::try_from(wanted.committed_leader_epoch).ok().map(LeaderEpoch),
        metadata: metadata.to_owned(),
        committed_at: context.engine.now(),
    })
}

async fn commit(
    context: &Context,
    request: &OffsetCommitRequest,
    offsets: Vec<(TopicPartition, CommittedOffset)>,
    version: i16,
) -> Result<(), ErrorCode> {
    let group: GroupName = any_group_name(&request.group_id)?;
    let shard = context.engine.group_shard(&group);
    let command = CommitOffsets {
        group,
        member: member_id(&request.member_id),
        instance: instance_id(request.group_instance_id.as_ref())?,
        generation: request.generation_id_or_member_epoch,
        stale_epoch_supported: version >= MEMBER_EPOCH_FROM,
        retention: u64::try_from(request.retention_time_ms).ok().map(Millis),
        offsets,
    };
    match context.engine.submit(shard, Command::CommitOffsets(Box::new(command))).await {
        Ok(_) => Ok(()),
        Err(SubmitError::TooLarge { .. }) => Err(ErrorCode::InvalidCommitOffsetSize),
        Err(error) => match coordinator_error(&error) {
            // Before consumer groups there was no such error.
            ErrorCode::GroupIdNotFound if version < MEMBER_EPOCH_FROM => Err(ErrorCode::IllegalGeneration),
            error => Err(error),
        },
    }
}

fn fail_accepted(topics: &mut [OffsetCommitResponseTopic], error: ErrorCode) {
    let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    for partition in partitions.filter(|partition| partition.error_code == ErrorCode::None.number()) {
        partition.error_code = error.number();
    }
}
