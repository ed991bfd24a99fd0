//! The way to other nodes, whoever keeps it: connections, or a simulation.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use omnibus_model::NodeId;
use thiserror::Error;

use crate::wire::Pieces;

/// An answer on its way.
pub type Calling = Pin<Box<dyn Future<Output = Result<Bytes, PeerError>> + Send>>;

/// Carries requests to other nodes, and their answers back.
pub trait Peers: fmt::Debug + Send + Sync {
    /// Sends a request; its answer comes when it comes, so whoever asks has patience of its own.
    /// Requests may come late, more than once, and in another order.
    fn call(&self, node: NodeId, request: Pieces) -> Calling;
}

/// Why there is no answer. What was asked may have been done all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PeerError {
    #[error("there is no way to node {node}")]
    Unreachable { node: NodeId },
    #[error("the way to node {node} ended before it answered")]
    Lost { node: NodeId },
    #[error("too much waits for node {node}")]
    Busy { node: NodeId },
}

/// Reaches nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoPeers;

impl Peers for NoPeers {
    fn call(&self, node: NodeId, _request: Pieces) -> Calling {
        Box::pin(async move { Err(PeerError::Unreachable { node }) })
    }
}
