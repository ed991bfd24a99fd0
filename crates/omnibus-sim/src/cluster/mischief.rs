//! What goes wrong with nodes, disks, clocks and the ways between them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use omnibus_io::FaultDisk;
use omnibus_io::fault::Fault;
use omnibus_model::{NodeId, ShardId};
use omnibus_replication::{Leadership, ReplicatedLog};
use tokio::time::{sleep, timeout};

use super::network::Weather;
use super::operator::start_later;
use super::site::{Cure, End, Site};
use crate::random::Random;

/// How long a turn of a disk takes at most, when nothing is wrong with it.
pub(crate) const DISK_MILLIS: u64 = 4;

/// How long a transfer may take.
const TRANSFER_TIME: Duration = Duration::from_secs(3);

/// How long a node that has left stays away, at most, and how long it may take to leave.
const AWAY_MILLIS: u64 = 3_000;
const LEAVE_TIME: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kill,
    KillAll,
    Isolate,
    OneWay,
    Weather,
    Mend,
    SlowDisk,
    FullDisk,
    WriteError,
    TornWrite,
    StandStill,
    LostDisk,
    Leave,
    Unseat,
    ClockJump,
    Transfer,
    Succeed,
    Rot,
    RotUnseen,
}

const KINDS: [(Kind, u64); 19] = [
    (Kind::Kill, 6),
    (Kind::KillAll, 2),
    (Kind::Isolate, 4),
    (Kind::OneWay, 3),
    (Kind::Weather, 2),
    (Kind::Mend, 5),
    (Kind::SlowDisk, 2),
    (Kind::FullDisk, 1),
    (Kind::WriteError, 1),
    (Kind::TornWrite, 2),
    (Kind::StandStill, 2),
    (Kind::LostDisk, 2),
    (Kind::Leave, 2),
    (Kind::Unseat, 3),
    (Kind::ClockJump, 1),
    (Kind::Transfer, 3),
    (Kind::Succeed, 4),
    (Kind::Rot, 2),
    (Kind::RotUnseen, 2),
];

/// Somebody who means no good.
pub(crate) struct Mischief {
    site: Arc<Site>,
    chance: Random,
    /// What goes wrong in this run, and how often.
    kinds: Vec<(Kind, u64)>,
}

impl Mischief {
    pub(crate) fn new(site: &Arc<Site>) -> Self {
        let mut chance = site.world.chance();
        // Every seed leaves some of it out.
        let kept = KINDS.into_iter().filter(|_| !chance.once_in(3)).collect::<Vec<_>>();
        let kinds = kept.into_iter().map(|(kind, weight)| (kind, weight * chance.within(1..=3))).collect();
        Self { site: Arc::clone(site), chance, kinds }
    }

    /// Acts until its time is over.
    pub(crate) async fn run(mut self) {
        let world = self.site.world.clone();
        loop {
            let pause = self.chance.within(50..=self.site.scenario.calm_millis_max);
            sleep(Duration::from_millis(pause)).await;
            if world.elapsed() >= Duration::from_millis(self.site.scenario.millis) || world.is_broken() {
                return;
            }
            if let Some(kind) = self.next_kind() {
                self.act(kind).await;
            }
        }
    }

    fn next_kind(&mut self) -> Option<Kind> {
        let all: u64 = self.kinds.iter().map(|(_, weight)| weight).sum();
        if all == 0 {
            return None;
        }
        let mut chosen = self.chance.below(all);
        let found = self.kinds.iter().find(|(_, weight)| {
            let is_here = chosen < *weight;
            chosen = chosen.saturating_sub(*weight);
            is_here
        });
        found.map(|(kind, _)| *kind)
    }

    fn node(&mut self) -> NodeId {
        let nodes: Vec<NodeId> = self.site.scenario.nodes().collect();
        nodes[self.chance.place(nodes.len())]
    }

    fn shard(&mut self) -> ShardId {
        let shards: Vec<ShardId> = self.site.shards().collect();
        shards[self.chance.place(shards.len())]
    }

    /// Whoever leads something is worth more than others.
    fn victim(&mut self) -> NodeId {
        let shard = self.shard();
        let leader = self.site.leader(shard).map(|leader| leader.node);
        let node = self.node();
        if self.chance.once_in(2) { leader.unwrap_or(node) } else { node }
    }

    async fn act(&mut self, kind: Kind) {
        let node = self.victim();
        self.site.world.line(format_args!("{kind:?} of node {node}"));
        match kind {
            Kind::Kill => self.kill(node),
            Kind::KillAll => self.kill_all(),
            Kind::Isolate => self.isolate(node),
            Kind::OneWay => self.cut_one_way(node),
            Kind::Weather => self.change_weather(),
            Kind::Mend => {
                self.site.network.mend();
                self.site.network.set_weather(Weather::FAIR);
            }
            Kind::SlowDisk => self.slow_down(node),
            Kind::FullDisk => self.fill(node),
            Kind::WriteError => self.arm(node, Fault::Error),
            Kind::TornWrite => self.arm(node, Fault::PowerCut),
            Kind::StandStill => self.stand_still(node),
            Kind::LostDisk => self.lose_disk(node),
            Kind::Leave => self.leave(node),
            Kind::Unseat => self.unseat(node),
            Kind::ClockJump => self.turn_clock(node),
            Kind::Transfer => self.transfer().await,
            Kind::Succeed => self.succeed(node).await,
            Kind::Rot => self.rot(node, Cure::EmptyDisk),
            Kind::RotUnseen => self.rot(node, Cure::Mending),
        }
    }

    fn ending(&mut self) -> End {
        let end = if self.chance.once_in(2) { End::PowerCut } else { End::ProcessKill };
        self.site.world.with(|state| match end {
            End::PowerCut => state.tally.power_cuts += 1,
            End::ProcessKill => state.tally.process_kills += 1,
        });
        end
    }

    fn kill(&mut self, node: NodeId) {
        let end = self.ending();
        self.site.end(node, end);
        start_later(&self.site, node, self.chance.within(10..=4_000));
    }

    fn kill_all(&mut self) {
        self.site.world.with(|state| state.tally.blackouts += 1);
        for node in self.site.scenario.nodes() {
            self.kill(node);
        }
    }

    fn isolate(&mut self, node: NodeId) {
        self.site.world.with(|state| state.tally.partitions += 1);
        for other in self.site.scenario.nodes().filter(|other| *other != node) {
            self.site.network.cut(node, other);
            self.site.network.cut(other, node);
        }
        self.mend_later();
    }

    /// A node is heard and hears nobody, or the other way round, or this is so between two.
    fn cut_one_way(&mut self, node: NodeId) {
        self.site.world.with(|state| state.tally.one_way += 1);
        let (hears, one) = (self.chance.once_in(2), self.chance.once_in(2));
        let mut others: Vec<NodeId> = self.site.scenario.nodes().filter(|other| *other != node).collect();
        if one {
            others = vec![others[self.chance.place(others.len())]];
        }
        for other in others {
            let (from, to) = if hears { (node, other) } else { (other, node) };
            self.site.network.cut(from, to);
        }
        self.mend_later();
    }

    fn mend_later(&mut self) {
        let (site, millis) = (Arc::clone(&self.site), self.chance.within(200..=6_000));
        self.later(millis, move || site.network.mend());
    }

    fn later(&self, millis: u64, then: impl FnOnce() + Send + 'static) {
        tokio::spawn(async move {
            sleep(Duration::from_millis(millis)).await;
            then();
        });
    }

    fn change_weather(&mut self) {
        self.site.world.with(|state| state.tally.bad_weather += 1);
        let weather = Weather {
            late_max: self.chance.within(1..=200),
            lost: if self.chance.once_in(2) { self.chance.within(5..=60) } else { 0 },
            twice: if self.chance.once_in(2) { self.chance.within(2..=20) } else { 0 },
        };
        self.site.network.set_weather(weather);
    }

    fn slow_down(&mut self, node: NodeId) {
        self.site.world.with(|state| state.tally.slow_disks += 1);
        let slow = self.chance.within(20..=500);
        self.site.on(node, |machine| *machine.disk_millis.lock() = slow);
        let site = Arc::clone(&self.site);
        let millis = self.chance.within(300..=5_000);
        self.later(millis, move || {
            site.on(node, |machine| *machine.disk_millis.lock() = DISK_MILLIS);
        });
    }

    fn fill(&mut self, node: NodeId) {
        self.site.world.with(|state| state.tally.full_disks += 1);
        let room = self.chance.below(self.site.scenario.log.segment_bytes * 2);
        self.site.on(node, |machine| machine.disk.set_capacity(machine.disk.used_bytes() + room));
        let (site, millis) = (Arc::clone(&self.site), self.chance.within(500..=5_000));
        self.later(millis, move || site.on(node, |machine| machine.disk.set_capacity(u64::MAX)));
    }

    /// Lets one of the disk's next operations fail, or the power in the midst of it.
    fn arm(&mut self, node: NodeId, fault: Fault) {
        self.site.world.with(|state| match fault {
            Fault::Error => state.tally.write_errors += 1,
            Fault::PowerCut => state.tally.power_cuts += 1,
        });
        let operations = self.chance.within(1..=12);
        self.site.on(node, |machine| machine.disk.fail_at(machine.disk.operations() + operations, fault));
    }

    fn stand_still(&mut self, node: NodeId) {
        let Some(access) = self.site.access(node) else { return };
        self.site.world.with(|state| state.tally.stand_stills += 1);
        access.life.stand_still(true);
        let (site, millis) = (Arc::clone(&self.site), self.chance.within(200..=6_000));
        self.later(millis, move || {
            site.world.line(format_args!("node {node} goes on"));
            access.life.stand_still(false);
        });
    }

    fn lose_disk(&mut self, node: NodeId) {
        if !self.site.impair(node) {
            return;
        }
        self.site.world.with(|state| state.tally.lost_disks += 1);
        self.site.end(node, End::PowerCut);
        self.site.empty(node);
        start_later(&self.site, node, self.chance.within(10..=3_000));
    }

    /// A node is taken out, and comes back later.
    fn leave(&mut self, node: NodeId) {
        if self.site.members().len() < 3 || !self.site.impair(node) {
            return;
        }
        self.site.world.with(|state| state.tally.leavings += 1);
        self.site.set_member(node, false);
        let (site, away) = (Arc::clone(&self.site), self.chance.within(10..=AWAY_MILLIS));
        tokio::spawn(async move {
            let left = timeout(LEAVE_TIME, async {
                while !site.has_left(node) {
                    sleep(Duration::from_millis(100)).await;
                }
            });
            let has_left = left.await.is_ok();
            site.world.line(format_args!("node {node} has left: {has_left}"));
            sleep(Duration::from_millis(away)).await;
            // A node that was removed comes back as a new one, with an empty disk.
            site.end(node, End::ProcessKill);
            site.empty(node);
            site.start(node);
            site.set_member(node, true);
        });
    }

    /// A node has no vote for a while.
    fn unseat(&mut self, node: NodeId) {
        if !self.site.impair(node) {
            return;
        }
        self.site.unseat(Some(node));
        let (site, millis) = (Arc::clone(&self.site), self.chance.within(500..=4_000));
        self.later(millis, move || site.unseat(None));
    }

    fn turn_clock(&mut self, node: NodeId) {
        self.site.world.with(|state| state.tally.clock_jumps += 1);
        let span: u64 = if self.chance.once_in(3) { 4 * 3_600_000 } else { 20_000 };
        let millis = i64::try_from(self.chance.within(0..=2 * span)).expect("some hours")
            - i64::try_from(span).expect("some hours");
        self.site.on(node, |machine| machine.clock.turn(millis));
    }

    async fn transfer(&mut self) {
        let shard = self.shard();
        let Some(leader) = self.site.leader(shard) else { return };
        let voters: BTreeSet<NodeId> = leader.replicated.replicas(shard).voters;
        let others: Vec<NodeId> = voters.into_iter().filter(|voter| *voter != leader.node).collect();
        let Some(to) = self.chance.pick(&others).copied() else { return };
        self.site.world.with(|state| state.tally.transfers += 1);
        let handed = timeout(TRANSFER_TIME, leader.life.live(leader.replicated.transfer(shard, to))).await;
        self.site.world.line(format_args!("shard {shard} goes from node {} to {to}: {handed:?}", leader.node));
    }

    /// A node takes whoever leads for gone, and asks for its place: of one shard or of all, once or twice, rightly or not.
    async fn succeed(&mut self, node: NodeId) {
        let all: Vec<ShardId> = self.site.shards().collect();
        let shards = if self.chance.once_in(2) { vec![self.shard()] } else { all };
        self.site.world.with(|state| state.tally.successions += 1);
        for shard in shards {
            for _ in 0..self.chance.within(1..=2) {
                let Some(access) = self.site.access(node) else { return };
                let Leadership::Elsewhere { leader: Some(gone), .. } = access.replicated.leadership(shard) else {
                    break;
                };
                let asked = timeout(TRANSFER_TIME, access.life.live(access.replicated.succeed(shard, gone))).await;
                self.site.world.line(format_args!("shard {shard}: node {node} would succeed {gone}: {asked:?}"));
            }
        }
    }

    /// Turns bits over in what a node has had for long.
    fn rot(&mut self, node: NodeId, cure: Cure) {
        if !self.site.impair(node) {
            return;
        }
        self.site.note_rot(node, cure);
        self.site.world.with(|state| state.tally.flips += 1);
        let is_killed = self.chance.once_in(2);
        if is_killed {
            self.site.end(node, End::ProcessKill);
        }
        let disk = self.site.on(node, |machine| machine.disk.clone());
        let mut old = had_for_long(&disk);
        for _ in 0..self.chance.within(1..=3) {
            let Some(file) = self.chance.pick(&old).cloned() else { break };
            let bytes = disk.content(&file).unwrap_or_default().len() as u64;
            let bit = self.chance.below(bytes.max(1) * 8);
            self.site.world.line(format_args!("bit {bit} of {file} of node {node} turns over"));
            disk.flip_bit(&file, bit);
            old.retain(|other| *other != file);
        }
        if is_killed {
            start_later(&self.site, node, self.chance.within(10..=2_000));
        }
        let (site, millis) = (Arc::clone(&self.site), self.chance.within(500..=6_000));
        self.later(millis, move || match cure {
            Cure::EmptyDisk => site.replace_rotten(),
            Cure::Mending => site.ask_to_reread(node),
        });
    }
}

/// All but what was written last: whether that is rotten or torn nobody can tell before it is announced.
fn had_for_long(disk: &FaultDisk) -> Vec<String> {
    let is_begun = |path: &String| disk.content(path).is_some_and(|content| content.iter().any(|byte| *byte != 0));
    let mut begun: Vec<String> =
        disk.paths().into_iter().filter(|path| path.ends_with(".seg") && is_begun(path)).collect();
    begun.sort();
    // The newest may hold nothing yet but what was in its file before that was recycled.
    let newest = begun.split_off(begun.len().saturating_sub(2));
    let kinds = ["wal/", "pack/", "ckpt/", "manifest/", "SUPER."];
    let all = disk.paths().into_iter().filter(|path| kinds.iter().any(|kind| path.starts_with(kind)));
    all.filter(|path| !newest.contains(path)).collect()
}
