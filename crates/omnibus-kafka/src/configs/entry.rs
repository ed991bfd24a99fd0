//! One config as those see it who describe a resource.

use thiserror::Error;

/// What a value is, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum ConfigType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// Where a value is from, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum ConfigSource {
    /// Somebody has set it for this topic.
    DynamicTopic = 1,
    /// Somebody has set it for this broker.
    DynamicBroker = 2,
    /// Somebody has set it for all brokers.
    DynamicDefaultBroker = 3,
    /// The broker was started with it.
    StaticBroker = 4,
    Default = 5,
    /// Somebody has set it for this group.
    Group = 8,
}

/// A config with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// `None` for what has no value.
    pub(crate) value: Option<String>,
    pub(crate) kind: ConfigType,
    pub(crate) source: ConfigSource,
    pub(crate) mutability: Mutability,
    /// Where the value comes from, and what would count if that were not there.
    pub(crate) synonyms: Vec<Synonym>,
    pub(crate) documentation: &'static str,
}

impl Entry {
    pub(crate) fn is_read_only(&self) -> bool {
        self.mutability == Mutability::ReadOnly
    }
}

/// Whether clients may change a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutability {
    ReadOnly,
    Changeable,
}

/// A value that a config has, or would have, and where from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Synonym {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) source: ConfigSource,
}

/// Why a config cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ConfigError {
    #[error("there is no config {name}")]
    Unknown { name: String },
    #[error("{name} needs a value")]
    ValueMissing { name: String },
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    ValueInvalid { name: &'static str, value: String, reason: String },
    #[error("{name} is always {value} here and cannot be {wanted}")]
    Fixed { name: &'static str, value: String, wanted: String },
    #[error("Config value append is not allowed for config key: {name}")]
    NotAList { name: &'static str },
    #[error("Cannot update these configs dynamically: [{name}]")]
    NotDynamic { name: String },
    #[error("{0}")]
    Group(#[from] GroupConfigError),
    #[error("min.compaction.lag.ms must not be above max.compaction.lag.ms")]
    LagsCrossed,
}

/// Why a group's config cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum GroupConfigError {
    #[error("Unknown group config name: {name}")]
    Unknown { name: String },
    #[error("{name} must be greater than or equal to {bound}, which is {min}")]
    TooLow { name: &'static str, bound: &'static str, min: u64 },
    #[error("{name} must be less than or equal to {bound}, which is {max}")]
    TooHigh { name: &'static str, bound: &'static str, max: u64 },
    #[error("consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms")]
    HeartbeatTooRare,
}

impl ConfigError {
    /// Tells of a config under its name for another resource.
    pub(crate) fn of(self, name: &'static str) -> Self {
        match self {
            Self::ValueInvalid { value, reason, .. } => Self::ValueInvalid { name, value, reason },
            Self::Fixed { value, wanted, .. } => Self::Fixed { name, value, wanted },
            Self::NotAList { .. } => Self::NotAList { name },
            other => other,
        }
    }
}
