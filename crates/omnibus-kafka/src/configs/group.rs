//! What is set for every consumer group alike: none of it for one group alone.

use omnibus_model::Millis;

use super::entry::{ConfigError, ConfigSource, ConfigType, Entry, Mutability, Synonym};

/// How long members of consumer groups may be silent, and how often they shall speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupFacts {
    pub(crate) session_timeout: Millis,
    pub(crate) heartbeat_interval: Millis,
}

/// Every config that a consumer group has.
pub(crate) fn describe(facts: &GroupFacts) -> Vec<Entry> {
    vec![
        entry(
            "consumer.heartbeat.interval.ms",
            "group.consumer.heartbeat.interval.ms",
            facts.heartbeat_interval,
            "How often members of a consumer group send heartbeats; the same for all groups.",
        ),
        entry(
            "consumer.session.timeout.ms",
            "group.consumer.session.timeout.ms",
            facts.session_timeout,
            "How long a member of a consumer group may be silent; the same for all groups.",
        ),
    ]
}

/// Checks that a config is only set to what it is.
pub(crate) fn check(facts: &GroupFacts, name: &str, wanted: &str) -> Result<(), ConfigError> {
    let entry = describe(facts).into_iter().find(|entry| entry.name == name);
    let entry = entry.ok_or_else(|| ConfigError::Unknown { name: name.to_owned() })?;
    let value = entry.value.unwrap_or_default();
    if value == wanted.trim() {
        Ok(())
    } else {
        Err(ConfigError::Fixed { name: entry.name, value, wanted: wanted.to_owned() })
    }
}

fn entry(name: &'static str, inherits: &'static str, span: Millis, documentation: &'static str) -> Entry {
    let value = span.0.to_string();
    Entry {
        name,
        value: Some(value.clone()),
        kind: ConfigType::Int,
        source: ConfigSource::Default,
        mutability: Mutability::ReadOnly,
        synonyms: vec![Synonym { name: inherits, value, source: ConfigSource::Default }],
        documentation,
    }
}
