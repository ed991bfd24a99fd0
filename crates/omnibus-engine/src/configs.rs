//! Every node's copy of what administrators have set.

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_broker::{Broker, BrokerLimits};
use omnibus_model::config::{BrokerConfig, ConfigScope, GroupConfig, Inherited};
use omnibus_model::topic::EffectiveConfig;
use omnibus_model::{GroupName, NodeId};
use parking_lot::RwLock;

/// The committed configurations, as front ends and shards look them up, over what the node was
/// started with.
#[derive(Debug)]
pub struct Configs {
    node: NodeId,
    started: EffectiveConfig,
    consumer_session: Duration,
    set: RwLock<Set>,
}

#[derive(Debug)]
struct Set {
    brokers: BTreeMap<ConfigScope, BrokerConfig>,
    groups: BTreeMap<GroupName, GroupConfig>,
    /// What counts for a topic whose creator chose nothing, worked out once for all who ask.
    topic_defaults: EffectiveConfig,
}

impl Configs {
    /// Begins with what the node is started with.
    #[must_use]
    pub fn new(node: NodeId, limits: &BrokerLimits) -> Self {
        let started = limits.defaults;
        let set = Set { brokers: BTreeMap::new(), groups: BTreeMap::new(), topic_defaults: started };
        let consumer_session = Duration::from_millis(limits.consumer_session_timeout.0);
        Self { node, started, consumer_session, set: RwLock::new(set) }
    }

    /// Takes all that the metadata shard's broker remembers, and forgets what it does not.
    pub fn learn(&self, metadata: &Broker) {
        {
            let mut set = self.set.write();
            set.brokers.clear();
            set.groups.clear();
            set.topic_defaults = self.started;
        }
        metadata.broker_configs().for_each(|(scope, config)| self.put_brokers(scope, config.clone()));
        metadata.group_configs().for_each(|(group, config)| self.put_group(group.clone(), config));
    }

    /// The node whose copy this is.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// What a topic's configuration is where its creator chose nothing.
    #[must_use]
    pub fn topic_defaults(&self) -> EffectiveConfig {
        self.set.read().topic_defaults
    }

    /// The same, with where it is from.
    #[must_use]
    pub fn inherited(&self) -> Inherited {
        self.set.read().inherited(self.node, self.started)
    }

    /// What was set for brokers of a scope.
    #[must_use]
    pub fn brokers(&self, scope: ConfigScope) -> BrokerConfig {
        self.set.read().brokers.get(&scope).cloned().unwrap_or_default()
    }

    /// The most clients that this node shall serve, if somebody has set it.
    #[must_use]
    pub fn connections_max(&self) -> Option<u32> {
        let set = self.set.read();
        let scopes = [ConfigScope::Node(self.node), ConfigScope::Cluster];
        scopes.into_iter().find_map(|scope| set.brokers.get(&scope)?.connections_max)
    }

    /// What was set for a consumer group.
    #[must_use]
    pub fn group(&self, group: &GroupName) -> GroupConfig {
        self.set.read().groups.get(group).copied().unwrap_or_default()
    }

    /// The groups for which something was set, by name.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupName> {
        self.set.read().groups.keys().cloned().collect()
    }

    /// How long a member of a consumer group lives without a heartbeat.
    pub(crate) fn consumer_session(&self, group: &GroupName) -> Duration {
        let set = self.group(group).session_timeout;
        set.map_or(self.consumer_session, |timeout| Duration::from_millis(timeout.0))
    }

    pub(crate) fn put_brokers(&self, scope: ConfigScope, config: BrokerConfig) {
        let mut set = self.set.write();
        set.brokers.insert(scope, config);
        set.topic_defaults = set.inherited(self.node, self.started).effective();
    }

    pub(crate) fn put_group(&self, group: GroupName, config: GroupConfig) {
        let groups = &mut self.set.write().groups;
        if config.is_empty() {
            groups.remove(&group);
        } else {
            groups.insert(group, config);
        }
    }
}

impl Set {
    fn inherited(&self, node: NodeId, started: EffectiveConfig) -> Inherited {
        let topics = |scope| self.brokers.get(&scope).map(|config| config.topics.clone()).unwrap_or_default();
        Inherited { node: topics(ConfigScope::Node(node)), cluster: topics(ConfigScope::Cluster), started }
    }
}

#[cfg(test)]
mod tests {
    use omnibus_model::topic::TopicConfig;

    use super::*;

    fn batches(bytes: u32) -> BrokerConfig {
        let topics = TopicConfig { batch_bytes_max: Some(bytes), ..TopicConfig::default() };
        BrokerConfig { topics, ..BrokerConfig::default() }
    }

    #[test]
    fn narrower_scope_counts() {
        let configs = Configs::new(NodeId(1), &BrokerLimits::default());
        let shipped = configs.topic_defaults();
        configs.put_brokers(ConfigScope::Node(NodeId(2)), batches(9));
        assert_eq!(configs.topic_defaults(), shipped);
        configs.put_brokers(ConfigScope::Node(NodeId(1)), batches(10));
        configs.put_brokers(ConfigScope::Cluster, batches(11));
        assert_eq!(configs.topic_defaults().batch_bytes_max, 10);
        configs.put_brokers(ConfigScope::Node(NodeId(1)), BrokerConfig::default());
        assert_eq!(configs.topic_defaults().batch_bytes_max, 11);
        configs.learn(&Broker::new(BrokerLimits::default()));
        assert_eq!(configs.topic_defaults(), shipped);
    }
}
