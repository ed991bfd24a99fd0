//! Replicas that have nothing: because they are new, or because their disk was lost.
//!
//! A voter that has lost what it had must not vote or take entries as if it never had it: with its
//! help a leader could be elected, or an entry committed, that what was acknowledged is missing
//! from. Nobody can tell it from a new one but by who replicates the shard: only a learner that
//! the leader knows to be one is welcome with nothing.

use std::collections::BTreeSet;
use std::io;

use omnibus_log::{EntryId, Mark};
use omnibus_model::{Bug, LogIndex, NodeId, planted};

use crate::shard_state::ShardState;
use crate::wire::Session;

impl ShardState {
    /// Whether nothing of the shard counts here.
    pub(crate) fn is_blank(&self) -> bool {
        let known = self.known.lock();
        [known.last, known.applied, known.purged].iter().all(|id| id.index == LogIndex(0))
    }

    /// Whether this replica has nothing and may not answer as if that were right. All replicas
    /// had everything up to `settled` once.
    pub(crate) fn is_hollow(&self, settled: LogIndex) -> bool {
        let was_filled = {
            let known = self.known.lock();
            !known.is_welcome && (known.is_guest || settled > LogIndex(0))
        };
        was_filled && self.is_blank() && !planted(Bug::HollowVotes)
    }

    /// Whether this replica has nothing, and was not told that this is right.
    pub(crate) fn is_unwelcome(&self) -> bool {
        !self.known.lock().is_welcome && self.is_blank()
    }

    /// The leader says that a replica with nothing is what it wants here.
    pub(crate) fn welcome(&self) {
        self.known.lock().is_welcome = true;
    }

    /// A state was sent that ends with the entry `last`. If that is another one here, or none, so may be all that
    /// this replica was not told to be committed: it is void before the state counts.
    pub(crate) async fn void_behind_applied(&self, last: EntryId) -> Result<(), io::Error> {
        let from = {
            let known = self.known.lock();
            let is_same = known.last.index >= last.index && self.term_of(&known, last.index) == last.term;
            let is_any = known.applied.index < known.last.index;
            (!is_same && is_any).then(|| known.applied.index.next())
        };
        let Some(from) = from else { return Ok(()) };
        self.truncate(from);
        self.mark_durably(Mark::Truncated { from }).await?;
        self.truncated(from);
        Ok(())
    }

    /// Whether another node is a replica without a vote.
    pub(crate) fn has_learner(&self, node: u64) -> bool {
        self.known.lock().membership.membership().learner_ids().any(|learner| learner == node)
    }

    /// A voter has nothing, or lacks what this node has no entries of: those of before it was filled itself. Until it is taken out of
    /// the group, it takes no part.
    pub(crate) fn note_lost(&self, node: u64) {
        let is_news = {
            let mut known = self.known.lock();
            known.confirmed.remove(&node);
            known.lost.insert(node)
        };
        if is_news {
            tracing::warn!(
                shard = self.shard.0,
                node,
                "a voter lacks what only a new replica can be sent; it must leave and join again"
            );
        }
    }

    /// Whether a replica without a vote has nothing now and had something while this node led. openraft must be told first: it
    /// believes that what a replica has confirmed stays there.
    pub(crate) fn has_reverted(&self, node: u64) -> bool {
        let mut known = self.known.lock();
        let is_news = known.confirmed.remove(&node).is_some_and(|index| index > LogIndex(0));
        if is_news {
            known.reverted.insert(node);
        }
        let waits = known.reverted.contains(&node);
        drop(known);
        if is_news {
            tracing::warn!(
                shard = self.shard.0,
                node,
                "a replica without a vote has lost what it had; it is filled again"
            );
        }
        if waits {
            self.broken.notify_one();
        }
        waits
    }

    /// Whether another replica lacks an entry that it has confirmed to this leader: somebody who led before, and has not heard
    /// that he leads no more, has welcomed it as a new one. A voter must leave; of another openraft is told first.
    pub(crate) fn lacks_confirmed(&self, node: u64, index: LogIndex) -> bool {
        let lacks = {
            let known = self.known.lock();
            let has = known.confirmed.get(&node).copied().unwrap_or_default();
            index <= has || known.reverted.contains(&node)
        };
        if lacks {
            if self.has_learner(node) {
                self.has_reverted(node);
            } else {
                self.note_lost(node);
            }
        }
        lacks
    }

    /// A replica of which openraft is to be told that it has less than it had.
    pub(crate) fn next_reverted(&self) -> Option<u64> {
        self.known.lock().reverted.first().copied()
    }

    pub(crate) fn told_of_reverted(&self, node: u64) {
        self.known.lock().reverted.remove(&node);
    }

    /// The voters that have lost what they had, as far as they said so to this node.
    pub(crate) fn lost(&self) -> BTreeSet<NodeId> {
        let known = self.known.lock();
        known.lost.iter().filter_map(|node| u32::try_from(*node).ok().map(NodeId)).collect()
    }

    /// Whether another replica has nearly all that is committed.
    pub(crate) fn is_full(&self, node: u64, lag_max: u64) -> bool {
        let known = self.known.lock();
        let has = known.confirmed.get(&node).copied().unwrap_or_default();
        node == self.node || has.0.saturating_add(lag_max) >= known.committed.index.0 && has > LogIndex(0)
    }

    /// Another replica cannot be filled before a newer state is saved.
    pub(crate) fn want_checkpoint(&self) {
        self.known.lock().wants_checkpoint = true;
    }

    pub(crate) fn wants_checkpoint(&self) -> bool {
        let known = self.known.lock();
        known.wants_checkpoint && known.leading.is_some()
    }

    /// The next attempt to fill another replica.
    pub(crate) fn next_session(&self, term: omnibus_model::Term) -> Session {
        let mut known = self.known.lock();
        known.attempts += 1;
        Session { term, node: self.node, attempt: known.attempts }
    }
}
