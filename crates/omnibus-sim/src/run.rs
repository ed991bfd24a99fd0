//! One seed, one run: the scheduler that lets one thing happen after the other.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use omnibus_io::FaultDisk;
use omnibus_model::{LogIndex, Offset, ShardId, StreamId};
use omnibus_replication::ReplicatedLog;

use crate::audit;
use crate::checks::Checks;
use crate::clients::{Client, crowd};
use crate::deed::Undecided;
use crate::draining::Draining;
use crate::fact::Fact;
use crate::faults::End;
use crate::housekeeping::Housekeeping;
use crate::node::Node;
use crate::oracle::{Drop, Expected, Oracle};
use crate::random::Random;
use crate::report::{Options, Report};
use crate::scenario::Scenario;
use crate::shadow::Shadow;
use crate::stage::Stage;
use crate::tally::Tally;
use crate::time::Time;
use crate::trace::{Keep, Trace};
use crate::violation::Violation;

/// Rounds in which everything that waits must be answered.
const ROUNDS_MAX: u32 = 400;
/// Rounds in which all queues must run empty.
const DRAINING_ROUNDS_MAX: u32 = 3_000;
/// Steps that a process goes on after a failed write.
const STEPS_AFTER_FAILURE: u64 = 30;

/// Plays one seed.
///
/// # Panics
/// If a bug is asked for and this build has none.
#[must_use]
pub(crate) fn play(seed: u64, options: Options) -> Report {
    assert!(omnibus_model::planted::plant(options.bug), "only debug builds have bugs on purpose");
    let mut run = Run::new(seed, options.keep);
    let played = catch_unwind(AssertUnwindSafe(|| run.play()));
    assert!(omnibus_model::planted::plant(None), "no bug can always be planted");
    let outcome = played.unwrap_or_else(|panic| Err(Violation::new("nothing panics", words(&*panic))));
    if let Err(violation) = &outcome {
        run.stage.trace.line(format_args!("{violation}"));
    }
    let Stage { tally, trace, time, .. } = run.stage;
    let millis = u64::try_from(time.elapsed.as_millis()).unwrap_or(u64::MAX);
    let tally = Tally { millis, ..tally };
    Report { seed, violation: outcome.err(), tally: tally.columns(), digest: trace.digest, lines: trace.lines }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[derive(Debug)]
struct Run {
    stage: Stage,
    clients: Vec<Box<dyn Client>>,
    housekeeping: Housekeeping,
    /// Each shard's newest entry.
    last: Vec<LogIndex>,
    /// When the writer had something to do last.
    busy_at: std::time::Duration,
    /// The step at which a process with a failed write ends.
    ends_at: Option<u64>,
    catalog_version: u64,
}

impl Run {
    fn new(seed: u64, keep: Keep) -> Self {
        let mut random = Random::new(seed);
        let scenario = Scenario::of(seed, &mut random);
        let disk = FaultDisk::new(random.draw());
        let time = Time::start(scenario.node.clock.clone());
        let (node, found) = Node::open(&disk, &scenario.node, time.moment()).expect("an empty disk opens");
        let stage = Stage {
            shadow: Shadow::new(scenario.node.limits),
            checks: Checks::default(),
            oracle: Oracle::default(),
            undecided: Undecided::default(),
            trace: Trace::new(keep),
            tally: Tally::default(),
            scenario,
            random,
            time,
            disk,
            write_fault: None,
            node,
        };
        Self {
            clients: crowd(&stage.scenario),
            stage,
            housekeeping: Housekeeping::default(),
            last: found.last,
            busy_at: std::time::Duration::ZERO,
            ends_at: None,
            catalog_version: 0,
        }
    }

    fn play(&mut self) -> Result<(), Violation> {
        let term = self.stage.node.term;
        self.stage.see(&Fact::Opened { term })?;
        for step in 0..self.stage.scenario.steps {
            self.stage.tally.steps = step + 1;
            self.step(step)?;
        }
        self.settle()?;
        audit::running(&mut self.stage)?;
        self.check_orphans()?;
        self.drain()?;
        self.end(End::PowerCut)
    }

    /// Lets queues run empty: whatever is in one goes out in the end.
    fn drain(&mut self) -> Result<(), Violation> {
        if self.stage.scenario.queues.is_none() {
            return Ok(());
        }
        self.clients.clear();
        let mut draining = Draining::begin(&self.stage);
        for _ in 0..DRAINING_ROUNDS_MAX {
            draining.go_on(&mut self.stage);
            self.round()?;
            if draining.is_done(&self.stage) {
                self.stage.see(&Fact::Drained)?;
                return self.stage.list_queues();
            }
        }
        Err(Violation::new("queues run empty", Draining::left(&self.stage)))
    }

    fn step(&mut self, step: u64) -> Result<(), Violation> {
        let pause = if self.stage.random.once_in(40) { 60_000 } else { 2_000 };
        let micros = self.stage.random.below(pause);
        self.stage.time.pass(micros);
        self.happen()?;
        let misfortune = self.stage.misfortune();
        if let Some(end) = misfortune {
            return self.end(end);
        }
        if self.stage.power_is_off() {
            return self.end(End::PowerCut);
        }
        if self.ends_at.is_some_and(|ends_at| step >= ends_at) {
            let end = if self.stage.random.once_in(2) { End::PowerCut } else { End::ProcessKill };
            return self.end(end);
        }
        if self.stage.strikes(self.stage.scenario.faults.rot) {
            self.settle()?;
            return self.stage.rot();
        }
        if self.stage.random.once_in(50) {
            self.stage.give_room();
        }
        Ok(())
    }

    /// Lets one thing happen, chosen by weight.
    fn happen(&mut self) -> Result<(), Violation> {
        let weights = self.stage.scenario.weights;
        let choices =
            [weights.client, weights.propose, weights.write, weights.deliver, weights.tick, weights.housekeeping];
        let mut chosen = self.stage.random.below(choices.iter().sum());
        let place = choices.iter().position(|weight| {
            let here = chosen < *weight;
            chosen = chosen.saturating_sub(*weight);
            here
        });
        let shard = ShardId(u16::try_from(self.stage.random.place(self.last.len())).expect("shards are few"));
        match place {
            Some(0) => {
                let client = self.stage.random.place(self.clients.len());
                self.clients[client].act(&mut self.stage)?;
            }
            Some(1) => self.stage.node.shard(shard).propose(),
            Some(2) => self.write()?,
            Some(3) => self.deliver(shard)?,
            Some(4) => {
                let now = self.stage.time.moment();
                self.stage.node.shard(shard).tick(now);
            }
            _ => self.housekeeping.act(&mut self.stage)?,
        }
        let now = self.stage.time.moment();
        self.stage.node.answer_door(now);
        self.note_proposals()?;
        self.look()
    }

    /// Lets the writer work, and announce its last block when it has been idle for long.
    fn write(&mut self) -> Result<(), Violation> {
        if self.stage.node.has_pending() {
            self.stage.arm_write();
        }
        let failures = self.stage.disk.failures();
        let busy = self.stage.node.writer.step();
        if busy {
            self.busy_at = self.stage.time.elapsed;
        } else if self.stage.time.elapsed - self.busy_at >= self.stage.scenario.node.log.seal_after {
            self.stage.node.writer.seal();
        }
        self.note_reports(failures)
    }

    /// Tells the checkers what the log reported, and what the disk refused.
    fn note_reports(&mut self, failures_before: u64) -> Result<(), Violation> {
        let (reports, broken) = self.stage.node.take_reports();
        for (shard, index) in reports {
            self.stage.see(&Fact::Committed { shard, index })?;
            self.stage.decided(shard, index)?;
        }
        let failed = self.stage.disk.failures() > failures_before;
        if failed || broken {
            self.stage.trace.line(format_args!("a write failed: {failed}, the log says so: {broken}"));
            self.stage.see(&Fact::WriteFailed)?;
            if self.ends_at.is_none() {
                self.stage.tally.write_errors += 1;
                self.ends_at = Some(self.stage.tally.steps + STEPS_AFTER_FAILURE);
            }
        }
        Ok(())
    }

    fn deliver(&mut self, shard: ShardId) -> Result<(), Violation> {
        if !self.stage.node.deliver(self.stage.time.moment(), shard) {
            return Ok(());
        }
        let version = self.stage.node.catalog.version();
        if version != self.catalog_version {
            self.catalog_version = version;
            self.register_topics()?;
        }
        self.check_settled(shard)
    }

    fn check_settled(&mut self, shard: ShardId) -> Result<(), Violation> {
        let place = usize::from(shard.0);
        let state = &self.stage.node.shards[place];
        if state.has_pending() || self.ends_at.is_some() {
            return Ok(());
        }
        let digest = state.broker().digest();
        self.stage.see(&Fact::Settled { shard, last: self.last[place], digest })
    }

    /// Lets the shadow follow.
    fn note_proposals(&mut self) -> Result<(), Violation> {
        for proposed in self.stage.node.witness.take() {
            let (shard, index) = (proposed.shard, proposed.index);
            let applied = self.stage.shadow.apply(shard, &proposed.head);
            let (digest, deeds) = applied.map_err(|detail| Violation::new("replay repeats history", detail))?;
            self.stage.undecided.push((shard, index), deeds);
            self.stage.see(&Fact::Proposed { shard, index, head: &proposed.head, digest })?;
            self.last[usize::from(shard.0)] = index;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Violation> {
        for client in &mut self.clients {
            client.look(&mut self.stage)?;
        }
        Ok(())
    }

    fn register_topics(&mut self) -> Result<(), Violation> {
        let queues = self.stage.queues();
        let there: BTreeSet<_> = queues.iter().flat_map(|topic| &topic.partitions).map(|place| place.stream).collect();
        let oracle = &mut self.stage.oracle;
        oracle.queue_streams.difference(&there).for_each(|stream| oracle.queues.deleted(*stream));
        for topic in self.stage.node.catalog.topics() {
            self.stage.see(&Fact::TopicCreated(&topic))?;
            if let Some(queue) = topic.queue_place() {
                self.stage.oracle.queue_streams.extend(queue.streams());
                self.stage.oracle.queue_places.extend(queue.streams().map(|stream| (stream, queue)));
                continue;
            }
            for partition in &topic.partitions {
                self.stage.oracle.streams.entry(partition.stream).or_insert_with(|| Expected {
                    shard: partition.shard,
                    placed: BTreeMap::new(),
                    trim_done: Offset::ZERO,
                    trim_asked: Offset::ZERO,
                    compacting: BTreeSet::new(),
                    compacted: BTreeSet::new(),
                    drop: Drop::No,
                });
            }
        }
        Ok(())
    }

    /// Answers everybody and writes every broker's memory down, as the engine does.
    fn close(&mut self) -> Result<(), Violation> {
        self.settle()?;
        for shard in std::mem::take(&mut self.stage.node.shards) {
            let Some(snapshot) = shard.into_snapshot() else { continue };
            let log = &self.stage.node.log;
            let saved = log.save_checkpoint(snapshot.shard, snapshot.term, snapshot.index, &snapshot.state);
            saved.map_err(|error| Violation::new("clean end leaves nothing", error.to_string()))?;
        }
        self.stage.node.log.close();
        self.write()
    }

    /// Ends a life and begins the next.
    fn end(&mut self, end: End) -> Result<(), Violation> {
        if end == End::Clean {
            self.close()?;
        }
        self.ends_at = None;
        self.note_proposals()?;
        self.stage.restart(end)?;
        self.register_topics()?;
        self.catalog_version = self.stage.node.catalog.version();
        self.finish_deletions();
        self.last.clone_from(&self.stage.node.last);
        self.busy_at = self.stage.time.elapsed;
        self.housekeeping.restarted();
        for client in &mut self.clients {
            client.restarted(&mut self.stage)?;
        }
        Ok(())
    }

    /// When nothing waits any more, streams whose deletion was asked for are gone.
    fn check_orphans(&mut self) -> Result<(), Violation> {
        let names = self.stage.node.shards[usize::from(ShardId::METADATA.0)].broker();
        // A deletion that takes several answers may be between two of them.
        let departing = names.departing_topics().into_iter().map(|(_, topic)| topic);
        let topics = departing.chain(self.stage.node.catalog.topics());
        let known: BTreeSet<StreamId> =
            topics.flat_map(|topic| topic.partitions.clone()).map(|partition| partition.stream).collect();
        for stream in self.stage.node.log.streams() {
            let expected = self.stage.oracle.streams.get(&stream);
            if expected.is_some_and(|expected| expected.drop != Drop::No) && !known.contains(&stream) {
                self.stage.see(&Fact::Stuck { what: format!("stream {stream} is still there") })?;
            }
        }
        Ok(())
    }

    fn finish_deletions(&mut self) {
        for stream in self.stage.node.finish_deletions() {
            self.stage.trace.line(format_args!("stream {stream} belongs to no topic"));
            if let Some(expected) = self.stage.oracle.streams.get_mut(&stream)
                && expected.drop == Drop::No
            {
                expected.drop = Drop::Asked;
            }
        }
    }

    /// Lets nothing go wrong until everything that waits is answered and announced.
    fn settle(&mut self) -> Result<(), Violation> {
        self.stage.calm();
        if self.ends_at.is_some() {
            self.end(End::ProcessKill)?;
        }
        for _ in 0..ROUNDS_MAX {
            self.round()?;
            if self.ends_at.is_some() {
                self.end(End::ProcessKill)?;
            } else if !self.stage.node.has_pending() {
                self.stage.trace.line(format_args!("nothing waits any more"));
                for client in &self.clients {
                    client.at_rest(&self.stage)?;
                }
                self.stage.time.pass(50_000);
                return self.write();
            }
        }
        let waits = self.stage.node.shards.iter().map(|shard| (shard.has_pending(), shard.is_refused()));
        let (room, stats) = (self.stage.node.witness.room(), self.stage.node.log.stats());
        let what = format!(
            "after {ROUNDS_MAX} rounds without a fault shards wait and are refused: {:?}; there is room for {room:?}, failed: {}",
            waits.collect::<Vec<_>>(),
            stats.failed
        );
        self.stage.see(&Fact::Stuck { what })
    }

    fn round(&mut self) -> Result<(), Violation> {
        // What upkeep cannot do now it will try again.
        drop(self.stage.node.log.maintain());
        self.stage.node.answer_door(self.stage.time.moment());
        for shard in self.stage.node.shard_ids() {
            self.stage.node.shard(shard).propose();
            self.note_proposals()?;
            self.write()?;
            self.deliver(shard)?;
        }
        self.look()?;
        self.stage.node.answer_door(self.stage.time.moment());
        Ok(())
    }
}
