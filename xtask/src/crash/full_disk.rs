//! A real file system that is too small: what must be refused is, the rest goes on, and room
//! that is made is used without a restart. Filled over Kafka, and over AMQP.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::image::{self, Mounted};
use super::verify;
use crate::broker::{Addresses, Broker};
use crate::clients;
use crate::shell::{finish, root, say, workshop};
use crate::suite::Tally;

const DISK_BYTES: u64 = 256 << 20;
const SETTINGS: &[&str] = &["storage.segment=8MiB", "storage.reserve=24MiB"];

/// What the client saw in one phase.
#[derive(Debug, Deserialize)]
struct Seen {
    acknowledged: u64,
    errors: Vec<String>,
    complaints: Vec<String>,
    /// What was on its way when the disk became full.
    #[serde(default)]
    refused: u64,
}

/// Fills the disk by one door after the other.
pub(super) fn run() -> Result<Tally> {
    let place = workshop("full-disk")?;
    let mut tally = Tally::default();
    for fill_it in [over_kafka, over_amqp] {
        let disk = match image::make(&place.join("disk.img"), "ext4", DISK_BYTES, &place.join("disk"))? {
            Ok(disk) => disk,
            Err(reason) => return Ok(Tally::skip(reason)),
        };
        fill_it(&disk, &mut tally)?;
    }
    Ok(tally)
}

/// Fills the disk twice: once it is emptied under the running broker, once after a kill.
fn over_kafka(disk: &Mounted, tally: &mut Tally) -> Result<()> {
    let mut broker = start(disk, &Addresses::anywhere())?;
    fill(&broker, tally)?;
    phase(&broker, "use", tally).context("reads, commits and deletes on a full disk")?;
    phase(&broker, "again", tally).context("appends after room was made")?;
    fill(&broker, tally)?;
    broker = start_after_kill(disk, broker)?;
    phase(&broker, "use", tally).context("a full disk after a kill")?;
    phase(&broker, "again", tally).context("appends after a kill, and room made")?;
    broker.end()
}

/// Fills the disk until publishers are told to wait; after a kill they are told so again, and go on when somebody
/// has consumed what there is.
fn over_amqp(disk: &Mounted, tally: &mut Tally) -> Result<()> {
    let notes = workshop("full-disk")?.join("confirmed");
    fs::write(&notes, "")?;
    let broker = start(disk, &Addresses::anywhere())?;
    publish(&broker, &notes, "fill", tally)?;
    let broker = start_after_kill(disk, broker)?;
    publish(&broker, &notes, "drain", tally).context("a full disk that is drained after a kill")?;
    broker.end()
}

fn start(disk: &Mounted, at: &Addresses) -> Result<Broker> {
    Broker::start_on("full-disk", disk.at.join("data"), at, SETTINGS)
}

fn start_after_kill(disk: &Mounted, broker: Broker) -> Result<Broker> {
    let (data, addresses) = broker.kill()?;
    let verified = verify(&data)?;
    ensure!(verified.sound, "omnibus verify calls it unsound: {:?}", verified.damage);
    start(disk, &addresses).context("a start on a full disk")
}

/// Appends until it is refused, with Kafka's storage error and no other.
fn fill(broker: &Broker, tally: &mut Tally) -> Result<()> {
    let seen = phase(broker, "fill", tally)?;
    ensure!(seen.acknowledged > 0, "nothing fits on the disk");
    ensure!(seen.errors == ["KAFKA_STORAGE_ERROR"], "a full disk answers {:?}", seen.errors);
    tally.notes.push(format!("{} records until the disk was full", seen.acknowledged));
    Ok(())
}

/// Publishes until all who do are told to wait, in RabbitMQ's words and no other.
fn publish(broker: &Broker, notes: &Path, name: &str, tally: &mut Tally) -> Result<()> {
    let mut command = Command::new(clients::python()?);
    command.arg(root().join("conformance/crash/full_amqp.py")).arg(&broker.addresses.amqp).arg(notes).arg(name);
    let seen = see(&format!("amqp-{name}"), &mut command, tally)?;
    ensure!(seen.acknowledged > 0, "nothing was confirmed");
    ensure!(seen.errors == ["low on disk"], "publishers are told {:?}", seen.errors);
    tally.notes.push(format!("{name}: {} confirmed over AMQP, {} refused", seen.acknowledged, seen.refused));
    Ok(())
}

fn phase(broker: &Broker, name: &str, tally: &mut Tally) -> Result<Seen> {
    let mut command = Command::new(clients::python()?);
    command.arg(root().join("conformance/crash/full.py")).args([&broker.addresses.kafka, name]);
    see(name, &mut command, tally)
}

fn see(name: &str, command: &mut Command, tally: &mut Tally) -> Result<Seen> {
    let ended = finish(&format!("full-disk-{name}"), command)?;
    let line = ended.output.lines().find(|line| line.starts_with('{')).context("the client said nothing")?;
    let seen: Seen = serde_json::from_str(line)?;
    ensure!(seen.complaints.is_empty() && ended.status.success(), "{name}: {}", seen.complaints.join("; "));
    say(&format!("    {name}: {} acknowledged, then {:?}", seen.acknowledged, seen.errors));
    tally.add(Tally::pass());
    Ok(seen)
}
