//! DescribeProducers: the idempotent producers that a partition remembers (KIP-664).

use omnibus_engine::questions::ProducerView;

use super::create_topics::topic_name;
use super::{Context, partition};
use crate::errors::submit_error;
use crate::wire::ErrorCode;
use crate::wire::messages::describe_producers_request::{DescribeProducersRequest, TopicRequest};
use crate::wire::messages::describe_producers_response::{
    DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};

pub(super) async fn handle(
    context: &Context,
    request: DescribeProducersRequest,
    _version: i16,
) -> DescribeProducersResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for TopicRequest { name, partition_indexes } in request.topics {
        let mut partitions = Vec::with_capacity(partition_indexes.len());
        for partition_index in partition_indexes {
            let (active_producers, error) = match producers(context, &name, partition_index).await {
                Ok(producers) => (producers, ErrorCode::None),
                Err(error) => (Vec::new(), error),
            };
            let error_code = error.number();
            partitions.push(PartitionResponse {
                partition_index,
                error_code,
                active_producers,
                ..PartitionResponse::default()
            });
        }
        topics.push(TopicResponse { name, partitions });
    }
    DescribeProducersResponse { topics, ..DescribeProducersResponse::default() }
}

async fn producers(context: &Context, topic: &str, partition: i32) -> Result<Vec<ProducerState>, ErrorCode> {
    topic_name(topic).map_err(|failure| failure.error)?;
    let place = partition::by_name(context, topic, partition)?;
    let producers = context.engine.producers(place.shard, place.stream).await;
    Ok(producers.map_err(|error| submit_error(&error))?.into_iter().map(state).collect())
}

/// There are no transactions yet, so nobody coordinates one.
fn state(producer: ProducerView) -> ProducerState {
    ProducerState {
        producer_id: i64::try_from(producer.id.0).unwrap_or(i64::MAX),
        producer_epoch: i32::from(producer.epoch.0),
        last_sequence: i32::try_from(producer.sequence_last).unwrap_or(i32::MAX),
        last_timestamp: producer.written_at.0,
        coordinator_epoch: -1,
        current_txn_start_offset: -1,
    }
}
