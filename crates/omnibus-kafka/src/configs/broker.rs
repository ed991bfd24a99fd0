//! How the broker is set up, under the names that Kafka has for it. All of it is read-only: it
//! is decided when the broker starts.

use omnibus_model::Millis;
use omnibus_model::topic::{EffectiveConfig, TopicConfig};

use super::entry::ConfigType::{self, Boolean, Int, List, Long, String as Text};
use super::entry::{ConfigSource, Entry, Mutability, Synonym};
use super::topic;

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
    pub(crate) topic_defaults: EffectiveConfig,
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
    pub(crate) offsets_retention: Millis,
}

/// Every broker config that means something here, in alphabetical order.
pub(crate) fn describe(facts: &BrokerFacts) -> Vec<Entry> {
    let mut entries = identity(facts);
    entries.extend(limits(facts));
    entries.extend(groups(&facts.groups));
    entries.extend(topics(&facts.topic_defaults));
    entries.sort_by_key(|entry| entry.name);
    entries
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
        set("max.connections", Int, facts.connections_max.to_string(), "The most clients that are served at a time."),
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
fn topics(defaults: &EffectiveConfig) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        topic::describe(&TopicConfig::default(), defaults).into_iter().filter_map(inherited).collect();
    let retention = topic_value(defaults, "retention.ms");
    let hours = retention.parse::<i64>().map_or(-1, |millis| if millis < 0 { -1 } else { millis / 3_600_000 });
    entries.push(fixed("log.cleaner.enable", Boolean, "true", "Compacted topics are compacted."));
    entries.push(fixed("log.retention.hours", Int, &hours.to_string(), "How long records are kept, in hours."));
    entries.push(fixed("log.retention.ms", Long, &retention, "How long records are kept, in milliseconds."));
    entries.push(fixed("log.roll.ms", Long, &topic_value(defaults, "segment.ms"), "The time of a span of records."));
    entries
}

fn topic_value(defaults: &EffectiveConfig, name: &str) -> String {
    let mut entries = topic::describe(&TopicConfig::default(), defaults).into_iter();
    entries.find(|entry| entry.name == name).and_then(|entry| entry.value).unwrap_or_default()
}

/// The broker config that a topic config inherits from.
fn inherited(entry: Entry) -> Option<Entry> {
    let Synonym { name, .. } = *entry.synonyms.last()?;
    Some(Entry { name, mutability: Mutability::ReadOnly, synonyms: synonyms(name, &entry), ..entry })
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
