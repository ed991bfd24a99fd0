//! The nodes as this one knows them: what they said of themselves, and what they are there for.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_engine::Engine;
use omnibus_model::node::{Address, NodeDuty};
use omnibus_model::{NodeId, ShardId};
use omnibus_raft::OpenraftLog;

/// The name under which nodes tell where other nodes reach them.
pub const DOOR: &str = "cluster";

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where other nodes reach it; none until it has introduced itself.
    pub(crate) address: Option<Address>,
    pub(crate) rack: Option<String>,
    pub(crate) duty: NodeDuty,
}

/// All nodes: those that have introduced themselves, and those that replicate something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roster(BTreeMap<NodeId, Entry>);

impl Roster {
    pub(crate) fn of(engine: &Engine, log: &OpenraftLog) -> Self {
        let catalog = engine.catalog();
        let known = catalog.nodes().into_iter().map(|(node, info)| {
            let (address, rack) = (info.addresses.get(DOOR).cloned(), info.rack.clone());
            (node, Entry { address, rack, duty: catalog.duty(node) })
        });
        let mut nodes: BTreeMap<NodeId, Entry> = known.collect();
        for node in (0..log.shards()).flat_map(|shard| replicas(log, ShardId(shard))) {
            nodes.entry(node).or_insert_with(|| Entry { duty: catalog.duty(node), ..Entry::default() });
        }
        Self(nodes)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &Entry)> {
        self.0.iter().map(|(node, entry)| (*node, entry))
    }

    pub(crate) fn duty(&self, node: NodeId) -> NodeDuty {
        self.0.get(&node).map(|entry| entry.duty).unwrap_or_default()
    }

    /// Whether a node may lead.
    pub(crate) fn may_lead(&self, node: NodeId) -> bool {
        self.duty(node) == NodeDuty::Full
    }

    /// The nodes that are to replicate, with their racks.
    pub(crate) fn staying(&self) -> impl Iterator<Item = (NodeId, Option<&str>)> {
        let staying = self.iter().filter(|(_, entry)| entry.duty != NodeDuty::Removed);
        staying.map(|(node, entry)| (node, entry.rack.as_deref()))
    }
}

impl<I: IntoIterator<Item = (NodeId, Entry)>> From<I> for Roster {
    fn from(nodes: I) -> Self {
        Self(nodes.into_iter().collect())
    }
}

/// Who replicates a shard, with a vote or without.
pub(crate) fn replicas(log: &OpenraftLog, shard: ShardId) -> BTreeSet<NodeId> {
    let replicas = log.replicas(shard);
    replicas.voters.into_iter().chain(replicas.learners).collect()
}
