//! Produce: one record batch for each of many partitions.
//!
//! A request is carried out in two steps: [`start`] checks every batch and hands it to the
//! engine, which fixes its place; the future that it returns waits for the disk.

use std::future::Future;

use bytes::Bytes;
use omnibus_engine::{Commit, Payload};
use omnibus_model::outcome::Appended;
use omnibus_model::queue::DeliveryOrder;
use omnibus_model::topic::{EffectiveConfig, TimestampSource};
use omnibus_model::{BatchInfo, RecordFormat, Timestamp, TopicId};
use omnibus_record::{Checked, Codec, InvalidBatch, Rules, Target};

use super::partition::{self, Place, wire_offset};
use super::{Call, Context, Reply};
use crate::errors::{invalid_batch, submit_error};
use crate::wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use crate::wire::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceResponse,
    TopicProduceResponse,
};
use crate::wire::{ErrorCode, Records};

/// From this version on, topics go by id (KIP-516).
const TOPIC_IDS_FROM: i16 = 13;

/// Clients of older versions do not know zstd (KIP-110).
const ZSTD_FROM: i16 = 7;

/// From this version on, whoever is not the leader says who is (KIP-951).
const LEADERS_FROM: i16 = 10;

/// "Not set" in a response.
const NONE: i64 = -1;

/// How safe the client wants its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acks {
    /// No answer.
    None,
    Leader,
    All,
}

/// What `start` made of a request.
pub(super) struct Answer {
    acks: Option<Acks>,
    response: ProduceResponse,
}

/// A partition's batch: refused already, or on its way to the disk.
enum Progress {
    Failed(PartitionProduceResponse),
    Handed { index: i32, commit: Commit, stamped: Option<Timestamp> },
}

/// Hands every batch to the engine, in the order of the request.
pub(super) async fn start(
    context: &Context,
    request: ProduceRequest,
    version: i16,
) -> impl Future<Output = Answer> + Send + use<> {
    let acks = acks(request.acks);
    let transactional = request.transactional_id.is_some();
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for mut topic in request.topic_data {
        let partitions = std::mem::take(&mut topic.partition_data);
        let mut progress = Vec::with_capacity(partitions.len());
        for data in partitions {
            let index = data.index;
            let handed = match acks {
                None => Err(failed(ErrorCode::InvalidRequiredAcks)),
                // Transactions are not there yet: see the compatibility table.
                Some(_) if transactional => Err(failed(ErrorCode::TransactionalIdAuthorizationFailed)),
                Some(acks) => hand_over(context, &topic, data, (acks, version)).await,
            };
            progress.push(match handed {
                Ok((commit, stamped)) => Progress::Handed { index, commit, stamped },
                Err(response) => Progress::Failed(PartitionProduceResponse { index, ..response }),
            });
        }
        topics.push((topic, progress));
    }
    finish(acks, topics)
}

/// Writes the answer, if the client wants one. A client that does not can be told of an error
/// only by hanging up.
pub(super) fn reply(call: &Call, mut answer: Answer) -> Reply {
    if answer.acks != Some(Acks::None) {
        if call.version >= LEADERS_FROM {
            name_leaders(&call.context, &mut answer.response, call.version);
        }
        return call.reply(&answer.response);
    }
    let mut partitions = answer.response.responses.iter().flat_map(|topic| &topic.partition_responses);
    let clean = partitions.all(|partition| partition.error_code == ErrorCode::None.number());
    if clean { Reply::Nothing } else { Reply::HangUp }
}

/// Says who leads the partitions that were looked for in the wrong place.
fn name_leaders(context: &Context, response: &mut ProduceResponse, version: i16) {
    let ProduceResponse { responses, node_endpoints, .. } = response;
    for topic in responses {
        let (name, id) = (&topic.name, topic.topic_id);
        let misled = ErrorCode::NotLeaderOrFollower.number();
        for answer in topic.partition_responses.iter_mut().filter(|answer| answer.error_code == misled) {
            let place = find(context, (name, id), answer.index, version);
            let Some((leader, leader_epoch)) = place.ok().and_then(|place| context.leader_and_epoch(place.shard))
            else {
                continue;
            };
            answer.current_leader = LeaderIdAndEpoch { leader_id: leader.id, leader_epoch };
            if node_endpoints.iter().all(|known| known.node_id != leader.id) {
                let (host, rack) = (leader.host.into(), leader.rack.map(Into::into));
                node_endpoints.push(NodeEndpoint { node_id: leader.id, host, port: leader.port, rack });
            }
        }
    }
}

fn find(context: &Context, (name, id): (&str, TopicId), index: i32, version: i16) -> Result<Place, ErrorCode> {
    if version < TOPIC_IDS_FROM {
        partition::by_name(context, name, index)
    } else {
        partition::by_id(context, id, index)
    }
}

fn acks(wanted: i16) -> Option<Acks> {
    match wanted {
        0 => Some(Acks::None),
        1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    }
}

async fn hand_over(
    context: &Context,
    topic: &TopicProduceData,
    data: PartitionProduceData,
    (acks, version): (Acks, i16),
) -> Result<(Commit, Option<Timestamp>), PartitionProduceResponse> {
    let place = find(context, (&topic.name, topic.topic_id), data.index, version).map_err(failed)?;
    check_order(&place)?;
    let config = place.topic.config.effective(&context.engine.config_defaults());
    if acks == Acks::All && config.in_sync_replicas_min > context.in_sync_replicas() {
        return Err(failed(ErrorCode::NotEnoughReplicas));
    }
    let bytes = data.records.map(joined).unwrap_or_default();
    let now = context.engine.now();
    let checked = check(&config, &bytes, (now, version))?;
    let bytes = recompressed(&config, &checked, bytes).await?;
    let (payload, stamped) = timestamped(&config, &checked, bytes, now);
    append(context, &place, payload).await.map(|commit| (commit, stamped))
}

async fn append(context: &Context, place: &Place, payload: Payload) -> Result<Commit, PartitionProduceResponse> {
    let commit = context.engine.append(place.shard, place.stream, payload).await;
    commit.map_err(|error| failed(submit_error(&error)))
}

/// Refuses to write to a queue that keeps the order of groups: a record of Kafka's is in none.
fn check_order(place: &Place) -> Result<(), PartitionProduceResponse> {
    let order = place.topic.queue.as_ref().map(|queue| queue.config.cursor.order);
    if order != Some(DeliveryOrder::Ordered) {
        return Ok(());
    }
    let message =
        format!("{} is a queue that keeps the order of groups, and Kafka's records are in none", place.topic.name);
    Err(PartitionProduceResponse { error_message: Some(message.into()), ..failed(ErrorCode::InvalidRecord) })
}

/// Checks a batch by its topic's rules.
fn check(
    config: &EffectiveConfig,
    bytes: &[u8],
    (now, version): (Timestamp, i16),
) -> Result<Checked, PartitionProduceResponse> {
    if bytes.len() > batch_bytes_max(config) {
        return Err(failed(ErrorCode::MessageTooLarge));
    }
    let rules = Rules::of_topic(config, now);
    let checked = omnibus_record::validate(bytes, &rules).map_err(|invalid| rejected(&invalid))?;
    if checked.is_transactional {
        return Err(failed(ErrorCode::TransactionalIdAuthorizationFailed));
    }
    if checked.codec == Codec::Zstd && version < ZSTD_FROM {
        return Err(failed(ErrorCode::UnsupportedCompressionType));
    }
    Ok(checked)
}

/// Compresses a batch as its topic wants it. It must fit the topic afterwards, too.
async fn recompressed(
    config: &EffectiveConfig,
    checked: &Checked,
    bytes: Bytes,
) -> Result<Bytes, PartitionProduceResponse> {
    let target = Target::of_topic(config).filter(|target| target.codec != checked.codec);
    let Some(target) = target else { return Ok(bytes) };
    let max = batch_bytes_max(config);
    let work = tokio::task::spawn_blocking(move || omnibus_record::recompress(&bytes, target, max));
    let done = work.await.map_err(|_| failed(ErrorCode::UnknownServerError))?;
    done.map_err(|invalid| rejected(&invalid))
}

/// Completes a batch with its topic's kind of timestamps; tells the broker's time if it has it.
fn timestamped(
    config: &EffectiveConfig,
    checked: &Checked,
    bytes: Bytes,
    now: Timestamp,
) -> (Payload, Option<Timestamp>) {
    match config.timestamps {
        TimestampSource::Broker => (payload(checked, omnibus_record::with_broker_time(&bytes, now), now), Some(now)),
        TimestampSource::Producer if checked.rewrite_timestamp_max => {
            let bytes = omnibus_record::with_timestamp_max(&bytes, checked.timestamp_max);
            (payload(checked, bytes, checked.timestamp_max), None)
        }
        TimestampSource::Producer => (payload(checked, bytes, checked.timestamp_max), None),
    }
}

fn batch_bytes_max(config: &EffectiveConfig) -> usize {
    usize::try_from(config.batch_bytes_max).unwrap_or(usize::MAX)
}

fn payload(checked: &Checked, bytes: Bytes, timestamp_max: Timestamp) -> Payload {
    let batch = BatchInfo {
        format: RecordFormat::KafkaBatch,
        count: checked.count,
        bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        timestamp_max,
        producer: checked.producer,
    };
    Payload { batch, bytes }
}

fn joined(records: Records) -> Bytes {
    let mut pieces = records.0;
    match pieces.len() {
        0 => Bytes::new(),
        1 => pieces.swap_remove(0),
        _ => pieces.concat().into(),
    }
}

async fn finish(acks: Option<Acks>, topics: Vec<(TopicProduceData, Vec<Progress>)>) -> Answer {
    let mut response = ProduceResponse::default();
    for (topic, progress) in topics {
        let mut partition_responses = Vec::with_capacity(progress.len());
        for partition in progress {
            partition_responses.push(match partition {
                Progress::Failed(response) => response,
                Progress::Handed { index, commit, stamped } => match commit.appended().await {
                    Ok(appended) => PartitionProduceResponse { index, ..written(appended, stamped) },
                    Err(error) => PartitionProduceResponse { index, ..failed(submit_error(&error)) },
                },
            });
        }
        let (name, topic_id) = (topic.name, topic.topic_id);
        response.responses.push(TopicProduceResponse { name, topic_id, partition_responses });
    }
    Answer { acks, response }
}

fn written(appended: Appended, stamped: Option<Timestamp>) -> PartitionProduceResponse {
    PartitionProduceResponse {
        base_offset: wire_offset(appended.base),
        log_append_time_ms: stamped.map_or(NONE, |time| time.0),
        log_start_offset: wire_offset(appended.start),
        ..PartitionProduceResponse::default()
    }
}

fn failed(error: ErrorCode) -> PartitionProduceResponse {
    PartitionProduceResponse {
        error_code: error.number(),
        base_offset: NONE,
        log_append_time_ms: NONE,
        log_start_offset: NONE,
        ..PartitionProduceResponse::default()
    }
}

/// Tells the records that are at fault, if the fault is that of records (KIP-467).
fn rejected(invalid: &InvalidBatch) -> PartitionProduceResponse {
    let record_errors = invalid.records().iter().map(|record| BatchIndexAndErrorMessage {
        batch_index: i32::try_from(record.index).unwrap_or(i32::MAX),
        batch_index_error_message: Some(record.reason.to_string().into()),
    });
    PartitionProduceResponse {
        record_errors: record_errors.collect(),
        error_message: Some(invalid.to_string().into()),
        ..failed(invalid_batch(invalid))
    }
}
