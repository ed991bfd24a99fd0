//! Kills the broker under load, again and again, and checks that it kept its promises.

mod nodes;
mod full_disk;
mod power_cut;
mod queues;
mod flood;
mod figures;
mod image;
mod wal;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::broker::{self, Broker};
use crate::clients;
use crate::shell::{self, finish, root, say, workshop};
use crate::suite::{Suite, Tally};
use figures::{Figures, Findings};
pub(crate) use nodes::{FailoverArgs, Members, failover};
use queues::By;
use wal::Wal;

/// What CI affords.
pub(crate) const SUITE: Suite =
    Suite { name: "crash", run: || kill(&CrashArgs { rounds: 10, ..CrashArgs::default() }) };
pub(crate) const QUEUES: Suite =
    Suite { name: "crash queues", run: || queues::kill(&CrashArgs { rounds: 10, ..CrashArgs::default() }, By::Sqs) };
pub(crate) const AMQP: Suite =
    Suite { name: "crash AMQP", run: || queues::kill(&CrashArgs { rounds: 10, ..CrashArgs::default() }, By::Amqp) };
pub(crate) const FLOOD: Suite = Suite { name: "AMQP flood", run: || flood::run(4) };
/// What needs a machine that lets us make network namespaces.
pub(crate) const NODES: Suite = Suite {
    name: "crash cluster",
    run: || nodes::trouble_shortly(&CrashArgs { rounds: 2, first: 0, ..CrashArgs::default() }),
};
pub(crate) const NODES_AMQP: Suite = Suite {
    name: "crash cluster AMQP",
    run: || nodes::trouble_shortly(&CrashArgs { rounds: 3, first: 0, amqp: true, ..CrashArgs::default() }),
};
/// What needs a machine that lets us mount file systems.
pub(crate) const FULL_DISK: Suite = Suite { name: "full disk", run: full_disk::run };
pub(crate) const POWER_CUT: Suite = Suite { name: "power cut", run: || power_cut::run(10, None) };

const TOPIC: &str = "crash";
const PARTITIONS: &str = "4";
const RECORDS_PER_SECOND: u32 = 4_000;
/// Small files and frequent checkpoints, so that rounds fall into the midst of their making.
const SETTINGS: &[&str] =
    &["storage.segment=4MiB", "storage.reserve=64MiB", "storage.checkpoint_interval=2s", "storage.checkpoint_wal=4MiB"];
const LOAD_END_TIME_MAX: Duration = Duration::from_secs(90);
/// When the load has noted nothing for so long, it has noted all that was acknowledged.
const NOTES_SETTLE: Duration = Duration::from_millis(300);

/// How often, and which.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct CrashArgs {
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// The number of the first round: so a hundred rounds can be run in pieces.
    #[arg(long, default_value_t = 1)]
    first: u32,
    /// Fills a real file system instead, and makes room again.
    #[arg(long)]
    full_disk: bool,
    /// Cuts the power of a real file system instead.
    #[arg(long, conflicts_with = "full_disk")]
    power_cut: bool,
    /// Kills it under queues, too.
    #[arg(long, conflicts_with_all = ["full_disk", "power_cut"])]
    queues: bool,
    /// Kills it under publishers and consumers of AMQP, too.
    #[arg(long, conflicts_with_all = ["full_disk", "power_cut", "queues"])]
    amqp: bool,
    /// Fills a broker over AMQP, faster than its disk and its consumers, and looks at its memory.
    #[arg(long, conflicts_with_all = ["full_disk", "power_cut", "queues", "amqp"])]
    flood: bool,
    /// Troubles a cluster of so many nodes instead, under topics and queues; with --amqp, under AMQP on three nodes.
    #[arg(long, value_parser = clap::value_parser!(u32).range(3..=7), conflicts_with_all = ["full_disk", "power_cut", "queues", "flood"])]
    nodes: Option<u32>,
    /// Troubles it in this way only.
    #[arg(long, requires = "nodes")]
    only: Option<nodes::Mischief>,
    /// Where to write the figures as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What is done to the log of a broker that was killed.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Nothing,
    TailTruncated,
    TailBitFlipped,
}

/// What `omnibus verify --output json` found.
#[derive(Debug, Deserialize)]
struct Verified {
    sound: bool,
    damage: Vec<serde_json::Value>,
}

/// The program that produces, and where it notes what was acknowledged.
#[derive(Debug)]
struct Load {
    child: Child,
    notes: PathBuf,
    log: PathBuf,
}

/// Runs what was asked for.
pub(crate) fn run(args: &CrashArgs) -> Result<Tally> {
    match args {
        CrashArgs { full_disk: true, .. } => full_disk::run(),
        CrashArgs { power_cut: true, rounds, json, .. } => power_cut::run(*rounds, json.as_deref()),
        CrashArgs { queues: true, .. } => queues::kill(args, By::Sqs),
        CrashArgs { nodes: Some(count), .. } => nodes::trouble(args, *count),
        CrashArgs { amqp: true, .. } => queues::kill(args, By::Amqp),
        CrashArgs { flood: true, .. } => flood::run(15),
        args => kill(args),
    }
}

/// Kills the broker again and again.
fn kill(args: &CrashArgs) -> Result<Tally> {
    let CrashArgs { rounds, first, json, .. } = args;
    let begun_at = Instant::now();
    let python = clients::python()?;
    let mut figures = Figures { first_round: *first, ..Figures::default() };
    let mut broker = Broker::start_with("crash", SETTINGS)?;
    broker.command_line(&["topic", "create", TOPIC, "--partitions", PARTITIONS])?;
    let mut load = Load::start(&python, &broker)?;
    let mut tally = Tally::default();
    for round in (*first..).take(*rounds as usize) {
        // Spread over a second and a half, the same on every machine.
        std::thread::sleep(Duration::from_millis(200 + u64::from(round) * 7_919 % 1_300));
        let damage = [Damage::Nothing, Damage::TailTruncated, Damage::TailBitFlipped][round as usize % 3];
        let survived = survive(broker, &load, damage, &mut figures);
        broker = survived.with_context(|| format!("round {round}, {damage:?}"))?;
        say(&format!("    round {round}, {rounds} from {first}: {damage:?}"));
        tally.add(Tally::pass());
    }
    load.end()?;
    let findings = check(&python, &broker, &load.notes, "all")?;
    ensure!(findings.served == findings.acknowledged, "some records were never acknowledged");
    tally.add(Tally::pass());
    tally.add(rot(&python, broker, &load.notes).context("a bit flipped in acknowledged data")?);
    tally.notes.push(format!("{} records, {rounds} kills", findings.acknowledged));
    (figures.records, figures.seconds) = (findings, begun_at.elapsed().as_secs());
    figures.tell(&format!("kill-{first}"), json.as_deref())?;
    Ok(tally)
}

/// Kills the broker, damages its log, and starts it again.
fn survive(broker: Broker, load: &Load, damage: Damage, figures: &mut Figures) -> Result<Broker> {
    let (data, addresses) = broker.kill()?;
    load.await_notes()?;
    let log = Wal::read(&data)?;
    let is_damaged = match log.newest() {
        Some(newest) => {
            let acknowledged = acknowledged(&load.notes)?;
            let tail = log.unacknowledged_tail(&acknowledged);
            match damage {
                Damage::Nothing => false,
                Damage::TailTruncated => wal::truncate(tail, newest)?,
                Damage::TailBitFlipped => wal::spoil(tail, newest)?,
            }
        }
        None => false,
    };
    let verified = verify(&data)?;
    ensure!(verified.sound, "omnibus verify calls it unsound: {:?}", verified.damage);
    let begun_at = Instant::now();
    let broker = Broker::start_on("crash", data, &addresses, SETTINGS)?;
    figures.add(damage.name(), is_damaged, begun_at.elapsed().as_millis());
    Ok(broker)
}

/// Flips a bit of an acknowledged record: it must be reported, and never served.
fn rot(python: &Path, broker: Broker, notes: &Path) -> Result<Tally> {
    let (data, addresses) = broker.kill()?;
    let number = Wal::read(&data)?.rot(&acknowledged(notes)?)?;
    let verified = verify(&data)?;
    ensure!(!verified.sound, "omnibus verify finds nothing wrong with record {number}");
    ensure!(verified.damage.len() == 1, "omnibus verify reports more than one place: {:?}", verified.damage);
    say(&format!("    record {number}: {}", verified.damage[0]));
    let mut tally = Tally::pass();
    // A broker that refuses to start serves nothing wrong either.
    if let Ok(broker) = Broker::start_on("crash", data, &addresses, SETTINGS) {
        let findings = check(python, &broker, notes, "some")?;
        ensure!(findings.served < findings.acknowledged, "everything is served, record {number} too");
        say(&format!("    {} of {} records are served, all as sent", findings.served, findings.acknowledged));
    }
    tally.add(Tally::pass());
    Ok(tally)
}

fn acknowledged(notes: &Path) -> Result<BTreeSet<u64>> {
    let text = fs::read_to_string(notes)?;
    Ok(text.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok()).collect())
}

fn verify(data: &Path) -> Result<Verified> {
    let mut command = Command::new(broker::binary());
    let output = command.args(["verify", "--output", "json"]).arg(data).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let error = || format!("omnibus verify said {text}{}", String::from_utf8_lossy(&output.stderr));
    let verified: Verified = serde_json::from_str(&text).with_context(error)?;
    ensure!(verified.sound == output.status.success(), "omnibus verify ended with {}", output.status);
    Ok(verified)
}

fn check(python: &Path, broker: &Broker, notes: &Path, mode: &str) -> Result<Findings> {
    check_by(Command::new(python), &broker.addresses.kafka, notes, mode)
}

/// Checks by a Python that is called in this way.
fn check_by(mut command: Command, bootstrap: &str, notes: &Path, mode: &str) -> Result<Findings> {
    command.arg(root().join("conformance/crash/check.py")).args([bootstrap, TOPIC]);
    let ended = finish("crash-check", command.arg(notes).arg(mode))?;
    let line = ended.output.lines().find(|line| line.starts_with('{')).context("the check said nothing")?;
    let findings: Findings = serde_json::from_str(line)?;
    ensure!(ended.status.success(), "{}", findings.complaints.join("; "));
    Ok(findings)
}

impl Damage {
    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "kill -9",
            Self::TailTruncated => "kill -9, tail truncated",
            Self::TailBitFlipped => "kill -9, bit of the tail flipped",
        }
    }
}

impl Load {
    fn start(python: &Path, broker: &Broker) -> Result<Self> {
        Self::start_by(Command::new(python), &broker.addresses.kafka, RECORDS_PER_SECOND)
    }

    /// Starts it with a Python that is called in this way.
    fn start_by(mut command: Command, bootstrap: &str, records_per_second: u32) -> Result<Self> {
        let notes = workshop("crash")?.join("acknowledged");
        fs::write(&notes, "")?;
        command.arg(root().join("conformance/crash/load.py")).args([bootstrap, TOPIC]).arg(&notes);
        let (child, log) = shell::start("crash-load", command.arg(records_per_second.to_string()))?;
        Ok(Self { child, notes, log })
    }

    /// Waits until all is noted that was acknowledged before the broker died.
    fn await_notes(&self) -> Result<()> {
        let mut bytes = None;
        loop {
            let now = fs::metadata(&self.notes)?.len();
            if bytes.replace(now) == Some(now) {
                return Ok(());
            }
            std::thread::sleep(NOTES_SETTLE);
        }
    }

    /// Stops producing; all that was sent must have been acknowledged.
    fn end(&mut self) -> Result<()> {
        let status = shell::end(&mut self.child, LOAD_END_TIME_MAX)?;
        ensure!(status.success(), "the producer failed: {}", fs::read_to_string(&self.log)?);
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
