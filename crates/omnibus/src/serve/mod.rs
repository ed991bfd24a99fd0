//! `omnibus serve`: opens the data directory, opens the doors, and ends in good order.

mod announce;
mod engine;
mod part;
mod management;
mod joining;
mod identity;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use omnibus_engine::Engine;
use omnibus_engine::push::Pushing;
use omnibus_model::ClusterSecret;
use omnibus_model::node::NodeInfo;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, Effective, Given, KEYS};
use crate::logs;
use crate::output::Format;
use crate::signals::Signals;
use announce::Addresses;
use engine::Opened;
use part::Others;

/// The process ended because it could no longer write.
const EXIT_BROKEN: u8 = 3;

/// The cluster has let this node go, before it had opened anything.
const EXIT_REMOVED: u8 = 4;

/// The process was told twice to end.
const EXIT_IMPATIENT: i32 = 130;

/// Serves Kafka clients, AMQP clients, SQS clients and the admin API.
///
/// Without flags it keeps its data in ./omnibus-data and serves this machine only.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Writes the addresses to this file, as JSON, once clients can connect.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// What chooses the configuration.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ConfigArgs {
    /// A TOML file; `omnibus config show` prints one.
    #[arg(long, value_name = "FILE", env = "OMNIBUS_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The directory that holds everything [node.data_dir].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// The number of this node [node.id].
    #[arg(long, value_name = "NUMBER")]
    node: Option<String>,
    /// The nodes that make the cluster, the same on all of them [cluster.nodes].
    #[arg(long, value_name = "NODE@HOST:PORT,...")]
    cluster: Option<String>,
    /// The admin API of a node whose cluster this node is to join [cluster.join].
    #[arg(long, value_name = "URL")]
    join: Option<String>,
    /// Where Kafka clients connect; port 0 picks a free one [kafka.listen].
    #[arg(long, value_name = "ADDR")]
    kafka: Option<String>,
    /// Where AMQP clients connect; port 0 picks a free one, off keeps the door shut [amqp.listen].
    #[arg(long, value_name = "ADDR[,ADDR]")]
    amqp: Option<String>,
    /// Where SQS clients connect; port 0 picks a free one, off keeps the door shut [sqs.listen].
    #[arg(long, value_name = "ADDR[,ADDR]")]
    sqs: Option<String>,
    /// Where the admin API is served; port 0 picks a free one [admin.listen].
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// The address that Kafka clients are told to come back to [kafka.advertised].
    #[arg(long, value_name = "HOST[:PORT]")]
    advertised: Option<String>,
    /// What to log [logs.filter].
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How to log: text or json [logs.format].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Any key of the configuration.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    pair.ok_or_else(|| "write KEY=VALUE, as in topics.partitions=8".to_owned())
}

impl ConfigArgs {
    /// Puts the configuration together.
    pub(crate) fn effective(&self) -> Result<Effective> {
        let flags = [
            ("node.data_dir", &self.data_dir),
            ("node.id", &self.node),
            ("cluster.nodes", &self.cluster),
            ("cluster.join", &self.join),
            ("kafka.listen", &self.kafka),
            ("amqp.listen", &self.amqp),
            ("sqs.listen", &self.sqs),
            ("admin.listen", &self.admin),
            ("kafka.advertised", &self.advertised),
            ("logs.filter", &self.log),
            ("logs.format", &self.log_format),
        ];
        let own = flags.iter().filter_map(|(key, value)| Some(((*key).to_owned(), (*value).clone()?)));
        let given = Given {
            file: self.config.clone(),
            variables: std::env::vars().collect(),
            flags: self.set.iter().cloned().chain(own).collect(),
        };
        Ok(Effective::new(&given)?)
    }
}

/// Serves until told to end.
pub(crate) fn run(args: &ServeArgs, format: Format) -> Result<ExitCode> {
    let effective = args.config.effective()?;
    logs::start(&effective.config.logs)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(&effective, args, format));
    // Whoever waits for a disk that does not answer must not keep the process.
    runtime.shutdown_background();
    ended
}

async fn serve(effective: &Effective, args: &ServeArgs, format: Format) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut node = tokio::select! {
        node = engine::open(effective) => node?,
        signal = signals.next() => {
            tracing::info!(signal, "ending before there was anything to close");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let engine = node.engine.clone();
    let others = node.others.take();
    let opened = tokio::select! {
        opened = begin(effective, &node, others.as_ref(), (args, format)) => opened,
        signal = signals.next() => {
            tracing::info!(signal, "shutting down before anything was served");
            end_at_once_on(signals);
            close(None, node, others).await;
            return Ok(ExitCode::SUCCESS);
        }
        () = removed(others.as_ref()) => {
            tell_removed(&effective.config, &node);
            close(None, node, others).await;
            return Ok(ExitCode::from(EXIT_REMOVED));
        }
    };
    let doors = match opened {
        Ok(doors) => doors,
        Err(error) => {
            close(None, node, others).await;
            return Err(error);
        }
    };
    tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "shutting down; once more ends the process at once");
        }
        () = removed(others.as_ref()) => tell_removed(&effective.config, &node),
        reason = engine.broken() => {
            tracing::error!(
                reason,
                "the data directory can no longer be written, so nothing more is acknowledged; see to the disk, \
                 check with `omnibus verify {}`, and start again",
                effective.config.data_dir.display()
            );
            return Ok(ExitCode::from(EXIT_BROKEN));
        }
    }
    end_at_once_on(signals);
    close(Some(doors), node, others).await;
    tracing::info!("goodbye");
    Ok(ExitCode::SUCCESS)
}

/// Waits until the cluster has let this node go; for ever where there is none.
async fn removed(others: Option<&Others>) {
    match others {
        Some(others) => others.cluster.removed().await,
        None => std::future::pending().await,
    }
}

fn tell_removed(config: &Config, node: &Opened) {
    tracing::warn!(
        "this node was removed from its cluster, which has all that it had; {} can be deleted, and the number {} is \
         never used again",
        config.data_dir.display(),
        node.identity.node_id
    );
}

/// Opens the doors, once there is something behind them, and says where they are.
async fn begin(
    effective: &Effective,
    node: &Opened,
    others: Option<&Others>,
    (args, format): (&ServeArgs, Format),
) -> Result<Doors> {
    if let Some(others) = others {
        others.cluster.led().await;
    }
    let doors = Doors::open(effective, node, others).await?;
    if others.is_some() {
        let Addresses { kafka, amqp, sqs, admin, .. } = doors.addresses;
        let places = [Some((omnibus_kafka::DOOR, kafka)), amqp.map(|amqp| ("amqp", amqp)), sqs.map(|sqs| ("sqs", sqs))];
        let places: Vec<_> = places.into_iter().flatten().chain([("admin", admin)]).collect();
        introduce(&node.engine, engine::node_info(&effective.config, &node.identity, &places)).await;
    }
    // Somebody waits for the file.
    if let Some(Err(error)) = args.ready_file.as_deref().map(|file| doors.addresses.write(file)) {
        doors.close().await;
        return Err(error);
    }
    if let Err(error) = doors.addresses.print(&effective.config.data_dir, format) {
        tracing::warn!(%error, "clients can connect, but where could not be told");
    }
    Ok(doors)
}

/// Tells the cluster how this node is reached, if it does not know.
async fn introduce(engine: &Engine, info: NodeInfo) {
    let knows = |engine: &Engine| {
        let nodes = engine.catalog().nodes();
        nodes.iter().any(|(node, known)| *node == engine.node() && **known == info)
    };
    while !knows(engine) {
        if let Err(error) = engine.introduce(engine.node(), info.clone()).await {
            tracing::warn!(%error, "the cluster was not told yet how this node is reached");
        }
    }
}

/// Others lead first, while clients are still there to be told who does.
async fn close(doors: Option<Doors>, node: Opened, others: Option<Others>) {
    if let Some(others) = &others {
        others.part.hand_over().await;
    }
    if let Some(doors) = doors {
        doors.close().await;
    }
    if let Some(Others { cluster, part }) = others {
        part.close().await;
        drop(cluster);
    }
    node.running.close().await;
}

/// The listeners and their tasks.
struct Doors {
    addresses: Addresses,
    shutdown: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    pushing: Pushing,
}

impl Doors {
    async fn open(effective: &Effective, node: &Opened, others: Option<&Others>) -> Result<Self> {
        let (config, engine, identity) = (&effective.config, &node.engine, &node.identity);
        let presented = engine::kafka_settings(config, identity);
        let kafka = omnibus_kafka::Server::bind(config.kafka.listen, engine.clone(), presented).await;
        let kafka = kafka.map_err(|error| cannot_listen("kafka", config.kafka.listen, error))?;
        let (amqp, amqp_addresses) = open_amqp(effective, node).await?;
        let (management, places) = management::open(effective, amqp_addresses).await?;
        let (sqs, sqs_addresses) = open_sqs(effective, engine, secret(engine, others).await?).await?;
        let admin = omnibus_admin::Listener::bind(config.admin.listen).await;
        let admin = admin.map_err(|error| cannot_listen("admin", config.admin.listen, error))?;
        let addresses = Addresses {
            kafka: kafka.local_addr()?,
            amqp: places.amqp.first().copied(),
            amqp_management: places.management.first().copied(),
            amqp_metrics: places.metrics.first().copied(),
            amqp_too: places.amqp.iter().copied().skip(1).collect(),
            sqs: sqs_addresses.first().copied(),
            sqs_too: sqs_addresses.into_iter().skip(1).collect(),
            admin: admin.local_addr()?,
            cluster: others.map(|others| others.cluster.local_addr()),
            pid: std::process::id(),
            cluster_id: identity.cluster_id.clone(),
        };
        let site = management::site(effective, node, &amqp, &places);
        let node = omnibus_admin::Node {
            engine: engine.clone(),
            cluster: others.map(|others| others.cluster.clone()),
            cluster_id: identity.cluster_id.clone(),
            node_id: identity.node_id,
            kafka: addresses.kafka,
            admin: addresses.admin,
            data_dir: config.data_dir.display().to_string(),
            partitions_default: config.topics.partitions,
            metrics_series_max: config.admin.metrics_series_max,
            settings: settings(effective),
            read_assignment: engine::read_assignment,
        };
        // Before anybody can subscribe.
        let pushing = Pushing::start(engine.clone(), sqs.pusher(engine::poster(config)?)).await?;
        let (shutdown, stop) = watch::channel(false);
        let mut tasks = vec![tokio::spawn(kafka.run(stop.clone()))];
        tasks.push(tokio::spawn(amqp.run(stop.clone())));
        tasks.push(tokio::spawn(management.run(site, stop.clone())));
        tasks.push(tokio::spawn(sqs.run(stop.clone())));
        tasks.push(tokio::spawn(admin.run(Arc::new(node), stop)));
        Ok(Self { addresses, shutdown, tasks, pushing })
    }

    async fn close(self) {
        self.shutdown.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a door did not close well");
            }
        }
        self.pushing.stop().await;
    }
}

/// The cluster's secret. Where there are others, whoever leads may change while it is asked for.
async fn secret(engine: &Engine, others: Option<&Others>) -> Result<ClusterSecret> {
    loop {
        match engine.cluster_secret().await {
            Err(error) if others.is_some() => tracing::warn!(%error, "the cluster's secret was not told yet"),
            secret => return Ok(secret?),
        }
    }
}

/// Opens the AMQP door, and says where. Its usual port is `RabbitMQ`'s: if nobody chose it, it is no reason not to
/// serve others.
async fn open_amqp(effective: &Effective, node: &Opened) -> Result<(omnibus_amqp::Server, Vec<SocketAddr>)> {
    let settings = engine::amqp_settings(&effective.config, &node.identity)?;
    let mut server = omnibus_amqp::Server::new(node.engine.clone(), settings);
    let mut addresses = Vec::new();
    for address in &effective.config.amqp.listen {
        match server.listen(*address).await {
            Ok(address) => addresses.push(address),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && !effective.is_chosen("amqp.listen") => {
                tracing::warn!(%address, "AMQP is not served: the address is taken; `--amqp ADDR` chooses another");
            }
            Err(error) => return Err(cannot_listen("amqp", *address, error)),
        }
    }
    Ok((server, addresses))
}

/// Opens the SQS door, and says where. Its usual ports are those of other programs, too: if nobody
/// chose them, they are no reason not to serve others.
async fn open_sqs(
    effective: &Effective,
    engine: &Engine,
    secret: ClusterSecret,
) -> Result<(omnibus_sqs::Server, Vec<SocketAddr>)> {
    let settings = engine::sqs_settings(&effective.config, secret)?;
    let mut server = omnibus_sqs::Server::new(engine.clone(), settings);
    let mut addresses = Vec::new();
    for address in &effective.config.sqs.listen {
        match server.listen(*address).await {
            Ok(address) => addresses.push(address),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && !effective.is_chosen("sqs.listen") => {
                tracing::warn!(%address, "SQS is not served here: the address is taken; `--sqs ADDR` chooses another");
            }
            Err(error) => return Err(cannot_listen("sqs", *address, error)),
        }
    }
    Ok((server, addresses))
}

fn end_at_once_on(mut signals: Signals) {
    tokio::spawn(async move {
        let signal = signals.next().await;
        tracing::warn!(signal, "ending at once; the next start repeats what was not written down");
        std::process::exit(EXIT_IMPATIENT);
    });
}

fn cannot_listen(door: &str, address: SocketAddr, error: io::Error) -> anyhow::Error {
    let next = match error.kind() {
        io::ErrorKind::AddrInUse => format!("is another broker running? `--{door} 127.0.0.1:0` picks a free port"),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; 0.0.0.0 stands for all it has".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need the rights of root".to_owned(),
        _ => format!("choose another address with --{door}"),
    };
    anyhow!(error).context(format!("cannot listen on {address}; {next}"))
}

/// Every key with its value, and where it was chosen.
pub(crate) fn settings(effective: &Effective) -> Vec<omnibus_admin_api::node::Setting> {
    let setting = |key: &crate::config::Key| omnibus_admin_api::node::Setting {
        key: key.name.to_owned(),
        value: key.show(&effective.config),
        source: effective.source(key).to_string(),
    };
    KEYS.iter().map(setting).collect()
}
