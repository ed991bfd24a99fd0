//! What is saved of a shard, and how much of its log can go by it.

use omnibus_log::EntryId;
use omnibus_model::{Bug, planted};
use openraft::type_config::alias::SnapshotMetaOf;

use crate::shard_state::{Known, ShardState};
use crate::types::{Types, entry_id};

impl ShardState {
    /// The state that is saved, as far as no replica may ask for what it holds.
    pub(crate) fn checkpoint(&self) -> Option<SnapshotMetaOf<Types>> {
        let known = self.known.lock();
        known.snapshot_at(self.given_up(&known))
    }

    /// The newest saved state, of which a replica is told that lacks what was purged.
    pub(crate) fn newest_saved(&self) -> Option<SnapshotMetaOf<Types>> {
        let known = self.known.lock();
        let is_any = known.beginning.is_none() && known.saved.index >= known.purged.index;
        known.snapshot_at(if is_any { known.saved } else { self.given_up(&known) })
    }

    /// Learns of a newer saved state; returns whether more can be purged by it.
    pub(crate) fn checkpointed(&self, id: EntryId) -> bool {
        let mut known = self.known.lock();
        if known.checkpoint.index < id.index && id.index <= known.applied.index {
            known.checkpoint = id;
        }
        if known.saved.index < id.index && id.index <= known.applied.index {
            known.saved = id;
            let joined = known.membership.log_id().as_ref().map(|log_id| entry_id(log_id).index);
            known.wants_checkpoint &= joined > Some(id.index);
        }
        self.given_up(&known).index > known.purged.index
    }

    /// The newest entry that is in the saved state, and that no replica lacks.
    fn given_up(&self, known: &Known) -> EntryId {
        if planted(Bug::PurgeUnconfirmed) {
            return known.checkpoint;
        }
        let index = known.checkpoint.index.min(self.settled_of(known));
        if index == known.checkpoint.index {
            return known.checkpoint;
        }
        if index <= known.purged.index {
            return known.purged;
        }
        EntryId { term: self.term_of(known, index), index }
    }
}
