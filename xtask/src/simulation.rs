//! The deterministic simulation, of one node and of clusters: many seeds.

use anyhow::Result;

use crate::shell::{cargo, finish, show_tail};
use crate::suite::{Suite, Tally};

/// What CI affords. That planted bugs are caught is among the tests of `omnibus-sim`.
pub(crate) const SUITE: Suite = Suite { name: "simulation", run: || campaign(250, 1) };

/// Clusters of three and of five nodes.
pub(crate) const CLUSTERS: Suite = Suite { name: "simulation of clusters", run: clusters };

const SEEDS_OF_THREE: u64 = 300;
const SEEDS_OF_FIVE: u64 = 200;

fn clusters() -> Result<Tally> {
    let mut tally = campaign(SEEDS_OF_THREE, 3)?;
    tally.add(campaign(SEEDS_OF_FIVE, 5)?);
    Ok(tally)
}

/// Plays one seed and prints all that happens.
pub(crate) fn trace(seed: u64, nodes: u32) -> Result<bool> {
    let status = simulator(nodes).args(["--trace", "--seeds", &seed.to_string()]).status()?;
    Ok(status.success())
}

/// Plants bugs and prints which seeds catch them.
pub(crate) fn hunt(seeds: u64, nodes: u32) -> Result<bool> {
    let (seeds, cores) = (format!("0..{seeds}"), cores()?);
    Ok(simulator(nodes).args(["--hunt", "--seeds", &seeds, "--at-once", &cores]).status()?.success())
}

/// Plays the first seeds: each twice, or those of a cluster once, several at a time.
pub(crate) fn campaign(count: u64, nodes: u32) -> Result<Tally> {
    let seeds = format!("0..{count}");
    if nodes == 1 {
        return play(nodes, &["--seeds", &seeds, "--check-determinism"]);
    }
    play(nodes, &["--seeds", &seeds, "--at-once", &cores()?])
}

fn cores() -> Result<String> {
    Ok(std::thread::available_parallelism()?.get().to_string())
}

fn simulator(nodes: u32) -> std::process::Command {
    // The tests have built most of it already.
    let mut simulator = cargo(&["run", "--quiet", "--locked", "--package", "omnibus-sim", "--"]);
    simulator.args(["--nodes", &nodes.to_string()]);
    simulator
}

/// The simulator ends with a line of how many seeds passed and failed.
fn play(nodes: u32, arguments: &[&str]) -> Result<Tally> {
    let ended = finish("simulation", simulator(nodes).args(arguments))?;
    let last = ended.output.lines().last().unwrap_or_default();
    let counts: Vec<usize> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    let mut tally = match counts[..] {
        [passed, failed] => Tally { passed, failed, ..Tally::default() },
        _ => Tally::fail(format!("the simulator ended with «{last}»")),
    };
    if !ended.status.success() {
        show_tail(&ended.output);
        tally.failed = tally.failed.max(1);
        tally.notes.push(format!("omnibus-sim --nodes {nodes} {}", arguments.join(" ")));
    }
    Ok(tally)
}
