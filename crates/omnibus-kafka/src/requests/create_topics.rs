//! CreateTopics: topics with their partitions and configs, or a check that they could be made.

use std::collections::BTreeMap;

use omnibus_engine::{Engine, SubmitError};
use omnibus_model::command::CreateTopic;
use omnibus_model::config::Inherited;
use omnibus_model::topic::{Placement, SharedTopic, TopicConfig};
use omnibus_model::{TopicId, TopicName};

use super::distinct::distinct;
use super::failure::Failure;
use super::mode::Mode;
use super::{Context, concurrently, replicas};
use crate::configs;
use crate::listed;
use crate::wire::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest};
use crate::wire::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse,
};
use crate::wire::{ErrorCode, WireString};

/// The most partitions that one request may create.
const PARTITIONS_PER_REQUEST_MAX: u64 = 10_000;

/// The most characters of a topic's name.
const NAME_CHARS_MAX: usize = 249;

/// A topic that is to be.
struct Plan {
    create: CreateTopic,
    /// Where its partitions go, if the client says so.
    placement: Option<Placement>,
}

pub(super) async fn handle(context: &Context, request: CreateTopicsRequest, _version: i16) -> CreateTopicsResponse {
    let (mode, factor) = (Mode::from(request.validate_only), replicas::factor(context));
    let planned = plan_all(context, request.topics);
    let creating = planned.into_iter().map(|(name, plan)| {
        let engine = context.engine.clone();
        async move { CreatableTopicResult { name, ..carry_out(&engine, plan, (mode, factor)).await } }
    });
    let topics = concurrently::all(creating).await;
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

/// Reads a topic's name.
pub(super) fn topic_name(name: &str) -> Result<TopicName, Failure> {
    let invalid = |reason: &str| {
        Failure::new(ErrorCode::InvalidTopicException, format!("the topic name is invalid: it {reason}"))
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match name {
        "" => Err(invalid("is empty")),
        "." | ".." => Err(invalid("cannot be . or ..")),
        name if name.len() > NAME_CHARS_MAX => Err(invalid("has more than 249 characters")),
        name if !name.bytes().all(allowed) => Err(invalid("has other characters than a-z, A-Z, 0-9, ., _ and -")),
        name => match TopicName::new(name) {
            Ok(name) if listed::is_hidden(&name) => Err(invalid("is the broker's own")),
            name => name.map_err(|error| invalid(&error.to_string())),
        },
    }
}

/// Plans each topic once, in the order of the request.
fn plan_all(context: &Context, topics: Vec<CreatableTopic>) -> Vec<(WireString, Result<Plan, Failure>)> {
    let planned = distinct(topics, |topic| topic.name.clone()).into_iter();
    let planned: Vec<_> = planned
        .map(|(topic, times)| {
            let plan = times.check().and_then(|()| plan(context, &topic));
            (topic.name, plan)
        })
        .collect();
    let partitions: u64 =
        planned.iter().filter_map(|(_, plan)| plan.as_ref().ok()).map(|plan| u64::from(plan.create.partitions)).sum();
    if partitions > PARTITIONS_PER_REQUEST_MAX {
        let message = format!("one request creates at most {PARTITIONS_PER_REQUEST_MAX} partitions");
        let failure = Failure::new(ErrorCode::PolicyViolation, message);
        return planned.into_iter().map(|(name, _)| (name, Err(failure.clone()))).collect();
    }
    planned
}

fn plan(context: &Context, topic: &CreatableTopic) -> Result<Plan, Failure> {
    let name = topic_name(&topic.name)?;
    if listed::topic(context.engine.catalog(), name.as_str()).is_some() {
        return Err(Failure::new(ErrorCode::TopicAlreadyExists, format!("topic {name} already exists")));
    }
    check_collision(context, &name)?;
    let (partitions, placement) = match topic.assignments.as_slice() {
        [] => (partitions(context, topic)?, None),
        assignments => {
            let placement = assigned_partitions(context, topic, assignments)?;
            (u32::try_from(assignments.len()).unwrap_or(u32::MAX), Some(placement))
        }
    };
    let configs = topic.configs.iter().map(|config| (&*config.name, config.value.as_deref()));
    let config = configs::topic::read(configs, &context.engine.config_defaults())?;
    Ok(Plan { create: CreateTopic { name, id: fresh_id(&context.engine), partitions, config }, placement })
}

/// Metrics write both `.` and `_` as `_`, so Kafka lets no two names differ only in that.
fn check_collision(context: &Context, name: &TopicName) -> Result<(), Failure> {
    if !name.as_str().contains(['.', '_']) {
        return Ok(());
    }
    let collides = |other: &str| other.len() == name.as_str().len() && folded(other).eq(folded(name.as_str()));
    match listed::topics(context.engine.catalog()).iter().find(|topic| collides(topic.name.as_str())) {
        Some(other) => {
            let message = format!("topic {name} differs from {} only in . and _", other.name);
            Err(Failure::new(ErrorCode::InvalidTopicException, message))
        }
        None => Ok(()),
    }
}

/// A name as metrics write it.
fn folded(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| if byte == b'.' { b'_' } else { byte })
}

fn partitions(context: &Context, topic: &CreatableTopic) -> Result<u32, Failure> {
    let factor_max = replicas::factor(context);
    if topic.replication_factor != -1 && !(1..=factor_max).contains(&topic.replication_factor) {
        let message = match factor_max {
            1 => String::from("there is one broker, so the replication factor is 1, or -1 for the default"),
            max => format!("there are {max} brokers, which hold every topic; ask for at most as many replicas"),
        };
        return Err(Failure::new(ErrorCode::InvalidReplicationFactor, message));
    }
    match topic.num_partitions {
        -1 => Ok(context.settings.default_partitions),
        1.. => Ok(topic.num_partitions.unsigned_abs()),
        _ => {
            let message = "a topic has at least one partition, or -1 for the default";
            Err(Failure::new(ErrorCode::InvalidPartitions, message))
        }
    }
}

fn assigned_partitions(
    context: &Context,
    topic: &CreatableTopic,
    assignments: &[CreatableReplicaAssignment],
) -> Result<Placement, Failure> {
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        let message = "the assignment says how many partitions and replicas there are, so both numbers must be -1";
        return Err(Failure::new(ErrorCode::InvalidRequest, message));
    }
    let by_index: BTreeMap<i32, &[i32]> =
        assignments.iter().map(|assignment| (assignment.partition_index, assignment.broker_ids.as_slice())).collect();
    if by_index.len() != assignments.len() || !by_index.keys().copied().eq((0..).take(by_index.len())) {
        let message = "the assigned partitions are not numbered from 0 on without gaps";
        return Err(Failure::new(ErrorCode::InvalidReplicaAssignment, message));
    }
    replicas::placement(context, by_index.into_values())
}

/// A new topic's identity: a UUID of version 4, so never one of those that Kafka reserves.
pub(super) fn fresh_id(engine: &Engine) -> TopicId {
    TopicId(uuid::Builder::from_random_bytes(engine.random().to_be_bytes()).into_uuid().as_u128())
}

async fn carry_out(engine: &Engine, plan: Result<Plan, Failure>, (mode, factor): (Mode, i16)) -> CreatableTopicResult {
    let inherited = engine.configs().inherited();
    let created = match plan {
        Ok(Plan { create, .. }) if mode == Mode::Check => {
            Ok(accepted(create.id, (create.partitions, factor), &create.config, &inherited))
        }
        Ok(plan) => make(engine, plan).await.map_err(Failure::from).map(|topic| {
            let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
            accepted(topic.id, (partitions, factor), &topic.config, &inherited)
        }),
        Err(failure) => Err(failure),
    };
    created.unwrap_or_else(|failure| CreatableTopicResult {
        error_code: failure.error.number(),
        error_message: failure.wire_message(),
        ..CreatableTopicResult::default()
    })
}

async fn make(engine: &Engine, Plan { create, placement }: Plan) -> Result<SharedTopic, SubmitError> {
    match placement {
        Some(placement) => engine.create_placed_topic(create, placement).await,
        None => engine.create_topic(create).await,
    }
}

fn accepted(
    id: TopicId,
    (partitions, factor): (u32, i16),
    config: &TopicConfig,
    inherited: &Inherited,
) -> CreatableTopicResult {
    CreatableTopicResult {
        topic_id: id,
        num_partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
        replication_factor: factor,
        configs: Some(configs::topic::describe(config, inherited).into_iter().map(wire_config).collect()),
        ..CreatableTopicResult::default()
    }
}

fn wire_config(entry: configs::Entry) -> CreatableTopicConfigs {
    CreatableTopicConfigs {
        name: WireString::from_static(entry.name),
        read_only: entry.is_read_only(),
        config_source: entry.source as i8,
        is_sensitive: false,
        value: entry.value.map(WireString::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_name_has_1_to_249_characters_of_kafkas_alphabet() {
        for good in ["a", "A.b_c-9", "...", &"x".repeat(249)] {
            assert_eq!(topic_name(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
            assert_eq!(topic_name(bad).unwrap_err().error, ErrorCode::InvalidTopicException, "{bad}");
        }
    }
}
