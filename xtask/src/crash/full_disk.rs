//! A real file system that is too small: what must be refused is, the rest goes on, and room
//! that is made is used without a restart.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{image, verify};
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
}

/// Fills the disk twice: once it is emptied under the running broker, once after a kill.
pub(super) fn run() -> Result<Tally> {
    let place = workshop("full-disk")?;
    let disk = match image::make(&place.join("disk.img"), "ext4", DISK_BYTES, &place.join("disk"))? {
        Ok(disk) => disk,
        Err(reason) => return Ok(Tally::skip(reason)),
    };
    let mut tally = Tally::default();
    let data = disk.at.join("data");
    let mut broker = Broker::start_on("full-disk", data.clone(), &Addresses::anywhere(), SETTINGS)?;
    fill(&broker, &mut tally)?;
    phase(&broker, "use", &mut tally).context("reads, commits and deletes on a full disk")?;
    phase(&broker, "again", &mut tally).context("appends after room was made")?;
    fill(&broker, &mut tally)?;
    let (_, addresses) = broker.kill()?;
    let verified = verify(&data)?;
    ensure!(verified.sound, "omnibus verify calls it unsound: {:?}", verified.damage);
    broker = Broker::start_on("full-disk", data, &addresses, SETTINGS).context("a start on a full disk")?;
    phase(&broker, "use", &mut tally).context("a full disk after a kill")?;
    phase(&broker, "again", &mut tally).context("appends after a kill, and room made")?;
    broker.end()?;
    Ok(tally)
}

/// Appends until it is refused, with Kafka's storage error and no other.
fn fill(broker: &Broker, tally: &mut Tally) -> Result<()> {
    let seen = phase(broker, "fill", tally)?;
    ensure!(seen.acknowledged > 0, "nothing fits on the disk");
    ensure!(seen.errors == ["KAFKA_STORAGE_ERROR"], "a full disk answers {:?}", seen.errors);
    tally.notes.push(format!("{} records until the disk was full", seen.acknowledged));
    Ok(())
}

fn phase(broker: &Broker, name: &str, tally: &mut Tally) -> Result<Seen> {
    let mut command = Command::new(clients::python()?);
    command.arg(root().join("conformance/crash/full.py")).args([&broker.addresses.kafka, name]);
    let ended = finish(&format!("full-disk-{name}"), &mut command)?;
    let line = ended.output.lines().find(|line| line.starts_with('{')).context("the client said nothing")?;
    let seen: Seen = serde_json::from_str(line)?;
    ensure!(seen.complaints.is_empty() && ended.status.success(), "{name}: {}", seen.complaints.join("; "));
    say(&format!("    {name}: {} acknowledged, then {:?}", seen.acknowledged, seen.errors));
    tally.add(Tally::pass());
    Ok(seen)
}
