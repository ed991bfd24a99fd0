//! The node under test: the real log, its writer and the real shards, and the hands that
//! move them. What runs on threads and tasks in production is a call here.

use std::sync::{Arc, Mutex, PoisonError};

use omnibus_broker::BrokerLimits;
use omnibus_engine::by_hand::{self, Asked};
use omnibus_engine::catalog::Catalog;
use omnibus_engine::chores::Chores;
use omnibus_engine::configs::Configs;
use omnibus_engine::counters::Counters;
use omnibus_engine::departing::Leftovers;
use omnibus_engine::reached::Reached;
use omnibus_engine::recovery::{Recovered, catalog, configs, leftovers, recover, settle_streams};
use omnibus_engine::shard::{Moment, Office, Request, Shard, Shared};
use omnibus_engine::watch::Watches;
use omnibus_engine::{Engine, EngineError};
use omnibus_io::{Clock, Entropy, FaultDisk};
use omnibus_log::{Checkpoint, Log, LogConfig, RecoveryReport, ReplayEntry, Writer};
use omnibus_model::{LogIndex, NodeId, ShardId, StreamId, Term};
use omnibus_replication::{Leadership, LocalLog, OnEvent, ReplicatedLog, ReplicationEvent};

use crate::time::Dial;
use crate::witness::Witness;

/// How a node is made.
#[derive(Clone, Debug)]
pub(crate) struct NodeConfig {
    pub(crate) log: LogConfig,
    pub(crate) limits: BrokerLimits,
    pub(crate) clock: Arc<Dial>,
}

/// An open node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) log: Log,
    pub(crate) writer: Writer,
    pub(crate) shards: Vec<Shard>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) witness: Arc<Witness>,
    pub(crate) term: Term,
    progress: Arc<Mutex<Progress>>,
    /// Each shard's newest entry when the node was opened.
    pub(crate) last: Vec<LogIndex>,
    /// What is left in each shard of deletions that the last end cut short.
    leftovers: Vec<Leftovers>,
    /// How far each shard was told that it is committed.
    told: Vec<Told>,
    /// The door, and what was asked there of each shard.
    pub(crate) engine: Engine,
    asked: Vec<Asked>,
    /// What a shard had no room for.
    stalled: Vec<Option<Request>>,
}

/// What opening found, for those who check it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) entries: Vec<ReplayEntry>,
    /// Each shard's newest entry.
    pub(crate) last: Vec<LogIndex>,
    pub(crate) report: RecoveryReport,
}

/// What the log has reported.
#[derive(Debug, Default)]
struct Progress {
    committed: Vec<LogIndex>,
    reports: Vec<(ShardId, LogIndex)>,
    broken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Committed(LogIndex),
    Broken,
}

impl Node {
    /// Opens a node on a disk, as the engine does.
    ///
    /// # Errors
    /// What the engine would say.
    pub(crate) fn open(disk: &FaultDisk, config: &NodeConfig, now: Moment) -> Result<(Self, Found), EngineError> {
        let shards = config.limits.data_shards + 1;
        let progress = Progress { committed: vec![LogIndex(0); usize::from(shards)], ..Progress::default() };
        let progress = Arc::new(Mutex::new(progress));
        let (mut found, mut recovered) = (Found::default(), Vec::new());
        let disk = Arc::new(disk.clone());
        let opened = LocalLog::open(disk, config.log.clone(), shards, reporter(&progress), |checkpoints, entries| {
            let mut noted = entries.inspect(|entry| found.entries.push(entry.clone()));
            recovered = recover(&config.limits, shards, checkpoints, &mut noted)?;
            Ok::<(), EngineError>(())
        })?;
        settle_streams(&opened.log, &recovered);
        found.last = recovered.iter().map(|shard| shard.last).collect();
        found.checkpoints = opened.checkpoints;
        found.report = opened.report;
        let names = Arc::new(catalog(&recovered));
        let witness = Arc::new(Witness::new(opened.replicated));
        let configs = Arc::new(configs(&recovered, NodeId(1), &config.limits));
        let shared = shared(&opened.log, &witness, &names, configs, shards);
        let seams: (Arc<dyn Clock>, Arc<dyn Entropy>) = (config.clock.clone(), Arc::new(NoChance));
        let (engine, asked) = by_hand::engine(&shared, config.limits, seams);
        let mut node = Self {
            log: opened.log,
            writer: opened.writer,
            shards: Vec::new(),
            catalog: names,
            term: term(&witness),
            witness,
            progress,
            last: found.last.clone(),
            leftovers: Vec::new(),
            told: vec![Told::Committed(LogIndex(0)); usize::from(shards)],
            engine,
            asked,
            stalled: std::iter::repeat_with(|| None).take(usize::from(shards)).collect(),
        };
        node.start(recovered, &shared, now);
        Ok((node, found))
    }

    fn start(&mut self, recovered: Vec<Recovered>, shared: &Shared, now: Moment) {
        self.leftovers = leftovers(&recovered, &self.catalog);
        for (number, Recovered { broker, last, term, .. }) in (0..).zip(recovered) {
            let mut shard = Shard::new(ShardId(number), broker, (last, term), shared.clone());
            let office = shard.told(now, ReplicationEvent::Leads { term: self.term, from: last });
            assert_eq!(office, Ok(Office::Taken), "one node leads its shards");
            self.shards.push(shard);
        }
    }

    pub(crate) fn shard(&mut self, shard: ShardId) -> &mut Shard {
        &mut self.shards[usize::from(shard.0)]
    }

    /// Hands a request over as a shard's owner does; false if it must wait.
    pub(crate) fn request(&mut self, shard: ShardId, now: Moment, request: Request) -> bool {
        self.offer(shard, now, request).is_none()
    }

    /// Carries out what was asked at the door, as far as there is room.
    pub(crate) fn answer_door(&mut self, now: Moment) {
        for shard in self.shard_ids() {
            let place = usize::from(shard.0);
            while let Some(request) = self.stalled[place].take().or_else(|| self.asked[place].take_next()) {
                self.stalled[place] = self.offer(shard, now, request);
                if self.stalled[place].is_some() {
                    break;
                }
            }
        }
    }

    /// Hands a request to a shard; it comes back if it must wait.
    fn offer(&mut self, shard: ShardId, now: Moment, request: Request) -> Option<Request> {
        let bytes = match &request {
            Request::Append(appending) => appending.payload.len(),
            Request::Enqueue(enqueueing) => enqueueing.bytes(),
            Request::FanOut(fanning_out) => fanning_out.bytes(),
            _ => 0,
        };
        let shard = self.shard(shard);
        if !shard.takes(bytes) {
            shard.propose();
        }
        if !shard.takes(bytes) {
            return Some(request);
        }
        shard.handle(now, request);
        None
    }

    /// Tells a shard how far the log has got; false if it knows.
    pub(crate) fn deliver(&mut self, now: Moment, shard: ShardId) -> bool {
        let place = usize::from(shard.0);
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let news = if progress.broken { Told::Broken } else { Told::Committed(progress.committed[place]) };
        drop(progress);
        if self.told[place] == news {
            return false;
        }
        self.told[place] = news;
        match news {
            Told::Committed(index) => {
                let office = self.shards[place].told(now, ReplicationEvent::Committed(index));
                assert_eq!(office, Ok(Office::Unchanged), "it leads already");
            }
            Told::Broken => self.shards[place].fail(),
        }
        true
    }

    /// Takes what the log reported since the last call, and whether a write has failed.
    pub(crate) fn take_reports(&self) -> (Vec<(ShardId, LogIndex)>, bool) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut progress.reports), progress.broken)
    }

    pub(crate) fn shard_ids(&self) -> impl Iterator<Item = ShardId> + use<> {
        let shards = u16::try_from(self.shards.len()).expect("shards are few");
        (0..shards).map(ShardId)
    }

    /// Finishes deletions that the last end cut short, as the engine does at once.
    pub(crate) fn finish_deletions(&mut self) -> Vec<StreamId> {
        for (shard, leftovers) in self.shards.iter_mut().zip(&self.leftovers) {
            shard.finish(leftovers);
        }
        std::mem::take(&mut self.leftovers).into_iter().flat_map(|leftovers| leftovers.streams).collect()
    }

    /// Whether anything waits for a commit.
    pub(crate) fn has_pending(&self) -> bool {
        self.shards.iter().any(Shard::has_pending)
    }
}

/// Nothing in a run is left to chance but by its seed.
#[derive(Debug)]
struct NoChance;

impl Entropy for NoChance {
    fn random(&self) -> u128 {
        unreachable!("whoever wants something random in a run draws it")
    }
}

fn reporter(progress: &Arc<Mutex<Progress>>) -> OnEvent {
    let progress = Arc::clone(progress);
    Box::new(move |shard, event| {
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ReplicationEvent::Committed(index) => {
                progress.committed[usize::from(shard.0)] = index;
                progress.reports.push((shard, index));
            }
            ReplicationEvent::Failed(_) => progress.broken = true,
            // It is the first of all, and `start` says so.
            ReplicationEvent::Leads { .. } => {}
            ReplicationEvent::Entry(_) | ReplicationEvent::Follows { .. } | ReplicationEvent::Installed { .. } => {
                unreachable!("there is one node")
            }
        }
    })
}

fn shared(log: &Log, witness: &Arc<Witness>, names: &Arc<Catalog>, configs: Arc<Configs>, shards: u16) -> Shared {
    Shared {
        log: log.clone(),
        replicated: Arc::<Witness>::clone(witness),
        watches: Arc::new(Watches::default()),
        catalog: Arc::clone(names),
        counters: Arc::new(Counters::default()),
        configs,
        chores: Arc::new(Chores::default()),
        reached: Arc::new(Reached::new(shards)),
        vacancies: Arc::default(),
    }
}

fn term(witness: &Witness) -> Term {
    match witness.leadership(ShardId::METADATA) {
        Leadership::Here { term } => term,
        Leadership::Elsewhere { .. } => Term(0),
    }
}
