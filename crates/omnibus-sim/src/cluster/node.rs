//! A node: the real engine over the real consensus and the real log, on a disk that fails, and the hands that
//! move what has threads of its own in production.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use omnibus_engine::by_hand::{Tended, open};
use omnibus_engine::{Engine, EngineConfig, EngineError, Health, Opening, Seams};
use omnibus_io::{Clock, Entropy, FaultDisk};
use omnibus_log::{Log, LogConfig, Writer};
use omnibus_model::NodeId;
use omnibus_raft::{Consensus, OpenraftLog};
use omnibus_replication::{Opened, ReplicatedLog};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::life::Life;
use super::network::{Host, Network};
use super::rereading::Passes;
use super::scenario::Scenario;
use super::watched::Watched;
use super::world::World;
use crate::random::Random;

/// How often a log keeps house.
const UPKEEP: Duration = Duration::from_millis(100);

/// The wall clock of a machine; it may be wrong.
#[derive(Debug)]
pub(crate) struct WallClock {
    world: World,
    /// By how many milliseconds.
    wrong: Mutex<i64>,
}

impl WallClock {
    pub(crate) const fn new(world: World) -> Self {
        Self { world, wrong: Mutex::new(0) }
    }

    pub(crate) fn turn(&self, millis: i64) {
        *self.wrong.lock() += millis;
    }
}

impl Clock for WallClock {
    fn wall_millis(&self) -> i64 {
        // Some morning in 2026.
        let millis = i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX);
        1_790_000_000_000 + millis + *self.wrong.lock()
    }

    fn elapsed(&self) -> Duration {
        self.world.elapsed()
    }
}

#[derive(Debug)]
struct Drawn(Mutex<Random>);

impl Entropy for Drawn {
    fn random(&self) -> u128 {
        let mut random = self.0.lock();
        u128::from(random.draw()) << 64 | u128::from(random.draw())
    }
}

/// A machine: what stays when its process ends.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) node: NodeId,
    pub(crate) disk: FaultDisk,
    pub(crate) clock: Arc<WallClock>,
    /// It makes the groups with others; none that has lost its disk does.
    pub(crate) is_founder: bool,
    /// How long a turn of the disk takes at most, in milliseconds.
    pub(crate) disk_millis: Arc<Mutex<u64>>,
    pub(crate) process: Option<Process>,
}

/// A node's process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) life: Life,
    pub(crate) engine: Engine,
    pub(crate) replicated: Arc<OpenraftLog>,
    pub(crate) passes: Passes,
    _tended: Ended,
    hands: [JoinHandle<()>; 3],
}

/// What ends with the process.
#[derive(Debug)]
struct Ended(#[expect(dead_code, reason = "it is kept to be dropped")] Tended);

impl Drop for Process {
    fn drop(&mut self) {
        self.life.end();
        self.hands.iter().for_each(JoinHandle::abort);
    }
}

impl Machine {
    pub(crate) fn new(world: &World, node: NodeId) -> Self {
        let disk = FaultDisk::new(world.chance().draw());
        let clock = Arc::new(WallClock::new(world.clone()));
        Self { node, disk, clock, is_founder: true, disk_millis: Arc::new(Mutex::new(4)), process: None }
    }

    /// Starts the process.
    ///
    /// # Errors
    /// What the engine says.
    pub(crate) fn start(
        &mut self,
        (world, network): (&World, &Network),
        scenario: &Scenario,
    ) -> Result<(), EngineError> {
        let life = Life::default();
        let mut chance = world.chance();
        let seams = Seams {
            disk: Arc::new(self.disk.clone()),
            clock: self.clock.clone(),
            entropy: Arc::new(Drawn(Mutex::new(Random::new(chance.draw())))),
        };
        let config = EngineConfig {
            node: self.node,
            log: LogConfig { identity: chance.draw(), ..scenario.log.clone() },
            limits: scenario.limits,
            housekeeping_interval: scenario.housekeeping_interval,
            retention_time_interval: scenario.housekeeping_interval,
            checkpoint_interval: scenario.checkpoint_interval,
            checkpoint_wal_bytes: scenario.checkpoint_wal_bytes,
            ..EngineConfig::default()
        };
        let line = network.line(self.node, &life);
        let founders = if self.is_founder { scenario.nodes().collect() } else { BTreeSet::new() };
        let peers: Arc<dyn omnibus_raft::Peers> = Arc::new(line.clone());
        let consensus = Consensus {
            node: self.node,
            seed: chance.draw(),
            runtime: Handle::current(),
            peers: Some(peers),
            founders,
        };
        let watched = Watched::new(world, self.node, &life);
        let kept: OnceLock<Arc<OpenraftLog>> = OnceLock::new();
        let (tended, writer) = open(seams, &config, |opening| open_over(opening, consensus, &watched, &kept))?;
        let Some(replicated) = kept.into_inner() else { unreachable!("an engine is open over a log") };
        watched.opened(&tended.log);
        tended.engine.connect(Arc::new(line));
        let (engine, log, door) = (tended.engine.clone(), tended.log.clone(), replicated.door());
        network.connect(self.node, Host { life: life.clone(), door, engine: engine.clone() });
        let passes = Passes::default();
        let reading = passes.clone().run((world.clone(), life.clone()), (engine.clone(), self.disk.clone()), chance);
        let [writing, upkeep] = self.hands((world, &life), scenario, (&log, writer));
        let hands = [writing, upkeep, tokio::spawn(reading)];
        self.process = Some(Process { life, engine, replicated, passes, _tended: Ended(tended), hands });
        Ok(())
    }

    /// Begins to move the log.
    fn hands(
        &self,
        (world, life): (&World, &Life),
        scenario: &Scenario,
        (log, writer): (&Log, Writer),
    ) -> [JoinHandle<()>; 2] {
        let turns = Turns {
            life: life.clone(),
            chance: world.chance(),
            millis: Arc::clone(&self.disk_millis),
            seal_after: scenario.log.seal_after,
        };
        let writing = tokio::spawn(turns.write(writer));
        let (life, log) = (life.clone(), log.clone());
        let upkeep = tokio::spawn(async move {
            while life.awake().await {
                // What it cannot do now it does later.
                drop(log.maintain());
                sleep(UPKEEP).await;
            }
        });
        [writing, upkeep]
    }

    /// Whether the process is there and has not given up.
    pub(crate) fn is_well(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.engine.health() == Health::Well)
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.process.is_some()
    }
}

/// When the disk does something.
struct Turns {
    life: Life,
    chance: Random,
    millis: Arc<Mutex<u64>>,
    seal_after: Duration,
}

impl Turns {
    async fn write(mut self, mut writer: Writer) {
        let mut idle = Duration::ZERO;
        while self.life.awake().await {
            let millis_max = *self.millis.lock();
            let pause = Duration::from_millis(self.chance.within(1..=millis_max));
            sleep(pause).await;
            if self.life.is_still() {
                continue;
            }
            idle = if writer.step() { Duration::ZERO } else { idle + pause };
            if idle >= self.seal_after && writer.seal() {
                idle = Duration::ZERO;
            }
        }
    }
}

fn open_over(
    opening: Opening<'_>,
    consensus: Consensus,
    watched: &Watched,
    kept: &OnceLock<Arc<OpenraftLog>>,
) -> Result<Opened<Arc<dyn ReplicatedLog>>, EngineError> {
    let Opening { disk, log, shards, on_event, recover } = opening;
    let on_event = watched.on_event(on_event);
    let opened = OpenraftLog::open((disk, log), shards, consensus, on_event, |checkpoints, entries| {
        let mut entries = entries.inspect(|entry| watched.recovered(entry));
        recover(checkpoints, &mut entries)
    })?;
    let Opened { replicated, log, writer, checkpoints, report } = opened;
    let replicated = kept.get_or_init(|| Arc::new(replicated));
    let over: Arc<dyn ReplicatedLog> = Arc::new(watched.over(replicated));
    Ok(Opened { replicated: over, log, writer, checkpoints, report })
}
