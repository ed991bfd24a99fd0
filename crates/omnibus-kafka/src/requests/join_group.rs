//! JoinGroup: a classic member enters the next round, and waits until it closes.

use bytes::{Buf, Bytes};
use omnibus_engine::waiting::JoinAnswer;
use omnibus_model::command::JoinGroup;
use omnibus_model::group::{Joined, JoinedMember, ProtocolOffer, Subscription};
use omnibus_model::name::NAME_BYTES_MAX;
use omnibus_model::{MemberId, Millis, TopicName};

use super::Context;
use super::group::{client, group_name, instance_id, member_id};
use crate::errors::coordinator_error;
use crate::wire::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use crate::wire::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::wire::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use crate::wire::{ErrorCode, Input, WireString};

/// The type of protocol that shares topics.
const CONSUMER: &str = "consumer";

/// The first versions that know what the constant says.
const REBALANCE_TIMEOUT_FROM: i16 = 1;
const MEMBER_ID_REQUIRED_FROM: i16 = 4;
const NULL_PROTOCOL_FROM: i16 = 7;
const SKIP_ASSIGNMENT_FROM: i16 = 9;

const REASON_CHARS_MAX: usize = 255;

/// How many characters a UUID takes.
const UUID_CHARS: usize = 36;

pub(super) async fn handle(context: &Context, request: JoinGroupRequest, version: i16) -> JoinGroupResponse {
    let asked_by = request.member_id.clone();
    let answer = match command(context, request, version) {
        Ok(command) => context.engine.join_group(command).await.map_err(|error| coordinator_error(&error)),
        Err(error) => Err(error),
    };
    match answer {
        Ok(JoinAnswer::Joined(joined)) => accepted(joined),
        Ok(JoinAnswer::MemberIdAssigned { member }) => {
            failed(ErrorCode::MemberIdRequired, member.as_str().into(), version)
        }
        Err(error) => failed(error, asked_by, version),
    }
}

fn command(context: &Context, request: JoinGroupRequest, version: i16) -> Result<JoinGroup, ErrorCode> {
    let group = group_name(&request.group_id)?;
    let instance = instance_id(request.group_instance_id.as_ref())?;
    let member = match request.member_id.as_ref() {
        "" => None,
        id => Some(member_id(id).ok_or(ErrorCode::UnknownMemberId)?),
    };
    let session_timeout = millis(request.session_timeout_ms);
    Ok(JoinGroup {
        group,
        member,
        member_new: new_member_id(context, request.group_instance_id.as_ref()),
        member_id_required: version >= MEMBER_ID_REQUIRED_FROM && instance.is_none(),
        instance,
        client: client(context),
        session_timeout,
        rebalance_timeout: if version >= REBALANCE_TIMEOUT_FROM {
            millis(request.rebalance_timeout_ms)
        } else {
            session_timeout
        },
        subscription: subscription(&request.protocol_type, &request.protocols),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.iter().map(offer).collect(),
        skip_assignment_supported: version >= SKIP_ASSIGNMENT_FROM,
        reason: request.reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect()),
    })
}

/// Names a new member after its client or its instance, as administrators know it from Kafka.
fn new_member_id(context: &Context, instance: Option<&WireString>) -> MemberId {
    let name = instance.unwrap_or(&context.client.id);
    let room = NAME_BYTES_MAX - UUID_CHARS - 1;
    let end = (0..=name.len().min(room)).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    let uuid = uuid::Builder::from_random_bytes(context.engine.random().to_be_bytes()).into_uuid();
    MemberId::new(&format!("{}-{uuid}", &name[..end])).expect("a UUID is a name, and the prefix leaves room for it")
}

fn millis(span: i32) -> Millis {
    Millis(u64::try_from(span).unwrap_or(0))
}

/// Copies what the broker will remember: it would keep the whole frame otherwise.
fn offer(protocol: &JoinGroupRequestProtocol) -> ProtocolOffer {
    ProtocolOffer { name: protocol.name.to_string(), metadata: Bytes::copy_from_slice(&protocol.metadata) }
}

/// Reads from all offers together which topics the member wants.
fn subscription(protocol_type: &str, protocols: &[JoinGroupRequestProtocol]) -> Subscription {
    if protocol_type != CONSUMER {
        return Subscription::NotTopics;
    }
    let topics = protocols.iter().map(|protocol| subscribed_topics(protocol.metadata.clone()));
    match topics.collect::<Option<Vec<_>>>() {
        Some(topics) => {
            let mut topics: Vec<TopicName> = topics.into_iter().flatten().collect();
            topics.sort_unstable();
            topics.dedup();
            Subscription::Topics(topics)
        }
        None => Subscription::Unreadable,
    }
}

/// Reads the consumers' own message; one that is newer than ours begins as ours does.
fn subscribed_topics(mut metadata: Bytes) -> Option<Vec<TopicName>> {
    let version = metadata.try_get_i16().ok()?.min(ConsumerProtocolSubscription::VERSIONS.max);
    let subscription = ConsumerProtocolSubscription::decode(&mut Input::from(metadata), version).ok()?;
    Some(subscription.topics.iter().filter_map(|topic| TopicName::new(topic).ok()).collect())
}

fn accepted(joined: Joined) -> JoinGroupResponse {
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: Some(joined.protocol_type.into()),
        protocol_name: Some(joined.protocol.into()),
        leader: joined.leader.as_str().into(),
        skip_assignment: joined.skip_assignment,
        member_id: joined.member.as_str().into(),
        members: joined.members.iter().map(joined_member).collect(),
        ..JoinGroupResponse::default()
    }
}

fn joined_member(member: &JoinedMember) -> JoinGroupResponseMember {
    JoinGroupResponseMember {
        member_id: member.member.as_str().into(),
        group_instance_id: member.instance.as_ref().map(|instance| instance.as_str().into()),
        metadata: member.metadata.clone(),
    }
}

fn failed(error: ErrorCode, member_id: WireString, version: i16) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: error.number(),
        protocol_name: (version < NULL_PROTOCOL_FROM).then(WireString::new),
        member_id,
        ..JoinGroupResponse::default()
    }
}
