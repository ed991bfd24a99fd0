//! Opens an engine: recovers every shard's broker, starts the threads and tasks, and ends
//! them again.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use omnibus_io::{Clock, Disk, Entropy};
use omnibus_log::{Checkpoint, Log, LogConfig, RecoveryReport, ReplayEntry, Writer};
use omnibus_model::ShardId;
use omnibus_replication::{Leadership, LocalLog, OnEvent, Opened, ReplicatedLog, ReplicationEvent};
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::task;

use crate::actor::Actor;
use crate::ahead::Ahead;
use crate::baskets::Baskets;
use crate::catalog::Catalog;
use crate::chores::Chores;
use crate::counters::Counters;
use crate::couriers::Couriers;
use crate::departing::{Deleting, Leftovers};
use crate::engine::{Engine, EngineConfig, Inner, Loading};
use crate::error::EngineError;
use crate::events::{self, EventReceiver, EventSender};
use crate::group_commit::ENTRY_BYTES_MIN;
use crate::health::Health;
use crate::housekeeping::{self, Housekeeping};
use crate::lanes::lanes;
use crate::mender;
use crate::parcels::Carrying;
use crate::reached::Reached;
use crate::recovery::{Recovered, catalog, configs, leftovers, recover, settle_streams};
use crate::shard::{Shard, Shared};
use crate::silences::Silences;
use crate::watch::Watches;

/// What an engine runs on.
#[derive(Clone, Debug)]
pub struct Seams {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// The threads and tasks of an open engine.
#[derive(Debug)]
pub struct Running {
    engine: Engine,
    log: Log,
    actors: Vec<task::JoinHandle<Shard>>,
    housekeeping: Housekeeping,
    writer: JoinHandle<()>,
    pub report: RecoveryReport,
    /// Entries of the log that the start had to repeat.
    pub repeated: u64,
}

/// An open engine whose shards have their tasks, and what is run beside them.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) engine: Engine,
    pub(crate) log: Log,
    pub(crate) writer: Writer,
    pub(crate) actors: Vec<task::JoinHandle<Shard>>,
    pub(crate) report: RecoveryReport,
    pub(crate) repeated: u64,
}

/// What a replicated log is opened with.
pub struct Opening<'a> {
    pub disk: Arc<dyn Disk>,
    pub log: LogConfig,
    pub shards: u16,
    pub on_event: OnEvent,
    /// Takes the checkpoints, and the entries behind them.
    pub recover: &'a mut Recover<'a>,
}

/// Rebuilds the shards' brokers.
pub type Recover<'a> = dyn FnMut(&[Checkpoint], &mut dyn Iterator<Item = ReplayEntry>) -> Result<(), EngineError> + 'a;

impl std::fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("log", &self.log).field("shards", &self.shards).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the engine on a disk, made new if it is empty. Must be called within a runtime.
    ///
    /// # Errors
    /// [`EngineError`] if what is on the disk cannot be trusted.
    pub fn open(seams: Seams, config: EngineConfig) -> Result<(Self, Running), EngineError> {
        Self::open_over(seams, config, |opening| {
            let Opening { disk, log, shards, on_event, recover } = opening;
            LocalLog::open(disk, log, shards, on_event, recover).map(Opened::shared)
        })
    }

    /// Opens the engine over the replicated log that `open` opens.
    ///
    /// # Errors
    /// [`EngineError`] if what is on the disk cannot be trusted, or what `open` says.
    pub fn open_over(
        seams: Seams,
        config: EngineConfig,
        open: impl FnOnce(Opening<'_>) -> Result<Opened<Arc<dyn ReplicatedLog>>, EngineError>,
    ) -> Result<(Self, Running), EngineError> {
        let Assembled { engine, log, writer, actors, report, repeated } =
            assemble(seams, &config, Loading::OnThreads, open)?;
        let writer = spawn_writer(writer)?;
        let mut housekeeping = Housekeeping::start(&engine, &config)?;
        housekeeping.tasks.push(task::spawn(mender::run(engine.clone())));
        Ok((engine.clone(), Running { engine, log, actors, housekeeping, writer, report, repeated }))
    }
}

/// Opens an engine over the replicated log that `open` opens, and begins its shards' tasks.
///
/// # Errors
/// [`EngineError`] if what is on the disk cannot be trusted, or what `open` says.
pub(crate) fn assemble(
    seams: Seams,
    config: &EngineConfig,
    loading: Loading,
    open: impl FnOnce(Opening<'_>) -> Result<Opened<Arc<dyn ReplicatedLog>>, EngineError>,
) -> Result<Assembled, EngineError> {
    check(&config.log)?;
    let shards = config.limits.data_shards + 1;
    let (senders, events): (Vec<_>, Vec<_>) = (0..shards).map(|_| events::channel()).unzip();
    let health = Arc::new(watch::Sender::new(Health::Well));
    let mut recovered = Vec::new();
    let mut rebuild = |checkpoints: &[Checkpoint], entries: &mut dyn Iterator<Item = ReplayEntry>| {
        recovered = recover(&config.limits, shards, checkpoints, entries)?;
        Ok(())
    };
    let opened = open(Opening {
        disk: Arc::clone(&seams.disk),
        log: LogConfig { identity: identity(&*seams.entropy, &config.log), ..config.log.clone() },
        shards,
        on_event: on_event(senders, Arc::clone(&health)),
        recover: &mut rebuild,
    })?;
    settle_streams(&opened.log, &recovered);
    Ok(start(seams, config, (opened, loading), recovered, (events, health)))
}

impl Running {
    /// Answers everybody, writes every broker's memory down and ends all threads.
    pub async fn close(self) {
        self.engine.inner.closing.send_replace(true);
        let mut snapshots = Vec::new();
        for actor in self.actors {
            if let Ok(shard) = actor.await {
                snapshots.extend(shard.into_snapshot());
            }
        }
        self.housekeeping.stop().await;
        let log = self.log;
        let ended = task::spawn_blocking(move || {
            for snapshot in snapshots {
                housekeeping::save(&log, &snapshot);
            }
            log.close();
            self.writer.join()
        });
        if !matches!(ended.await, Ok(Ok(()))) {
            tracing::error!("the log's writer did not end well");
        }
    }
}

fn start(
    seams: Seams,
    config: &EngineConfig,
    (opened, loading): (Opened<Arc<dyn ReplicatedLog>>, Loading),
    recovered: Vec<Recovered>,
    (events, health): (Vec<EventReceiver>, Arc<watch::Sender<Health>>),
) -> Assembled {
    let Opened { replicated, log, writer, report, .. } = opened;
    let repeated = recovered.iter().map(|shard| shard.repeated).sum();
    let shared = Shared {
        log: log.clone(),
        replicated,
        watches: Arc::new(Watches::default()),
        catalog: Arc::new(catalog(&recovered)),
        counters: Arc::new(Counters::default()),
        configs: Arc::new(configs(&recovered, config.node, &config.limits)),
        chores: Arc::new(Chores::default()),
        reached: Arc::new(Reached::new(config.limits.data_shards + 1)),
        vacancies: Arc::default(),
    };
    let (closing, closing_seen) = watch::channel(false);
    let mut leftovers = leftovers_here(&*shared.replicated, &recovered, &shared.catalog).into_iter();
    let mut shards = Vec::new();
    let mut actors = Vec::new();
    for (number, (recovered, events)) in (0..).zip(recovered.into_iter().zip(events)) {
        let (asking, asked) = lanes();
        let Recovered { broker, last, term, .. } = recovered;
        let actor = Actor {
            shard: Shard::new(ShardId(number), broker, (last, term), shared.clone()),
            leftovers: leftovers.next().unwrap_or_default(),
            clock: Arc::clone(&seams.clock),
            asked,
            events,
            health: Arc::clone(&health),
            closing: closing_seen.clone(),
            chores: Arc::clone(&shared.chores),
            rebuilding: None,
            has_office: false,
        };
        actors.push(task::spawn(actor.run()));
        shards.push(asking);
    }
    let Shared { replicated, watches, catalog, configs, counters, chores, reached, vacancies, .. } = shared;
    let silences = Silences::new(shards.len());
    let inner = Inner {
        shards,
        log: log.clone(),
        replicated,
        catalog,
        configs,
        watches,
        counters,
        chores,
        clock: seams.clock,
        entropy: seams.entropy,
        limits: config.limits,
        health: health.subscribe(),
        closing,
        ahead: Ahead::default(),
        loading,
        reached,
        vacancies,
        silences,
        preferred: RwLock::default(),
        deleting: Deleting::default(),
        scrubbing: Arc::default(),
        baskets: Baskets::default(),
        couriers: Couriers::default(),
        router: OnceLock::new(),
        peers: OnceLock::new(),
        recipients: OnceLock::new(),
        carrying: Carrying::default(),
    };
    Assembled { engine: Engine { inner: Arc::new(inner) }, log, writer, actors, report, repeated }
}

/// Checks that whatever a shard takes fits into an entry: one that did not would block it for ever.
fn check(config: &LogConfig) -> Result<(), EngineError> {
    let (bytes, bytes_min) = (config.entry_bytes_max, ENTRY_BYTES_MIN);
    if bytes < bytes_min { Err(EngineError::EntriesTooShort { bytes, bytes_min }) } else { Ok(()) }
}

/// A log that is made now gets a name of its own, so that no other's blocks pass for its own.
#[expect(clippy::cast_possible_truncation, reason = "any 64 of the random bits will do")]
fn identity(entropy: &dyn Entropy, config: &LogConfig) -> u64 {
    if config.identity == 0 { entropy.random() as u64 } else { config.identity }
}

fn spawn_writer(writer: Writer) -> Result<JoinHandle<()>, EngineError> {
    std::thread::Builder::new().name("log-writer".into()).spawn(move || writer.run()).map_err(EngineError::Thread)
}

/// What the last end has left in each shard. Only who leads all shards from the start can tell: the names that are
/// known here may be older than a shard that others have led.
fn leftovers_here(replicated: &dyn ReplicatedLog, recovered: &[Recovered], catalog: &Catalog) -> Vec<Leftovers> {
    let mut shards = (0..).zip(recovered).map(|(number, _)| ShardId(number));
    let leads_all = shards.all(|shard| matches!(replicated.leadership(shard), Leadership::Here { .. }));
    if leads_all { leftovers(recovered, catalog) } else { Vec::new() }
}

fn on_event(senders: Vec<EventSender>, health: Arc<watch::Sender<Health>>) -> OnEvent {
    Box::new(move |shard, event| match event {
        ReplicationEvent::Failed(error) => {
            tracing::error!(%error, "nothing is acknowledged any more");
            health.send_replace(Health::Broken { reason: error.to_string() });
            senders.iter().for_each(EventSender::send_broken);
        }
        event => senders[usize::from(shard.0)].send(event),
    })
}
