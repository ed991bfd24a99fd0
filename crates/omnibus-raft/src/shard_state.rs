//! What is known of one shard's consensus: by openraft, which asks and tells, and by the log,
//! which tells what is durable.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_log::{Entry, EntryId, EntryKind, Log, Mark, OnMarked, Vote, WriteFailed};
use omnibus_model::{LogIndex, NodeId, ShardId, Term};
use omnibus_replication::Leadership;
use openraft::storage::IOFlushed;
use openraft::type_config::alias::{EntryOf, LogIdOf, SnapshotMetaOf, StoredMembershipOf};
use openraft::{BasicNode, Membership, SnapshotMeta, StoredMembership};
use parking_lot::{Condvar, Mutex};

use crate::types::{Types, log_id, raft_entry};

/// Rung when the log got something to write, or a shard got a leader.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    pub fn ring(&self) {
        *self.rung.lock() = true;
        self.heard.notify_one();
    }

    /// Waits until somebody has rung since the last time.
    pub fn wait(&self) {
        let mut rung = self.rung.lock();
        while !std::mem::take(&mut *rung) {
            self.heard.wait(&mut rung);
        }
    }
}

/// One shard. Its lock is held briefly, and never across I/O.
#[derive(Debug)]
pub struct ShardState {
    pub shard: ShardId,
    node: u64,
    log: Log,
    bell: Arc<Bell>,
    known: Mutex<Known>,
}

/// What a shard begins with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begin {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: EntryId,
    pub(crate) last: EntryId,
    /// What the state machine knows: committed, therefore.
    pub(crate) applied: EntryId,
    pub(crate) membership: StoredMembershipOf<Types>,
    /// The state that is saved, if any is.
    pub(crate) checkpoint: EntryId,
    /// The memberships that the log may still have, as it has them.
    pub(crate) memberships: Vec<(EntryId, Bytes)>,
}

struct Known {
    vote: Option<Vote>,
    purged: EntryId,
    /// The newest entry that was appended.
    last: EntryId,
    committed: EntryId,
    applied: EntryId,
    /// The newest membership among the applied entries.
    membership: StoredMembershipOf<Types>,
    checkpoint: EntryId,
    checkpoint_membership: StoredMembershipOf<Types>,
    durable: LogIndex,
    /// Entries up to `last` that are not durable, or not applied yet.
    recent: VecDeque<Entry>,
    /// Who waits for which entry to be durable.
    flushes: VecDeque<(LogIndex, IOFlushed<Types>)>,
    /// The term in which this node leads, and has told so in an entry that is committed.
    leading: Option<Term>,
    /// The newest place that was promised to a proposal.
    proposed: LogIndex,
    /// The memberships in the log, while consensus begins. It asks then which is the newest, and
    /// who wrote the first entry: both are known without reading entries back, whose payloads
    /// may be damaged. That is no reason not to begin.
    beginning: Option<Vec<(EntryId, Bytes)>>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vote, purged, last, applied, durable, leading, .. } = self;
        let ends = (purged, last, applied, durable);
        f.debug_struct("Known")
            .field("vote", vote)
            .field("ends", &ends)
            .field("leading", leading)
            .finish_non_exhaustive()
    }
}

impl ShardState {
    pub(crate) fn new((shard, node): (ShardId, u64), log: Log, bell: Arc<Bell>, begin: Begin) -> Self {
        let Begin { vote, purged, last, applied, membership, checkpoint, memberships } = begin;
        let known = Known {
            vote,
            purged,
            last,
            committed: applied,
            applied,
            checkpoint_membership: membership.clone(),
            membership,
            checkpoint,
            durable: last.index,
            recent: VecDeque::new(),
            flushes: VecDeque::new(),
            leading: None,
            proposed: last.index,
            beginning: Some(memberships),
        };
        Self { shard, node, log, bell, known: Mutex::new(known) }
    }

    /// A shard of a log that is new to consensus, for tests of the storage alone.
    #[must_use]
    pub fn fresh(shard: ShardId, log: Log, bell: Arc<Bell>) -> Self {
        let marks = log.marks(shard).unwrap_or_default();
        let last = log.last_kept(shard).unwrap_or(marks.purged);
        let begin = Begin { vote: marks.vote, purged: marks.purged, last, ..Begin::default() };
        let state = Self::new((shard, 1), log, bell, begin);
        state.known.lock().committed = marks.committed;
        state.begun();
        state
    }

    /// From now on entries are given as they are.
    pub(crate) fn begun(&self) {
        self.known.lock().beginning = None;
    }

    /// Says who leads.
    pub(crate) fn leadership(&self) -> Leadership {
        let known = self.known.lock();
        match (known.leading, known.vote) {
            (Some(term), _) => Leadership::Here { term },
            (None, Some(vote)) if vote.granted && vote.node != self.node => {
                Leadership::Elsewhere { leader: u32::try_from(vote.node).ok().map(NodeId) }
            }
            (None, _) => Leadership::Elsewhere { leader: None },
        }
    }

    /// The newest place that was given or promised.
    pub(crate) fn newest(&self) -> LogIndex {
        let known = self.known.lock();
        known.proposed.max(known.last.index)
    }

    /// Promises the next place in the order of calls, if this node leads in `term` and `send` can
    /// hand the entry over.
    pub(crate) fn promise<E>(&self, term: Term, send: impl FnOnce() -> Result<(), E>) -> Option<Result<LogIndex, E>> {
        let mut known = self.known.lock();
        if known.leading != Some(term) {
            return None;
        }
        let index = known.proposed.next();
        Some(send().map(|()| {
            known.proposed = index;
            index
        }))
    }

    pub(crate) fn vote(&self) -> Option<Vote> {
        self.known.lock().vote
    }

    pub(crate) fn voted(&self, vote: Vote) {
        let mut known = self.known.lock();
        known.vote = Some(vote);
        if known.leading != Some(vote.term) || vote.node != self.node {
            known.leading = None;
        }
    }

    /// What was purged, and the newest entry.
    pub(crate) fn ends(&self) -> (EntryId, EntryId) {
        let known = self.known.lock();
        (known.purged, known.last)
    }

    pub(crate) fn committed_id(&self) -> EntryId {
        self.known.lock().committed
    }

    pub(crate) fn committed(&self, id: EntryId) {
        self.known.lock().committed = id;
        self.log.note_committed(self.shard, id);
    }

    /// The newest applied entry, and the membership by then.
    pub(crate) fn applied(&self) -> (Option<LogIdOf<Types>>, StoredMembershipOf<Types>) {
        let known = self.known.lock();
        (log_id(known.applied), known.membership.clone())
    }

    /// A leader's first entry is committed; returns whether it is this node's.
    pub(crate) fn took_office(&self, id: EntryId) -> bool {
        let mut known = self.known.lock();
        let is_here = known.vote.is_some_and(|vote| vote.granted && vote.node == self.node && vote.term == id.term);
        if is_here {
            known.leading = Some(id.term);
            known.proposed = id.index;
        }
        drop(known);
        self.bell.ring();
        is_here
    }

    pub(crate) fn joined(&self, id: EntryId, membership: Membership<u64, BasicNode>) {
        self.known.lock().membership = StoredMembership::new(log_id(id), membership);
    }

    pub(crate) fn apply(&self, id: EntryId) {
        let mut known = self.known.lock();
        known.applied = id;
        known.forget_settled();
    }

    /// The state that was saved last.
    pub(crate) fn checkpoint(&self) -> Option<(EntryId, SnapshotMetaOf<Types>)> {
        let known = self.known.lock();
        let last_log_id = log_id(known.checkpoint)?;
        let meta =
            SnapshotMeta { last_log_id: Some(last_log_id), last_membership: known.checkpoint_membership.clone() };
        Some((known.checkpoint, meta))
    }

    /// Learns of a newer saved state; returns whether it is news.
    pub(crate) fn checkpointed(&self, id: EntryId) -> bool {
        let mut known = self.known.lock();
        let is_news = known.checkpoint.index < id.index && id.index <= known.applied.index;
        if is_news {
            known.checkpoint = id;
            // A membership that was applied since is in force, which a snapshot may say.
            known.checkpoint_membership = known.membership.clone();
        }
        is_news
    }

    /// Takes entries; they can be read at once, and `flushed` is told when they are durable.
    pub(crate) fn append(&self, entries: Vec<Entry>, flushed: IOFlushed<Types>) -> Result<(), io::Error> {
        let Some(last) = entries.last().map(|entry| EntryId { term: entry.term, index: entry.index }) else {
            flushed.io_completed(Ok(()));
            return Ok(());
        };
        {
            let mut known = self.known.lock();
            known.last = last;
            known.recent.extend(entries.iter().cloned());
            known.flushes.push_back((last.index, flushed));
        }
        for entry in entries {
            self.log.submit_decided(entry).map_err(|refused| io::Error::other(refused.to_string()))?;
        }
        self.bell.ring();
        Ok(())
    }

    /// Hands a mark to the log.
    pub(crate) fn mark(&self, mark: Mark, done: OnMarked) {
        self.log.mark(self.shard, mark, done);
        self.bell.ring();
    }

    /// Forgets the entries from `from` on, which are still being written perhaps.
    pub(crate) fn truncate(&self, from: LogIndex) {
        let mut known = self.known.lock();
        let left = known.recent.partition_point(|entry| entry.index < from);
        known.recent.truncate(left);
        let before = LogIndex(from.0.saturating_sub(1));
        if known.last.index > before {
            let term = self.term_of(&known, before);
            known.last = EntryId { term, index: before };
        }
    }

    /// The log has forgotten them as well.
    pub(crate) fn truncated(&self, from: LogIndex) {
        let mut known = self.known.lock();
        known.durable = known.durable.min(LogIndex(from.0.saturating_sub(1)));
    }

    pub(crate) fn purged(&self, id: EntryId) {
        let mut known = self.known.lock();
        known.purged = id;
        if known.last.index < id.index {
            known.last = id;
        }
        let gone = known.recent.partition_point(|entry| entry.index <= id.index);
        known.recent.drain(..gone);
    }

    /// The log says that entries up to `index` are durable, or that nothing will be any more.
    pub fn durable(&self, index: LogIndex, written: Result<(), &WriteFailed>) {
        let mut known = self.known.lock();
        let due = match written {
            Ok(()) => {
                known.durable = known.durable.max(index);
                known.forget_settled();
                known.flushes.partition_point(|(waited_for, _)| *waited_for <= index)
            }
            Err(_) => known.flushes.len(),
        };
        let due: Vec<_> = known.flushes.drain(..due).collect();
        drop(known);
        for (_, flushed) in due {
            flushed.io_completed(written.map_err(|failed| io::Error::other(failed.to_string())));
        }
    }

    /// Returns entries from `from` to before `to` as far as they are there, of at most `bytes_max`,
    /// but at least one.
    pub(crate) fn entries(
        &self,
        from: LogIndex,
        to: LogIndex,
        bytes_max: usize,
    ) -> Result<Vec<EntryOf<Types>>, io::Error> {
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        let (mut index, end) = {
            let known = self.known.lock();
            let first =
                known.recent.front().map(|entry| entry.index).into_iter().chain(self.log.first_kept(self.shard));
            let first = first.min().unwrap_or(known.last.index.next());
            let range = (from.max(first).max(known.purged.index.next()), to.min(known.last.index.next()));
            if let Some(memberships) = &known.beginning {
                return self.outlines(&known, memberships, range);
            }
            range
        };
        while index < end {
            let entry = self.entry(index)?;
            bytes = bytes.saturating_add(bytes_of(&entry));
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            found.push(raft_entry(&entry).ok_or_else(|| not_understood(index))?);
            index = index.next();
        }
        Ok(found)
    }

    /// Entries of which only the ids and the memberships are what they are.
    fn outlines(
        &self,
        known: &Known,
        memberships: &[(EntryId, Bytes)],
        (from, to): (LogIndex, LogIndex),
    ) -> Result<Vec<EntryOf<Types>>, io::Error> {
        let outline = |index| {
            let id = EntryId { term: self.term_of(known, index), index };
            let membership = memberships.iter().find(|(of, _)| *of == id);
            let kind = if membership.is_some() { EntryKind::Membership } else { EntryKind::Blank };
            let head = membership.map(|(_, head)| head.clone()).unwrap_or_default();
            let entry = Entry {
                shard: self.shard,
                term: id.term,
                index,
                kind,
                head,
                bodies: Arc::default(),
                batches: Arc::default(),
            };
            raft_entry(&entry).ok_or_else(|| not_understood(index))
        };
        (from.0..to.0).map(LogIndex).map(outline).collect()
    }

    fn entry(&self, index: LogIndex) -> Result<Entry, io::Error> {
        if let Some(entry) = self.known.lock().recent_at(index) {
            return Ok(entry.clone());
        }
        let read = self.log.entry(self.shard, index).map_err(|error| io::Error::other(error.to_string()))?;
        read.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("entry {index} is gone")))
    }

    /// The last entry of each term among some entries.
    pub(crate) fn last_of_terms(&self, first: EntryId, last: EntryId) -> Vec<EntryId> {
        let known = self.known.lock();
        let mut ids = Vec::new();
        let mut current = first;
        for index in first.index.0 + 1..=last.index.0 {
            let id = EntryId { term: self.term_of(&known, LogIndex(index)), index: LogIndex(index) };
            if id.term != current.term {
                ids.push(current);
            }
            current = id;
        }
        ids.push(current);
        ids
    }

    fn term_of(&self, known: &Known, index: LogIndex) -> Term {
        if index == known.purged.index {
            return known.purged.term;
        }
        let recent = known.recent_at(index).map(|entry| entry.term);
        recent.or_else(|| self.log.term_of(self.shard, index)).unwrap_or_default()
    }
}

impl Known {
    fn recent_at(&self, index: LogIndex) -> Option<&Entry> {
        let first = self.recent.front()?.index;
        self.recent.get(usize::try_from(index.0.checked_sub(first.0)?).ok()?)
    }

    /// Drops what the log can give back and nobody is about to ask for.
    fn forget_settled(&mut self) {
        let settled = self.durable.min(self.applied.index);
        let gone = self.recent.partition_point(|entry| entry.index <= settled);
        self.recent.drain(..gone);
    }
}

fn not_understood(index: LogIndex) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("entry {index} cannot be understood"))
}

fn bytes_of(entry: &Entry) -> usize {
    let batch = |batch: &omnibus_log::EntryBatch| {
        let rest = match &batch.rest {
            omnibus_log::Rest::Own(rest) => rest.len(),
            omnibus_log::Rest::Shared(_) => 0,
        };
        batch.prefix.len() + rest
    };
    let bodies: usize = entry.bodies.iter().map(bytes::Bytes::len).sum();
    entry.head.len() + bodies + entry.batches.iter().map(batch).sum::<usize>()
}
