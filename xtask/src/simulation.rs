//! The deterministic simulation, of one node and of clusters: many seeds.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::Result;

use crate::shell::{cargo, finish, show_tail};
use crate::suite::{Suite, Tally};

/// What CI affords. That planted bugs are caught is among the tests of `omnibus-sim`.
pub(crate) const SUITE: Suite = Suite { name: "simulation", run: || campaign(250, 1) };

/// Clusters of three and of five nodes.
pub(crate) const CLUSTERS: Suite = Suite { name: "simulation of clusters", run: clusters };

const SEEDS_OF_THREE: u64 = 300;
const SEEDS_OF_FIVE: u64 = 200;

/// More seeds than these are worth an optimised build, which plays several times faster; its assertions stay.
const FEW_SEEDS: u64 = 1_000;

fn clusters() -> Result<Tally> {
    let mut tally = campaign(SEEDS_OF_THREE, 3)?;
    tally.add(campaign(SEEDS_OF_FIVE, 5)?);
    Ok(tally)
}

/// Plays one seed and prints all that happens.
pub(crate) fn trace(seed: u64, nodes: u32) -> Result<bool> {
    let status = simulator(nodes, 1).args(["--trace", "--seeds", &seed.to_string()]).status()?;
    Ok(status.success())
}

/// Plants bugs and prints which seeds catch them.
pub(crate) fn hunt(seeds: u64, nodes: u32) -> Result<bool> {
    let (range, cores) = (format!("0..{seeds}"), cores()?);
    Ok(simulator(nodes, seeds).args(["--hunt", "--seeds", &range, "--at-once", &cores]).status()?.success())
}

/// Plays the first seeds: each twice, or those of a cluster once, several at a time.
pub(crate) fn campaign(count: u64, nodes: u32) -> Result<Tally> {
    let seeds = format!("0..{count}");
    if nodes == 1 {
        return play(simulator(nodes, count), &["--seeds", &seeds, "--check-determinism"]);
    }
    play(simulator(nodes, count), &["--seeds", &seeds, "--at-once", &cores()?])
}

fn cores() -> Result<String> {
    Ok(std::thread::available_parallelism()?.get().to_string())
}

fn simulator(nodes: u32, seeds: u64) -> Command {
    let mut simulator = cargo(&["run", "--quiet", "--locked", "--package", "omnibus-sim"]);
    // The tests have built most of what plays a few.
    if seeds > FEW_SEEDS {
        simulator.args(["--profile", "seeds"]);
    }
    simulator.args(["--", "--nodes", &nodes.to_string()]);
    simulator
}

/// The simulator ends with a line of how many seeds passed and failed.
fn play(mut simulator: Command, arguments: &[&str]) -> Result<Tally> {
    let ended = finish("simulation", simulator.args(arguments))?;
    let last = ended.output.lines().last().unwrap_or_default();
    let counts: Vec<usize> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    let mut tally = match counts[..] {
        [passed, failed] => Tally { passed, failed, ..Tally::default() },
        _ => Tally::fail(format!("the simulator ended with «{last}»")),
    };
    if !ended.status.success() {
        show_tail(&ended.output);
        tally.failed = tally.failed.max(1);
        let played: Vec<_> = simulator.get_args().skip_while(|argument| *argument != "--").skip(1).collect();
        tally.notes.push(format!("omnibus-sim {}", played.join(OsStr::new(" ")).display()));
    }
    Ok(tally)
}
