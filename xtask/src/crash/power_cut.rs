//! The power fails under a real file system: the broker's disk is ext4 in a file on XFS, and a
//! reflink copy of that file, taken at once while the broker works, is what a power cut leaves.
//!
//! What the kernel still had in its caches is lost, and ext4 must recover from its journal. What
//! the disk was given counts as kept, so a drive that lies about its own cache is not covered;
//! the simulator's disk does that.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::figures::Figures;
use super::image::{self, Mounted};
use super::{Load, PARTITIONS, SETTINGS, TOPIC, check, verify};
use crate::broker::{Addresses, Broker};
use crate::clients;
use crate::shell::{must, say, workshop};
use crate::suite::Tally;

const OUTER_BYTES: u64 = 6 << 30;
const DISK_BYTES: u64 = 2 << 30;

/// Cuts the power so many times; the broker itself never notices.
pub(super) fn run(rounds: u32, json: Option<&Path>) -> Result<Tally> {
    let begun_at = Instant::now();
    let place = workshop("power-cut")?;
    let outer = match image::make(&place.join("outer.img"), "xfs", OUTER_BYTES, &place.join("outer"))? {
        Ok(outer) => outer,
        Err(reason) => return Ok(Tally::skip(reason)),
    };
    let disk = match image::make(&outer.at.join("disk.img"), "ext4", DISK_BYTES, &place.join("disk"))? {
        Ok(disk) => disk,
        Err(reason) => return Ok(Tally::skip(reason)),
    };
    let python = clients::python()?;
    let broker = Broker::start_on("power-cut", disk.at.join("data"), &Addresses::anywhere(), SETTINGS)?;
    broker.command_line(&["topic", "create", TOPIC, "--partitions", PARTITIONS])?;
    let mut load = Load::start(&python, &broker)?;
    let mut figures = Figures { first_round: 1, ..Figures::default() };
    let mut tally = Tally::default();
    for round in 1..=rounds {
        std::thread::sleep(Duration::from_millis(300 + u64::from(round) * 7_919 % 1_700));
        // What is noted now was acknowledged before the cut.
        let noted = place.join("acknowledged");
        fs::copy(&load.notes, &noted)?;
        cut(&outer).with_context(|| format!("round {round}"))?;
        come_back(&python, &place, &noted, &mut figures).with_context(|| format!("round {round}"))?;
        say(&format!("    cut {round} of {rounds}: {} acknowledged, all there", figures.records.acknowledged));
        tally.add(Tally::pass());
    }
    load.end()?;
    broker.end()?;
    figures.seconds = begun_at.elapsed().as_secs();
    figures.tell("power-cut", json)?;
    tally.notes.push(format!("{} records, {rounds} cuts", figures.records.acknowledged));
    Ok(tally)
}

/// Copies the disk as it is at one moment.
fn cut(outer: &Mounted) -> Result<()> {
    let (disk, copy) = (outer.at.join("disk.img"), outer.at.join("cut.img"));
    must("reflink", Command::new("cp").arg("--reflink=always").arg(disk).arg(copy)).map(drop)
}

/// Mounts what the cut left, and starts a broker on it: all that was noted is there.
fn come_back(python: &Path, place: &Path, noted: &Path, figures: &mut Figures) -> Result<()> {
    let mounted = image::mount(&place.join("outer/cut.img"), &place.join("cut"))?;
    let mounted = mounted.map_err(anyhow::Error::msg).context("ext4 does not recover")?;
    let data = mounted.at.join("data");
    let verified = verify(&data)?;
    ensure!(verified.sound, "omnibus verify calls it unsound: {:?}", verified.damage);
    let begun_at = Instant::now();
    let broker = Broker::start_on("power-cut-copy", data, &Addresses::anywhere(), SETTINGS)?;
    let start_millis = begun_at.elapsed().as_millis();
    figures.records = check(python, &broker, noted, "all")?;
    figures.add("power cut", false, start_millis);
    broker.end()
}
