//! What can be set for a consumer group.

use omnibus_model::Millis;
use omnibus_model::config::GroupConfig;

use super::entry::{ConfigError, ConfigSource, ConfigType, Entry, GroupConfigError, Mutability, Synonym};
use super::field::read_int;
use super::topic::Change;

/// How often a group's members may be made to send heartbeats. Oftener is a load that nobody needs.
pub(crate) const HEARTBEAT_INTERVAL_MIN: Millis = Millis(1_000);
/// How rarely a group's members may be made to send heartbeats, so that they learn in time what to
/// give up.
pub(crate) const HEARTBEAT_INTERVAL_MAX: Millis = Millis(15_000);

/// What counts where nothing was set for a group, and how far it may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupFacts {
    pub(crate) session_timeout: Millis,
    pub(crate) session_timeout_min: Millis,
    pub(crate) session_timeout_max: Millis,
    pub(crate) heartbeat_interval: Millis,
}

/// A config of a group that is a span of time.
#[derive(Clone, Copy, Debug)]
struct Span {
    name: &'static str,
    inherits: &'static str,
    field: fn(&mut GroupConfig) -> &mut Option<Millis>,
    default: fn(&GroupFacts) -> Millis,
    documentation: &'static str,
}

const HEARTBEAT_INTERVAL: Span = Span {
    name: "consumer.heartbeat.interval.ms",
    inherits: "group.consumer.heartbeat.interval.ms",
    field: |config| &mut config.heartbeat_interval,
    default: |facts| facts.heartbeat_interval,
    documentation: "How often members of the group send heartbeats.",
};

const SESSION_TIMEOUT: Span = Span {
    name: "consumer.session.timeout.ms",
    inherits: "group.consumer.session.timeout.ms",
    field: |config| &mut config.session_timeout,
    default: |facts| facts.session_timeout,
    documentation: "How long a member of the group may be silent.",
};

/// Always nought: every change of the group is followed by a new assignment at once.
const ASSIGNMENT_INTERVAL: &str = "consumer.assignment.interval.ms";
const ASSIGNMENT_INTERVAL_ALWAYS: &str = "0";

/// Every config that a consumer group has.
pub(crate) fn describe(config: &GroupConfig, facts: &GroupFacts) -> Vec<Entry> {
    let value = ASSIGNMENT_INTERVAL_ALWAYS.to_owned();
    let synonym = Synonym { name: "group.consumer.assignment.interval.ms", value, source: ConfigSource::Default };
    vec![
        entry(ASSIGNMENT_INTERVAL, vec![synonym], "Always 0: every change is followed by an assignment at once."),
        HEARTBEAT_INTERVAL.describe(config, facts),
        SESSION_TIMEOUT.describe(config, facts),
    ]
}

/// Changes one config.
pub(crate) fn change(config: &mut GroupConfig, name: &str, change: Change<'_>) -> Result<(), ConfigError> {
    let span = [HEARTBEAT_INTERVAL, SESSION_TIMEOUT].into_iter().find(|span| span.name == name);
    match (span, change) {
        (Some(span), Change::Set(value)) => span.set(config, value),
        (Some(span), Change::Clear) => {
            *(span.field)(config) = None;
            Ok(())
        }
        (Some(span), Change::Append(_) | Change::Subtract(_)) => Err(ConfigError::NotAList { name: span.name }),
        // As in Kafka: nothing is left of what was never there.
        (None, Change::Clear) => Ok(()),
        (None, Change::Set(value)) if name == ASSIGNMENT_INTERVAL => fixed(value),
        (None, _) if name == ASSIGNMENT_INTERVAL => Err(ConfigError::NotAList { name: ASSIGNMENT_INTERVAL }),
        (None, _) => Err(GroupConfigError::Unknown { name: name.to_owned() }.into()),
    }
}

/// Checks that the spans are within their bounds, and fit one another.
pub(crate) fn check(config: &GroupConfig, facts: &GroupFacts) -> Result<(), ConfigError> {
    if let Some(interval) = config.heartbeat_interval {
        let bounds = ("group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms");
        check_span(HEARTBEAT_INTERVAL.name, interval, bounds, (HEARTBEAT_INTERVAL_MIN, HEARTBEAT_INTERVAL_MAX))?;
    }
    if let Some(timeout) = config.session_timeout {
        let bounds = ("group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms");
        check_span(SESSION_TIMEOUT.name, timeout, bounds, (facts.session_timeout_min, facts.session_timeout_max))?;
    }
    let interval = config.heartbeat_interval.unwrap_or(facts.heartbeat_interval);
    let timeout = config.session_timeout.unwrap_or(facts.session_timeout);
    if !config.is_empty() && timeout <= interval { Err(GroupConfigError::HeartbeatTooRare.into()) } else { Ok(()) }
}

fn check_span(
    name: &'static str,
    span: Millis,
    (least, most): (&'static str, &'static str),
    (min, max): (Millis, Millis),
) -> Result<(), ConfigError> {
    if span < min {
        Err(GroupConfigError::TooLow { name, bound: least, min: min.0 }.into())
    } else if span > max {
        Err(GroupConfigError::TooHigh { name, bound: most, max: max.0 }.into())
    } else {
        Ok(())
    }
}

fn fixed(wanted: &str) -> Result<(), ConfigError> {
    if wanted.trim() == ASSIGNMENT_INTERVAL_ALWAYS {
        return Ok(());
    }
    let value = ASSIGNMENT_INTERVAL_ALWAYS.to_owned();
    Err(ConfigError::Fixed { name: ASSIGNMENT_INTERVAL, value, wanted: wanted.to_owned() })
}

impl Span {
    fn set(self, config: &mut GroupConfig, value: &str) -> Result<(), ConfigError> {
        let invalid = |reason| ConfigError::ValueInvalid { name: self.name, value: value.to_owned(), reason };
        let millis = read_int(value, 1).map_err(invalid)?;
        *(self.field)(config) = Some(Millis(u64::from(millis)));
        Ok(())
    }

    fn describe(self, config: &GroupConfig, facts: &GroupFacts) -> Entry {
        let synonym = |name, span: Millis, source| Synonym { name, value: span.0.to_string(), source };
        let own = (self.field)(&mut config.clone()).map(|span| synonym(self.name, span, ConfigSource::Group));
        let default = synonym(self.inherits, (self.default)(facts), ConfigSource::Default);
        entry(self.name, own.into_iter().chain([default]).collect(), self.documentation)
    }
}

fn entry(name: &'static str, synonyms: Vec<Synonym>, documentation: &'static str) -> Entry {
    let counts = synonyms.first().cloned().expect("each config has a value");
    Entry {
        name,
        value: Some(counts.value),
        kind: ConfigType::Int,
        source: counts.source,
        mutability: Mutability::Changeable,
        synonyms,
        documentation,
    }
}
