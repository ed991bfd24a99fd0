//! openraft's own tests of a storage, on a disk in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;

use futures_util::{Stream, TryStreamExt};
use omnibus_io::fault::FaultDisk;
use omnibus_log::{EntryId, Log, LogConfig, Mark, Opened, WriteFailed};
use omnibus_model::ShardId;
use omnibus_raft::testing::{Bell, ShardState, ShardStore, Types};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::alias::{LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot, SnapshotMeta, StorageError, StoredMembership,
};
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;

const SHARD: ShardId = ShardId(3);

/// A state machine of the simplest kind, since it is not what is tested.
#[derive(Clone, Debug, Default)]
struct Reference {
    applied: Option<LogIdOf<Types>>,
    membership: StoredMembershipOf<Types>,
    snapshot: Arc<parking_lot::Mutex<Option<SnapshotOf<Types, ()>>>>,
}

impl RaftSnapshotBuilder<Types> for Reference {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, ()>, io::Error> {
        let meta = SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() };
        let snapshot = Snapshot { meta, snapshot: () };
        *self.snapshot.lock() = Some(snapshot.clone());
        Ok(snapshot)
    }
}

impl RaftStateMachine<Types> for Reference {
    type SnapshotData = ();
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogIdOf<Types>>, StoredMembershipOf<Types>), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            self.applied = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = entry.payload {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<Types>, (): ()) -> Result<(), io::Error> {
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        *self.snapshot.lock() = Some(Snapshot { meta: meta.clone(), snapshot: () });
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, ()>>, io::Error> {
        Ok(self.snapshot.lock().clone())
    }
}

/// A log that is open, with its writer on a thread.
struct Running {
    log: Log,
    writer: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.log.close();
        self.writer.take().unwrap().join().unwrap();
    }
}

/// Opens a log and one shard of it.
fn open(disk: &FaultDisk) -> (Running, ShardStore) {
    let slot: Arc<OnceLock<Arc<ShardState>>> = Arc::default();
    let told = Arc::clone(&slot);
    let on_durable = Box::new(move |_, index, written: Result<(), WriteFailed>| {
        if let Some(state) = told.get() {
            state.durable(index, written.as_ref().copied());
        }
    });
    let config = LogConfig { segment_bytes: 4 << 20, reserve_bytes: 0, identity: 5, ..LogConfig::default() };
    let Opened { log, writer, .. } = Log::open(Arc::new(disk.clone()), config, on_durable).unwrap();
    let writer = Some(std::thread::spawn(move || writer.run()));
    let running = Running { log: log.clone(), writer };
    let (sender, done) = mpsc::sync_channel(1);
    if log.marks(SHARD).is_none() {
        log.mark(SHARD, Mark::Committed(EntryId::default()), Box::new(move |written| sender.send(written).unwrap()));
        done.recv().unwrap().unwrap();
    }
    let state = Arc::new(ShardState::fresh(SHARD, log, Arc::new(Bell::default())));
    slot.set(Arc::clone(&state)).unwrap();
    (running, ShardStore { state })
}

struct Builder;

impl StoreBuilder<Types, ShardStore, Reference, Running> for Builder {
    async fn build(&self) -> Result<(Running, ShardStore, Reference), StorageError<Types>> {
        let (running, store) = open(&FaultDisk::new(1));
        Ok((running, store, Reference::default()))
    }
}

/// Runs something of openraft's in one thread.
fn run<F: Future>(what: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(DeterministicRng::<TokioRuntime>::scope(1, what))
}

#[test]
fn the_storage_is_as_openraft_wants_it() {
    run(Suite::test_all(Builder)).unwrap();
}
