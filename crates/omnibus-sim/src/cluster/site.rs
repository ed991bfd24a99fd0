//! All machines of a run, and who is to do what on them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::Engine;
use omnibus_io::Disk as _;
use omnibus_io::fault::Fault;
use omnibus_model::{NodeId, ShardId};
use omnibus_raft::{OpenraftLog, Replicas, Standing};
use omnibus_replication::{Leadership, ReplicatedLog};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::life::Life;
use super::network::Network;
use super::node::Machine;
use super::scenario::Scenario;
use super::world::World;
use crate::violation::Violation;

/// How long whoever asks a node waits for an answer, in milliseconds: some give up before anybody else is elected.
const PATIENCE_MILLIS: RangeInclusive<u64> = 500..=12_000;

/// Who votes about a data shard, and about the metadata, at most.
const VOTERS: usize = 3;
const VOTERS_OF_NAMES: usize = 5;

/// The machines and the network between them. It is shared by all who act.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) network: Network,
    pub(crate) scenario: Scenario,
    machines: Mutex<BTreeMap<NodeId, Machine>>,
    plans: Mutex<Plans>,
}

/// Who is there for what.
#[derive(Debug)]
struct Plans {
    members: BTreeSet<NodeId>,
    /// A node that has lost what it had, or may lose it, or is on its way out or in. No majority must be among those, and
    /// with three voters that is one at a time.
    impaired: Option<NodeId>,
    /// Bits were turned over on its disk.
    rotten: Option<Rotten>,
    /// It has no vote for a while.
    unseated: Option<NodeId>,
}

/// A node with bits that were turned over, and when.
#[derive(Clone, Copy, Debug)]
struct Rotten {
    node: NodeId,
    since: Duration,
    cure: Cure,
}

/// What becomes of a node whose data has rotted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cure {
    /// An operator gives it another disk.
    EmptyDisk,
    /// It reads what it has, and mends it with the help of others.
    Mending,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What was not synced may be lost, torn or reordered.
    PowerCut,
    /// What was written stays, synced or not.
    ProcessKill,
}

/// A process that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) node: NodeId,
    pub(crate) life: Life,
    pub(crate) engine: Engine,
    pub(crate) replicated: Arc<OpenraftLog>,
    /// How long whoever asks waits for an answer.
    pub(crate) patience: Duration,
}

impl Access {
    /// Does something for as long as the process lives and whoever asks has patience; nothing is known else.
    pub(crate) async fn ask<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let asked = async {
            self.life.awake().await;
            work.await
        };
        timeout(self.patience, self.life.live(asked)).await.ok().flatten()
    }
}

impl Site {
    pub(crate) fn new(world: World, scenario: Scenario) -> Self {
        let network = Network::new(world.clone());
        let machines = scenario.nodes().map(|node| (node, Machine::new(&world, node))).collect();
        let plans = Plans { members: scenario.nodes().collect(), impaired: None, rotten: None, unseated: None };
        Self { world, network, scenario, machines: Mutex::new(machines), plans: Mutex::new(plans) }
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..=self.scenario.limits.data_shards).map(ShardId)
    }

    /// Starts a node, if it is not there.
    pub(crate) fn start(&self, node: NodeId) {
        let started = self.on(node, |machine| {
            if machine.is_up() {
                return Ok(());
            }
            machine.disk.fail_at(0, Fault::Error);
            machine.disk.set_capacity(u64::MAX);
            self.world.line(format_args!("node {node} starts"));
            // What panics here ends the run with a word, and not with the program.
            let start = || machine.start((&self.world, &self.network), &self.scenario);
            catch_unwind(AssertUnwindSafe(start)).unwrap_or(Ok(()))
        });
        let Err(error) = started else { return };
        self.world.line(format_args!("node {node} does not start: {error}"));
        if self.is_rotten(node) && error.is_damage() {
            // It is told; an operator gives it an empty disk.
            self.empty(node);
            self.start(node);
        } else {
            self.world.violate(Violation::new("a node starts", format!("node {node}: {error}")));
        }
    }

    /// Ends a node's process, if there is one.
    pub(crate) fn end(&self, node: NodeId, end: End) {
        let seed = self.world.chance().draw();
        let process = self.on(node, |machine| {
            let process = machine.process.take()?;
            if machine.disk.space().is_err() {
                machine.disk.restart();
            } else {
                machine.disk = machine.disk.fork(seed);
                if end == End::PowerCut {
                    machine.disk.cut_power();
                    machine.disk.restart();
                }
            }
            Some(process)
        });
        if let Some(process) = process {
            self.world.line(format_args!("node {node} ends: {end:?}"));
            self.network.disconnect(node);
            drop(process);
        }
    }

    /// Replaces a node's disk, which is not running, by an empty one.
    pub(crate) fn empty(&self, node: NodeId) {
        self.world.line(format_args!("the disk of node {node} is empty"));
        let disk = omnibus_io::FaultDisk::new(self.world.chance().draw());
        self.on(node, |machine| (machine.disk, machine.is_founder) = (disk, false));
        let mut plans = self.plans.lock();
        if plans.rotten.is_some_and(|rotten| rotten.node == node) {
            plans.rotten = None;
        }
    }

    /// Works with a machine.
    pub(crate) fn on<T>(&self, node: NodeId, work: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machines = self.machines.lock();
        work(machines.get_mut(&node).expect("a node that there is"))
    }

    pub(crate) fn access(&self, node: NodeId) -> Option<Access> {
        let machines = self.machines.lock();
        let process = machines.get(&node)?.process.as_ref()?;
        let (life, engine) = (process.life.clone(), process.engine.clone());
        let patience = Duration::from_millis(self.world.within(PATIENCE_MILLIS));
        Some(Access { node, life, engine, replicated: Arc::clone(&process.replicated), patience })
    }

    /// All processes.
    pub(crate) fn all(&self) -> Vec<Access> {
        self.scenario.nodes().filter_map(|node| self.access(node)).collect()
    }

    /// Who knows to lead a shard; of several it is the newest.
    pub(crate) fn leader(&self, shard: ShardId) -> Option<Access> {
        let term = |access: &Access| match access.replicated.leadership(shard) {
            Leadership::Here { term } => Some(term),
            Leadership::Elsewhere { .. } => None,
        };
        self.all().into_iter().filter(|access| term(access).is_some()).max_by_key(term)
    }

    /// The nodes whose processes have ended by themselves, or by a disk without power.
    pub(crate) fn fallen(&self) -> Vec<(NodeId, End)> {
        let machines = self.machines.lock();
        let up = machines.values().filter(|machine| machine.is_up());
        let fallen = up.filter_map(|machine| match (machine.disk.space().is_err(), machine.is_well()) {
            (true, _) => Some((machine.node, End::PowerCut)),
            (false, false) => Some((machine.node, End::ProcessKill)),
            (false, true) => None,
        });
        fallen.collect()
    }
}

/// Who is there for what.
impl Site {
    pub(crate) fn members(&self) -> BTreeSet<NodeId> {
        self.plans.lock().members.clone()
    }

    pub(crate) fn set_member(&self, node: NodeId, is_member: bool) {
        let mut plans = self.plans.lock();
        if is_member {
            plans.members.insert(node);
        } else {
            plans.members.remove(&node);
        }
    }

    /// Who is to vote about a shard: members in turn.
    pub(crate) fn wanted_voters(&self, shard: ShardId) -> BTreeSet<NodeId> {
        let unseated = self.plans.lock().unseated;
        let members: Vec<NodeId> = self.members().into_iter().filter(|node| Some(*node) != unseated).collect();
        let most = if shard == ShardId::METADATA { VOTERS_OF_NAMES } else { VOTERS };
        let odd = if members.len() > 2 { members.len() - (members.len() + 1) % 2 } else { members.len() };
        let first = usize::from(shard.0) % members.len();
        members.iter().cycle().skip(first).take(odd.min(most)).copied().collect()
    }

    /// Takes a node's soundness away, if all others are sound.
    pub(crate) fn impair(&self, node: NodeId) -> bool {
        let mut plans = self.plans.lock();
        let may = plans.impaired.is_none();
        if may {
            plans.impaired = Some(node);
        }
        may
    }

    /// Takes a node's votes away for a while, or gives them back.
    pub(crate) fn unseat(&self, node: Option<NodeId>) {
        self.plans.lock().unseated = node;
    }

    pub(crate) fn note_rot(&self, node: NodeId, cure: Cure) {
        self.plans.lock().rotten = Some(Rotten { node, since: self.world.elapsed(), cure });
    }

    pub(crate) fn is_rotten(&self, node: NodeId) -> bool {
        self.plans.lock().rotten.is_some_and(|rotten| rotten.node == node)
    }

    /// Gives a node an empty disk whose own has rotten bits, unless it is to mend them.
    pub(crate) fn replace_rotten(&self) {
        let rotten = self.plans.lock().rotten;
        if let Some(Rotten { node, .. }) = rotten.filter(|rotten| rotten.cure == Cure::EmptyDisk) {
            self.end(node, End::ProcessKill);
            self.empty(node);
            self.start(node);
        }
    }

    /// Notes that a node has mended what had rotted, once it has found nothing any more.
    fn note_mended(&self) {
        let rotten = self.plans.lock().rotten;
        let Some(Rotten { node, since, .. }) = rotten.filter(|rotten| rotten.cure == Cure::Mending) else { return };
        if self.places_found(node, since) == Some(0) {
            self.world.line(format_args!("node {node} has mended what had rotted"));
            self.world.with(|state| state.tally.mended += 1);
            self.plans.lock().rotten = None;
        }
    }

    /// Holds what nodes have found at rest against what was done to them.
    pub(crate) fn check_passes(&self) {
        for node in self.scenario.nodes().filter(|node| !self.is_rotten(*node)) {
            if let Some(places @ 1..) = self.places_found(node, Duration::ZERO) {
                let detail = format!("node {node} says that {places} places have rotted");
                self.world.violate(Violation::new("nothing is told as rotten that is not", detail));
            }
        }
    }

    /// How many rotten places a node has found when it last read all it has, if that began after some time.
    pub(crate) fn places_found(&self, node: NodeId, since: Duration) -> Option<u64> {
        let machines = self.machines.lock();
        let last = machines.get(&node)?.process.as_ref()?.passes.last()?;
        (last.began >= since).then_some(last.places)
    }

    /// What a node says is damaged of what it has at rest, in words.
    pub(crate) fn damage(&self, node: NodeId) -> Option<String> {
        let status = self.access(node)?.engine.scrub_status();
        let places: Vec<String> = status.damaged.iter().map(|rot| rot.damage.to_string()).collect();
        let is_any = !places.is_empty() || status.redundant > 0;
        is_any.then(|| format!("{places:?}, and {} kept twice", status.redundant))
    }

    /// Has a node read all that it has soon.
    pub(crate) fn ask_to_reread(&self, node: NodeId) {
        self.on(node, |machine| machine.process.iter().for_each(|process| process.passes.ask()));
    }

    /// Notes that a node is sound again, once it is a member, is not rotten, and has all that it is to have.
    pub(crate) fn note_sound(&self) {
        self.note_mended();
        let (impaired, unseated) = {
            let plans = self.plans.lock();
            (plans.impaired, plans.unseated)
        };
        let may_be = |node: &NodeId| self.members().contains(node) && !self.is_rotten(*node) && unseated.is_none();
        let Some(node) = impaired.filter(may_be) else { return };
        if self.shards().all(|shard| self.has_place(node, shard)) {
            self.world.line(format_args!("node {node} is sound"));
            self.plans.lock().impaired = None;
        }
    }

    /// Whether the leader of a shard says that a node has the place that it is to have, and nearly all there is.
    fn has_place(&self, node: NodeId, shard: ShardId) -> bool {
        let Some(leader) = self.leader(shard) else { return false };
        let Standing { replicas: Replicas { voters, learners, lost, goal }, last, confirmed, applied, .. } =
            leader.replicated.standing(shard);
        // What is not committed yet may be another membership, which counts already.
        if last != applied || goal.is_some() {
            return false;
        }
        let is_placed = if self.wanted_voters(shard).contains(&node) {
            voters.contains(&node) && !lost.contains(&node)
        } else {
            learners.contains(&node)
        };
        let has_all = leader.node == node || confirmed.get(&node).is_some_and(|confirmed| *confirmed >= applied);
        // The leader may not have heard of it yet that there is nothing any more.
        let own = self.access(node).map(|access| access.replicated.standing(shard));
        let says_so = own.is_some_and(|own| own.applied >= applied && own.replicas.voters == voters);
        is_placed && has_all && says_so
    }

    /// Whether no group has a node any more.
    pub(crate) fn has_left(&self, node: NodeId) -> bool {
        self.shards().all(|shard| {
            let Some(leader) = self.leader(shard).filter(|leader| leader.node != node) else { return false };
            let Replicas { voters, learners, .. } = leader.replicated.replicas(shard);
            !voters.contains(&node) && !learners.contains(&node)
        })
    }
}
