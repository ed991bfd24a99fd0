//! DescribeLogDirs: how many bytes each partition takes. All are in one log.

use omnibus_model::topic::{SharedTopic, Topic};

use super::Context;
use crate::listed;
use crate::wire::messages::describe_log_dirs_request::{DescribableLogDirTopic, DescribeLogDirsRequest};
use crate::wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::wire::{ErrorCode, WireString};

/// The one place where records are. Where that is on the machine is nobody's business.
const LOG_DIR: &str = "log";

pub(super) async fn handle(
    context: &Context,
    request: DescribeLogDirsRequest,
    _version: i16,
) -> DescribeLogDirsResponse {
    let topics = match request.topics {
        None => listed::topics(context.engine.catalog()).iter().map(|topic| every_partition(context, topic)).collect(),
        Some(wanted) => wanted.iter().filter_map(|wanted| wanted_partitions(context, wanted)).collect(),
    };
    let result = DescribeLogDirsResult {
        error_code: ErrorCode::None.number(),
        log_dir: WireString::from_static(LOG_DIR),
        topics,
        total_bytes: wire_bytes(context.engine.disk_bytes()),
        usable_bytes: wire_bytes(Some(context.engine.log_stats().free_bytes)),
        ..DescribeLogDirsResult::default()
    };
    DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() }
}

/// Unknown is -1.
fn wire_bytes(bytes: Option<u64>) -> i64 {
    bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

fn every_partition(context: &Context, topic: &SharedTopic) -> DescribeLogDirsTopic {
    let partitions = (0..).zip(&topic.partitions).map(|(index, _)| index);
    described(context, topic, partitions)
}

fn wanted_partitions(context: &Context, wanted: &DescribableLogDirTopic) -> Option<DescribeLogDirsTopic> {
    let topic = listed::topic(context.engine.catalog(), &wanted.topic)?;
    Some(described(context, &topic, wanted.partitions.iter().copied()))
}

/// Leaves out partitions that the topic does not have.
fn described(context: &Context, topic: &Topic, partitions: impl Iterator<Item = i32>) -> DescribeLogDirsTopic {
    let partition = |partition_index: i32| {
        let partition = topic.partitions.get(usize::try_from(partition_index).ok()?)?;
        let bytes = context.engine.stream_bytes(partition.stream);
        Some(DescribeLogDirsPartition {
            partition_index,
            partition_size: i64::try_from(bytes).unwrap_or(i64::MAX),
            ..DescribeLogDirsPartition::default()
        })
    };
    DescribeLogDirsTopic { name: topic.name.as_str().into(), partitions: partitions.filter_map(partition).collect() }
}
