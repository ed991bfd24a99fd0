//! OffsetDelete: a group forgets how far it has read topics that it reads no more.

use omnibus_model::group::TopicPartition;
use omnibus_model::{Command, GroupName, Outcome};

use super::Context;
use super::group::group_name;
use super::partition;
use crate::errors::{coordinator_error, refused};
use crate::wire::ErrorCode;
use crate::wire::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use crate::wire::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

/// What becomes of one partition: an error, or its place among those that are put to the group.
type Checked = Result<usize, ErrorCode>;

pub(super) async fn handle(context: &Context, request: OffsetDeleteRequest, _version: i16) -> OffsetDeleteResponse {
    let mut partitions = Vec::new();
    let checked: Vec<Vec<Checked>> =
        request.topics.iter().map(|topic| check(context, topic, &mut partitions)).collect();
    let deleted = match group_name(&request.group_id) {
        Ok(group) => delete(context, group, partitions).await,
        Err(error) => Err(error),
    };
    match deleted {
        Ok(errors) => OffsetDeleteResponse {
            topics: request.topics.into_iter().zip(checked).map(|topic| answer(topic, &errors)).collect(),
            ..OffsetDeleteResponse::default()
        },
        Err(error) => OffsetDeleteResponse { error_code: error.number(), ..OffsetDeleteResponse::default() },
    }
}

fn check(context: &Context, topic: &OffsetDeleteRequestTopic, partitions: &mut Vec<TopicPartition>) -> Vec<Checked> {
    let mut check = |wanted: &OffsetDeleteRequestPartition| {
        let found = partition::by_name(context, &topic.name, wanted.partition_index)?;
        partitions.push(TopicPartition { topic: found.topic.name.clone(), partition: found.partition });
        Ok(partitions.len() - 1)
    };
    topic.partitions.iter().map(&mut check).collect()
}

async fn delete(
    context: &Context,
    group: GroupName,
    partitions: Vec<TopicPartition>,
) -> Result<Vec<ErrorCode>, ErrorCode> {
    let shard = context.engine.group_shard(&group);
    match context.engine.submit(shard, Command::DeleteOffsets { group, partitions }).await {
        Ok(Outcome::OffsetsDeleted { partitions }) => {
            let error = |deleted: &Result<(), _>| deleted.as_ref().err().map_or(ErrorCode::None, refused);
            Ok(partitions.iter().map(error).collect())
        }
        Ok(other) => unreachable!("deleting offsets ended in {other:?}"),
        Err(error) => Err(coordinator_error(&error)),
    }
}

fn answer(
    (topic, checked): (OffsetDeleteRequestTopic, Vec<Checked>),
    errors: &[ErrorCode],
) -> OffsetDeleteResponseTopic {
    let partition = |(wanted, checked): (OffsetDeleteRequestPartition, Checked)| {
        let error = checked.map_or_else(|error| error, |place| errors.get(place).copied().unwrap_or_default());
        OffsetDeleteResponsePartition { partition_index: wanted.partition_index, error_code: error.number() }
    };
    let partitions = topic.partitions.into_iter().zip(checked).map(partition).collect();
    OffsetDeleteResponseTopic { name: topic.name, partitions }
}
