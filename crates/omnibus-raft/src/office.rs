//! Who leads a shard, which places it promises, and what is told of it.

use bytes::Bytes;
use omnibus_log::{Entry, EntryId, EntryKind, Vote};
use omnibus_model::{LogIndex, NodeId, Term};
use omnibus_replication::{CommittedEntry, Leadership, ReplicationEvent};
use openraft::type_config::alias::StoredMembershipOf;
use openraft::{BasicNode, Membership};

use crate::shard_state::{Known, ShardState};
use crate::types::Types;

/// What a committed entry is to its shard.
#[derive(Debug)]
pub(crate) enum Committed {
    /// The first of a leader.
    Blank,
    Membership(Membership<u64, BasicNode>),
    Commands(Bytes),
}

impl ShardState {
    /// Says who leads.
    pub(crate) fn leadership(&self) -> Leadership {
        let known = self.known.lock();
        match known.leading {
            Some(term) => Leadership::Here { term },
            None => Leadership::Elsewhere { leader: known.leader_elsewhere(self.node) },
        }
    }

    /// The newest place that was given or promised.
    pub(crate) fn newest(&self) -> LogIndex {
        let known = self.known.lock();
        known.proposed.max(known.last.index)
    }

    /// Promises the next place in the order of calls, if this node leads in `term` and `send` can
    /// hand the entry over.
    pub(crate) fn promise<E>(
        &self,
        term: Term,
        send: impl FnOnce() -> Result<(), Option<E>>,
    ) -> Option<Result<LogIndex, Option<E>>> {
        let mut known = self.known.lock();
        if known.leading != Some(term) {
            return None;
        }
        if known.is_paused {
            return Some(Err(None));
        }
        let index = known.proposed.next();
        Some(send().map(|()| {
            known.proposed = index;
            index
        }))
    }

    /// Promises no places until it is resumed; says whether this node leads and did.
    pub(crate) fn pause(&self) -> bool {
        let mut known = self.known.lock();
        let may = known.leading.is_some() && !known.is_paused;
        known.is_paused |= may;
        may
    }

    /// Promises places again, and tells so: some may have been refused meanwhile.
    pub(crate) fn resume(&self) {
        let _telling = self.telling.lock();
        let applied = {
            let mut known = self.known.lock();
            known.is_paused = false;
            known.applied.index
        };
        self.tell(ReplicationEvent::Committed(applied));
    }

    /// Promises no more places in this term, since another node is to lead.
    pub(crate) fn abdicate(&self) {
        let _telling = self.telling.lock();
        let event = self.known.lock().step_down(None);
        event.into_iter().for_each(|event| self.tell(event));
    }

    /// The vote is durable.
    pub(crate) fn voted(&self, vote: Vote) {
        let _telling = self.telling.lock();
        let event = {
            let mut known = self.known.lock();
            if known.vote.is_none_or(|before| before.term < vote.term) {
                // What others had may have been replaced.
                known.confirmed.clear();
            }
            known.vote = Some(vote);
            if known.leading == Some(vote.term) && vote.node == self.node {
                None
            } else {
                let leader = known.leader_elsewhere(self.node);
                known.step_down(leader)
            }
        };
        event.into_iter().for_each(|event| self.tell(event));
    }

    /// A state that a leader has sent counts, and all before it.
    pub(crate) fn installed(&self, id: EntryId, membership: StoredMembershipOf<Types>) {
        let _telling = self.telling.lock();
        {
            let mut known = self.known.lock();
            (known.applied, known.checkpoint, known.saved) = (id, id, id);
            (known.told, known.done) = (id.index, id.index);
            known.durable = known.durable.max(id.index);
            known.membership = membership;
        }
        self.tell(ReplicationEvent::Installed { term: id.term, index: id.index });
        self.ring();
    }

    /// Takes the next committed entry, which is durable, and tells what it means.
    pub(crate) fn take(&self, id: EntryId, committed: Committed) {
        let _telling = self.telling.lock();
        let (event, then) = {
            let mut known = self.known.lock();
            known.applied = id;
            known.forget_settled();
            known.learn(self.node, id, committed)
        };
        self.tell(event);
        then.into_iter().for_each(|event| self.tell(event));
        self.ring();
    }
}

impl Known {
    fn leader_elsewhere(&self, node: u64) -> Option<NodeId> {
        let leader = self.vote.filter(|vote| vote.granted && vote.node != node)?;
        u32::try_from(leader.node).ok().map(NodeId)
    }

    /// Leads no more; says what has to be told of that, if it is news.
    fn step_down(&mut self, leader: Option<NodeId>) -> Option<ReplicationEvent> {
        let is_news = self.leading.is_some() || self.following != leader;
        self.leading = None;
        self.is_paused = false;
        // What was promised behind the last entry has not got its place.
        self.proposed = LogIndex(0);
        self.following = leader;
        is_news.then_some(ReplicationEvent::Follows { leader })
    }

    /// What a committed entry means, and what it brings with it.
    fn learn(&mut self, node: u64, id: EntryId, committed: Committed) -> (ReplicationEvent, Option<ReplicationEvent>) {
        let EntryId { term, index } = id;
        match committed {
            Committed::Blank => {
                let vote = self.vote.filter(|vote| vote.granted && vote.node == node && vote.term == term);
                if vote.is_none() || self.leading == Some(term) {
                    return (ReplicationEvent::Committed(index), None);
                }
                self.leading = Some(term);
                self.following = None;
                self.proposed = self.last.index;
                (ReplicationEvent::Leads { term, from: index }, None)
            }
            Committed::Membership(membership) => {
                let votes = membership.voter_ids().any(|voter| voter == node);
                self.joined(id, membership);
                let ended = if self.leading.is_some() && !votes { self.step_down(None) } else { None };
                (ReplicationEvent::Committed(index), ended)
            }
            Committed::Commands(_) if self.leading == Some(term) => (ReplicationEvent::Committed(index), None),
            Committed::Commands(head) => {
                self.told = index;
                let entry = CommittedEntry { term, index, kind: EntryKind::Commands, head };
                (ReplicationEvent::Entry(entry), None)
            }
        }
    }

    /// Memberships take places that were promised to nobody, since that is paused meanwhile.
    pub(crate) fn note_taken_places(&mut self, entries: &[Entry]) {
        let is_ours = |entry: &&Entry| entry.kind == EntryKind::Membership && self.leading == Some(entry.term);
        let taken = entries.iter().filter(is_ours).count() as u64;
        self.proposed = LogIndex(self.proposed.0 + taken);
    }
}
