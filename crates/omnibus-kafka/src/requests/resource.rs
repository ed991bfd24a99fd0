//! What configs belong to, as requests name it.

use omnibus_model::GroupName;
use omnibus_model::config::ConfigScope;
use omnibus_model::topic::SharedTopic;

use super::Context;
use super::create_topics::topic_name;
use super::failure::Failure;
use super::group::{METADATA_BYTES_MAX, group_name};
use crate::configs::broker::{BrokerFacts, GroupLimits};
use crate::configs::group::{GroupFacts, HEARTBEAT_INTERVAL_MAX, HEARTBEAT_INTERVAL_MIN};
use crate::listed;
use crate::wire::ErrorCode;

/// The kinds of resources, by their numbers on the wire.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
pub(super) const GROUP: i8 = 32;

/// Something that has configs.
#[derive(Clone, Debug)]
pub(super) enum Resource {
    Topic(SharedTopic),
    /// This broker, or all.
    Brokers(ConfigScope),
    /// A consumer group; nobody need have joined it yet.
    Group(GroupName),
}

/// Finds what is meant.
pub(super) fn find(context: &Context, kind: i8, name: &str) -> Result<Resource, Failure> {
    let invalid = |message: String| Failure::new(ErrorCode::InvalidRequest, message);
    let node_id = context.settings.node_id;
    match (kind, name) {
        (TOPIC, name) => {
            let topic = listed::topic(context.engine.catalog(), topic_name(name)?.as_str());
            let missing = || Failure::new(ErrorCode::UnknownTopicOrPartition, format!("there is no topic {name}"));
            topic.map(Resource::Topic).ok_or_else(missing)
        }
        (BROKER, "") => Ok(Resource::Brokers(ConfigScope::Cluster)),
        (BROKER, id) => match id.parse::<i32>() {
            Ok(id) if id == node_id => Ok(Resource::Brokers(ConfigScope::Node(context.engine.configs().node()))),
            Ok(id) => Err(invalid(format!("Unexpected broker id, expected {node_id}, but received {id}"))),
            Err(_) => Err(invalid(format!("Broker id must be an integer, but it is: {id}"))),
        },
        (GROUP, "") => Err(invalid(String::from("Group name must not be empty"))),
        (GROUP, name) => {
            let group = group_name(name).map_err(|error| Failure::new(error, "this is no name of a group"))?;
            Ok(Resource::Group(group))
        }
        (BROKER_LOGGER, _) => Err(invalid(String::from("loggers are set up when the broker starts"))),
        (CLIENT_METRICS, _) => Err(invalid(String::from("this broker takes no metrics from clients"))),
        (kind, _) => Err(invalid(format!("there is no kind {kind} of resources"))),
    }
}

/// Finds what is to be altered: a group that stands for all of them cannot be.
pub(super) fn find_to_alter(context: &Context, kind: i8, name: &str) -> Result<Resource, Failure> {
    match (kind, name) {
        (GROUP, "") => Err(Failure::new(ErrorCode::InvalidRequest, "Default group resources are not allowed.")),
        (kind, name) => find(context, kind, name),
    }
}

/// How this broker is set up.
pub(super) fn broker_facts(context: &Context) -> BrokerFacts {
    let (settings, limits) = (&context.settings, context.engine.limits());
    let configs = context.engine.configs();
    BrokerFacts {
        node_id: settings.node_id,
        rack: settings.rack.clone(),
        endpoint: format!("{}:{}", context.host(), context.port()),
        auto_create_topics: settings.auto_create_topics,
        default_partitions: settings.default_partitions,
        connections_max: settings.connections_max,
        request_bytes_max: settings.request_bytes_max,
        offset_metadata_bytes_max: METADATA_BYTES_MAX,
        node: configs.brokers(ConfigScope::Node(configs.node())),
        cluster: configs.brokers(ConfigScope::Cluster),
        started: limits.defaults,
        groups: GroupLimits {
            members_max: limits.group_members_max,
            session_timeout_min: limits.session_timeout_min,
            session_timeout_max: limits.session_timeout_max,
            initial_rebalance_delay: limits.initial_rebalance_delay,
            consumer_session_timeout: limits.consumer_session_timeout,
            consumer_heartbeat_interval: limits.consumer_heartbeat_interval,
            consumer_heartbeat_interval_min: HEARTBEAT_INTERVAL_MIN,
            consumer_heartbeat_interval_max: HEARTBEAT_INTERVAL_MAX,
            offsets_retention: limits.offsets_retention,
        },
        producer_expiry: limits.producer_expiry,
    }
}

/// What counts for groups for which nothing was set.
pub(super) fn group_facts(context: &Context) -> GroupFacts {
    let limits = context.engine.limits();
    GroupFacts {
        session_timeout: limits.consumer_session_timeout,
        session_timeout_min: limits.session_timeout_min,
        session_timeout_max: limits.session_timeout_max,
        heartbeat_interval: limits.consumer_heartbeat_interval,
    }
}
