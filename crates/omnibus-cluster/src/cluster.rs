//! What can be asked of the cluster by those who take part.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::Engine;
use omnibus_model::{NodeId, ShardId};
use omnibus_peers::Lines;
use omnibus_raft::OpenraftLog;
use omnibus_replication::{Leadership, ReplicatedLog};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::changes::Changes;
use crate::plan::Plan;
use crate::roster::Roster;

/// How soon is looked again.
const PAUSE: Duration = Duration::from_millis(10);

/// How often whoever waits is told what for.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What can be asked of the cluster. Clones share it.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) node: NodeId,
    pub(crate) address: SocketAddr,
    pub(crate) log: Arc<OpenraftLog>,
    pub(crate) lines: Lines,
    pub(crate) engine: Engine,
    /// Since when changes of who votes have been seen.
    pub(crate) changes: Arc<Changes>,
    /// Whether this node was told that it is not one of the cluster's any more.
    pub(crate) gone: Arc<watch::Sender<bool>>,
}

impl Cluster {
    /// Where other nodes come in.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The nodes as this one knows them now.
    pub(crate) fn roster(&self) -> Roster {
        Roster::of(&self.engine, &self.log)
    }

    pub(crate) fn all_shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.log.shards()).map(ShardId)
    }

    /// Waits until each shard is led by somebody, and says now and then what for.
    pub async fn led(&self) {
        while timeout(TELL_EVERY, self.until(|cluster, shard| cluster.is_led(shard))).await.is_err() {
            let voters = self.log.replicas(ShardId::METADATA).voters;
            let missing: Vec<u32> = voters.into_iter().filter(|node| !self.reaches(*node)).map(|node| node.0).collect();
            tracing::info!(?missing, "waiting for a majority of the nodes");
        }
        self.prefer();
    }

    /// Tells front ends who is to lead what.
    pub(crate) fn prefer(&self) {
        self.engine.prefer_leaders(Plan::of(&self.roster(), self.log.shards()).preferred());
    }

    /// Waits until something is true of all shards.
    pub(crate) async fn until(&self, is_so: impl Fn(&Self, ShardId) -> bool) {
        while !self.all_shards().all(|shard| is_so(self, shard)) {
            sleep(PAUSE).await;
        }
    }

    pub(crate) fn is_led(&self, shard: ShardId) -> bool {
        !matches!(self.log.leadership(shard), Leadership::Elsewhere { leader: None, .. })
    }

    pub(crate) fn reaches(&self, node: NodeId) -> bool {
        node == self.node || self.lines.is_open(node)
    }

    pub(crate) fn leads(&self, shard: ShardId) -> bool {
        matches!(self.log.leadership(shard), Leadership::Here { .. })
    }
}
