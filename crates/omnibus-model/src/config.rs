//! What administrators set while brokers run.

use serde::{Deserialize, Serialize};

use crate::topic::{EffectiveConfig, TopicConfig};
use crate::{Millis, NodeId};

/// For which brokers a configuration holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConfigScope {
    /// For all that have none of their own.
    Cluster,
    /// For one, whatever the cluster's says.
    Node(NodeId),
}

/// What was set for brokers; `None` inherits from the wider scope, and in the end from how the
/// broker was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerConfig {
    /// What topics inherit whose creators chose nothing.
    pub topics: TopicConfig,
    /// The most clients that a broker serves at a time.
    pub connections_max: Option<u32>,
}

/// What was set for one consumer group; `None` inherits the broker's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupConfig {
    /// How long a member may be silent.
    pub session_timeout: Option<Millis>,
    /// How often members shall send heartbeats.
    pub heartbeat_interval: Option<Millis>,
}

/// Changes to a configuration are whole new configurations: the front end computes them, and
/// names the version it started from so that two administrators cannot overwrite each other
/// unseen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange<T> {
    pub before: T,
    pub after: T,
}

/// What topics inherit, the stronger word first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    pub node: TopicConfig,
    pub cluster: TopicConfig,
    /// What the broker was started with.
    pub started: EffectiveConfig,
}

impl Inherited {
    /// Returns what counts for a topic whose creator chose nothing.
    #[must_use]
    pub fn effective(&self) -> EffectiveConfig {
        self.node.effective(&self.cluster.effective(&self.started))
    }
}

impl BrokerConfig {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl GroupConfig {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
