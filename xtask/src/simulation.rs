//! The deterministic simulation: many seeds, each twice.

use anyhow::Result;

use crate::shell::{cargo, finish, show_tail};
use crate::suite::{Suite, Tally};

/// What CI affords. That planted bugs are caught is among the tests of `omnibus-sim`.
pub(crate) const SUITE: Suite = Suite { name: "simulation", run: || seeds("0..250") };

/// Plays seeds twice each and compares: one, or a range such as 0..100.
fn seeds(range: &str) -> Result<Tally> {
    play(&["--seeds", range, "--check-determinism"])
}

/// Plays one seed and prints all that happens.
pub(crate) fn trace(seed: u64) -> Result<bool> {
    let status = simulator().args(["--trace", "--seeds", &seed.to_string()]).status()?;
    Ok(status.success())
}

/// Plays the first seeds, each twice.
pub(crate) fn campaign(count: u64) -> Result<Tally> {
    seeds(&format!("0..{count}"))
}

fn simulator() -> std::process::Command {
    // The tests have built most of it already.
    cargo(&["run", "--quiet", "--locked", "--package", "omnibus-sim", "--"])
}

/// The simulator ends with a line of how many seeds passed and failed.
fn play(arguments: &[&str]) -> Result<Tally> {
    let ended = finish("simulation", simulator().args(arguments))?;
    let last = ended.output.lines().last().unwrap_or_default();
    let counts: Vec<usize> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    let mut tally = match counts[..] {
        [passed, failed] => Tally { passed, failed, ..Tally::default() },
        _ => Tally::fail(format!("the simulator ended with «{last}»")),
    };
    if !ended.status.success() {
        show_tail(&ended.output);
        tally.failed = tally.failed.max(1);
        tally.notes.push(format!("omnibus-sim {}", arguments.join(" ")));
    }
    Ok(tally)
}
