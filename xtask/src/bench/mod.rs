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
use plan::{Part, Plan};

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
        /// Measures only this part, each a few minutes; may be given several times.
        #[arg(long = "part", value_enum, value_name = "PART")]
        parts: Vec<Part>,
        /// A folder for the figures instead of `docs/benchmarks/`, which a quick run leaves alone.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// What the data directories hold when the brokers are restarted, at most.
        #[arg(long, value_name = "GB", default_value_t = 20)]
        restart_gigabytes: u64,
    },
}

/// Measures part by part, prints, and keeps the figures.
pub(crate) fn run(args: &BenchArgs) -> Result<bool> {
    let Peer::Kafka { quick, parts, out, restart_gigabytes } = &args.peer;
    let plan = if *quick { Plan::quick() } else { Plan::full(*restart_gigabytes) };
    broker::build()?;
    let peer = kafka::install()?;
    let docs = shell::root().join("docs/benchmarks");
    let folder = out.as_deref().or_else(|| (!quick).then_some(docs.as_path()));
    for part in if parts.is_empty() { &Part::ALL } else { parts.as_slice() } {
        measure(*part, &plan.of(*part), &peer, folder)?;
    }
    Ok(true)
}

fn measure(part: Part, plan: &Plan, peer: &kafka::Kafka, folder: Option<&Path>) -> Result<()> {
    let machine = Machine::look(&broker::binary())?;
    let mut figures = Figures::default();
    let measured = match part {
        Part::Start => restart::run(plan, peer, &mut figures),
        Part::Latency => rounds::latencies(plan, peer, &mut figures),
        Part::OnePartition | Part::ManyPartitions | Part::Sustained => rounds::run(plan, peer, &mut figures),
    };
    // What was measured before counts, too, if the rest fails.
    let load_after = machine::load_average();
    let page = page::Page { part, machine: &machine, plan, figures: &figures, load_after };
    shell::say(&page.text());
    if let Some(folder) = folder {
        keep(&page, folder)?;
    }
    measured
}

/// Writes page, figures and plots where readers of the project find them.
fn keep(page: &page::Page<'_>, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let name = page.part.file();
    write(&folder.join(format!("{name}.json")), &page.json()?)?;
    write(&folder.join(format!("{name}.md")), &page.markdown())?;
    for (family, svg) in plot::all(page.figures) {
        write(&folder.join(format!("{name}-{family}.svg")), &svg)?;
    }
    shell::say(&format!("written to {}", folder.display()));
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
