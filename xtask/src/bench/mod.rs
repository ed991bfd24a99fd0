//! `cargo xtask bench`: Omnibus side by side with another system, on this machine, in one run.
//!
//! The servers run at the same time and are loaded in turn, A B A B, by one load generator,
//! `omnibus bench`, so that a noisy minute of the machine meets all.

mod queues;
mod drain;
mod idle;
mod messages;
mod replies;
mod amqp;
mod rounds;
mod restart;
mod plan;
mod page;
mod plot;
mod figures;
mod load;
mod server;
mod kafka;
mod sqs;
mod rabbit;
mod amqp_wire;
mod wire;
mod machine;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::crash::{FailoverArgs, failover};
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
    /// Apache Kafka, as its manual sets up one node, or a cluster.
    Kafka {
        /// The nodes of each system, all on this machine: one, or at least as many as there are replicas, which are three.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=5))]
        nodes: u32,
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
    /// Queues: `ElasticMQ` and moto, two servers that speak SQS and keep messages in memory; and large backlogs.
    Sqs {
        /// A fifth of the time.
        #[arg(long)]
        quick: bool,
        /// Measures only this part; may be given several times.
        #[arg(long = "part", value_enum, value_name = "PART")]
        parts: Vec<QueuePart>,
        /// A folder for the figures instead of `docs/benchmarks/`, which a quick run leaves alone.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        #[command(flatten)]
        share: drain::Share,
    },
    /// `RabbitMQ` as Debian has it, its classic and its quorum queues.
    Amqp {
        /// A fraction of the time, and of what is held.
        #[arg(long)]
        quick: bool,
        /// Measures only this part; may be given several times.
        #[arg(long = "part", value_enum, value_name = "PART")]
        parts: Vec<amqp::Part>,
        /// How many messages are held.
        #[arg(long, value_name = "COUNT", default_value_t = 10_000_000)]
        messages: u64,
        /// A folder for the figures instead of `docs/benchmarks/`, which a quick run leaves alone.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// No other system: three nodes of which one goes, and how long writers wait.
    Failover(FailoverArgs),
}

/// What is measured of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum QueuePart {
    /// Beside `ElasticMQ` and moto; a few minutes.
    Peers,
    /// Draining ten thousand to ten million messages, with memory; half an hour.
    Drain,
    /// Ten and a hundred thousand queues that nobody uses; three minutes.
    Idle,
}

impl QueuePart {
    const ALL: [Self; 3] = [Self::Peers, Self::Drain, Self::Idle];
}

/// Measures, prints, and keeps the figures.
pub(crate) fn run(args: &BenchArgs) -> Result<bool> {
    broker::build()?;
    match &args.peer {
        Peer::Kafka { nodes, quick, parts, out, restart_gigabytes } => {
            let plan = if *quick { Plan::quick() } else { Plan::full(*restart_gigabytes) };
            let plan = plan.of_nodes(*nodes);
            let all: &[Part] = if *nodes == 1 { &Part::ALL } else { &Part::OF_CLUSTERS };
            if *nodes == 2 {
                bail!("--nodes 2 cannot hold three replicas");
            }
            let foreign = parts.iter().find(|part| !all.contains(part));
            if let Some(part) = foreign {
                bail!("--part {} is measured of one node alone", part.word());
            }
            let peer = kafka::install()?;
            let folder = folder(*quick, out.as_deref());
            for part in if parts.is_empty() { all } else { parts.as_slice() } {
                measure(*part, &plan.of(*part), &peer, folder.as_deref())?;
            }
        }
        Peer::Failover(args) => failover(args)?,
        Peer::Amqp { quick, parts, messages, out } => {
            let folder = folder(*quick, out.as_deref());
            let plan = if *quick { amqp::Plan::quick() } else { amqp::Plan::full(*messages) };
            let how_much = if *quick { " --quick".to_owned() } else { format!(" --messages {messages}") };
            for part in if parts.is_empty() { &amqp::Part::ALL } else { parts.as_slice() } {
                let command = format!("cargo xtask bench amqp --part {}{how_much}", part.word());
                measure_amqp((*part, command), &plan, folder.as_deref())?;
            }
        }
        Peer::Sqs { quick, parts, out, share } => {
            let folder = folder(*quick, out.as_deref());
            for part in if parts.is_empty() { &QueuePart::ALL } else { parts.as_slice() } {
                match part {
                    QueuePart::Peers => measure_queues(*quick, folder.as_deref())?,
                    QueuePart::Idle => measure_idle(*quick, folder.as_deref())?,
                    QueuePart::Drain => measure_drain(*quick, share, folder.as_deref())?,
                }
            }
        }
    }
    Ok(true)
}

/// Where pages are kept; nowhere if the run is quick and nobody names a folder.
fn folder(quick: bool, out: Option<&Path>) -> Option<PathBuf> {
    out.map(Path::to_path_buf).or_else(|| (!quick).then(|| shell::root().join("docs/benchmarks")))
}

fn measure(part: Part, plan: &Plan, peer: &kafka::Kafka, folder: Option<&Path>) -> Result<()> {
    let measured = |figures: &mut Figures| match part {
        Part::Start => restart::run(plan, peer, figures),
        Part::Latency => rounds::latencies(plan, peer, figures),
        Part::OnePartition | Part::ManyPartitions | Part::Sustained => rounds::run(plan, peer, figures),
    };
    let told = Told {
        file: plan.file(part),
        title: match plan.nodes {
            1 => format!("{}: Omnibus and Apache Kafka", part.title()),
            nodes => format!("{}: {nodes} nodes of Omnibus and of Apache Kafka", part.title()),
        },
        command: match plan.nodes {
            1 => format!("cargo xtask bench kafka --part {}", part.word()),
            nodes => format!("cargo xtask bench kafka --nodes {nodes} --part {}", part.word()),
        },
        method: plan.method(),
    };
    show(told, serde_json::to_value(plan)?, folder, measured)
}

fn measure_queues(quick: bool, folder: Option<&Path>) -> Result<()> {
    let plan = if quick { queues::Plan::quick() } else { queues::Plan::full() };
    let peers = sqs::install()?;
    let told = Told {
        file: "sqs".to_owned(),
        title: queues::TITLE.to_owned(),
        command: "cargo xtask bench sqs --part peers".to_owned(),
        method: plan.method(&peers),
    };
    show(told, serde_json::to_value(&plan)?, folder, |figures| queues::run(&plan, &peers, figures))
}

fn measure_amqp((part, command): (amqp::Part, String), plan: &amqp::Plan, folder: Option<&Path>) -> Result<()> {
    let rabbit = match part {
        amqp::Part::Load => rabbit::install()?.with_perf_test()?,
        amqp::Part::Wire | amqp::Part::Replies | amqp::Part::Held => rabbit::install()?,
    };
    let told = Told {
        file: format!("amqp-{}", part.word()),
        title: part.title().to_owned(),
        command,
        method: plan.method(part, &rabbit.versions()?),
    };
    show(told, serde_json::to_value(plan)?, folder, |figures| match part {
        amqp::Part::Load => amqp::loads(plan, &rabbit, figures),
        amqp::Part::Wire => messages::run(plan, &rabbit, figures),
        amqp::Part::Replies => replies::run(plan, &rabbit, figures),
        amqp::Part::Held => amqp::held(plan, &rabbit, figures),
    })
}

fn measure_drain(quick: bool, share: &drain::Share, folder: Option<&Path>) -> Result<()> {
    let plan = if quick { drain::Plan::quick() } else { drain::Plan::full() };
    if !drain::run(&plan, share)? {
        return Ok(());
    }
    let told = Told {
        file: "sqs-drain".to_owned(),
        title: drain::TITLE.to_owned(),
        command: "cargo xtask bench sqs --part drain".to_owned(),
        method: plan.method(drain::busy(&plan)?),
    };
    show(told, serde_json::to_value(&plan)?, folder, |figures| drain::collect(&plan, figures))
}

fn measure_idle(quick: bool, folder: Option<&Path>) -> Result<()> {
    let plan = if quick { idle::Plan::quick() } else { idle::Plan::full() };
    let told = Told {
        file: "sqs-idle".to_owned(),
        title: idle::TITLE.to_owned(),
        command: "cargo xtask bench sqs --part idle".to_owned(),
        method: plan.method(),
    };
    show(told, serde_json::to_value(&plan)?, folder, |figures| idle::run(&plan, figures))
}

/// What a page says beside its figures.
struct Told {
    file: String,
    title: String,
    command: String,
    method: String,
}

/// Measures, prints the page, and keeps it in a folder.
fn show(
    told: Told,
    plan: serde_json::Value,
    folder: Option<&Path>,
    measure: impl FnOnce(&mut Figures) -> Result<()>,
) -> Result<()> {
    let machine = Machine::look(&broker::binary())?;
    let mut figures = Figures::default();
    let measured = measure(&mut figures);
    // What was measured before counts, too, if the rest fails.
    let load_after = machine::load_average();
    let Told { file, title, command, method } = told;
    let page = page::Page { file, title, command, method, plan, machine: &machine, figures: &figures, load_after };
    shell::say(&page.text());
    if let Some(folder) = folder {
        keep(&page, folder)?;
    }
    measured
}

/// Writes page, figures and plots where readers of the project find them.
fn keep(page: &page::Page<'_>, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let name = &page.file;
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
