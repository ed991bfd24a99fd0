//! The network of a node that has no peers.

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::type_config::alias::{SnapshotOf, VoteOf};
use openraft::{BasicNode, OptionalSend};
use thiserror::Error;

use crate::machine::CheckpointRef;
use crate::types::Types;

/// Reaches nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alone;

/// The way to a node that cannot be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoWay {
    node: u64,
}

#[derive(Debug, Error)]
#[error("there is no way to node {node}")]
struct NoWayError {
    node: u64,
}

impl NoWay {
    fn unreachable(self) -> Unreachable<Types> {
        Unreachable::new(&NoWayError { node: self.node })
    }
}

impl RaftNetworkFactory<Types> for Alone {
    type Network = NoWay;

    async fn new_client(&mut self, target: u64, _node: &BasicNode) -> NoWay {
        NoWay { node: target }
    }
}

impl RaftNetworkV2<Types> for NoWay {
    type SnapshotData = CheckpointRef;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn pre_vote(
        &mut self,
        _request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        // The default grants everything, which would make the question pointless.
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn full_snapshot(
        &mut self,
        _vote: VoteOf<Types>,
        _snapshot: SnapshotOf<Types, CheckpointRef>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(StreamingError::Unreachable(self.unreachable()))
    }
}
