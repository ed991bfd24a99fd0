//! All automation: what CI runs, you run the same way, and there are no other scripts.
//!
//! **Never:** anything that a user of the broker needs.

#![expect(clippy::print_stdout, reason = "a command line tool talks to its user")]

mod ci;
mod codegen;
mod test;
mod conformance;
mod rolling;
mod examples;
mod main_job;
mod scale;
mod bench;
mod crash;
mod simulation;
mod fuzz;
mod clients;
mod broker;
mod tidy;
mod dependencies;
mod suite;
mod shell;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// The project's automation.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that must hold before a change lands.
    Ci {
        /// Where to write the results as JSON too.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Installs what the tests need and runs them all.
    Test {
        /// Runs only the suites whose names contain one of these words.
        suites: Vec<String>,
        /// Where to write the results as JSON too.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Checks what no compiler checks: file sizes, left-over marks, dead links.
    Tidy,
    /// Runs real client programs against the broker.
    Conformance {
        /// Runs only the clients whose names contain one of these words.
        clients: Vec<String>,
        /// Writes what they found into the compatibility table.
        #[arg(long, conflicts_with = "nodes")]
        write: bool,
        /// Runs the clients against so many nodes, one of which is restarted now and then.
        #[arg(long)]
        nodes: Option<u32>,
        /// Seconds between two restarts.
        #[arg(long, default_value_t = 20, requires = "nodes")]
        restart_every: u64,
    },
    /// Runs any program against nodes, one of which is restarted now and then; ends as the program does.
    Rolling(rolling::RollingArgs),
    /// Runs the patterns in `examples/` against the broker.
    Examples,
    /// Sends this machine's package index through the broker, to a group of which one is killed.
    MainJob,
    /// Plays the first seeds of the simulation twice each, or shows one.
    Sim {
        /// Shows this seed, step by step.
        seed: Option<u64>,
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// Plays a cluster of so many nodes; its seeds are played once.
        #[arg(long, default_value_t = 1)]
        nodes: u32,
        /// Plants each bug that can be planted in turn, and prints the first seed that catches it.
        #[arg(long)]
        hunt: bool,
    },
    /// Throws bytes at the decoders.
    Fuzz {
        /// Runs only these targets.
        targets: Vec<String>,
        /// For each target.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Kills the broker under load and damages its log, fills its disk, cuts its power, or troubles a cluster.
    Crash(crash::CrashArgs),
    /// Measures Omnibus beside a peer, and keeps the figures.
    Bench(bench::BenchArgs),
    /// Creates very many topics, uses them, and restarts with them.
    Scale(scale::ScaleArgs),
    /// Writes what is generated from other files.
    Codegen {
        /// Only checks that everything is fresh.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run(arguments.task).unwrap_or_else(|error| {
        println!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs one task; tells whether everything in it passed.
fn run(task: Task) -> anyhow::Result<ExitCode> {
    let has_passed = match task {
        Task::Rolling(args) => return broker::build().and_then(|()| rolling::run(&args)),
        Task::Ci { json } => suite::run(&ci::suites(), &[], json.as_deref()),
        Task::Test { suites, json } => suite::run(&test::suites(), &suites, json.as_deref()),
        Task::Conformance { clients, nodes: Some(nodes), restart_every, .. } => {
            broker::build()?;
            report(conformance::rolling::run(nodes, Duration::from_secs(restart_every), &clients)?)
        }
        Task::Conformance { clients, write, nodes: None, .. } => run_conformance(&clients, write),
        Task::Examples => suite::run(&[test::RELEASE_BUILD, examples::SUITE], &[], None),
        Task::MainJob => suite::run(&[test::RELEASE_BUILD, main_job::SUITE], &[], None),
        Task::Sim { seed: Some(seed), nodes, .. } => simulation::trace(seed, nodes),
        Task::Sim { hunt: true, seeds, nodes, .. } => simulation::hunt(seeds, nodes),
        Task::Sim { seed: None, seeds, nodes, .. } => report(simulation::campaign(seeds, nodes)?),
        Task::Fuzz { targets, seconds } => report(fuzz::run(seconds, &targets)?),
        Task::Crash(args) => broker::build().and_then(|()| report(crash::run(&args)?)),
        Task::Codegen { check: true } => suite::run(&[ci::CODEGEN], &[], None),
        Task::Codegen { check: false } => codegen::run(codegen::Check::Rewrite).map(|()| true),
        Task::Bench(args) => bench::run(&args),
        Task::Scale(args) => scale::run(&args),
        Task::Tidy => suite::run(&[ci::TIDY], &[], None),
    };
    Ok(if has_passed? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_conformance(clients: &[String], write: bool) -> anyhow::Result<bool> {
    let mut suites = vec![test::RELEASE_BUILD];
    let wanted =
        |suite: &&suite::Suite| clients.is_empty() || clients.iter().any(|word| suite.name.contains(word.as_str()));
    let (table, programs) = conformance::SUITES.split_last().unwrap_or((&test::RELEASE_BUILD, &[]));
    suites.extend(programs.iter().filter(wanted));
    if write {
        let passed = suite::run(&suites, &[], None)?;
        return conformance::write_table().map(|()| passed);
    }
    suites.extend(clients.is_empty().then_some(*table));
    suite::run(&suites, &[], None)
}

/// Prints how a task went that is not part of a table.
fn report(tally: suite::Tally) -> anyhow::Result<bool> {
    println!("{} passed, {} failed {}", tally.passed, tally.failed, tally.notes.join("; "));
    Ok(tally.failed == 0)
}
