//! The state machine as openraft sees it: it only tells what is committed. What the entries do
//! is the affair of whoever is told.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use omnibus_log::{Checkpoint, EntryId, Holdings, Mark};
use omnibus_model::StreamId;
use omnibus_model::batch::StreamBounds;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::type_config::alias::{LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot};

use crate::blocking::blocking;
use crate::membership::encode_membership;
use crate::office::Committed;
use crate::shard_state::ShardState;
use crate::types::{Types, entry_id, entry_id_or_none};

/// One shard's committed entries, on their way up.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) state: Arc<ShardState>,
}

/// Where the state is that a snapshot stands for.
#[derive(Clone, Debug)]
pub(crate) enum Saved {
    /// In this node's newest checkpoint, perhaps.
    Here,
    /// Sent by a leader. The records of these streams are here.
    Sent { state: Bytes, streams: Vec<(StreamId, StreamBounds)> },
}

/// A state that was saved when openraft was told of it.
#[derive(Clone, Debug)]
pub(crate) struct SavedAlready(SnapshotMetaOf<Types>);

impl Machine {
    /// Installs what a leader has sent; durable on return.
    async fn install(&self, meta: &SnapshotMetaOf<Types>, holdings: Holdings) -> Result<(), io::Error> {
        let EntryId { term, index } = entry_id_or_none(meta.last_log_id.as_ref());
        self.state.void_behind_applied(EntryId { term, index }).await?;
        let membership = &meta.last_membership;
        let joined = entry_id_or_none(membership.log_id().as_ref());
        let says = Mark::Membership(joined, encode_membership(membership.membership()));
        self.state.mark_durably(says).await?;
        let log = self.state.log.clone();
        let installed = blocking(move || log.install(&holdings)).await?;
        installed.map_err(|error| io::Error::other(error.to_string()))?;
        self.state.installed(EntryId { term, index }, membership.clone());
        Ok(())
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = Saved;
    type SnapshotBuilder = SavedAlready;

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

    /// A replica that has come since openraft was told may ask for what the state stands for: then there is none.
    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<SavedAlready> {
        self.state.checkpoint().map(SavedAlready)
    }

    async fn get_snapshot_builder(&mut self) -> SavedAlready {
        // Of nothing, if there is none.
        SavedAlready(self.state.checkpoint().unwrap_or_default())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<Types>, saved: Saved) -> Result<(), io::Error> {
        let Saved::Sent { state, streams } = saved else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, format!("nobody has sent {meta}")));
        };
        let EntryId { term, index } = entry_id_or_none(meta.last_log_id.as_ref());
        let checkpoint = Checkpoint { shard: self.state.shard, term, index, state };
        self.install(meta, Holdings { checkpoint, streams }).await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, Saved>>, io::Error> {
        Ok(self.state.newest_saved().map(|meta| Snapshot { meta, snapshot: Saved::Here }))
    }
}

impl RaftSnapshotBuilder<Types> for SavedAlready {
    type SnapshotData = Saved;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, Saved>, io::Error> {
        Ok(Snapshot { meta: self.0.clone(), snapshot: Saved::Here })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use omnibus_model::LogIndex;
    use openraft::Membership;

    use super::*;
    use crate::shard_state::tests::{fresh, id};

    #[test]
    fn a_replica_that_comes_before_the_log_is_purged_holds_the_purge_up_and_ends_nothing() {
        let state = fresh();
        state.take(id(1), Committed::Membership(Membership::new_with_defaults(vec![[1].into()], [])));
        state.committed(id(5));
        state.durable(LogIndex(5), Ok(()));
        state.known.lock().applied = id(5);
        let mut machine = Machine { state: Arc::new(state) };
        assert!(machine.state.checkpointed(id(5)), "nobody else needs what is behind the checkpoint");
        let ready = |machine: &mut Machine| machine.try_create_snapshot_builder(false).now_or_never().unwrap();
        let mut before = ready(&mut machine).unwrap();
        let newcomer = Membership::new_with_defaults(vec![[1].into()], [2]);
        machine.state.take(id(6), Committed::Membership(newcomer));
        assert!(ready(&mut machine).is_none());
        assert!(before.build_snapshot().now_or_never().unwrap().is_ok());
    }
}
