//! The nodes of the cluster, as front ends see them.

use omnibus_model::node::{NodeDuty, NodeInfo};
use omnibus_model::{Command, NodeId, ShardId};

use crate::engine::Engine;
use crate::error::SubmitError;

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

    /// Whether another node can be read of a shard that this node leads: it has all of it, or lacks next to nothing.
    #[must_use]
    pub fn is_in_sync(&self, shard: ShardId, node: NodeId) -> bool {
        self.reaches(node) && self.inner.replicated.is_in_sync(shard, node)
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
