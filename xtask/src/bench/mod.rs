//! `cargo xtask bench kafka`: Omnibus and Apache Kafka side by side, on this machine, in one run.
//!
//! Both brokers run at the same time and are loaded in turn, A B A B, by one load generator,
//! `omnibus bench`, so that a noisy minute of the machine meets both.

mod rounds;
mod restart;
mod plan;
mod page;
mod plot;
mod figures;
mod load;
mod server;
mod kafka;
mod wire;
mod machine;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{broker, shell};
use figures::Figures;
use plan::Plan;

pub(crate) use machine::Machine;
pub(crate) use server::{Server, directory_bytes, fresh, remove};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    peer: Peer,
}

#[derive(Debug, clap::Subcommand)]
enum Peer {
    /// Apache Kafka, as its manual sets up one node.
    Kafka {
        /// A fifth of the time: 1 KiB only, and short.
        #[arg(long)]
        quick: bool,
        /// Where to write the figures, beside `docs/benchmarks/`, which a quick run leaves alone.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// What the data directories hold when the brokers are restarted, at most.
        #[arg(long, value_name = "GB", default_value_t = 10)]
        restart_gigabytes: u64,
    },
}

/// Measures, prints, and keeps the figures.
pub(crate) fn run(args: &BenchArgs) -> Result<bool> {
    let Peer::Kafka { quick, json, restart_gigabytes } = &args.peer;
    let plan = if *quick { Plan::quick() } else { Plan::full(*restart_gigabytes) };
    broker::build()?;
    let machine = Machine::look(&broker::binary())?;
    let peer = kafka::install()?;
    let mut figures = Figures::default();
    rounds::run(&plan, &peer, &mut figures)?;
    restart::run(&plan, &peer, &mut figures)?;
    let load_after = machine::load_average();
    let page = page::Page { machine: &machine, plan: &plan, figures: &figures, load_after };
    shell::say(&page.text());
    if let Some(file) = json {
        write(file, &page.json()?)?;
    }
    if !quick {
        keep(&page, &shell::root().join("docs/benchmarks"))?;
    }
    Ok(true)
}

/// Writes page, figures and plots where readers of the project find them.
fn keep(page: &page::Page<'_>, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    write(&folder.join("kafka.json"), &page.json()?)?;
    write(&folder.join("kafka.md"), &page.markdown())?;
    for (name, svg) in plot::all(page.figures) {
        write(&folder.join(format!("kafka-{name}.svg")), &svg)?;
    }
    shell::say(&format!("written to {}", folder.display()));
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
