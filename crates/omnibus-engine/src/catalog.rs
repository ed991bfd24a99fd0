//! Every node's copy of the names: what ZooKeeper does elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use omnibus_broker::Broker;
use omnibus_model::exchange::{BindingId, ExchangeKey, ExchangeKind, SharedExchange};
use omnibus_model::node::{NodeDuty, NodeInfo};
use omnibus_model::topic::SharedTopic;
use omnibus_model::{ExchangeName, NodeId, StreamId, TopicId, TopicName};
use parking_lot::RwLock;
use tokio::sync::watch;

/// The committed topics, as front ends look them up for each request.
#[derive(Debug, Default)]
pub struct Catalog {
    topics: RwLock<Topics>,
    /// Raised after each change of a topic or an exchange.
    version: AtomicU64,
    exchanges: RwLock<BTreeMap<ExchangeKey, SharedExchange>>,
    /// Touched by each change of an exchange, or of a queue that belongs to a binding.
    exchange_changes: watch::Sender<()>,
    nodes: RwLock<BTreeMap<NodeId, Arc<NodeInfo>>>,
    /// All but full ones.
    duties: RwLock<BTreeMap<NodeId, NodeDuty>>,
}

#[derive(Debug, Default)]
struct Topics {
    by_name: BTreeMap<TopicName, SharedTopic>,
    by_id: HashMap<TopicId, SharedTopic>,
    queues: HashMap<StreamId, SharedTopic>,
}

impl Catalog {
    /// Takes all that the metadata shard's broker remembers, and forgets what it does not.
    pub fn learn(&self, metadata: &Broker) {
        self.forget_all_but(metadata);
        metadata.topics().for_each(|topic| self.put(topic.clone()));
        metadata.exchanges().for_each(|exchange| self.put_exchange(exchange.clone()));
        metadata.nodes().for_each(|(node, info)| self.put_node(node, info.clone()));
        metadata.duties().for_each(|(node, duty)| self.put_duty(node, duty));
    }

    fn forget_all_but(&self, metadata: &Broker) {
        let topics: BTreeSet<TopicId> = metadata.topics().map(|topic| topic.id).collect();
        self.topics().iter().filter(|topic| !topics.contains(&topic.id)).for_each(|topic| self.remove(topic));
        let exchanges: BTreeSet<&ExchangeKey> = metadata.exchanges().map(|exchange| &exchange.key).collect();
        let known = self.all_exchanges().into_iter().filter(|exchange| !exchanges.contains(&exchange.key));
        known.for_each(|exchange| self.remove_exchange(&exchange.key));
        let nodes: BTreeSet<NodeId> = metadata.nodes().map(|(node, _)| node).collect();
        self.nodes.write().retain(|node, _| nodes.contains(node));
        let duties: BTreeSet<NodeId> = metadata.duties().map(|(node, _)| node).collect();
        self.duties.write().retain(|node, _| duties.contains(node));
    }

    #[must_use]
    pub fn topic(&self, name: &str) -> Option<SharedTopic> {
        self.topics.read().by_name.get(name).cloned()
    }

    #[must_use]
    pub fn topic_by_id(&self, id: TopicId) -> Option<SharedTopic> {
        self.topics.read().by_id.get(&id).cloned()
    }

    /// The queue that a stream belongs to.
    #[must_use]
    pub fn queue(&self, stream: StreamId) -> Option<SharedTopic> {
        self.topics.read().queues.get(&stream).cloned()
    }

    /// All topics by name.
    #[must_use]
    pub fn topics(&self) -> Vec<SharedTopic> {
        self.topics.read().by_name.values().cloned().collect()
    }

    /// A number that is another after each change of a topic or an exchange.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn changed(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// An exchange as it is now, with all that is bound to it.
    #[must_use]
    pub fn exchange(&self, key: &ExchangeKey) -> Option<SharedExchange> {
        self.exchanges.read().get(key).cloned()
    }

    /// All exchanges of a kind, by name.
    #[must_use]
    pub fn exchanges(&self, kind: ExchangeKind) -> Vec<SharedExchange> {
        // The first of all names is the empty one.
        let first = ExchangeKey { kind, name: ExchangeName::new("").expect("an exchange may be called nothing") };
        let exchanges = self.exchanges.read();
        exchanges.range(first..).take_while(|(key, _)| key.kind == kind).map(|(_, exchange)| exchange.clone()).collect()
    }

    /// The nodes of the cluster, by number; those that have introduced themselves.
    #[must_use]
    pub fn nodes(&self) -> Vec<(NodeId, Arc<NodeInfo>)> {
        self.nodes.read().iter().map(|(node, info)| (*node, Arc::clone(info))).collect()
    }

    /// What a node is there for. Of one that was removed it is known for good.
    #[must_use]
    pub fn duty(&self, node: NodeId) -> NodeDuty {
        self.duties.read().get(&node).copied().unwrap_or_default()
    }

    /// All exchanges.
    pub(crate) fn all_exchanges(&self) -> Vec<SharedExchange> {
        self.exchanges.read().values().cloned().collect()
    }

    /// Tells when exchanges change.
    pub(crate) fn watch_exchanges(&self) -> watch::Receiver<()> {
        self.exchange_changes.subscribe()
    }

    pub(crate) fn put_exchange(&self, exchange: SharedExchange) {
        self.exchanges.write().insert(exchange.key.clone(), exchange);
        self.changed();
        self.exchange_changes.send_replace(());
    }

    pub(crate) fn remove_exchange(&self, key: &ExchangeKey) {
        self.exchanges.write().remove(key);
        self.changed();
        self.exchange_changes.send_replace(());
    }

    pub(crate) fn put_node(&self, node: NodeId, info: NodeInfo) {
        self.nodes.write().insert(node, Arc::new(info));
    }

    pub(crate) fn remove_node(&self, node: NodeId) {
        self.nodes.write().remove(&node);
        // The number of one that was only drained may be used again.
        self.duties.write().retain(|known, duty| *known != node || *duty == NodeDuty::Removed);
    }

    pub(crate) fn put_duty(&self, node: NodeId, duty: NodeDuty) {
        let mut duties = self.duties.write();
        match duty {
            NodeDuty::Full => drop(duties.remove(&node)),
            NodeDuty::Drained | NodeDuty::Removed => drop(duties.insert(node, duty)),
        }
    }

    pub(crate) fn put(&self, topic: SharedTopic) {
        let mut topics = self.topics.write();
        topics.by_id.insert(topic.id, topic.clone());
        if let Some(place) = topic.queue_place() {
            topics.queues.extend(place.streams().map(|stream| (stream, topic.clone())));
        }
        let is_of_binding = BindingId::of_push_queue(&topic.name).is_some();
        topics.by_name.insert(topic.name.clone(), topic);
        drop(topics);
        self.changed();
        if is_of_binding {
            self.exchange_changes.send_replace(());
        }
    }

    pub(crate) fn remove(&self, topic: &SharedTopic) {
        let mut topics = self.topics.write();
        topics.by_id.remove(&topic.id);
        topic.partitions.iter().for_each(|place| drop(topics.queues.remove(&place.stream)));
        topics.by_name.remove(&topic.name);
        drop(topics);
        self.changed();
    }
}

#[cfg(test)]
mod tests {
    use omnibus_broker::BrokerLimits;

    use super::*;

    #[test]
    fn what_a_newer_state_does_not_know_is_forgotten() {
        let catalog = Catalog::default();
        catalog.put_node(NodeId(7), NodeInfo::default());
        catalog.put_duty(NodeId(8), NodeDuty::Drained);
        catalog.learn(&Broker::new(BrokerLimits::default()));
        assert!(catalog.nodes().is_empty());
        assert_eq!(catalog.duty(NodeId(8)), NodeDuty::Full);
    }
}
