//! How the broker is set up, under the names that Kafka has for it. What topics inherit and how
//! many clients are served can be changed; all else is decided when the broker starts.

use omnibus_model::Millis;
use omnibus_model::config::{BrokerConfig, Inherited};
use omnibus_model::topic::{EffectiveConfig, TopicConfig};

use super::entry::ConfigType::{self, Boolean, Int, List, String as Text};
use super::entry::{ConfigError, ConfigSource, Entry, Mutability, Synonym};
use super::field::read_int;
use super::topic::{self, Change};

/// The one config that can be changed and that no topic inherits.
const MAX_CONNECTIONS: &str = "max.connections";

/// What there is to be told.
#[derive(Clone, Debug)]
pub(crate) struct BrokerFacts {
    pub(crate) node_id: i32,
    pub(crate) rack: Option<String>,
    /// The host and port that clients are told to come to.
    pub(crate) endpoint: String,
    pub(crate) auto_create_topics: bool,
    pub(crate) default_partitions: u32,
    pub(crate) connections_max: usize,
    pub(crate) request_bytes_max: usize,
    pub(crate) offset_metadata_bytes_max: usize,
    /// What was set for this broker, and for all.
    pub(crate) node: BrokerConfig,
    pub(crate) cluster: BrokerConfig,
    /// What topics inherit where neither says anything.
    pub(crate) started: EffectiveConfig,
    pub(crate) groups: GroupLimits,
    pub(crate) producer_expiry: Millis,
}

/// The bounds of groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupLimits {
    pub(crate) members_max: u32,
    pub(crate) session_timeout_min: Millis,
    pub(crate) session_timeout_max: Millis,
    pub(crate) initial_rebalance_delay: Millis,
    pub(crate) consumer_session_timeout: Millis,
    pub(crate) consumer_heartbeat_interval: Millis,
    pub(crate) consumer_heartbeat_interval_min: Millis,
    pub(crate) consumer_heartbeat_interval_max: Millis,
    pub(crate) offsets_retention: Millis,
}

/// Every broker config that means something here, in alphabetical order.
pub(crate) fn describe(facts: &BrokerFacts) -> Vec<Entry> {
    let mut entries = identity(facts);
    entries.extend(limits(facts));
    entries.extend(groups(&facts.groups));
    entries.push(connections(facts));
    entries.extend(topics(facts));
    entries.sort_by_key(|entry| entry.name);
    entries
}

/// What was set for all brokers.
pub(crate) fn describe_cluster(cluster: &BrokerConfig) -> Vec<Entry> {
    let connections = cluster.connections_max.map(|max| connections_entry(vec![dynamic(max, CLUSTER)]));
    let mut entries = topic::describe_cluster(&cluster.topics);
    entries.extend(connections);
    entries
}

/// Changes one config, of this broker or of all; `counts` is what topics inherit at present.
pub(crate) fn change(
    config: &mut BrokerConfig,
    name: &str,
    change: Change<'_>,
    counts: &EffectiveConfig,
) -> Result<(), ConfigError> {
    if let Some(heir) = topic::heir(name) {
        return topic::change(&mut config.topics, heir.topic, change, counts).map_err(|error| error.of(heir.broker));
    }
    match (name, change) {
        (MAX_CONNECTIONS, Change::Set(value)) => {
            let invalid = |reason| ConfigError::ValueInvalid { name: MAX_CONNECTIONS, value: value.to_owned(), reason };
            config.connections_max = Some(read_int(value, 1).map_err(invalid)?);
            Ok(())
        }
        (MAX_CONNECTIONS, Change::Append(_) | Change::Subtract(_)) => {
            Err(ConfigError::NotAList { name: MAX_CONNECTIONS })
        }
        (MAX_CONNECTIONS, Change::Clear) => {
            config.connections_max = None;
            Ok(())
        }
        // As in Kafka: nothing is left of what was never there.
        (_, Change::Clear) => Ok(()),
        (name, _) => Err(ConfigError::NotDynamic { name: name.to_owned() }),
    }
}

const CLUSTER: ConfigSource = ConfigSource::DynamicDefaultBroker;
const NODE: ConfigSource = ConfigSource::DynamicBroker;

fn connections(facts: &BrokerFacts) -> Entry {
    let node = facts.node.connections_max.map(|max| dynamic(max, NODE));
    let cluster = facts.cluster.connections_max.map(|max| dynamic(max, CLUSTER));
    let value = facts.connections_max.to_string();
    let started = Synonym { name: MAX_CONNECTIONS, value, source: ConfigSource::StaticBroker };
    connections_entry(node.into_iter().chain(cluster).chain([started]).collect())
}

fn dynamic(connections_max: u32, source: ConfigSource) -> Synonym {
    Synonym { name: MAX_CONNECTIONS, value: connections_max.to_string(), source }
}

fn connections_entry(synonyms: Vec<Synonym>) -> Entry {
    let counts = synonyms.first().cloned().expect("there is always a limit");
    let documentation = "The most clients that are served at a time.";
    let entry = set(MAX_CONNECTIONS, Int, counts.value, documentation);
    Entry { source: counts.source, mutability: Mutability::Changeable, synonyms, ..entry }
}

fn identity(facts: &BrokerFacts) -> Vec<Entry> {
    let node_id = facts.node_id.to_string();
    let endpoint = format!("PLAINTEXT://{}", facts.endpoint);
    vec![
        set("advertised.listeners", List, endpoint.clone(), "Where clients are told to come to."),
        set("broker.id", Int, node_id.clone(), "The number of this node."),
        Entry {
            value: facts.rack.clone(),
            synonyms: Vec::new(),
            ..set("broker.rack", Text, String::new(), "Where this node stands, so that readers can choose a near one.")
        },
        set("listeners", List, endpoint, "Where this node listens."),
        set("node.id", Int, node_id, "The number of this node."),
        fixed("process.roles", List, "broker,controller", "This node keeps records and decides about topics."),
    ]
}

fn limits(facts: &BrokerFacts) -> Vec<Entry> {
    vec![
        set(
            "auto.create.topics.enable",
            Boolean,
            facts.auto_create_topics.to_string(),
            "Whether asking for a topic creates it.",
        ),
        fixed("default.replication.factor", Int, "1", "How many replicas a new topic has."),
        fixed("delete.topic.enable", Boolean, "true", "Whether topics can be deleted."),
        set("num.partitions", Int, facts.default_partitions.to_string(), "How many partitions a new topic has."),
        fixed(
            "offset.metadata.max.bytes",
            Int,
            &facts.offset_metadata_bytes_max.to_string(),
            "The most bytes that a client may note beside a committed offset.",
        ),
        fixed(
            "producer.id.expiration.ms",
            Int,
            &facts.producer_expiry.0.to_string(),
            "How long the sequence of a silent producer is remembered.",
        ),
        set(
            "socket.request.max.bytes",
            Int,
            facts.request_bytes_max.to_string(),
            "The most bytes that a request may have.",
        ),
    ]
}

fn groups(groups: &GroupLimits) -> Vec<Entry> {
    let span = |name, span: Millis, documentation| fixed(name, Int, &span.0.to_string(), documentation);
    vec![
        fixed("group.consumer.assignors", List, "uniform,range", "How the broker can share out partitions."),
        span(
            "group.consumer.heartbeat.interval.ms",
            groups.consumer_heartbeat_interval,
            "How often members of a consumer group send heartbeats.",
        ),
        span(
            "group.consumer.session.timeout.ms",
            groups.consumer_session_timeout,
            "How long a member of a consumer group may be silent.",
        ),
        span(
            "group.consumer.max.heartbeat.interval.ms",
            groups.consumer_heartbeat_interval_max,
            "How rarely a group's configuration may have its members send heartbeats.",
        ),
        span(
            "group.consumer.max.session.timeout.ms",
            groups.session_timeout_max,
            "How long a group's configuration may let its members be silent at most.",
        ),
        span(
            "group.consumer.min.heartbeat.interval.ms",
            groups.consumer_heartbeat_interval_min,
            "How often a group's configuration may have its members send heartbeats.",
        ),
        span(
            "group.consumer.min.session.timeout.ms",
            groups.session_timeout_min,
            "How long a group's configuration lets its members be silent at least.",
        ),
        fixed("group.coordinator.rebalance.protocols", List, "classic,consumer", "The kinds of groups there are."),
        span(
            "group.initial.rebalance.delay.ms",
            groups.initial_rebalance_delay,
            "How long the first round of a classic group waits for company.",
        ),
        span("group.max.session.timeout.ms", groups.session_timeout_max, "The most a classic member may be silent."),
        fixed("group.max.size", Int, &groups.members_max.to_string(), "The most members that a group may have."),
        span("group.min.session.timeout.ms", groups.session_timeout_min, "The least a classic member may ask for."),
        fixed(
            "offsets.retention.minutes",
            Int,
            &(groups.offsets_retention.0 / 60_000).to_string(),
            "How long offsets are kept once nobody reads.",
        ),
    ]
}

/// What topics inherit, under the broker's names for it.
fn topics(facts: &BrokerFacts) -> Vec<Entry> {
    let (node, cluster) = (facts.node.topics.clone(), facts.cluster.topics.clone());
    let mut entries = topic::describe_inherited(&Inherited { node, cluster, started: facts.started });
    let started = Inherited { node: TopicConfig::default(), cluster: TopicConfig::default(), started: facts.started };
    let retention = topic::describe_inherited(&started).into_iter().find(|entry| entry.name == "log.retention.ms");
    let retention = retention.and_then(|entry| entry.value).and_then(|value| value.parse::<i64>().ok()).unwrap_or(-1);
    let hours = if retention < 0 { -1 } else { retention / 3_600_000 };
    entries.push(fixed("log.cleaner.enable", Boolean, "true", "Compacted topics are compacted."));
    entries.push(fixed("log.retention.hours", Int, &hours.to_string(), "How long records are kept, in hours."));
    entries
}

/// A config that this broker was started with.
fn set(name: &'static str, kind: ConfigType, value: String, documentation: &'static str) -> Entry {
    with_source(ConfigSource::StaticBroker, fixed(name, kind, &value, documentation))
}

/// A config that is the same for every broker.
fn fixed(name: &'static str, kind: ConfigType, value: &str, documentation: &'static str) -> Entry {
    let entry = Entry {
        name,
        value: Some(value.to_owned()),
        kind,
        source: ConfigSource::Default,
        mutability: Mutability::ReadOnly,
        synonyms: Vec::new(),
        documentation,
    };
    with_source(ConfigSource::Default, entry)
}

fn with_source(source: ConfigSource, entry: Entry) -> Entry {
    let entry = Entry { source, ..entry };
    Entry { synonyms: synonyms(entry.name, &entry), ..entry }
}

fn synonyms(name: &'static str, entry: &Entry) -> Vec<Synonym> {
    let value = entry.value.clone();
    value.map(|value| Synonym { name, value, source: entry.source }).into_iter().collect()
}
