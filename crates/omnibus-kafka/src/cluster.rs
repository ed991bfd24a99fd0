//! The brokers of the cluster, as the client of a connection is to see them.

use std::collections::BTreeSet;

use omnibus_model::topic::Topic;
use omnibus_model::{GroupName, NodeId, ShardId};

use crate::session::Context;
use crate::wire::ErrorCode;

/// The name under which nodes tell where their Kafka clients go to.
pub const DOOR: &str = "kafka";

/// No broker, where Kafka wants a number.
pub(crate) const NO_BROKER: i32 = -1;

/// No epoch, where Kafka wants one.
const NO_EPOCH: i32 = -1;

/// A broker that clients can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) rack: Option<String>,
}

impl Context {
    /// All brokers by number. This one is where the client came to, unless it advertises another place.
    pub(crate) fn brokers(&self) -> Vec<Broker> {
        let here = self.this_broker();
        let nodes = self.engine.catalog().nodes();
        let others = nodes.iter().filter_map(|(node, info)| {
            let address = info.addresses.get(DOOR)?;
            let (host, port) = (address.host.clone(), address.port.into());
            Some(Broker { id: broker_id(*node), host, port, rack: info.rack.clone() })
        });
        let mut brokers: Vec<Broker> = others.filter(|other| other.id != here.id).chain([here.clone()]).collect();
        brokers.sort_by_key(|broker| broker.id);
        brokers
    }

    pub(crate) fn this_broker(&self) -> Broker {
        let rack = self.settings.rack.clone();
        Broker { id: self.settings.node_id, host: self.host(), port: self.port(), rack }
    }

    /// Finds a broker by its number.
    pub(crate) fn broker(&self, id: i32) -> Option<Broker> {
        self.brokers().into_iter().find(|broker| broker.id == id)
    }

    /// Looks whether leaders are alive, and waits for those that may come any moment, before clients are told who leads these
    /// shards: who has just lost its connection to a broker may ask before this one has heard of that (ADR 0088).
    pub(crate) async fn know_leaders(&self, shards: &BTreeSet<ShardId>) {
        self.engine.look_after_leaders(shards.iter().copied()).await;
        self.engine.await_leaders(shards.iter().copied()).await;
    }

    /// The broker that leads a shard's partitions, or none. One that this broker cannot reach any more is not named:
    /// clients that are told of a leader that is gone ask no more for a while (ADR 0088).
    pub(crate) fn leader(&self, shard: ShardId) -> Option<i32> {
        self.engine.leader(shard).filter(|leader| self.engine.reaches(*leader)).map(broker_id)
    }

    /// The broker that leads a shard's partitions and its epoch, as Kafka writes them; both −1 if there is none.
    pub(crate) fn wire_leader(&self, shard: ShardId) -> (i32, i32) {
        self.leader(shard).map_or((NO_BROKER, NO_EPOCH), |leader| (leader, self.leader_epoch(shard)))
    }

    /// The broker that leads a shard's partitions and its epoch, for those whom an error tells that they are wrong about
    /// either (KIP-951).
    pub(crate) fn leader_and_epoch(&self, shard: ShardId) -> Option<(Broker, i32)> {
        Some((self.broker(self.leader(shard)?)?, self.leader_epoch(shard)))
    }

    /// Checks that this broker leads a shard's partitions.
    pub(crate) fn check_leader(&self, shard: ShardId) -> Result<(), ErrorCode> {
        if self.engine.leads(shard) { Ok(()) } else { Err(ErrorCode::NotLeaderOrFollower) }
    }

    /// Says whether this broker coordinates a group.
    pub(crate) fn coordinates(&self, group: &GroupName) -> bool {
        self.engine.leads(self.engine.group_shard(group))
    }

    /// Checks that this broker may be read of a shard's partitions: it leads them, or follows somebody whom it hears.
    pub(crate) fn check_readable(&self, shard: ShardId) -> Result<(), ErrorCode> {
        let leader = self.engine.leader(shard);
        if leader.is_some_and(|leader| self.engine.reaches(leader)) {
            Ok(())
        } else {
            Err(ErrorCode::NotLeaderOrFollower)
        }
    }

    /// The brokers in a client's rack that it may rather read from than from this one (KIP-392).
    pub(crate) fn nearby(&self, rack: &str) -> Vec<NodeId> {
        if rack.is_empty() || self.settings.rack.as_deref() == Some(rack) {
            return Vec::new();
        }
        let nodes = self.engine.catalog().nodes();
        let there =
            nodes.iter().filter(|(_, info)| info.rack.as_deref() == Some(rack) && info.addresses.contains_key(DOOR));
        there.map(|(node, _)| *node).filter(|node| *node != self.engine.node()).collect()
    }

    /// One of these that has all of a shard; not the same of all shards.
    pub(crate) fn replica_among(&self, nodes: &[NodeId], shard: ShardId) -> Option<i32> {
        let first = usize::from(shard.0) % nodes.len().max(1);
        let mut turns = nodes[first..].iter().chain(&nodes[..first]);
        turns.find(|node| self.engine.is_in_sync(shard, **node)).map(|node| broker_id(*node))
    }

    /// The brokers that can be reached now, as far as this one knows; who leads is one of them.
    pub(crate) fn reachable(&self) -> Vec<i32> {
        let nodes = self.engine.catalog().nodes();
        let others = nodes.iter().map(|(node, _)| *node).filter(|node| self.engine.reaches(*node)).map(broker_id);
        let here = self.settings.node_id;
        let mut reachable: Vec<i32> = others.filter(|id| *id != here).chain([here]).collect();
        reachable.sort_unstable();
        reachable
    }

    /// The brokers that hold every partition: each node has a replica of each shard.
    pub(crate) fn replicas(&self) -> Vec<i32> {
        self.brokers().into_iter().map(|broker| broker.id).collect()
    }

    /// The same, in the order that clients are told of a partition: who is to lead it first, then those whom a client has named in
    /// its order, then the others.
    pub(crate) fn in_order(&self, replicas: &[i32], topic: &Topic, partition: usize) -> Vec<i32> {
        let place = topic.partitions.get(partition);
        let first = place.and_then(|place| self.engine.preferred_leader(place.shard));
        let named = topic.placed.get(partition).into_iter().flatten().copied();
        let wanted = first.into_iter().chain(named).map(broker_id).chain(replicas.iter().copied());
        let mut ordered = Vec::with_capacity(replicas.len());
        for id in wanted.filter(|id| replicas.contains(id)) {
            if !ordered.contains(&id) {
                ordered.push(id);
            }
        }
        ordered
    }

    /// The data shards that a broker is to lead.
    pub(crate) fn led_by(&self, node: NodeId) -> Vec<ShardId> {
        self.engine.data_shards().filter(|shard| self.engine.preferred_leader(*shard) == Some(node)).collect()
    }

    /// The replicas of a partition that have, for certain, all that is committed.
    pub(crate) fn in_sync_replicas(&self) -> u32 {
        u32::try_from(self.replicas().len() / 2 + 1).unwrap_or(u32::MAX)
    }
}

fn broker_id(node: NodeId) -> i32 {
    i32::try_from(node.0).unwrap_or(i32::MAX)
}
