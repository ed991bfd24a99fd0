//! What this node can say of the cluster.

use omnibus_model::{LogIndex, NodeId, ShardId};
use omnibus_raft::Standing;

use crate::cluster::Cluster;

/// A shard as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStanding {
    pub shard: ShardId,
    /// None if nobody is known to.
    pub leader: Option<NodeId>,
    /// The newest entry on this node.
    pub last: LogIndex,
    /// The newest that this node has told its engine of.
    pub applied: LogIndex,
    pub replicas: Vec<ReplicaStanding>,
}

/// One of a shard's replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaStanding {
    pub node: NodeId,
    /// Others get everything and decide nothing.
    pub is_voter: bool,
    /// The newest entry that it has for certain; only the leader knows.
    pub confirmed: Option<LogIndex>,
}

impl Cluster {
    /// All shards.
    #[must_use]
    pub fn standing(&self) -> Vec<ShardStanding> {
        self.all_shards().map(|shard| self.standing_of(shard)).collect()
    }

    /// Whether there is a connection to a node, or it is this one.
    #[must_use]
    pub fn is_reached(&self, node: NodeId) -> bool {
        self.reaches(node)
    }

    fn standing_of(&self, shard: ShardId) -> ShardStanding {
        let Standing { leader, replicas, last, applied, confirmed } = self.log.standing(shard);
        let leads = leader == Some(self.node);
        let newest = |node| match node {
            node if node == self.node => Some(last),
            node if leads => Some(confirmed.get(&node).copied().unwrap_or_default()),
            _ => None,
        };
        let replica = |is_voter: bool| move |node| (node, is_voter);
        let voters = replicas.voters.iter().copied().map(replica(true));
        let learners = replicas.learners.iter().copied().map(replica(false));
        let replicas =
            voters.chain(learners).map(|(node, is_voter)| ReplicaStanding { node, is_voter, confirmed: newest(node) });
        ShardStanding { shard, leader, last, applied, replicas: replicas.collect() }
    }
}
