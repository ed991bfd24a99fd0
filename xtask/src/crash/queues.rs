//! Kills the broker under queues: what was sent is there, what was deleted is not, groups are in
//! order, and what is sent again is taken once; and the same of AMQP's confirms and transactions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::figures::Figures;
use super::{CrashArgs, Damage, Load, PARTITIONS, SETTINGS, TOPIC, check, verify, wal};
use crate::broker::Broker;
use crate::clients;
use crate::shell::{self, root, say, workshop};
use crate::suite::Tally;

/// Time for the queues to run empty.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(90);

/// What the users of queues found.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Kept {
    pub(super) sent: usize,
    received: usize,
    pub(super) deleted: usize,
    /// What was asked of the broker, and what of it had no answer that says what became of it.
    pub(super) asked: usize,
    pub(super) unanswered: usize,
    /// Sent again although it was acknowledged.
    pub(super) repeated: usize,
    pub(super) lost: usize,
    pub(super) returned: usize,
    complaints: Vec<String>,
}

/// By which door queues are used.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    Sqs,
    Amqp,
}

/// Those who send to queues and receive from them.
#[derive(Debug)]
pub(super) struct Users {
    child: Child,
    log: PathBuf,
}

/// Kills the broker again and again, with topics under load too.
pub(super) fn kill(args: &CrashArgs, by: By) -> Result<Tally> {
    let CrashArgs { rounds, first, json, .. } = args;
    let begun_at = Instant::now();
    let python = clients::python()?;
    let mut figures = Figures { first_round: *first, ..Figures::default() };
    let mut broker = Broker::start_with(by.name(), SETTINGS)?;
    broker.command_line(&["topic", "create", TOPIC, "--partitions", PARTITIONS])?;
    let mut load = Load::start(&python, &broker)?;
    let mut users = Users::start(&python, &broker, by)?;
    let mut tally = Tally::default();
    for round in (*first..).take(*rounds as usize) {
        std::thread::sleep(Duration::from_millis(200 + u64::from(round) * 7_919 % 1_300));
        let damage = [Damage::Nothing, Damage::TailTruncated, Damage::TailBitFlipped][round as usize % 3];
        broker = survive(broker, damage, (by, &mut figures)).with_context(|| format!("round {round}, {damage:?}"))?;
        say(&format!("    round {round}, {rounds} from {first}: {damage:?}"));
        tally.add(Tally::pass());
    }
    let kept = users.end()?;
    tally.add(Tally::pass());
    load.end()?;
    figures.records = check(&python, &broker, &load.notes, "all")?;
    tally.add(Tally::pass());
    figures.seconds = begun_at.elapsed().as_secs();
    figures.tell(&format!("{}-{first}", by.word()), json.as_deref())?;
    let Kept { sent, deleted, repeated, lost, returned, .. } = &kept;
    let told = format!("{sent} messages, {deleted} deleted, {repeated} repeated, {lost} lost, {returned} returned");
    let name = workshop("crash")?.join(format!("{}-{first}-messages.json", by.word()));
    fs::write(name, serde_json::to_string_pretty(&kept)? + "\n")?;
    say(&told);
    tally.notes.push(format!("{told}, {rounds} kills"));
    Ok(tally)
}

/// Kills the broker, leaves a torn write behind the end of its log, and starts it again. Within the
/// newest block there may be a deletion that was acknowledged and has no number to know it by.
fn survive(broker: Broker, damage: Damage, (by, figures): (By, &mut Figures)) -> Result<Broker> {
    let (data, addresses) = broker.kill()?;
    let log = wal::Wal::read(&data)?;
    let is_damaged = match (log.newest(), damage) {
        (None, _) | (_, Damage::Nothing) => false,
        (Some(newest), Damage::TailTruncated) => wal::truncate(&[], newest)?,
        (Some(newest), Damage::TailBitFlipped) => wal::spoil(&[], newest)?,
    };
    let verified = verify(&data)?;
    ensure!(verified.sound, "omnibus verify calls it unsound: {:?}", verified.damage);
    let begun_at = Instant::now();
    let broker = Broker::start_on(by.name(), data, &addresses, SETTINGS)?;
    let what = match damage {
        Damage::Nothing => "kill -9",
        Damage::TailTruncated => "kill -9, cut off behind the end",
        Damage::TailBitFlipped => "kill -9, half a write behind the end",
    };
    figures.add(what, is_damaged, begun_at.elapsed().as_millis());
    Ok(broker)
}

impl By {
    /// Of the broker.
    const fn name(self) -> &'static str {
        match self {
            Self::Sqs => "crash-queues",
            Self::Amqp => "crash-amqp",
        }
    }

    /// Of files.
    const fn word(self) -> &'static str {
        match self {
            Self::Sqs => "queues",
            Self::Amqp => "amqp",
        }
    }
}

impl Users {
    fn start(python: &Path, broker: &Broker, by: By) -> Result<Self> {
        match by {
            By::Sqs => Self::start_by(Command::new(python), &broker.addresses.sqs),
            By::Amqp => Self::run(Command::new(python), "rabbit.py", &broker.addresses.amqp),
        }
    }

    /// Starts them with a Python that is called in this way.
    pub(super) fn start_by(command: Command, endpoints: &str) -> Result<Self> {
        Self::run(command, "queues.py", endpoints)
    }

    fn run(mut command: Command, program: &str, addresses: &str) -> Result<Self> {
        command.arg(root().join("conformance/crash").join(program)).arg(addresses);
        let (child, log) = shell::start("crash-queues-load", &mut command)?;
        Ok(Self { child, log })
    }

    /// Lets the queues run empty; nothing may be missing then.
    pub(super) fn end(&mut self) -> Result<Kept> {
        let status = shell::end(&mut self.child, DRAIN_TIME_MAX)?;
        let text = fs::read_to_string(&self.log)?;
        let line = text.lines().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("the users of queues said nothing: {text}"))?;
        let kept: Kept = serde_json::from_str(line)?;
        ensure!(status.success() && kept.complaints.is_empty(), "{}", kept.complaints.join("; "));
        ensure!(kept.sent > 0 && kept.deleted > 0, "nobody used the queues");
        Ok(kept)
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
