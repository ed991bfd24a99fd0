//! The main job: this machine's own Debian package index goes through the broker, to a group
//! of three of whom one is killed half way, and then once more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::broker::Broker;
use crate::clients;
use crate::shell::{self, finish, root, say, workshop};
use crate::suite::{Suite, Tally};

pub(crate) const SUITE: Suite = Suite { name: "main job", run };

const TOPIC: &str = "packages";
const GROUP: &str = "readers";
const PARTITIONS: &str = "6";
const STEP_TIME_MAX: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(10);
const END_TIME_MAX: Duration = Duration::from_secs(20);

/// What the producer says when everything is acknowledged.
#[derive(Debug, Deserialize)]
struct Produced {
    records: u64,
    keys: usize,
}

/// What `omnibus group lag --output json` says.
#[derive(Debug, Deserialize)]
struct Lag {
    total: u64,
}

/// One reader of the group, with what it noted and what it printed.
#[derive(Debug)]
struct Member {
    child: Child,
    notes: PathBuf,
    log: PathBuf,
}

/// One line of a member's notes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Note {
    nanos: u128,
    number: u64,
    sequence: u64,
    key: String,
}

fn run() -> Result<Tally> {
    have_an_index()?;
    let python = clients::python()?;
    let consumer = clients::go("main-job", "consumer")?;
    let broker = Broker::start("main-job")?;
    broker.command_line(&["topic", "create", TOPIC, "--partitions", PARTITIONS])?;

    let mut members = gather(&consumer, &broker, "first")?;
    say("    three members share the partitions");
    let mut producer = Command::new(python);
    producer.arg(root().join("conformance/main-job/produce.py")).args([&broker.addresses.kafka, TOPIC]);
    let (producing, log) = shell::start("main-job-producer", &mut producer)?;
    let lost = kill_half_way(&mut members, producing)?;
    let produced: Produced = serde_json::from_str(&fs::read_to_string(log)?).context("what the producer printed")?;
    say(&format!("    {} records of {} keys are acknowledged", produced.records, produced.keys));
    await_no_lag(&broker)?;
    stop(&mut members)?;
    members.push(lost);
    check(&members, &produced).context("the first time")?;

    say(&broker.command_line(&["group", "seek", GROUP, "earliest"])?);
    let mut members = gather(&consumer, &broker, "second")?;
    await_no_lag(&broker)?;
    stop(&mut members)?;
    check(&members, &produced).context("the second time")?;
    broker.end()?;
    Ok(Tally { notes: vec![format!("{} records, twice", produced.records)], ..Tally::pass() })
}

/// Fetches the package index if this machine has none.
fn have_an_index() -> Result<()> {
    let lists = fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    let has_one = lists.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().contains("_Packages"));
    if !has_one && shell::has("apt-get") {
        // Without a network the producer falls back on what is installed.
        finish("apt-get-update", Command::new("apt-get").arg("update"))?;
    }
    Ok(())
}

/// Starts three members and waits until each has a share.
fn gather(consumer: &Path, broker: &Broker, round: &str) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for number in 1..=3 {
        let name = format!("main-job-{round}-{number}");
        let notes = workshop("main-job")?.join(format!("{name}.notes"));
        fs::write(&notes, "")?;
        let mut command = Command::new(consumer);
        command.args([&broker.addresses.kafka, TOPIC, GROUP]).arg(&notes);
        let (child, log) = shell::start(&name, &mut command)?;
        members.push(Member { child, notes, log });
    }
    let has_share =
        |member: &Member| fs::read_to_string(&member.log).is_ok_and(|log| log.lines().last() == Some("owns 2"));
    wait_for("each member has two partitions", || Ok(members.iter().all(has_share)))?;
    Ok(members)
}

/// Kills the first member when half of what will be there has been read; returns it when the
/// producer has ended.
fn kill_half_way(members: &mut Vec<Member>, mut producing: Child) -> Result<Member> {
    const RECORDS_BEFORE_DEATH: usize = 10_000;
    let (mut victim, mut status) = (members.remove(0), None);
    wait_for("the first member is half way", || {
        status = producing.try_wait()?;
        Ok(lines(&victim)? >= RECORDS_BEFORE_DEATH || status.is_some())
    })?;
    victim.child.kill()?;
    victim.child.wait()?;
    say(&format!("    one member is killed after {} records", lines(&victim)?));
    let status = status.map_or_else(|| producing.wait(), Ok)?;
    ensure!(status.success(), "the producer ended with {status}");
    Ok(victim)
}

fn lines(member: &Member) -> Result<usize> {
    Ok(fs::read_to_string(&member.notes)?.lines().count())
}

/// Shows the lag as it falls.
fn await_no_lag(broker: &Broker) -> Result<()> {
    let mut shown = None;
    wait_for("the lag is 0", || {
        let lag: Lag = serde_json::from_str(&broker.command_line(&["group", "lag", GROUP, "--output", "json"])?)?;
        if shown != Some(lag.total) {
            say(&format!("    lag {}", lag.total));
        }
        shown = Some(lag.total);
        Ok(lag.total == 0)
    })
}

fn stop(members: &mut [Member]) -> Result<()> {
    for member in members {
        let status = shell::end(&mut member.child, END_TIME_MAX)?;
        ensure!(status.success(), "a member ended with {status}: {}", fs::read_to_string(&member.log)?);
    }
    Ok(())
}

/// Every record must have arrived, and those of a key in their order.
fn check(members: &[Member], produced: &Produced) -> Result<()> {
    let mut notes = Vec::new();
    for member in members {
        let text = fs::read_to_string(&member.notes)?;
        // A member that was killed may have been in the middle of its last line.
        notes.extend(text.split_inclusive('\n').filter(|line| line.ends_with('\n')).filter_map(note));
    }
    notes.sort();
    judge(&notes, produced.records)
}

fn note(line: &str) -> Option<Note> {
    let mut words = line.trim_end().splitn(6, ' ');
    let nanos = words.next()?.parse().ok()?;
    let (_partition, _offset) = (words.next()?, words.next()?);
    let (number, sequence) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Note { nanos, number, sequence, key: words.next()?.to_owned() })
}

fn judge(notes: &[Note], records: u64) -> Result<()> {
    let arrived: BTreeSet<u64> = notes.iter().map(|note| note.number).collect();
    let missing: Vec<u64> = (1..=records).filter(|number| !arrived.contains(number)).take(5).collect();
    ensure!(missing.is_empty(), "these records have not arrived: {missing:?}…");
    ensure!(arrived.len() as u64 == records, "more records have arrived than were sent");
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for note in notes {
        let newest = newest.entry(&note.key).or_default();
        ensure!(note.sequence <= *newest + 1, "{}: record {} arrived after {newest}", note.key, note.sequence);
        // What was read but not committed when its reader died is read again.
        *newest = note.sequence.max(*newest);
    }
    Ok(())
}

fn wait_for(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + STEP_TIME_MAX;
    while Instant::now() < deadline {
        if condition()? {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    bail!("never came true: {what}")
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(lines: &[&str]) -> Vec<Note> {
        lines.iter().filter_map(|line| note(line)).collect()
    }

    #[test]
    fn repeats_are_fine_and_gaps_and_swaps_are_not() {
        assert!(judge(&notes(&["1 0 0 1 1 a", "2 0 1 2 2 a", "3 0 0 1 1 a", "4 1 0 3 1 b"]), 3).is_ok());
        assert!(judge(&notes(&["1 0 0 1 1 a"]), 2).is_err());
        assert!(judge(&notes(&["1 0 1 2 2 a", "2 0 0 1 1 a"]), 2).is_err());
        assert!(judge(&notes(&["1 0 0 1 1 a", "2 0 1 2 2 a"]), 1).is_err());
    }
}
