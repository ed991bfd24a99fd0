//! The way to the engines of other nodes, which somebody else keeps open.

use std::fmt::Debug;
use std::future::{Future, ready};
use std::pin::Pin;

use bytes::Bytes;
use omnibus_model::NodeId;
use thiserror::Error;

/// Reaches other nodes of the cluster.
pub trait Peers: Debug + Send + Sync {
    /// Hands a request to a node, whose [`crate::Engine::answer_peer`] answers it. Requests that were
    /// begun one after the other are handed over in that order.
    fn ask(&self, node: NodeId, request: Bytes) -> Asking;

    /// Whether a node could be asked now.
    fn reaches(&self, node: NodeId) -> bool;

    /// Whether a node can be asked now, and has not been silent for as long as an election takes. Where a connection ends as soon
    /// as the other end is silent that is the same.
    fn hears(&self, node: NodeId) -> bool {
        self.reaches(node)
    }

    /// Waits until a node has given a sign of life that was asked for now, or cannot be reached any more. Where the latter is
    /// always known at once there is nothing to wait for.
    fn sign_of_life(&self, _node: NodeId) -> Living {
        Box::pin(ready(()))
    }
}

/// A sign of life that is waited for.
pub type Living = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A request under way.
pub type Asking = Pin<Box<dyn Future<Output = Result<Bytes, PeerError>> + Send>>;

/// Why another node gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PeerError {
    /// It never got the request.
    #[error("node {node} cannot be reached")]
    Unreachable { node: NodeId },
    /// It may have got the request.
    #[error("node {node} went away before it answered")]
    Lost { node: NodeId },
}
