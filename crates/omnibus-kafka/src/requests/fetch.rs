//! Fetch: record batches from an offset on, at once or when there are enough.
//!
//! Every request names all it wants: sessions (KIP-227) are declined with session id 0, and
//! clients go on without.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use omnibus_engine::ReadError;
use omnibus_model::batch::StreamBounds;
use omnibus_model::topic::Compression;
use omnibus_model::{LeaderEpoch, Offset, RecordFormat, StreamId, TopicId};
use omnibus_record::{AnyHeader, InvalidBatch};

use super::Context;
use super::partition::{self, Place, read_offset, wire_offset};
use crate::cluster::NO_BROKER;
use crate::errors::{read_error, submit_error};
use crate::wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use crate::wire::messages::fetch_response::{
    EpochEndOffset, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use crate::wire::{ErrorCode, Records};

/// The most bytes of one response; Kafka's `fetch.max.bytes`.
const RESPONSE_BYTES_MAX: usize = 55 << 20;

/// From this version on, topics go by id (KIP-516).
const TOPIC_IDS_FROM: i16 = 13;

/// Clients of older versions do not know zstd (KIP-110).
const ZSTD_FROM: i16 = 10;

/// From this version on, clients say where they are, and may be sent to a follower (KIP-392).
const FOLLOWERS_FROM: i16 = 11;

/// From this version on, whoever is not the leader says who is (KIP-951).
const LEADERS_FROM: i16 = 16;

/// A request's claim to be part of a session that this broker never opened.
const SESSION_NONE: i32 = 0;

/// What has been collected for one response.
#[derive(Default)]
struct Collected {
    topics: Vec<FetchableTopicResponse>,
    bytes: usize,
    /// Something that the client must hear of at once.
    urgent: bool,
}

impl Collected {
    fn pieces(&mut self) -> Vec<&mut Bytes> {
        let partitions = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        partitions.filter_map(|data| data.records.as_mut()).flat_map(|records| &mut records.0).collect()
    }
}

/// What a request may still be given.
#[derive(Clone, Copy)]
struct Allowance {
    bytes: usize,
    /// The first batch of a response is sent whatever its size (KIP-74).
    first: bool,
}

pub(super) async fn handle(context: &Context, request: FetchRequest, version: i16) -> FetchResponse {
    if request.session_id != SESSION_NONE {
        let error_code = ErrorCode::FetchSessionIdNotFound.number();
        return FetchResponse { error_code, ..FetchResponse::default() };
    }
    let watched = streams(context, &request, version);
    let bytes_min = usize::try_from(request.min_bytes).unwrap_or(0);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let timeout = tokio::time::sleep(wait);
    tokio::pin!(timeout);
    // Watch first, look second: what comes between the two wakes the watch.
    let mut watch = context.engine.watch(watched);
    let mut patient = !wait.is_zero();
    let response_max = usize::try_from(request.max_bytes).unwrap_or(0).min(RESPONSE_BYTES_MAX);
    loop {
        let share = context.budget.take_for_response(response_max).await;
        let mut collected = collect(context, &request, version, share.bytes().min(response_max)).await;
        if !patient || collected.urgent || collected.bytes >= bytes_min {
            share.pay_for(&mut collected.pieces());
            let node_endpoints =
                if version >= LEADERS_FROM { name_leaders(context, &mut collected.topics) } else { Vec::new() };
            return FetchResponse { responses: collected.topics, node_endpoints, ..FetchResponse::default() };
        }
        drop((share, collected));
        tokio::select! {
            () = watch.changed() => {}
            () = &mut timeout => patient = false,
        }
    }
}

fn streams(context: &Context, request: &FetchRequest, version: i16) -> Vec<StreamId> {
    let partitions = request.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |wanted| (topic, wanted)));
    partitions
        .filter_map(|(topic, wanted)| find(context, topic, wanted, version).ok())
        .map(|place| place.stream)
        .collect()
}

fn find(context: &Context, topic: &FetchTopic, wanted: &FetchPartition, version: i16) -> Result<Place, ErrorCode> {
    if version < TOPIC_IDS_FROM {
        partition::by_name(context, &topic.topic, wanted.partition)
    } else if topic.topic_id == TopicId::default() {
        Err(ErrorCode::UnknownTopicId)
    } else {
        partition::by_id(context, topic.topic_id, wanted.partition)
    }
}

/// Finds a partition whose batches the client understands.
fn find_readable(
    context: &Context,
    topic: &FetchTopic,
    wanted: &FetchPartition,
    version: i16,
) -> Result<Place, ErrorCode> {
    let place = find(context, topic, wanted, version)?;
    let compression = place.topic.config.effective(&context.engine.config_defaults()).compression;
    if compression == Compression::Zstd && version < ZSTD_FROM {
        return Err(ErrorCode::UnsupportedCompressionType);
    }
    Ok(place)
}

async fn collect(context: &Context, request: &FetchRequest, version: i16, response_max: usize) -> Collected {
    let mut collected = Collected::default();
    let nearby = if version >= FOLLOWERS_FROM { context.nearby(&request.rack_id) } else { Vec::new() };
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let partition_max = usize::try_from(wanted.partition_max_bytes).unwrap_or(0);
            let left = response_max.saturating_sub(collected.bytes);
            let allowance = Allowance { bytes: left.min(partition_max), first: collected.bytes == 0 };
            let found = find_readable(context, topic, wanted, version);
            // What is not there has a list all the same, as in Kafka.
            let lists_aborted = request.isolation_level != 0 || found.is_err();
            let mut data = match found {
                Ok(place) => match context.replica_among(&nearby, place.shard) {
                    Some(nearer) => sent_on(context, &place, wanted, nearer),
                    None => fetch(context, &place, wanted, (allowance, version)).await,
                },
                Err(error) => failed(error),
            };
            data.partition_index = wanted.partition;
            data.aborted_transactions = lists_aborted.then(Vec::new);
            collected.bytes += data.records.as_ref().map_or(0, Records::len);
            collected.urgent |= is_urgent(&data);
            partitions.push(data);
        }
        let (topic, topic_id) = (topic.topic.clone(), topic.topic_id);
        collected.topics.push(FetchableTopicResponse { topic, topic_id, partitions });
    }
    collected
}

/// Whether the client is to hear of this at once. What is not there yet may come while it waits.
fn is_urgent(data: &PartitionData) -> bool {
    let waits = [ErrorCode::None, ErrorCode::OffsetNotAvailable].map(ErrorCode::number);
    !waits.contains(&data.error_code)
        || data.diverging_epoch != EpochEndOffset::default()
        || data.preferred_read_replica != NO_BROKER
}

/// Sends a client to a replica that is nearer to it.
fn sent_on(context: &Context, place: &Place, wanted: &FetchPartition, nearer: i32) -> PartitionData {
    match partition::check_epoch(context, place, wanted.current_leader_epoch) {
        Ok(()) => {
            PartitionData { preferred_read_replica: nearer, ..filled(context.engine.bounds(place.stream), Vec::new()) }
        }
        Err(error) => failed(error),
    }
}

async fn fetch(
    context: &Context,
    place: &Place,
    wanted: &FetchPartition,
    (allowance, version): (Allowance, i16),
) -> PartitionData {
    let check = if version < FOLLOWERS_FROM { partition::check_epoch } else { partition::check_epoch_of_reader };
    if let Err(error) = check(context, place, wanted.current_leader_epoch) {
        return failed(error);
    }
    match diverged(context, place, wanted).await {
        Ok(None) => {}
        Ok(Some(diverging)) => {
            return PartitionData {
                diverging_epoch: diverging,
                ..filled(context.engine.bounds(place.stream), Vec::new())
            };
        }
        Err(error) => return failed(error),
    }
    let Some(from) = read_offset(wanted.fetch_offset) else { return failed(ErrorCode::OffsetOutOfRange) };
    if allowance.bytes == 0 && !allowance.first {
        let bounds = context.engine.bounds(place.stream);
        let is_beyond = from > bounds.end;
        return if from < bounds.start
            || (is_beyond && beyond(context, place, from).await == ErrorCode::OffsetOutOfRange)
        {
            failed(ErrorCode::OffsetOutOfRange)
        } else {
            filled(bounds, Vec::new())
        };
    }
    match context.engine.read(place.stream, from, allowance.bytes).await {
        Ok(fetched) if place.topic.queue.is_some() => match converted(fetched.pieces, allowance) {
            Ok(batches) => filled(fetched.bounds, batches),
            Err(invalid) => {
                tracing::error!(topic = %place.topic.name, %from, %invalid, "a stored record cannot be read");
                PartitionData {
                    error_code: ErrorCode::KafkaStorageError.number(),
                    ..filled(fetched.bounds, Vec::new())
                }
            }
        },
        Ok(fetched) => {
            let bytes: usize = fetched.pieces.iter().map(Bytes::len).sum();
            let fits = allowance.first || bytes <= allowance.bytes;
            filled(fetched.bounds, if fits { fetched.pieces } else { Vec::new() })
        }
        Err(ReadError::OutOfRange { end, .. }) if from > end => failed(beyond(context, place, from).await),
        Err(error @ ReadError::OutOfRange { .. }) => failed(read_error(&error)),
        Err(error) => {
            let bounds = context.engine.bounds(place.stream);
            PartitionData { error_code: read_error(&error).number(), ..filled(bounds, Vec::new()) }
        }
    }
}

/// What a reader is told who is beyond the end that can be seen here. A follower may not have heard yet how far the leader's
/// readers got, and who has just been elected may still apply what it has: a leader that has answered for the shard
/// knows.
async fn beyond(context: &Context, place: &Place, from: Offset) -> ErrorCode {
    if context.engine.leads(place.shard) {
        match context.engine.committed(place.shard).await {
            Ok(_) if from > context.engine.bounds(place.stream).end => return ErrorCode::OffsetOutOfRange,
            Ok(_) => {}
            Err(error) => return submit_error(&error),
        }
    }
    ErrorCode::OffsetNotAvailable
}

/// Makes batches of the messages of a queue, as many as the client lets; they may take more bytes
/// than what is stored.
fn converted(pieces: Vec<Bytes>, allowance: Allowance) -> Result<Vec<Bytes>, InvalidBatch> {
    let mut out = BytesMut::new();
    for stored in pieces.into_iter().flat_map(omnibus_record::batches) {
        let batch = match AnyHeader::read(&stored)?.format {
            RecordFormat::KafkaBatch => stored,
            RecordFormat::Message => omnibus_record::kafka_batch(&stored)?,
        };
        let is_first = out.is_empty() && allowance.first;
        if out.len() + batch.len() > allowance.bytes && !is_first {
            break;
        }
        out.extend_from_slice(&batch);
    }
    Ok(if out.is_empty() { Vec::new() } else { vec![out.freeze()] })
}

/// Says where the client's log and this one part, if it named the epoch it read last (KIP-595).
async fn diverged(
    context: &Context,
    place: &Place,
    wanted: &FetchPartition,
) -> Result<Option<EpochEndOffset>, ErrorCode> {
    let Ok(known) = u32::try_from(wanted.last_fetched_epoch) else { return Ok(None) };
    let end = context.engine.epoch_end(place.shard, place.stream, LeaderEpoch(known)).await;
    let Some((epoch, end)) = end.map_err(|error| submit_error(&error))? else { return Ok(None) };
    let parted = epoch.0 < known || wire_offset(end) < wanted.fetch_offset;
    let epoch = i32::try_from(epoch.0).unwrap_or(i32::MAX);
    Ok(parted.then(|| EpochEndOffset { epoch, end_offset: wire_offset(end) }))
}

/// Says who leads the partitions of which a client was wrong; returns where they are.
fn name_leaders(context: &Context, topics: &mut [FetchableTopicResponse]) -> Vec<NodeEndpoint> {
    let mut endpoints: Vec<NodeEndpoint> = Vec::new();
    let misled = [ErrorCode::NotLeaderOrFollower, ErrorCode::FencedLeaderEpoch].map(ErrorCode::number);
    for topic in topics {
        let id = topic.topic_id;
        for data in topic.partitions.iter_mut().filter(|data| misled.contains(&data.error_code)) {
            let place = partition::by_id(context, id, data.partition_index);
            let Some((leader, leader_epoch)) = place.ok().and_then(|place| context.leader_and_epoch(place.shard))
            else {
                continue;
            };
            data.current_leader = LeaderIdAndEpoch { leader_id: leader.id, leader_epoch };
            if endpoints.iter().all(|known| known.node_id != leader.id) {
                let (host, rack) = (leader.host.into(), leader.rack.map(Into::into));
                endpoints.push(NodeEndpoint { node_id: leader.id, host, port: leader.port, rack });
            }
        }
    }
    endpoints
}

fn filled(bounds: StreamBounds, pieces: Vec<Bytes>) -> PartitionData {
    PartitionData {
        high_watermark: wire_offset(bounds.end),
        last_stable_offset: wire_offset(bounds.end),
        log_start_offset: wire_offset(bounds.start),
        records: Some(Records(pieces)),
        ..PartitionData::default()
    }
}

fn failed(error: ErrorCode) -> PartitionData {
    PartitionData {
        error_code: error.number(),
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        records: Some(Records::default()),
        ..PartitionData::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Node;
    use super::*;

    #[tokio::test]
    async fn who_looks_in_the_wrong_place_is_told_the_right_one() {
        let node = Node::start();
        let id = node.create("a", 1).await;
        let misled = PartitionData { partition_index: 0, ..failed(ErrorCode::FencedLeaderEpoch) };
        let other = failed(ErrorCode::OffsetOutOfRange);
        let topic = FetchableTopicResponse { topic_id: id, partitions: vec![misled, other], ..Default::default() };
        let mut topics = [topic];
        let endpoints = name_leaders(&node.context, &mut topics);
        let found: Vec<_> = endpoints.iter().map(|place| (place.node_id, &*place.host, place.port)).collect();
        assert_eq!(found, [(1, "127.0.0.1", 9092)]);
        let [misled, other] = &topics[0].partitions[..] else { panic!("two partitions") };
        let shard = node.context.engine.catalog().topic("a").unwrap().partitions[0].shard;
        let leader_epoch = node.context.leader_epoch(shard);
        assert_eq!(misled.current_leader, LeaderIdAndEpoch { leader_id: 1, leader_epoch });
        assert_eq!(other.current_leader, LeaderIdAndEpoch::default());
        node.stop().await;
    }
}
