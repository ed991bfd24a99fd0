//! One node by hand: the real log, its writer and the real shards, over the model of a replicated log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnibus_broker::BrokerLimits;
use omnibus_engine::EngineError;
use omnibus_engine::catalog::Catalog;
use omnibus_engine::chores::Chores;
use omnibus_engine::counters::Counters;
use omnibus_engine::departing::Leftovers;
use omnibus_engine::reached::Reached;
use omnibus_engine::recovery::{Recovered, catalog, configs, recover, settle_streams};
use omnibus_engine::shard::{Moment, Office, Request, Shard, Shared, Snapshot};
use omnibus_engine::watch::Watches;
use omnibus_io::fault::FaultDisk;
use omnibus_log::{Log, LogConfig, Writer};
use omnibus_model::{NodeId, Offset, ShardId, StreamId, Timestamp};
use omnibus_record::Message;
use omnibus_replication::ReplicationEvent;
use omnibus_replication::model::ModelCluster;
use parking_lot::Mutex;
use tokio::sync::oneshot;

pub(crate) const SHARDS: u16 = 2;

type Events = Arc<Mutex<VecDeque<(ShardId, ReplicationEvent)>>>;

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) disk: FaultDisk,
    pub(crate) log: Log,
    pub(crate) catalog: Arc<Catalog>,
    writer: Writer,
    pub(crate) shards: Vec<Shard>,
    events: Events,
    snapshots: Vec<oneshot::Receiver<Snapshot>>,
}

pub(crate) fn limits() -> BrokerLimits {
    BrokerLimits { data_shards: SHARDS - 1, ..BrokerLimits::default() }
}

pub(crate) fn at(millis: u64) -> Moment {
    let wall = 1_700_000_000_000 + i64::try_from(millis).unwrap();
    Moment { wall: Timestamp(wall), elapsed: Duration::from_millis(millis) }
}

impl Node {
    pub(crate) fn open(cluster: &ModelCluster, id: NodeId, disk: FaultDisk) -> Self {
        let config =
            LogConfig { segment_bytes: 256 << 10, block_bytes_max: 64 << 10, reserve_bytes: 0, ..LogConfig::default() };
        let (events, mut recovered) = (Events::default(), Vec::new());
        let told = Arc::clone(&events);
        let on_event = Box::new(move |shard, event| told.lock().push_back((shard, event)));
        let opened = cluster
            .open(id, (Arc::new(disk.clone()), config), on_event, |checkpoints, entries| {
                recovered = recover(&limits(), SHARDS, checkpoints, entries)?;
                Ok::<(), EngineError>(())
            })
            .unwrap();
        settle_streams(&opened.log, &recovered);
        let names = Arc::new(catalog(&recovered));
        let shared = Shared {
            log: opened.log.clone(),
            replicated: Arc::new(opened.replicated),
            watches: Arc::new(Watches::default()),
            catalog: Arc::clone(&names),
            counters: Arc::new(Counters::default()),
            configs: Arc::new(configs(&recovered, id, &limits())),
            chores: Arc::new(Chores::default()),
            reached: Arc::new(Reached::new(SHARDS)),
            vacancies: Arc::default(),
        };
        let shard = |(number, Recovered { broker, last, term, .. })| {
            Shard::new(ShardId(number), broker, (last, term), shared.clone())
        };
        let shards = (0..).zip(recovered).map(shard).collect();
        let (log, writer) = (opened.log, opened.writer);
        Self { id, disk, log, catalog: names, writer, shards, events, snapshots: Vec::new() }
    }

    /// What comes back after the power was cut.
    pub(crate) fn after_a_power_cut(self, cluster: &ModelCluster) -> Self {
        cluster.kill(self.id);
        let Self { id, disk, .. } = self;
        disk.cut_power();
        disk.restart();
        Self::open(cluster, id, disk)
    }

    pub(crate) fn shard(&mut self, shard: ShardId) -> &mut Shard {
        &mut self.shards[usize::from(shard.0)]
    }

    pub(crate) fn request(&mut self, millis: u64, shard: ShardId, request: Request) {
        self.shard(shard).handle(at(millis), request);
    }

    /// Writes what was handed to the log.
    pub(crate) fn write(&mut self) {
        while self.writer.step() {}
    }

    /// Brings its shards the first thing that the log has told; returns whether there was one.
    pub(crate) fn listen_once(&mut self, millis: u64) -> bool {
        let Some((shard, event)) = self.events.lock().pop_front() else { return false };
        let shard = self.shard(shard);
        let office = shard.told(at(millis), event).unwrap();
        settle_in(shard, office);
        true
    }

    pub(crate) fn listen(&mut self, millis: u64) {
        while self.listen_once(millis) {}
    }

    /// Rebuilds what is void.
    pub(crate) fn rebuild(&mut self, millis: u64) -> bool {
        let mut any = false;
        for shard in &mut self.shards {
            while let Some(rebuild) = shard.take_rebuild() {
                any = true;
                let office = shard.rebuilt(at(millis), rebuild.run().unwrap());
                settle_in(shard, office);
            }
        }
        any
    }

    pub(crate) fn propose(&mut self) {
        self.shards.iter_mut().for_each(Shard::propose);
    }

    pub(crate) fn tick(&mut self, millis: u64) {
        for shard in &mut self.shards {
            if shard.next_tick(at(millis)).is_some_and(|wait| wait.is_zero()) {
                shard.tick(at(millis));
            }
        }
    }

    pub(crate) fn ask_for_checkpoints(&mut self, millis: u64) {
        for shard in &mut self.shards {
            let (reply, snapshot) = oneshot::channel();
            shard.handle(at(millis), Request::Checkpoint { reply });
            self.snapshots.push(snapshot);
        }
    }

    /// Saves the checkpoints that are there.
    pub(crate) fn save_checkpoints(&mut self) {
        for mut asked in std::mem::take(&mut self.snapshots) {
            match asked.try_recv() {
                Ok(Snapshot { shard, term, index, state }) => {
                    self.log.save_checkpoint(shard, term, index, &state).unwrap();
                }
                Err(oneshot::error::TryRecvError::Empty) => self.snapshots.push(asked),
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
    }

    /// The bodies that a reader finds in a stream of messages.
    pub(crate) fn bodies(&self, stream: StreamId) -> Vec<(Offset, Bytes)> {
        let bounds = self.log.bounds(stream);
        let mut found = Vec::new();
        let mut next = bounds.start;
        while next < bounds.end {
            let plan = self.log.plan(stream, next, 1 << 20).unwrap();
            for record in self.log.load(&plan).unwrap().into_iter().flat_map(omnibus_record::batches) {
                let message = message_of(record);
                next = message.0.plus(1);
                found.push(message);
            }
        }
        found
    }
}

fn message_of(record: Bytes) -> (Offset, Bytes) {
    let message = Message::decode(&record).unwrap();
    (message.offset, message.body)
}

fn settle_in(shard: &mut Shard, office: Office) {
    if office == Office::Taken {
        shard.finish(&Leftovers::default());
    }
}
