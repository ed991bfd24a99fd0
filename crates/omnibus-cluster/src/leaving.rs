//! How a node leaves for good, and how it learns that it has.

use std::time::Duration;

use omnibus_model::node::NodeDuty;
use omnibus_model::{NodeId, ShardId};
use omnibus_peers::Service;
use thiserror::Error;
use tokio::time::{sleep, timeout};

use crate::cluster::Cluster;
use crate::roster::replicas;
use crate::stage::Stage;

/// How often the others are asked whether this node is still one of them, and how long each may take.
const ASK_EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_millis(500);

/// Why a node cannot be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RemovalError {
    #[error("the cluster knows no node {node}")]
    Unknown { node: NodeId },
    #[error("nobody but node {node} has all of shard {shard}")]
    LastReplica { node: NodeId, shard: ShardId },
    #[error("of the {others} other nodes that vote about shard {shard} only {there} can be reached")]
    NoMajority { shard: ShardId, others: usize, there: usize },
}

impl Cluster {
    /// Whether the others could go on without a node, as far as this one knows.
    ///
    /// # Errors
    /// [`RemovalError`].
    pub fn check_removal(&self, node: NodeId) -> Result<(), RemovalError> {
        if self.roster().iter().all(|(known, _)| known != node) {
            return Err(RemovalError::Unknown { node });
        }
        self.all_shards().try_for_each(|shard| self.check_removal_from(shard, node))
    }

    fn check_removal_from(&self, shard: ShardId, node: NodeId) -> Result<(), RemovalError> {
        if !replicas(&self.log, shard).contains(&node) {
            return Ok(());
        }
        let known = self.log.replicas(shard);
        let others: Vec<NodeId> = known.voters.into_iter().filter(|voter| *voter != node).collect();
        let has_all = |voter: &&NodeId| !known.lost.contains(voter);
        if !others.iter().any(|voter| has_all(&voter)) {
            return Err(RemovalError::LastReplica { node, shard });
        }
        let there = others.iter().filter(has_all).filter(|voter| self.reaches(**voter)).count();
        let others = others.len();
        if there * 2 > others { Ok(()) } else { Err(RemovalError::NoMajority { shard, others, there }) }
    }

    /// Waits until this node is told that it is not one of the cluster's any more.
    pub async fn removed(&self) {
        // There is a sender as long as there is this handle.
        drop(self.gone.subscribe().wait_for(|gone| *gone).await);
    }

    pub(crate) fn was_removed(&self) -> bool {
        *self.gone.borrow()
    }

    /// Whether this node is on its way out.
    pub(crate) fn is_leaving(&self) -> bool {
        self.engine.catalog().duty(self.node) == NodeDuty::Removed
    }
}

/// Whether a node was removed, and has left.
pub(crate) fn has_left(engine: &omnibus_engine::Engine, node: NodeId) -> bool {
    let catalog = engine.catalog();
    catalog.duty(node) == NodeDuty::Removed && catalog.nodes().iter().all(|(known, _)| *known != node)
}

/// Asks the others whether this node is still one of them, for as long as it is. Nobody else would tell it: what is
/// decided after it has left does not reach it.
pub(crate) async fn watch(cluster: Cluster) {
    while !cluster.was_removed() {
        sleep(ASK_EVERY).await;
        for node in cluster.lines.nodes() {
            let answer = timeout(PATIENCE, cluster.lines.call(node, Service::Cluster, Vec::new())).await;
            let stage = answer.ok().and_then(Result::ok).and_then(|answer| Stage::decode(&answer));
            if stage == Some(Stage::Removed) {
                cluster.gone.send_replace(true);
            }
        }
    }
}
