//! Who leads a shard, which places it promises, and what is told of it.

use bytes::Bytes;
use omnibus_log::{Entry, EntryId, EntryKind, Vote};
use omnibus_model::{LogIndex, NodeId, Term};
use omnibus_replication::{CommittedEntry, Leadership, ReplicationEvent};
use openraft::type_config::alias::StoredMembershipOf;
use openraft::{BasicNode, Membership};

use crate::shard_state::{Known, ShardState};
use crate::types::{Proposed, Types};

/// How often in a row nothing may have got a place while something waits for one; openraft's log is a queue away.
const LOOKS_MAX: u32 = 16;

/// What is done about promises that were broken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probing {
    Send(Term, Proposed),
    /// A probe has a place, and is not committed yet.
    Wait,
}

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
            None => Leadership::Elsewhere {
                leader: known.leader_elsewhere(self.node),
                term: known.vote.map(|vote| vote.term).unwrap_or_default(),
            },
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
        send: impl FnOnce(LogIndex) -> Result<(), Option<E>>,
    ) -> Option<Result<LogIndex, Option<E>>> {
        let mut known = self.known.lock();
        if known.leading != Some(term) {
            return None;
        }
        if known.is_paused {
            return Some(Err(None));
        }
        let index = known.proposed.next();
        Some(send(index).map(|()| {
            known.proposed = index;
            index
        }))
    }

    /// Whether a place is one that this node has promised to a proposal in a term.
    pub(crate) fn has_promised(&self, term: Term, index: LogIndex) -> bool {
        let known = self.known.lock();
        known.leading == Some(term) && index <= known.proposed
    }

    /// Learns that places which were promised are not, or not in that order: openraft refuses what is proposed while
    /// it has not heard from a majority for a while, says so to nobody here, and goes on in the same term when it
    /// has. Nothing more is promised until a probe has come through.
    pub(crate) fn break_promises(&self) {
        let _telling = self.telling.lock();
        let event = {
            let mut known = self.known.lock();
            known.broken = known.vote.map(|vote| vote.term);
            known.probe_place = None;
            known.step_down(None)
        };
        event.into_iter().for_each(|event| self.tell(event));
        self.broken.notify_one();
    }

    /// Looks whether something that was promised its place has not got it for long; asked with each sign
    /// of life, of which there are some in each second.
    pub(crate) fn check_promises(&self) {
        let is_broken = {
            let mut known = self.known.lock();
            let (last, waits) = (known.last.index, known.leading.is_some() && known.proposed > known.last.index);
            let looks = if known.waiting.0 == last { known.waiting.1 + 1 } else { 0 };
            known.waiting = (last, if waits { looks } else { 0 });
            waits && looks >= LOOKS_MAX
        };
        if is_broken {
            self.break_promises();
        }
    }

    /// What there is to do about broken promises; none if there are none in openraft's present term here.
    pub(crate) fn next_probe(&self) -> Option<Probing> {
        let mut known = self.known.lock();
        let vote = known.vote.filter(|vote| vote.granted && vote.node == self.node && !known.ended)?;
        if known.broken != Some(vote.term) {
            return None;
        }
        if known.probe_place.is_some() {
            return Some(Probing::Wait);
        }
        known.probe += 1;
        Some(Probing::Send(vote.term, Proposed::Probe(known.probe)))
    }

    /// A probe got a place; if it is the newest, this node leads again once it is committed.
    pub(crate) fn probed(&self, number: u64, index: LogIndex) {
        let mut known = self.known.lock();
        if known.probe == number {
            known.probe_place = Some(index);
        }
    }

    /// Waits until promises are broken, or a replica has less than it confirmed; false if there will be none any more.
    pub(crate) async fn breaks_promises(&self) -> bool {
        self.broken.notified().await;
        !self.has_ended()
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

    /// A bug on purpose: this node alone decides what is committed.
    pub(crate) fn commit_alone(&self, index: LogIndex) {
        let _telling = self.telling.lock();
        if matches!(self.leadership(), Leadership::Here { .. }) {
            self.tell(ReplicationEvent::Committed(index));
        }
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
                let is_void = self.broken == Some(term) && self.probe_place != Some(index);
                if vote.is_none() || self.leading == Some(term) || is_void {
                    return (ReplicationEvent::Committed(index), None);
                }
                self.broken = None;
                self.leading = Some(term);
                self.following = None;
                self.proposed = self.last.index;
                (ReplicationEvent::Leads { term, from: index }, None)
            }
            Committed::Membership(membership) => {
                // Who leads and loses its vote goes on to lead, as openraft has it, until somebody is asked to.
                let stays = membership.get_node(&node).is_some();
                self.joined(id, membership);
                let ended = if self.leading.is_some() && !stays { self.step_down(None) } else { None };
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
