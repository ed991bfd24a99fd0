//! What configs belong to, as requests name it.

use omnibus_model::topic::SharedTopic;

use super::Context;
use super::create_topics::topic_name;
use super::failure::Failure;
use super::group::METADATA_BYTES_MAX;
use crate::configs::broker::{BrokerFacts, GroupLimits};
use crate::configs::group::GroupFacts;
use crate::wire::ErrorCode;

/// The kinds of resources, by their numbers on the wire.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// Something that has configs.
#[derive(Clone, Debug)]
pub(super) enum Resource {
    Topic(SharedTopic),
    Broker,
    /// What all brokers would share if it were set.
    Cluster,
    Group,
}

/// Finds what is meant.
pub(super) fn find(context: &Context, kind: i8, name: &str) -> Result<Resource, Failure> {
    let invalid = |message: String| Failure::new(ErrorCode::InvalidRequest, message);
    let node_id = context.settings.node_id;
    match (kind, name) {
        (TOPIC, name) => {
            let topic = context.engine.catalog().topic(topic_name(name)?.as_str());
            let missing = || Failure::new(ErrorCode::UnknownTopicOrPartition, format!("there is no topic {name}"));
            topic.map(Resource::Topic).ok_or_else(missing)
        }
        (BROKER, "") => Ok(Resource::Cluster),
        (BROKER, id) if id.parse() == Ok(node_id) => Ok(Resource::Broker),
        (BROKER, id) => Err(invalid(format!("this is broker {node_id}, not {id}"))),
        (GROUP, "") => Err(invalid(String::from("a group's name is not empty"))),
        (GROUP, _) => Ok(Resource::Group),
        (BROKER_LOGGER, _) => Err(invalid(String::from("loggers are set up when the broker starts"))),
        (CLIENT_METRICS, _) => Err(invalid(String::from("this broker takes no metrics from clients"))),
        (kind, _) => Err(invalid(format!("there is no kind {kind} of resources"))),
    }
}

/// How this broker is set up.
pub(super) fn broker_facts(context: &Context) -> BrokerFacts {
    let (settings, limits) = (&context.settings, context.engine.limits());
    BrokerFacts {
        node_id: settings.node_id,
        rack: settings.rack.clone(),
        endpoint: format!("{}:{}", context.host(), context.port()),
        auto_create_topics: settings.auto_create_topics,
        default_partitions: settings.default_partitions,
        connections_max: settings.connections_max,
        request_bytes_max: settings.request_bytes_max,
        offset_metadata_bytes_max: METADATA_BYTES_MAX,
        topic_defaults: *context.engine.config_defaults(),
        groups: GroupLimits {
            members_max: limits.group_members_max,
            session_timeout_min: limits.session_timeout_min,
            session_timeout_max: limits.session_timeout_max,
            initial_rebalance_delay: limits.initial_rebalance_delay,
            consumer_session_timeout: limits.consumer_session_timeout,
            consumer_heartbeat_interval: limits.consumer_heartbeat_interval,
            offsets_retention: limits.offsets_retention,
        },
        producer_expiry: limits.producer_expiry,
    }
}

/// What every group has.
pub(super) fn group_facts(context: &Context) -> GroupFacts {
    let limits = context.engine.limits();
    GroupFacts {
        session_timeout: limits.consumer_session_timeout,
        heartbeat_interval: limits.consumer_heartbeat_interval,
    }
}
