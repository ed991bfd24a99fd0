//! The nodes of the cluster, as front ends see them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use omnibus_model::node::{NodeDuty, NodeInfo};
use omnibus_model::{Command, NodeId, ShardId};
use tokio::time::timeout;

use crate::engine::Engine;
use crate::error::SubmitError;

/// How long a node's sign of life is waited for.
const LIFE_TIME: Duration = Duration::from_millis(100);

impl Engine {
    /// This node's number.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.configs().node()
    }

    /// Whether a node is this one, or one that could be asked now.
    #[must_use]
    pub fn reaches(&self, node: NodeId) -> bool {
        node == self.node() || self.inner.peers.get().is_some_and(|peers| peers.reaches(node))
    }

    /// Waits for a sign of life of whoever leads one of these shards, as far as it can be reached. Who has just lost its
    /// connection to a node may ask this one before it has heard of that, too; then [`Self::reaches`] knows.
    pub async fn look_after_leaders(&self, shards: impl IntoIterator<Item = ShardId>) {
        let Some(peers) = self.inner.peers.get() else { return };
        let leaders: BTreeSet<NodeId> = shards.into_iter().filter_map(|shard| self.leader(shard)).collect();
        let others = leaders.into_iter().filter(|leader| *leader != self.node() && peers.reaches(*leader));
        // Who is there and too busy to answer is not gone.
        drop(timeout(LIFE_TIME, join_all(others.map(|leader| peers.sign_of_life(leader)))).await);
    }

    /// Says which node is to lead each shard whenever nothing is in its way, in the order of shards.
    pub fn prefer_leaders(&self, leaders: Vec<Option<NodeId>>) {
        *self.inner.preferred.write() = leaders;
    }

    /// The node that is to lead a shard whenever nothing is in its way: of a node without others that one. None if nobody has
    /// said so yet.
    #[must_use]
    pub fn preferred_leader(&self, shard: ShardId) -> Option<NodeId> {
        if !self.has_peers() {
            return Some(self.node());
        }
        self.inner.preferred.read().get(usize::from(shard.0)).copied().flatten()
    }

    /// Whether another node can be read of a shard that this node leads: it has all of it, or lacks next to nothing.
    #[must_use]
    pub fn is_in_sync(&self, shard: ShardId, node: NodeId) -> bool {
        self.reaches(node) && self.inner.replicated.is_in_sync(shard, node)
    }

    /// Waits while nobody who can be reached leads one of these shards, once in each vacancy and no longer than it takes to
    /// hand a shard over, or to succeed a process that is gone: who asks then is told the next leader, and not that there is
    /// none.
    pub async fn await_leaders(&self, shards: impl IntoIterator<Item = ShardId>) {
        let vacancies = &self.inner.vacancies;
        let mut vacant: Vec<ShardId> = shards.into_iter().filter(|shard| !self.is_led(*shard)).collect();
        // Before the next look, so that nothing is missed between it and the wait.
        let mut filled = vacancies.watch();
        loop {
            vacant.retain(|shard| {
                let is_led = self.is_led(*shard);
                if is_led {
                    vacancies.forget(*shard);
                }
                !is_led
            });
            let Some(patience) = vacancies.patience(&vacant, self.clock().elapsed()) else { return };
            // Whoever was waited for in vain is not any more.
            drop(timeout(patience, filled.changed()).await);
        }
    }

    fn is_led(&self, shard: ShardId) -> bool {
        self.leader(shard).is_some_and(|leader| self.reaches(leader))
    }

    /// Tells the cluster how a node is reached. What was told before does not count any more.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn introduce(&self, node: NodeId, info: NodeInfo) -> Result<(), SubmitError> {
        let command = Command::RegisterNode { node, info: Box::new(info) };
        self.submit(ShardId::METADATA, command).await.map(drop)
    }

    /// Says what a node is there for from now on.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn assign_node(&self, node: NodeId, duty: NodeDuty) -> Result<(), SubmitError> {
        self.submit(ShardId::METADATA, Command::AssignNode { node, duty }).await.map(drop)
    }

    /// Forgets how a node is reached that has left for good.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn forget_node(&self, node: NodeId) -> Result<(), SubmitError> {
        self.submit(ShardId::METADATA, Command::ForgetNode { node }).await.map(drop)
    }
}
