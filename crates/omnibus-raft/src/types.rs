//! What openraft works with, and what of it is ours by another name.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_log::{Entry, EntryBatch, EntryId, EntryKind, Vote};
use omnibus_model::{LogIndex, ShardId, Term};
use openraft::impls::leader_id_std;
use openraft::type_config::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::{BasicNode, EntryPayload, LogId};
use openraft_rt::deterministic_rng::DeterministicRng;

use crate::membership::{decode_membership, encode_membership};
use crate::runtime::Runtime;

openraft::declare_raft_types!(
    /// One leader per term, so that an entry is named by term and index alone; chance comes out
    /// of a seed, so that a simulation can repeat it.
    pub Types:
        D = Group,
        R = (),
        NodeId = u64,
        Node = BasicNode,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = DeterministicRng<Runtime>,
);

/// What a commit group says; opaque here.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub head: Bytes,
    pub bodies: Arc<Vec<Bytes>>,
    pub batches: Arc<Vec<EntryBatch>>,
    /// What its proposer knew of its place; none of what another node has sent.
    pub place: Option<Proposed>,
}

/// What a node proposes in its own term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposed {
    /// It was decided for this place, and says nothing at another.
    At(LogIndex),
    /// It only shows that all is through that was proposed before; of several the newest does.
    Probe(u64),
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes and {} batches", self.head.len(), self.batches.len())
    }
}

/// The position of an entry as openraft counts: from 0, where our index 0 is before all entries.
pub(crate) const fn position(index: LogIndex) -> Option<u64> {
    index.0.checked_sub(1)
}

/// Our index of an entry at openraft's position.
pub(crate) const fn index_at(position: u64) -> LogIndex {
    LogIndex(position + 1)
}

pub(crate) fn log_id(id: EntryId) -> Option<LogIdOf<Types>> {
    position(id.index).map(|position| LogId::new_term_index(id.term.0, position))
}

pub(crate) fn entry_id(log_id: &LogIdOf<Types>) -> EntryId {
    EntryId { term: Term(log_id.committed_leader_id().term), index: index_at(log_id.index()) }
}

pub(crate) fn entry_id_or_none(log_id: Option<&LogIdOf<Types>>) -> EntryId {
    log_id.map(entry_id).unwrap_or_default()
}

pub(crate) fn vote_of(vote: Vote) -> VoteOf<Types> {
    let Vote { term, node, granted } = vote;
    if granted { openraft::Vote::new_committed(term.0, node) } else { openraft::Vote::new(term.0, node) }
}

pub(crate) fn our_vote(vote: &VoteOf<Types>) -> Vote {
    let leader = vote.leader_id();
    Vote { term: Term(leader.term), node: leader.voted_for, granted: vote.is_committed() }
}

/// An entry as the log of the disk takes it.
pub(crate) fn our_entry(shard: ShardId, entry: EntryOf<Types>) -> Entry {
    let EntryId { term, index } = entry_id(&entry.log_id);
    let (kind, group) = match entry.payload {
        EntryPayload::Blank => (EntryKind::Blank, Group::default()),
        EntryPayload::Normal(group) => (EntryKind::Commands, group),
        EntryPayload::Membership(membership) => {
            (EntryKind::Membership, Group { head: encode_membership(&membership), ..Group::default() })
        }
    };
    let Group { head, bodies, batches, .. } = group;
    Entry { shard, term, index, kind, head, bodies, batches }
}

/// An entry as openraft takes it; none if it says nothing that can be understood.
pub(crate) fn raft_entry(entry: &Entry) -> Option<EntryOf<Types>> {
    let payload = match entry.kind {
        EntryKind::Blank => EntryPayload::Blank,
        EntryKind::Membership => EntryPayload::Membership(decode_membership(&entry.head)?),
        EntryKind::Commands => {
            let (head, bodies, batches) = (entry.head.clone(), Arc::clone(&entry.bodies), Arc::clone(&entry.batches));
            EntryPayload::Normal(Group { head, bodies, batches, place: None })
        }
    };
    let log_id = log_id(EntryId { term: entry.term, index: entry.index })?;
    Some(openraft::Entry { log_id, payload })
}
