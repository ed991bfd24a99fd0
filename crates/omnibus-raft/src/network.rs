//! openraft's network, over whatever carries requests.

use std::sync::Arc;
use std::time::Duration;

use omnibus_log::EntryId;
use omnibus_model::NodeId;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotOf, VoteOf};
use openraft::{BasicNode, OptionalSend};
use thiserror::Error;

use crate::machine::CheckpointRef;
use crate::peers::{PeerError, Peers};
use crate::shard_state::ShardState;
use crate::types::{Types, entry_id_or_none, log_id, our_entry, our_vote, vote_of};
use crate::wire::{Answer, Append, Candidacy, Request, Transfer, decode_answer, encode_request};

/// How long a follower may take for entries: as long as its disk.
const ENTRIES_TIME: Duration = Duration::from_secs(2);

/// One shard's ways to its other replicas.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) state: Arc<ShardState>,
    pub(crate) peers: Arc<dyn Peers>,
}

/// One shard's way to one of them.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    state: Arc<ShardState>,
    peers: Arc<dyn Peers>,
    target: u64,
}

/// A node that answers, but not what was asked.
#[derive(Debug, Error)]
enum Misunderstood {
    #[error("node {node} takes no part in shard {shard}")]
    Ended { node: u64, shard: u16 },
    #[error("node {node} answered something else")]
    Answer { node: u64 },
    #[error("there can be no node {node}")]
    Number { node: u64 },
    #[error("snapshots are not sent yet")]
    Snapshot,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Way;

    async fn new_client(&mut self, target: u64, _node: &BasicNode) -> Way {
        Way { state: Arc::clone(&self.state), peers: Arc::clone(&self.peers), target }
    }
}

impl Way {
    async fn ask(&self, request: Request, action: RPCTypes, time: Duration) -> Result<Answer, RPCError<Types>> {
        let target = self.target;
        let node = u32::try_from(target).map(NodeId);
        let node =
            node.map_err(|_| RPCError::Unreachable(Unreachable::new(&Misunderstood::Number { node: target })))?;
        let calling = self.peers.call(node, encode_request(self.state.shard, &request));
        let answer = match tokio::time::timeout(time, calling).await {
            Ok(Ok(answer)) => decode_answer(&answer),
            Ok(Err(error @ PeerError::Unreachable { .. })) => {
                return Err(RPCError::Unreachable(Unreachable::new(&error)));
            }
            Ok(Err(error @ (PeerError::Lost { .. } | PeerError::Busy { .. }))) => {
                return Err(RPCError::Network(NetworkError::new(&error)));
            }
            Err(_) => {
                let (id, timeout) = (self.state.node(), time);
                return Err(RPCError::Timeout(Timeout { action, id, target, timeout }));
            }
        };
        answer.ok_or_else(|| self.misunderstood(None))
    }

    fn misunderstood(&self, answer: Option<Answer>) -> RPCError<Types> {
        let (node, shard) = (self.target, self.state.shard.0);
        let error = match answer {
            Some(Answer::Ended) => Misunderstood::Ended { node, shard },
            _ => Misunderstood::Answer { node },
        };
        RPCError::Unreachable(Unreachable::new(&error))
    }

    async fn candidacy(
        &self,
        request: VoteRequest<Types>,
        make: fn(Candidacy) -> Request,
        option: &RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let VoteRequest { vote, last_log_id, leadership_transfer: transfer } = request;
        let candidacy = Candidacy { vote: our_vote(&vote), last: entry_id_or_none(last_log_id.as_ref()), transfer };
        match self.ask(make(candidacy), RPCTypes::Vote, option.soft_ttl()).await? {
            Answer::Voted { vote, granted, last } => Ok(VoteResponse::new(vote_of(vote), log_id(last), granted)),
            other => Err(self.misunderstood(Some(other))),
        }
    }
}

impl RaftNetworkV2<Types> for Way {
    type SnapshotData = CheckpointRef;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let AppendEntriesRequest { vote, prev_log_id, entries, leader_commit } = request;
        let shard = self.state.shard;
        let previous = entry_id_or_none(prev_log_id.as_ref());
        let entries: Vec<_> = entries.into_iter().map(|entry| our_entry(shard, entry)).collect();
        let last = entries.last().map_or(previous.index, |entry| entry.index);
        // Signs of life go out beside entries.
        let time = if entries.is_empty() { option.soft_ttl() } else { ENTRIES_TIME };
        let append = Append {
            vote: our_vote(&vote),
            previous,
            committed: entry_id_or_none(leader_commit.as_ref()),
            settled: self.state.settled(),
            entries,
        };
        match self.ask(Request::Append(append), RPCTypes::AppendEntries, time).await? {
            Answer::Appended => {
                self.state.confirmed(self.target, last);
                Ok(AppendEntriesResponse::Success)
            }
            Answer::AppendedUpTo(id) => {
                self.state.confirmed(self.target, id.index);
                Ok(AppendEntriesResponse::PartialSuccess(log_id(id)))
            }
            Answer::Conflict if previous != EntryId::default() => Ok(AppendEntriesResponse::Conflict),
            Answer::HigherVote(vote) => Ok(AppendEntriesResponse::HigherVote(vote_of(vote))),
            other => Err(self.misunderstood(Some(other))),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.candidacy(request, Request::Vote, &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        // The default grants everything, which would make the question pointless.
        self.candidacy(request, Request::PreVote, &option).await
    }

    async fn full_snapshot(
        &mut self,
        _vote: VoteOf<Types>,
        _snapshot: SnapshotOf<Types, CheckpointRef>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(StreamingError::Unreachable(Unreachable::new(&Misunderstood::Snapshot)))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let transfer = Transfer {
            leader: our_vote(request.from_leader()),
            to: *request.to_node_id(),
            last: entry_id_or_none(request.last_log_id()),
        };
        match self.ask(Request::Transfer(transfer), RPCTypes::TransferLeader, option.soft_ttl()).await? {
            Answer::TransferTaken => Ok(Ok(())),
            Answer::VoteChanged { expected, actual } => {
                Ok(Err(TransferLeaderError::VoteChanged { expected: vote_of(expected), actual: vote_of(actual) }))
            }
            Answer::NotFlushed { expected, actual } => {
                Ok(Err(TransferLeaderError::LogNotFlushed { expected: log_id(expected), actual: log_id(actual) }))
            }
            other => Err(self.misunderstood(Some(other))),
        }
    }
}
