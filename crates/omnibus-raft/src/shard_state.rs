//! What is known of one shard's consensus: by openraft, which asks and tells, and by the log,
//! which tells what is durable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_log::{Entry, EntryId, Log, Mark, Vote, WriteFailed};
use omnibus_model::{Bug, LogIndex, NodeId, ShardId, Term, planted};
use omnibus_replication::{OnEvent, ReplicationError};
use openraft::storage::IOFlushed;
use openraft::type_config::alias::{LogIdOf, SnapshotMetaOf, StoredMembershipOf};
use openraft::{SnapshotMeta, StoredMembership};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::bell::Bell;
use crate::types::{Types, log_id};

/// Entries of others that whoever applies them may be behind.
const TOLD_AHEAD_MAX: u64 = 4096;

/// One shard. Its locks are held briefly, and never across I/O.
pub struct ShardState {
    pub shard: ShardId,
    pub(crate) node: u64,
    pub(crate) log: Log,
    bell: Arc<Bell>,
    on_event: Arc<OnEvent>,
    /// Held while something is told, so that all is told in order. Taken before `known`.
    pub(crate) telling: Mutex<()>,
    pub(crate) known: Mutex<Known>,
    /// Something is durable or applied that may be waited for.
    moved: Notify,
    /// Places that were promised in this term are not, or a replica has less than it had.
    pub(crate) broken: Notify,
}

impl fmt::Debug for ShardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardState").field("shard", &self.shard).field("known", &self.known).finish_non_exhaustive()
    }
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
    /// The state that is saved, if any is, or what was purged without one.
    pub(crate) checkpoint: EntryId,
    /// The state that is saved, if any is.
    pub(crate) saved: EntryId,
    /// The replica was not made with the group.
    pub(crate) is_guest: bool,
    /// The memberships that the log may still have, as it has them.
    pub(crate) memberships: Vec<(EntryId, Bytes)>,
}

pub(crate) struct Known {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: EntryId,
    /// The newest entry that was appended.
    pub(crate) last: EntryId,
    pub(crate) committed: EntryId,
    pub(crate) applied: EntryId,
    /// The newest membership among the applied entries.
    pub(crate) membership: StoredMembershipOf<Types>,
    pub(crate) checkpoint: EntryId,
    /// The newest state on the disk.
    pub(crate) saved: EntryId,
    /// A replica waits for a newer one.
    pub(crate) wants_checkpoint: bool,
    /// This replica was not made with the group, so having nothing says nothing about it.
    pub(crate) is_guest: bool,
    /// The leader has said that a replica with nothing is what it wants here.
    pub(crate) is_welcome: bool,
    /// Voters that said that they have nothing.
    pub(crate) lost: BTreeSet<u64>,
    /// Replicas that have less than they confirmed, until openraft knows it.
    pub(crate) reverted: BTreeSet<u64>,
    /// How often this node began to fill another.
    pub(crate) attempts: u64,
    pub(crate) durable: LogIndex,
    /// The log writes nothing any more, or nobody wants to know.
    pub(crate) ended: bool,
    /// Entries up to `last` that are not durable, or not applied yet.
    pub(crate) recent: VecDeque<Entry>,
    /// Who waits for which entry to be durable.
    flushes: VecDeque<(LogIndex, IOFlushed<Types>)>,
    /// The term in which this node leads, and has told so in an entry that is committed.
    pub(crate) leading: Option<Term>,
    /// The leader that was told last, while this node does not lead.
    pub(crate) following: Option<NodeId>,
    /// The newest place that was promised to a proposal.
    pub(crate) proposed: LogIndex,
    /// The term whose promises were broken, and not renewed.
    pub(crate) broken: Option<Term>,
    /// The newest probe, and its place if it got one.
    pub(crate) probe: u64,
    pub(crate) probe_place: Option<LogIndex>,
    /// The newest entry when something was last seen to wait for its place, and how often in a row.
    pub(crate) waiting: (LogIndex, u32),
    /// Places are not promised: others than proposals are about to take some.
    pub(crate) is_paused: bool,
    /// The newest entry of others that was told, and that is done.
    pub(crate) told: LogIndex,
    pub(crate) done: LogIndex,
    /// How far each other replica has the same as this node.
    pub(crate) confirmed: BTreeMap<u64, LogIndex>,
    /// All replicas have everything up to here.
    settled: LogIndex,
    /// The memberships in the log, while consensus begins. It asks then which is the newest, and
    /// who wrote the first entry: both are known without reading entries back, whose payloads
    /// may be damaged. That is no reason not to begin.
    pub(crate) beginning: Option<Vec<(EntryId, Bytes)>>,
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
    pub(crate) fn new(
        (shard, node): (ShardId, u64),
        log: Log,
        bell: Arc<Bell>,
        on_event: Arc<OnEvent>,
        begin: Begin,
    ) -> Self {
        let Begin { vote, purged, last, applied, membership, checkpoint, saved, is_guest, memberships } = begin;
        let known = Known {
            vote,
            purged,
            last,
            committed: applied,
            applied,
            membership,
            checkpoint,
            saved,
            wants_checkpoint: false,
            is_guest,
            is_welcome: false,
            lost: BTreeSet::new(),
            reverted: BTreeSet::new(),
            attempts: 0,
            durable: last.index,
            ended: false,
            recent: VecDeque::new(),
            flushes: VecDeque::new(),
            leading: None,
            following: None,
            proposed: last.index,
            broken: None,
            probe: 0,
            probe_place: None,
            waiting: (LogIndex(0), 0),
            is_paused: false,
            told: applied.index,
            done: applied.index,
            confirmed: BTreeMap::new(),
            settled: LogIndex(0),
            beginning: Some(memberships),
        };
        let (telling, known) = (Mutex::new(()), Mutex::new(known));
        Self { shard, node, log, bell, on_event, telling, known, moved: Notify::new(), broken: Notify::new() }
    }

    /// A shard of a log that is new to consensus, for tests of the storage alone.
    #[must_use]
    pub fn fresh(shard: ShardId, log: Log, bell: Arc<Bell>) -> Self {
        let marks = log.marks(shard).unwrap_or_default();
        let last = log.last_kept(shard).unwrap_or(marks.purged);
        let begin = Begin { vote: marks.vote, purged: marks.purged, last, ..Begin::default() };
        let state = Self::new((shard, 1), log, bell, Arc::new(Box::new(|_, _| {})), begin);
        state.known.lock().committed = marks.committed;
        state.begun();
        state
    }

    pub(crate) const fn node(&self) -> u64 {
        self.node
    }

    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    /// Tells what happened; `telling` is held.
    pub(crate) fn tell(&self, event: omnibus_replication::ReplicationEvent) {
        (self.on_event)(self.shard, event);
    }

    /// From now on entries are given as they are.
    pub(crate) fn begun(&self) {
        self.known.lock().beginning = None;
    }

    pub(crate) fn vote(&self) -> Option<Vote> {
        self.known.lock().vote
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

    /// Waits until a committed entry is durable here as well, and whoever applies entries is not
    /// too far behind.
    pub(crate) async fn ready_for(&self, index: LogIndex) -> Result<(), io::Error> {
        loop {
            {
                let known = self.known.lock();
                if known.ended {
                    return Err(io::Error::other("the log has ended"));
                }
                if known.durable >= index && known.told.0 < known.done.0.saturating_add(TOLD_AHEAD_MAX) {
                    return Ok(());
                }
            }
            // Only the state machine waits, and a call while nobody does is kept for it.
            self.moved.notified().await;
        }
    }

    /// Learns that what was told of others' entries is done up to `index`.
    pub(crate) fn done(&self, index: LogIndex) {
        let mut known = self.known.lock();
        known.done = known.done.max(index);
        drop(known);
        self.moved.notify_one();
    }

    /// Nobody wants to know any more.
    pub(crate) fn end(&self) {
        self.known.lock().ended = true;
        self.moved.notify_one();
        self.broken.notify_one();
    }

    /// This shard's consensus has ended by itself and will not come back: a replica that takes nothing any more must
    /// not pass for one.
    pub(crate) fn failed(&self, reason: String) {
        let _telling = self.telling.lock();
        if !std::mem::replace(&mut self.known.lock().ended, true) {
            let error = ReplicationError::Consensus { shard: self.shard, reason };
            self.tell(omnibus_replication::ReplicationEvent::Failed(error));
            self.moved.notify_one();
            self.broken.notify_one();
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.known.lock().ended
    }

    /// Another replica had the same as this node up to `index` in a term that this node led. In a later one it may
    /// have been replaced.
    pub(crate) fn confirmed(&self, node: u64, term: Term, index: LogIndex) {
        let mut known = self.known.lock();
        if known.vote.is_some_and(|vote| vote.term != term) {
            return;
        }
        let confirmed = known.confirmed.entry(node).or_default();
        *confirmed = index.max(*confirmed);
    }

    /// The newest entry here, the newest that was told, and the newest that each other replica has.
    pub(crate) fn progress(&self) -> (LogIndex, LogIndex, BTreeMap<NodeId, LogIndex>) {
        let known = self.known.lock();
        let node = |(node, index): (&u64, &LogIndex)| Some((NodeId(u32::try_from(*node).ok()?), *index));
        (known.last.index, known.applied.index, known.confirmed.iter().filter_map(node).collect())
    }

    /// The leader says how far all replicas are.
    pub(crate) fn settle(&self, index: LogIndex) {
        let mut known = self.known.lock();
        known.settled = known.settled.max(index);
    }

    /// How far all replicas are, as far as it is known here.
    pub(crate) fn settled(&self) -> LogIndex {
        self.settled_of(&self.known.lock())
    }

    /// Only what is committed stays with a replica that has it.
    pub(crate) fn settled_of(&self, known: &Known) -> LogIndex {
        let nodes: Vec<u64> = known.membership.membership().nodes().map(|(node, _)| *node).collect();
        if nodes.is_empty() {
            // Who the others are is in an entry that was not applied yet.
            return known.settled;
        }
        let others = nodes.into_iter().filter(|node| *node != self.node);
        let least = others.map(|node| known.confirmed.get(&node).copied().unwrap_or_default()).min();
        // A leader whose disk is slow is a replica that lacks something.
        let own = known.committed.index.min(known.durable);
        let by_own = least.map_or(own, |least| least.min(own));
        known.settled.max(by_own)
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
            known.note_taken_places(&entries);
            known.recent.extend(entries.iter().cloned());
            if planted(Bug::ReplicaAcksEarly) {
                flushed.io_completed(Ok(()));
            } else {
                known.flushes.push_back((last.index, flushed));
            }
        }
        if planted(Bug::CommitMarkAhead) {
            self.log.note_committed(self.shard, last);
        }
        for entry in entries {
            self.log.submit_decided(entry).map_err(|refused| io::Error::other(refused.to_string()))?;
        }
        self.bell.ring();
        Ok(())
    }

    /// Makes something durable before anything that comes later.
    pub(crate) async fn mark_durably(&self, mark: Mark) -> Result<(), io::Error> {
        let (sender, done) = oneshot::channel();
        // Who asked may be gone when it is done.
        let answer = Box::new(move |written| drop(sender.send(written)));
        self.log.mark(self.shard, mark, answer);
        self.bell.ring();
        match done.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failed)) => Err(io::Error::other(failed.to_string())),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
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
            Err(_) => {
                known.ended = true;
                known.flushes.len()
            }
        };
        let due: Vec<_> = known.flushes.drain(..due).collect();
        drop(known);
        for (_, flushed) in due {
            flushed.io_completed(written.map_err(|failed| io::Error::other(failed.to_string())));
        }
        self.moved.notify_one();
    }
}

impl Known {
    /// Remembers an applied membership.
    pub(crate) fn joined(&mut self, id: EntryId, membership: openraft::Membership<u64, openraft::BasicNode>) {
        // Who comes back after it had gone is another replica.
        self.confirmed.retain(|node, _| membership.get_node(node).is_some());
        // openraft believes that a voter that has lost its vote, and what it had before that, has it still.
        let without = membership.learner_ids().filter(|learner| self.lost.contains(learner));
        self.reverted.extend(without);
        self.lost.retain(|node| membership.voter_ids().any(|voter| voter == *node));
        self.membership = StoredMembership::new(log_id(id), membership);
    }

    /// A snapshot that ends with an entry. A membership that was applied since is in force, which it may say.
    pub(crate) fn snapshot_at(&self, id: EntryId) -> Option<SnapshotMetaOf<Types>> {
        let last_log_id = log_id(id)?;
        Some(SnapshotMeta { last_log_id: Some(last_log_id), last_membership: self.membership.clone() })
    }

    pub(crate) fn recent_at(&self, index: LogIndex) -> Option<&Entry> {
        let first = self.recent.front()?.index;
        self.recent.get(usize::try_from(index.0.checked_sub(first.0)?).ok()?)
    }

    /// Drops what the log can give back and nobody is about to ask for.
    pub(crate) fn forget_settled(&mut self) {
        let settled = self.durable.min(self.applied.index);
        let gone = self.recent.partition_point(|entry| entry.index <= settled);
        self.recent.drain(..gone);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use omnibus_io::fault::FaultDisk;
    use omnibus_log::LogConfig;

    use super::*;

    /// A shard that has nothing.
    pub(crate) fn fresh() -> ShardState {
        let config = LogConfig {
            identity: 1,
            reserve_bytes: 0,
            segment_bytes: 128 << 10,
            block_bytes_max: 32 << 10,
            ..LogConfig::default()
        };
        let opened = Log::open(Arc::new(FaultDisk::new(1)), config, Box::new(|_, _, _| {})).unwrap();
        ShardState::fresh(ShardId(1), opened.log, Arc::default())
    }

    pub(crate) fn id(index: u64) -> EntryId {
        EntryId { term: Term(1), index: LogIndex(index) }
    }

    #[test]
    fn nothing_is_settled_before_it_is_known_who_the_others_are() {
        let state = fresh();
        state.durable(LogIndex(2), Ok(()));
        state.committed(id(2));
        assert_eq!(state.settled(), LogIndex(0));
    }

    #[test]
    fn what_the_own_disk_lacks_is_not_settled() {
        let state = fresh();
        let both = openraft::Membership::new_with_defaults(vec![[1, 2].into()], []);
        state.known.lock().joined(id(1), both);
        state.confirmed(2, Term(1), LogIndex(10));
        state.committed(id(10));
        state.durable(LogIndex(7), Ok(()));
        assert_eq!(state.settled(), LogIndex(7));
    }
}
