//! Plays seeds of the simulation and prints how they went.

#![expect(clippy::print_stdout, reason = "a command line tool talks to its user")]

use std::ops::Range;
use std::process::ExitCode;

use clap::Parser;
use omnibus_model::Bug;
use omnibus_sim::{Campaign, Keep, Options, Report, Theatre, hunt};

/// The deterministic simulation of one node, or of a cluster.
#[derive(Debug, Parser)]
#[command(name = "omnibus-sim")]
struct Arguments {
    /// The seeds to play: one, or a range such as 0..100.
    #[arg(long, default_value = "0..20", value_parser = seeds)]
    seeds: Range<u64>,
    /// How many nodes there are. Bugs that take several are hunted with three otherwise.
    #[arg(long, default_value_t = 1)]
    nodes: u32,
    /// How many seeds are played at the same time.
    #[arg(long, default_value_t = 1)]
    at_once: usize,
    /// Plants a bug first; see --list-bugs.
    #[arg(long, value_name = "NAME", value_parser = bug)]
    bug: Option<Bug>,
    /// Prints what happens, line by line.
    #[arg(long)]
    trace: bool,
    /// Plays every seed twice and compares.
    #[arg(long)]
    check_determinism: bool,
    /// Plants every bug in turn and prints the first seed that catches it.
    #[arg(long)]
    hunt: bool,
    /// Prints the names of the bugs.
    #[arg(long)]
    list_bugs: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list_bugs {
        Bug::ALL.iter().for_each(|bug| println!("{}", bug.name()));
        return ExitCode::SUCCESS;
    }
    // A panic is a finding like any other, told in the table.
    std::panic::set_hook(Box::new(|_| {}));
    if arguments.hunt { hunt_all(&arguments) } else { play(&arguments) }
}

fn play(arguments: &Arguments) -> ExitCode {
    let keep = if arguments.trace { Keep::Lines } else { Keep::Digest };
    let campaign = Campaign {
        theatre: theatre(arguments),
        at_once: arguments.at_once,
        seeds: arguments.seeds.clone(),
        options: Options { bug: arguments.bug, keep },
        repeat: if arguments.check_determinism { 2 } else { 1 },
    };
    let summary = campaign.play(|report: &Report| {
        for line in &report.lines {
            println!("{:>6}  {line}", report.seed);
        }
        // A long campaign tells at once; what it prints at the end must be the same every time.
        if let Some(violation) = &report.violation {
            eprintln!("seed {}: {violation}", report.seed);
        }
    });
    println!("{summary}");
    if summary.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const fn theatre(arguments: &Arguments) -> Theatre {
    match arguments.nodes {
        1 => Theatre::OneNode,
        nodes => Theatre::Cluster { nodes },
    }
}

fn hunt_all(arguments: &Arguments) -> ExitCode {
    let is_wanted = |bug: &Bug| match arguments.bug {
        Some(wanted) => wanted == *bug,
        None => arguments.nodes == 1 || bug.is_of_clusters(),
    };
    let bugs = Bug::ALL.into_iter().filter(is_wanted);
    let (mut caught, mut missed) = (0, 0);
    for bug in bugs {
        let theatre = match theatre(arguments) {
            Theatre::OneNode if bug.is_of_clusters() => Theatre::Cluster { nodes: 3 },
            theatre => theatre,
        };
        match hunt(theatre, bug, arguments.seeds.end, arguments.at_once) {
            Some(Report { seed, violation: Some(violation), .. }) => {
                caught += 1;
                println!("{:<24} seed {seed:<5} {violation}", bug.name());
            }
            _ => {
                missed += 1;
                println!("{:<24} not caught by {} seeds", bug.name(), arguments.seeds.end);
            }
        }
    }
    println!("{caught} passed, {missed} failed");
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    match text.split_once("..") {
        Some((from, to)) => Ok(number(from)?..number(to)?),
        None => number(text).map(|seed| seed..seed + 1),
    }
}

fn bug(name: &str) -> Result<Bug, String> {
    let known = Bug::ALL.into_iter().find(|bug| bug.name() == name);
    known.ok_or_else(|| String::from("no bug has this name; --list-bugs prints them"))
}
