//! CreatePartitions: topics grow. They never shrink.

use omnibus_model::TopicName;
use omnibus_model::topic::Placement;

use super::distinct::distinct;
use super::failure::Failure;
use super::mode::Mode;
use super::{Context, replicas};
use crate::listed;
use crate::wire::ErrorCode;
use crate::wire::messages::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use crate::wire::messages::create_partitions_response::{CreatePartitionsResponse, CreatePartitionsTopicResult};

/// How a topic is to grow.
struct Growth {
    topic: TopicName,
    total: u32,
    /// Where the new partitions go, if the client says so.
    placement: Option<Placement>,
}

pub(super) async fn handle(
    context: &Context,
    request: CreatePartitionsRequest,
    _version: i16,
) -> CreatePartitionsResponse {
    let mode = Mode::from(request.validate_only);
    let mut results = Vec::with_capacity(request.topics.len());
    for (topic, times) in distinct(request.topics, |topic| topic.name.clone()) {
        let failure = match times.check() {
            Ok(()) => grow(context, &topic, mode).await.err(),
            Err(failure) => Some(failure),
        };
        results.push(CreatePartitionsTopicResult {
            name: topic.name,
            error_code: failure.as_ref().map_or(ErrorCode::None, |failure| failure.error).number(),
            error_message: failure.as_ref().and_then(Failure::wire_message),
        });
    }
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

async fn grow(context: &Context, wanted: &CreatePartitionsTopic, mode: Mode) -> Result<(), Failure> {
    let Growth { topic, total, placement } = plan(context, wanted)?;
    if mode == Mode::Check {
        return Ok(());
    }
    match placement {
        Some(placement) => context.engine.add_placed_partitions(topic, total, placement).await?,
        None => context.engine.add_partitions(topic, total).await?,
    };
    Ok(())
}

fn plan(context: &Context, wanted: &CreatePartitionsTopic) -> Result<Growth, Failure> {
    let topic = listed::topic(context.engine.catalog(), &wanted.name);
    let topic = topic.ok_or_else(|| {
        Failure::new(ErrorCode::UnknownTopicOrPartition, format!("there is no topic {}", wanted.name))
    })?;
    let present = topic.partitions.len();
    let more = usize::try_from(wanted.count).ok().and_then(|total| total.checked_sub(present)).filter(|more| *more > 0);
    let more = more.ok_or_else(|| {
        let message = format!("topic {} has {present} partitions, {} would not be more", topic.name, wanted.count);
        Failure::new(ErrorCode::InvalidPartitions, message)
    })?;
    let placement = match &wanted.assignments {
        None => None,
        Some(assignments) if assignments.len() != more => {
            let message = format!("{more} partitions are added, but {} are assigned", assignments.len());
            return Err(Failure::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        Some(assignments) => {
            let replicas = assignments.iter().map(|assignment| assignment.broker_ids.as_slice());
            Some(replicas::placement(context, replicas)?)
        }
    };
    Ok(Growth { topic: topic.name.clone(), total: wanted.count.unsigned_abs(), placement })
}
