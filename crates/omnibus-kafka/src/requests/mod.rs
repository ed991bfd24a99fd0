//! One file per request: from wire, engine call, to wire.

mod alter_configs;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod elect_leaders;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sync_group;
mod create_topics;
mod config_changes;
mod resource;
mod group;
mod subscribed;
mod partition;
mod replicas;
mod concurrently;
mod distinct;
mod failure;
mod mode;

use std::pin::Pin;

use bytes::Bytes;

pub(crate) use crate::session::Context;
use crate::wire::header::{read_request_header, write_response_header};
use crate::wire::{ApiKey, DecodeError, Input, Output, Request};

/// What goes back for one request.
#[derive(Debug)]
pub(crate) enum Reply {
    Chunks(Vec<Bytes>),
    /// The client asked for no answer.
    Nothing,
    /// The client can be told only by closing its connection.
    HangUp,
}

type ReplyLater = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A request that is being carried out.
pub(crate) enum Started {
    /// Others may be started before it is answered.
    Overlapping(ReplyLater),
    /// Others must wait until it is answered.
    Exclusive(ReplyLater),
}

/// What this broker answers, and so what it lists in ApiVersions.
const ANSWERED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::DeleteGroups,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::ListPartitionReassignments,
    ApiKey::OffsetDelete,
    ApiKey::DescribeQuorum,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::ConsumerGroupDescribe,
    ApiKey::ListConfigResources,
    ApiKey::DescribeTopicPartitions,
];

/// One request, its header read.
#[derive(Debug)]
pub(crate) struct Call {
    context: Context,
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    body: Input,
}

impl Call {
    /// Reads a frame's header.
    pub(crate) fn read(context: &Context, frame: Bytes) -> Result<Self, DecodeError> {
        let mut body = Input::from(frame);
        let (key, header) = read_request_header(&mut body)?;
        let mut context = context.clone();
        context.client.id = header.client_id.unwrap_or_default();
        let (version, correlation_id) = (header.request_api_version, header.correlation_id);
        Ok(Self { context, key, version, correlation_id, body })
    }

    fn output(&self) -> Output {
        let mut out = Output::framed();
        write_response_header(&mut out, self.key, self.version, self.correlation_id)
            .expect("a response header can always be written");
        out
    }

    fn reply<M: crate::wire::Message>(&self, message: &M) -> Reply {
        let mut out = self.output();
        match message.encode(&mut out, self.version) {
            Ok(()) => Reply::Chunks(out.into_chunks()),
            Err(error) => {
                tracing::error!(key = %self.key, version = self.version, %error, "a response could not be written");
                Reply::HangUp
            }
        }
    }
}

/// Says whether the request in this frame may be started while others are unanswered.
pub(crate) fn may_overlap(frame: &[u8]) -> bool {
    frame.first_chunk::<2>().is_some_and(|key| i16::from_be_bytes(*key) == ApiKey::Produce.number())
}

/// Starts a request; an error closes the connection, as Kafka does for what it does not know.
pub(crate) async fn start(mut call: Call) -> Result<Started, DecodeError> {
    if call.key == ApiKey::ApiVersions {
        return Ok(Started::Exclusive(Box::pin(std::future::ready(api_versions::reply(call)))));
    }
    if !call.key.served().contains(call.version) {
        return Err(DecodeError::VersionUnknown { version: call.version });
    }
    if call.key == ApiKey::Produce {
        let request = read(&mut call)?;
        let answer = produce::start(&call.context, request, call.version).await;
        return Ok(Started::Overlapping(Box::pin(async move { produce::reply(&call, answer.await) })));
    }
    dispatch(call).map(Started::Exclusive)
}

fn dispatch(call: Call) -> Result<ReplyLater, DecodeError> {
    match call.key {
        ApiKey::AlterConfigs => handle(call, alter_configs::handle),
        ApiKey::ConsumerGroupDescribe => handle(call, consumer_group_describe::handle),
        ApiKey::ConsumerGroupHeartbeat => handle(call, consumer_group_heartbeat::handle),
        ApiKey::CreatePartitions => handle(call, create_partitions::handle),
        ApiKey::CreateTopics => handle(call, create_topics::handle),
        ApiKey::DeleteGroups => handle(call, delete_groups::handle),
        ApiKey::DeleteRecords => handle(call, delete_records::handle),
        ApiKey::DeleteTopics => handle(call, delete_topics::handle),
        ApiKey::DescribeCluster => handle(call, describe_cluster::handle),
        ApiKey::DescribeConfigs => handle(call, describe_configs::handle),
        ApiKey::DescribeGroups => handle(call, describe_groups::handle),
        ApiKey::DescribeLogDirs => handle(call, describe_log_dirs::handle),
        ApiKey::DescribeProducers => handle(call, describe_producers::handle),
        ApiKey::DescribeQuorum => handle(call, describe_quorum::handle),
        ApiKey::DescribeTopicPartitions => handle(call, describe_topic_partitions::handle),
        ApiKey::ElectLeaders => handle(call, elect_leaders::handle),
        ApiKey::Fetch => handle(call, fetch::handle),
        ApiKey::FindCoordinator => handle(call, find_coordinator::handle),
        ApiKey::Heartbeat => handle(call, heartbeat::handle),
        ApiKey::IncrementalAlterConfigs => handle(call, incremental_alter_configs::handle),
        ApiKey::InitProducerId => handle(call, init_producer_id::handle),
        ApiKey::JoinGroup => handle(call, join_group::handle),
        ApiKey::LeaveGroup => handle(call, leave_group::handle),
        ApiKey::ListConfigResources => handle(call, list_config_resources::handle),
        ApiKey::ListGroups => handle(call, list_groups::handle),
        ApiKey::ListOffsets => handle(call, list_offsets::handle),
        ApiKey::ListPartitionReassignments => handle(call, list_partition_reassignments::handle),
        ApiKey::Metadata => handle(call, metadata::handle),
        ApiKey::OffsetCommit => handle(call, offset_commit::handle),
        ApiKey::OffsetDelete => handle(call, offset_delete::handle),
        ApiKey::OffsetFetch => handle(call, offset_fetch::handle),
        ApiKey::OffsetForLeaderEpoch => handle(call, offset_for_leader_epoch::handle),
        ApiKey::SyncGroup => handle(call, sync_group::handle),
        key => Err(DecodeError::ApiKeyUnknown { key: key.number() }),
    }
}

/// Reads a request, has it carried out, and writes the response.
fn handle<R, F>(mut call: Call, handle: F) -> Result<ReplyLater, DecodeError>
where
    R: Request + Send + 'static,
    R::Response: Send,
    F: for<'a> Handler<'a, R>,
{
    let request: R = read(&mut call)?;
    Ok(Box::pin(async move {
        let response = handle.call(&call.context, request, call.version).await;
        call.reply(&response)
    }))
}

/// A function that carries out one kind of request.
trait Handler<'a, R: Request>: Send + 'static {
    type Answering: Future<Output = R::Response> + Send + 'a;

    fn call(self, context: &'a Context, request: R, version: i16) -> Self::Answering;
}

impl<'a, R, F, A> Handler<'a, R> for F
where
    R: Request,
    F: FnOnce(&'a Context, R, i16) -> A + Send + 'static,
    A: Future<Output = R::Response> + Send + 'a,
{
    type Answering = A;

    fn call(self, context: &'a Context, request: R, version: i16) -> A {
        self(context, request, version)
    }
}

fn read<R: Request>(call: &mut Call) -> Result<R, DecodeError> {
    let request = R::decode(&mut call.body, call.version)?;
    Ok(request)
}

#[cfg(test)]
pub(crate) mod tests;
