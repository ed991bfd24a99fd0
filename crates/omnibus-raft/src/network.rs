//! openraft's network, over whatever carries requests.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use omnibus_log::EntryId;
use omnibus_model::NodeId;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf, VoteOf};
use openraft::{BasicNode, OptionalSend};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::backfill::{Backfill, BackfillError, time_of};
use crate::machine::Saved;
use crate::membership::encode_membership;
use crate::peers::{PeerError, Peers};
use crate::shard_state::ShardState;
use crate::types::{Types, entry_id_or_none, log_id, our_entry, our_vote, vote_of};
use crate::wire::{Answer, Append, Candidacy, Install, Request, Transfer, decode_answer, encode_request};

/// How long a follower may take for entries: as long as its disk.
const ENTRIES_TIME: Duration = Duration::from_secs(2);

/// How long a replica may take for a part of what it lacks.
const PART_TIME: Duration = Duration::from_secs(10);

/// How often it is asked to take one, and how soon again. One that does not answer is not asked that often.
const PART_ATTEMPTS: u32 = 50;
const PART_TIMEOUT_ATTEMPTS: u32 = 15;
const PART_PAUSE: Duration = Duration::from_millis(200);

/// One shard's ways to its other replicas.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) state: Arc<ShardState>,
    pub(crate) peers: Arc<dyn Peers>,
    /// Whose turn it is to fill a replica; one at a time of all shards.
    pub(crate) turn: Arc<Semaphore>,
}

/// One shard's way to one of them.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    state: Arc<ShardState>,
    peers: Arc<dyn Peers>,
    turn: Arc<Semaphore>,
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
    #[error("node {node} has lost what it had of shard {shard}")]
    Lost { node: u64, shard: u16 },
    #[error("node {node} has just been told that it is new in shard {shard}")]
    Greeted { node: u64, shard: u16 },
    #[error("what node {node} lacks of shard {shard} is not in the log any more")]
    Purged { node: u64, shard: u16 },
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Way;

    async fn new_client(&mut self, target: u64, _node: &BasicNode) -> Way {
        Way { state: Arc::clone(&self.state), peers: Arc::clone(&self.peers), turn: Arc::clone(&self.turn), target }
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
            Some(Answer::Hollow { .. }) => Misunderstood::Lost { node, shard },
            _ => Misunderstood::Answer { node },
        };
        RPCError::Unreachable(Unreachable::new(&error))
    }

    /// Meets a replica that has nothing: a new one is welcome, a voter has lost what it had.
    async fn greet(&self, log: u64) -> RPCError<Types> {
        if !self.state.has_learner(self.target) {
            self.state.note_lost(self.target);
            return self.misunderstood(Some(Answer::Hollow { log }));
        }
        if self.state.has_reverted(self.target) {
            return self.misunderstood(Some(Answer::Hollow { log }));
        }
        match self.ask(Request::Welcome { log }, RPCTypes::AppendEntries, ENTRIES_TIME).await {
            Ok(Answer::Welcomed) => {
                let (node, shard) = (self.target, self.state.shard.0);
                RPCError::Network(NetworkError::new(&Misunderstood::Greeted { node, shard }))
            }
            Ok(other) => self.misunderstood(Some(other)),
            Err(error) => error,
        }
    }

    /// Sends all that a replica lacks that lacks what was purged.
    async fn fill(
        &self,
        vote: VoteOf<Types>,
        meta: SnapshotMetaOf<Types>,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let cannot = |error: &BackfillError| StreamingError::Unreachable(Unreachable::new(error));
        let last = entry_id_or_none(meta.last_log_id.as_ref());
        let joined = entry_id_or_none(meta.last_membership.log_id().as_ref());
        if !self.state.has_learner(self.target) {
            // What a voter was not told to be committed counts until another has it, and filling it begins with voiding that.
            self.state.note_lost(self.target);
            return Err(cannot(&BackfillError::NotALearner));
        }
        if joined.index > last.index {
            // What all replicas had by the time it joined may be gone by now.
            self.state.want_checkpoint();
            return Err(cannot(&BackfillError::NoCheckpoint));
        }
        let _turn = self.turn.acquire().await;
        let session = self.state.next_session(our_vote(&vote).term);
        let begun = Backfill::begin(&self.state, session, last).await;
        if let Err(BackfillError::NoCheckpoint) = &begun {
            self.state.want_checkpoint();
        }
        let mut backfill = begun.map_err(|error| cannot(&error))?;
        loop {
            let (rest, fill) = backfill.next_part().await.map_err(|error| cannot(&error))?;
            backfill = rest;
            let Some(fill) = fill else { break };
            let (number, pause) = (fill.number, time_of(&fill.part));
            let is_taken = |answer: &Answer| matches!(answer, Answer::Filled { next } if *next > number);
            self.insist(&Request::Fill(fill), is_taken).await?;
            tokio::time::sleep(pause).await;
        }
        let membership = (joined, encode_membership(meta.last_membership.membership()));
        let install: Install = backfill.install(our_vote(&vote), membership);
        let is_taken = |answer: &Answer| matches!(answer, Answer::Installed(_));
        match self.insist(&Request::Install(install), is_taken).await? {
            Answer::Installed(theirs) => {
                // A newer vote says that it was not taken from this leader.
                if theirs.term == our_vote(&vote).term {
                    self.state.confirmed(self.target, theirs.term, last.index);
                }
                Ok(SnapshotResponse::new(vote_of(theirs)))
            }
            other => Err(self.misunderstood(Some(other)).into()),
        }
    }

    /// Asks until the answer is what it should be, or will not be.
    async fn insist(&self, request: &Request, is_taken: impl Fn(&Answer) -> bool) -> Result<Answer, RPCError<Types>> {
        let (mut failed, mut attempts) = (self.misunderstood(None), 0);
        while attempts < PART_ATTEMPTS {
            attempts += 1;
            match self.ask(request.clone(), RPCTypes::InstallSnapshot, PART_TIME).await {
                Ok(answer) if is_taken(&answer) => return Ok(answer),
                Ok(Answer::Hollow { log }) => match self.greet(log).await {
                    error @ RPCError::Unreachable(_) => return Err(error),
                    error => failed = error,
                },
                Ok(Answer::Filling) => {}
                Ok(other) => return Err(self.misunderstood(Some(other))),
                Err(error) => {
                    attempts += if matches!(error, RPCError::Timeout(_)) { PART_TIMEOUT_ATTEMPTS } else { 0 };
                    failed = error;
                }
            }
            tokio::time::sleep(PART_PAUSE).await;
        }
        Err(failed)
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
    type SnapshotData = Saved;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let AppendEntriesRequest { vote, prev_log_id, entries, leader_commit } = request;
        let shard = self.state.shard;
        let previous = entry_id_or_none(prev_log_id.as_ref());
        let entries: Vec<_> = entries.into_iter().map(|entry| our_entry(shard, entry)).collect();
        let is_empty = entries.is_empty();
        let is_behind = previous.index < self.state.ends().0.index;
        let last = entries.last().map_or(previous.index, |entry| entry.index);
        if is_empty {
            self.state.check_promises();
        }
        // Signs of life go out beside entries.
        let time = if is_empty { option.soft_ttl() } else { ENTRIES_TIME };
        let term = our_vote(&vote).term;
        let append = Append {
            vote: our_vote(&vote),
            previous,
            committed: entry_id_or_none(leader_commit.as_ref()),
            settled: self.state.settled(),
            entries,
        };
        match self.ask(Request::Append(append), RPCTypes::AppendEntries, time).await? {
            Answer::Appended => {
                self.state.confirmed(self.target, term, last);
                // A stream of entries that were purged behind its back has none to send, and would go on for ever; whoever is
                // told of an error looks what is to be sent now.
                if is_empty && is_behind {
                    let (node, shard) = (self.target, shard.0);
                    return Err(RPCError::Network(NetworkError::new(&Misunderstood::Purged { node, shard })));
                }
                Ok(AppendEntriesResponse::Success)
            }
            Answer::AppendedUpTo(id) => {
                self.state.confirmed(self.target, term, id.index);
                Ok(AppendEntriesResponse::PartialSuccess(log_id(id)))
            }
            Answer::Conflict if previous != EntryId::default() => {
                if self.state.lacks_confirmed(self.target, previous.index) {
                    let (node, shard) = (self.target, shard.0);
                    return Err(RPCError::Unreachable(Unreachable::new(&Misunderstood::Lost { node, shard })));
                }
                Ok(AppendEntriesResponse::Conflict)
            }
            Answer::HigherVote(vote) => Ok(AppendEntriesResponse::HigherVote(vote_of(vote))),
            Answer::Hollow { log } => Err(self.greet(log).await),
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
        vote: VoteOf<Types>,
        snapshot: SnapshotOf<Types, Saved>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        match select(Box::pin(self.fill(vote, snapshot.meta)), Box::pin(cancel)).await {
            Either::Left((done, _)) => done,
            Either::Right((closed, _)) => Err(StreamingError::Closed(closed)),
        }
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
