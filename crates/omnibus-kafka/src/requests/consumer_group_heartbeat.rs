//! ConsumerGroupHeartbeat: a member of a consumer group says what it has and wants, and learns
//! what it may own (KIP-848).

use omnibus_model::command::ConsumerHeartbeat;
use omnibus_model::group::{ClientInfo, ConsumerSubscription, TopicPartitions as Share};
use omnibus_model::outcome::HeartbeatTaken;
use omnibus_model::{Command, GroupName, MemberId, Millis, Outcome, PartitionIndex, TopicName};

use super::Context;
use super::group::{client, group_name, instance_id, member_id};
use super::subscribed;
use crate::errors::consumer_error;
use crate::patterns::PatternError;
use crate::wire::messages::consumer_group_heartbeat_request::{ConsumerGroupHeartbeatRequest, TopicPartitions};
use crate::wire::messages::consumer_group_heartbeat_response::{
    Assignment, ConsumerGroupHeartbeatResponse, TopicPartitions as AssignedPartitions,
};
use crate::wire::{ErrorCode, WireString};

/// What a member's epoch says when it joins, leaves, or leaves for a while.
const JOINS: i32 = 0;
const LEAVES: i32 = -1;
const LEAVES_FOR_A_WHILE: i32 = -2;

/// From this version on members make up their ids themselves (KIP-1082).
const OWN_MEMBER_ID_FROM: i16 = 1;

/// Why a heartbeat is not taken.
struct Rejected {
    error: ErrorCode,
    message: String,
}

pub(super) async fn handle(
    context: &Context,
    request: ConsumerGroupHeartbeatRequest,
    version: i16,
) -> ConsumerGroupHeartbeatResponse {
    match beat(context, &request, version).await {
        Ok(taken) => accepted(taken, heartbeat_interval(context, &request)),
        Err(rejected) => ConsumerGroupHeartbeatResponse {
            error_code: rejected.error.number(),
            error_message: Some(rejected.message.into()),
            ..ConsumerGroupHeartbeatResponse::default()
        },
    }
}

async fn beat(
    context: &Context,
    request: &ConsumerGroupHeartbeatRequest,
    version: i16,
) -> Result<HeartbeatTaken, Rejected> {
    check(request, version)?;
    let mut command = command(context, request)?;
    if command.member_epoch >= JOINS {
        look_up_topics(context, &mut command).await?;
    }
    let shard = context.engine.group_shard(&command.group);
    match context.engine.submit(shard, Command::ConsumerHeartbeat(Box::new(command))).await {
        Ok(Outcome::HeartbeatTaken(taken)) => Ok(taken),
        Ok(other) => unreachable!("a heartbeat ended in {other:?}"),
        Err(error) => Err(Rejected { error: consumer_error(&error), message: error.to_string() }),
    }
}

/// Checks what can be checked of a heartbeat without knowing its group.
fn check(request: &ConsumerGroupHeartbeatRequest, version: i16) -> Result<(), Rejected> {
    let is_empty = |text: &Option<WireString>| text.as_ref().is_some_and(|text| text.is_empty());
    let brings_own_id = version >= OWN_MEMBER_ID_FROM || request.member_epoch != JOINS;
    if request.group_id.is_empty() {
        return Err(invalid("the group's name is empty"));
    }
    if is_empty(&request.instance_id) || is_empty(&request.rack_id) {
        return Err(invalid("an instance or a rack has a name that is not empty, or none"));
    }
    if brings_own_id && request.member_id.is_empty() {
        return Err(invalid("the member's id is empty"));
    }
    match request.member_epoch {
        JOINS => check_joining(request),
        LEAVES_FOR_A_WHILE if request.instance_id.is_none() => Err(invalid("only a static member comes back")),
        LEAVES_FOR_A_WHILE | LEAVES | 1.. => Ok(()),
        _ => Err(invalid("a member epoch is at least -2")),
    }
}

fn check_joining(request: &ConsumerGroupHeartbeatRequest) -> Result<(), Rejected> {
    if request.rebalance_timeout_ms < 0 {
        return Err(invalid("a member that joins says how long it may take to give partitions back"));
    }
    if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
        return Err(invalid("a member that joins says what it reads"));
    }
    if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
        return Err(invalid("a member that joins owns nothing, and says so"));
    }
    Ok(())
}

fn invalid(message: &str) -> Rejected {
    Rejected { error: ErrorCode::InvalidRequest, message: message.to_owned() }
}

fn command(context: &Context, request: &ConsumerGroupHeartbeatRequest) -> Result<ConsumerHeartbeat, Rejected> {
    let topics = |names: &Vec<WireString>| names.iter().filter_map(|name| TopicName::new(name).ok()).collect();
    Ok(ConsumerHeartbeat {
        group: group_name(&request.group_id).map_err(|_| invalid("the group's name is too long"))?,
        member: member(context, &request.member_id)?,
        member_epoch: request.member_epoch,
        instance: instance_id(request.instance_id.as_ref()).map_err(|_| invalid("the instance's name is too long"))?,
        client: ClientInfo { rack: request.rack_id.as_ref().map(WireString::to_string), ..client(context) },
        rebalance_timeout: u64::try_from(request.rebalance_timeout_ms).ok().map(Millis),
        subscribed: request.subscribed_topic_names.as_ref().map(topics),
        subscribed_pattern: request.subscribed_topic_regex.as_ref().map(WireString::to_string),
        assignor: request.server_assignor.as_ref().map(WireString::to_string),
        owned: request.topic_partitions.as_ref().map(|owned| owned.iter().map(share).collect()),
        topics: None,
    })
}

fn member(context: &Context, id: &str) -> Result<MemberId, Rejected> {
    if id.is_empty() {
        let uuid = uuid::Builder::from_random_bytes(context.engine.random().to_be_bytes()).into_uuid();
        return Ok(MemberId::new(&uuid.to_string()).expect("a UUID is a name"));
    }
    member_id(id).ok_or_else(|| invalid("the member's id is too long"))
}

fn share(owned: &TopicPartitions) -> Share {
    let index = |partition: &i32| u32::try_from(*partition).ok().map(PartitionIndex);
    Share { topic: owned.topic_id, partitions: owned.partitions.iter().filter_map(index).collect() }
}

/// Adds the catalog's view of what the member reads, unless it knows that already.
async fn look_up_topics(context: &Context, command: &mut ConsumerHeartbeat) -> Result<(), Rejected> {
    let known = context.engine.consumer_subscription(command.group.clone(), command.member.clone()).await;
    let known = known.map_err(|error| Rejected { error: consumer_error(&error), message: error.to_string() })?;
    let names = command.subscribed.as_ref().or(known.as_ref().map(|known| &known.subscribed));
    let pattern = command.subscribed_pattern.as_ref();
    let pattern = pattern.or(known.as_ref().and_then(|known| known.subscribed_pattern.as_ref()));
    let names = names.map(Vec::as_slice).unwrap_or_default();
    let topics = subscribed::topics(context, names, pattern.map_or("", String::as_str));
    let topics = topics.map_err(|PatternError { pattern, reason }| Rejected {
        error: ErrorCode::InvalidRegularExpression,
        message: format!("`{pattern}` is not a regular expression: {reason}"),
    })?;
    if !is_known(command, known.as_ref(), &topics) {
        command.topics = Some(topics);
    }
    Ok(())
}

fn is_known(
    command: &ConsumerHeartbeat,
    known: Option<&ConsumerSubscription>,
    topics: &[omnibus_model::group::TopicShape],
) -> bool {
    let resubscribes = command.subscribed.is_some() || command.subscribed_pattern.is_some();
    !resubscribes && known.is_some_and(|known| known.topics == topics)
}

/// How soon a member of the group shall come again.
fn heartbeat_interval(context: &Context, request: &ConsumerGroupHeartbeatRequest) -> Millis {
    let group = GroupName::new(&request.group_id).ok();
    let set = group.and_then(|group| context.engine.configs().group(&group).heartbeat_interval);
    set.unwrap_or(context.engine.limits().consumer_heartbeat_interval)
}

fn accepted(taken: HeartbeatTaken, heartbeat_interval: Millis) -> ConsumerGroupHeartbeatResponse {
    let stays = taken.member_epoch >= JOINS;
    let interval = if stays { heartbeat_interval } else { Millis(0) };
    ConsumerGroupHeartbeatResponse {
        member_id: Some(taken.member.as_str().into()),
        member_epoch: taken.member_epoch,
        heartbeat_interval_ms: i32::try_from(interval.0).unwrap_or(i32::MAX),
        assignment: taken
            .assignment
            .map(|shares| Assignment { topic_partitions: shares.into_iter().map(assigned).collect() }),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

fn assigned(share: Share) -> AssignedPartitions {
    let index = |partition: PartitionIndex| i32::try_from(partition.0).unwrap_or(i32::MAX);
    AssignedPartitions { topic_id: share.topic, partitions: share.partitions.into_iter().map(index).collect() }
}
