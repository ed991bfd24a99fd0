//! The state machine as openraft sees it: it only tells what is committed. What the entries do
//! is the affair of whoever is told.

use std::io;
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt};
use omnibus_log::EntryId;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::type_config::alias::{LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot};

use crate::office::Committed;
use crate::shard_state::ShardState;
use crate::types::{Types, entry_id};

/// One shard's committed entries, on their way up.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) state: Arc<ShardState>,
}

/// The checkpoint that a snapshot stands for, by its name; the state is in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckpointRef {
    pub(crate) _id: EntryId,
}

impl Machine {
    fn snapshot(&self) -> Option<SnapshotOf<Types, CheckpointRef>> {
        let (id, meta) = self.state.checkpoint()?;
        Some(Snapshot { meta, snapshot: CheckpointRef { _id: id } })
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = CheckpointRef;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogIdOf<Types>>, StoredMembershipOf<Types>), io::Error> {
        Ok(self.state.applied())
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let id = entry_id(&entry.log_id);
            let committed = match entry.payload {
                EntryPayload::Blank => Committed::Blank,
                EntryPayload::Membership(membership) => Committed::Membership(membership),
                EntryPayload::Normal(group) => Committed::Commands(group.head),
            };
            // A majority may have it before this node's disk does.
            self.state.ready_for(id.index).await?;
            self.state.take(id, committed);
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<Types>, _data: CheckpointRef) -> Result<(), io::Error> {
        // Nobody sends one: entries are kept as long as a replica may ask for them.
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("nobody sends {meta}")))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, CheckpointRef>>, io::Error> {
        Ok(self.snapshot())
    }
}

impl RaftSnapshotBuilder<Types> for Machine {
    type SnapshotData = CheckpointRef;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, CheckpointRef>, io::Error> {
        // Asked for only when there is a checkpoint.
        self.snapshot().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
