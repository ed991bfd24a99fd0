//! Answers what other nodes ask.

use std::sync::Arc;

use bytes::Bytes;
use omnibus_model::LogIndex;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, VoteRequest, VoteResponse,
};

use crate::member::Member;
use crate::types::{Types, entry_id, entry_id_or_none, log_id, our_vote, raft_entry, vote_of};
use crate::wire::{Answer, Append, Candidacy, Request, Transfer, decode_request, encode_answer};

/// Where other nodes' requests come in. Clones share it.
#[derive(Clone, Debug)]
pub struct Door {
    pub(crate) shards: Arc<Vec<Member>>,
}

impl Door {
    /// Answers a request; none if it cannot be understood.
    pub async fn answer(&self, request: Bytes) -> Option<Bytes> {
        let (shard, request) = decode_request(&request)?;
        let member = self.shards.get(usize::from(shard.0))?;
        let state = &member.state;
        let hollow = Answer::Hollow { log: state.log.identity() };
        let answer = match request {
            Request::Append(append) if state.is_hollow(append.settled) => hollow,
            Request::Vote(_) | Request::PreVote(_) | Request::Transfer(_) if state.is_hollow(LogIndex(0)) => hollow,
            Request::Fill(_) | Request::Install(_) if state.is_unwelcome() => hollow,
            Request::Append(append) => member.take_entries(append).await?,
            Request::Vote(candidacy) => voted(member.raft.vote(vote_request(candidacy)).await.ok()),
            Request::PreVote(candidacy) => voted(member.raft.pre_vote(vote_request(candidacy)).await.ok()),
            Request::Transfer(transfer) => member.take_transfer(transfer).await,
            Request::Welcome { log } if log == state.log.identity() => {
                state.welcome();
                Answer::Welcomed
            }
            // That was somebody whose disk is gone.
            Request::Welcome { .. } => hollow,
            Request::Fill(fill) => member.vessel.take_part(state, fill).await,
            Request::Install(install) => member.vessel.take_all((state, &member.raft), install).await,
        };
        Some(encode_answer(answer))
    }
}

impl Member {
    async fn take_entries(&self, append: Append) -> Option<Answer> {
        let Append { vote, previous, committed, settled, entries } = append;
        let entries = entries.iter().map(raft_entry).collect::<Option<Vec<_>>>()?;
        let request = AppendEntriesRequest {
            vote: vote_of(vote),
            prev_log_id: log_id(previous),
            entries,
            leader_commit: log_id(committed),
        };
        Some(match self.raft.append_entries(request).await {
            Ok(AppendEntriesResponse::Success) => {
                self.state.settle(settled);
                Answer::Appended
            }
            Ok(AppendEntriesResponse::PartialSuccess(id)) => Answer::AppendedUpTo(entry_id_or_none(id.as_ref())),
            Ok(AppendEntriesResponse::Conflict) => Answer::Conflict,
            Ok(AppendEntriesResponse::HigherVote(vote)) => Answer::HigherVote(our_vote(&vote)),
            Err(ended) => {
                self.state.failed(ended.to_string());
                Answer::Ended
            }
        })
    }

    async fn take_transfer(&self, Transfer { leader, to, last }: Transfer) -> Answer {
        let request = TransferLeaderRequest::new(vote_of(leader), to, log_id(last));
        match self.raft.handle_transfer_leader(request).await {
            Ok(Ok(())) => Answer::TransferTaken,
            Ok(Err(TransferLeaderError::VoteChanged { expected, actual })) => {
                Answer::VoteChanged { expected: our_vote(&expected), actual: our_vote(&actual) }
            }
            Ok(Err(TransferLeaderError::LogNotFlushed { expected, actual })) => Answer::NotFlushed {
                expected: entry_id_or_none(expected.as_ref()),
                actual: entry_id_or_none(actual.as_ref()),
            },
            Err(_) => Answer::Ended,
        }
    }
}

fn vote_request(Candidacy { vote, last, transfer }: Candidacy) -> VoteRequest<Types> {
    VoteRequest { vote: vote_of(vote), last_log_id: log_id(last), leadership_transfer: transfer }
}

fn voted(response: Option<VoteResponse<Types>>) -> Answer {
    let Some(VoteResponse { vote, vote_granted: granted, last_log_id }) = response else { return Answer::Ended };
    Answer::Voted { vote: our_vote(&vote), granted, last: last_log_id.as_ref().map(entry_id).unwrap_or_default() }
}
