//! The configuration: one TOML file, an environment variable for every key, flags on top.
//!
//! A key that nobody knows is an error that names the nearest known one. What was chosen
//! where is remembered, so that `omnibus config show` can say it.

mod sources;
mod keys;
mod setting;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use omnibus_admin_api::{Size, Span};
use omnibus_cluster::Members;
use omnibus_log::{Choice, LogConfig};
use omnibus_sqs::{Encryption, Pace, Signatures};
use omnibus_webhook::Reach;

pub(crate) use keys::{KEYS, Key};
pub(crate) use sources::{ConfigError, Effective, Given, Source};

/// Everything that can be chosen. Defaults are the right choice on a developer's machine
/// and on a server that keeps to itself.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) node_id: u32,
    pub(crate) cluster: Cluster,
    pub(crate) kafka: Kafka,
    pub(crate) amqp: Amqp,
    pub(crate) sqs: Sqs,
    pub(crate) webhooks: Webhooks,
    pub(crate) admin: Admin,
    pub(crate) storage: Storage,
    pub(crate) topics: Topics,
    pub(crate) groups: Groups,
    pub(crate) logs: Logs,
}

/// The other nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    /// Who makes the cluster; nobody if this node keeps to itself.
    pub(crate) nodes: Members,
    pub(crate) join: Option<String>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) rack: Option<String>,
}

/// The Kafka door.
#[derive(Clone, Debug)]
pub(crate) struct Kafka {
    pub(crate) listen: SocketAddr,
    pub(crate) advertised: Option<Advertised>,
    pub(crate) connections_max: usize,
    pub(crate) request_bytes_max: Size,
    pub(crate) memory: Size,
}

/// The address that clients are told to come back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advertised {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

/// The AMQP door.
#[derive(Clone, Debug)]
pub(crate) struct Amqp {
    /// None keeps the door shut.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) management: Vec<SocketAddr>,
    pub(crate) metrics: Vec<SocketAddr>,
    pub(crate) credentials_file: Option<String>,
    pub(crate) virtual_hosts: Option<String>,
    pub(crate) connections_max: usize,
    pub(crate) message_bytes_max: Size,
    pub(crate) memory: Size,
}

/// The SQS door.
#[derive(Clone, Debug)]
pub(crate) struct Sqs {
    /// None keeps the door shut.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) domain: Option<String>,
    pub(crate) credentials_file: Option<String>,
    pub(crate) pace: Pace,
    pub(crate) encryption: Encryption,
    pub(crate) signatures: Signatures,
    pub(crate) connections_max: usize,
    pub(crate) request_bytes_max: Size,
    pub(crate) memory: Size,
}

/// Other people's servers, which are told of messages.
#[derive(Clone, Debug)]
pub(crate) struct Webhooks {
    pub(crate) reach: Reach,
    pub(crate) certificates_file: Option<String>,
    pub(crate) time_max: Span,
}

/// The admin API.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
    pub(crate) metrics_series_max: u64,
}

/// The log on disk.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    pub(crate) cache: Size,
    pub(crate) segment: Size,
    pub(crate) reserve: Size,
    pub(crate) direct_io: Choice,
    pub(crate) io_uring: Choice,
    pub(crate) checkpoint_interval: Span,
    pub(crate) checkpoint_wal: Size,
    pub(crate) retention_interval: Span,
    pub(crate) retention_time_interval: Span,
    pub(crate) scrub_interval: Span,
    pub(crate) scrub_rate: Size,
}

/// What topics inherit.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    pub(crate) auto_create: bool,
    pub(crate) partitions: u32,
    pub(crate) partitions_max: u64,
    pub(crate) retention_time: Option<Span>,
    pub(crate) retention_bytes: Option<Size>,
    pub(crate) batch_bytes_max: Size,
}

/// The bounds of consumer groups.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    pub(crate) session_timeout_min: Span,
    pub(crate) session_timeout_max: Span,
    pub(crate) initial_rebalance_delay: Span,
    pub(crate) offsets_retention: Span,
}

/// What the process tells about itself, on standard error.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

/// How a line of the process's own log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("omnibus-data"),
            node_id: 1,
            cluster: Cluster::default(),
            kafka: Kafka::default(),
            amqp: Amqp::default(),
            sqs: Sqs::default(),
            webhooks: Webhooks::default(),
            admin: Admin::default(),
            storage: Storage::default(),
            topics: Topics::default(),
            groups: Groups::default(),
            logs: Logs { filter: "info".to_owned(), format: LogFormat::Text },
        }
    }
}

impl Default for Kafka {
    fn default() -> Self {
        let settings = omnibus_kafka::Settings::default();
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9092)),
            advertised: None,
            connections_max: settings.connections_max,
            request_bytes_max: Size(settings.request_bytes_max as u64),
            memory: Size(settings.memory_bytes_max as u64),
        }
    }
}

impl Default for Amqp {
    fn default() -> Self {
        let settings = omnibus_amqp::Settings::default();
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 5672))],
            management: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 15672))],
            metrics: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 15692))],
            credentials_file: None,
            virtual_hosts: None,
            connections_max: settings.connections_max,
            message_bytes_max: Size(settings.message_bytes_max as u64),
            memory: Size(settings.memory_bytes_max as u64),
        }
    }
}

impl Default for Sqs {
    fn default() -> Self {
        let settings = omnibus_sqs::Settings::default();
        Self {
            listen: [9324, 4566].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).to_vec(),
            account: settings.account,
            region: settings.region,
            domain: settings.domain,
            credentials_file: None,
            pace: settings.pace,
            encryption: settings.encryption,
            signatures: settings.signatures,
            connections_max: settings.connections_max,
            request_bytes_max: Size(settings.request_bytes_max as u64),
            memory: Size(settings.memory_bytes_max as u64),
        }
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        let settings = omnibus_webhook::Settings::default();
        Self {
            reach: settings.reach,
            certificates_file: settings.certificates_file,
            time_max: Span(u64::try_from(settings.time_max.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9644)), metrics_series_max: 20_000 }
    }
}

impl Default for Storage {
    fn default() -> Self {
        let log = LogConfig::default();
        let engine = omnibus_engine::EngineConfig::default();
        let millis = |span: std::time::Duration| Span(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
        Self {
            cache: Size(log.cache_bytes),
            segment: Size(log.segment_bytes),
            reserve: Size(log.reserve_bytes),
            direct_io: log.direct_io,
            io_uring: log.io_uring,
            checkpoint_interval: millis(engine.checkpoint_interval),
            checkpoint_wal: Size(engine.checkpoint_wal_bytes),
            retention_interval: millis(engine.housekeeping_interval),
            retention_time_interval: millis(engine.retention_time_interval),
            scrub_interval: millis(engine.scrub.interval),
            scrub_rate: Size(engine.scrub.bytes_per_second),
        }
    }
}

impl Default for Topics {
    fn default() -> Self {
        let settings = omnibus_kafka::Settings::default();
        let limits = omnibus_broker::BrokerLimits::default();
        Self {
            auto_create: settings.auto_create_topics,
            partitions: settings.default_partitions,
            partitions_max: limits.partitions_max,
            retention_time: limit(limits.defaults.retention_time).map(Span),
            retention_bytes: limit(limits.defaults.retention_bytes).map(Size),
            batch_bytes_max: Size(u64::from(limits.defaults.batch_bytes_max)),
        }
    }
}

impl Default for Groups {
    fn default() -> Self {
        let limits = omnibus_broker::BrokerLimits::default();
        Self {
            session_timeout_min: Span(limits.session_timeout_min.0),
            session_timeout_max: Span(limits.session_timeout_max.0),
            initial_rebalance_delay: Span(limits.initial_rebalance_delay.0),
            offsets_retention: Span(limits.offsets_retention.0),
        }
    }
}

const fn limit(limit: omnibus_model::topic::Limit) -> Option<u64> {
    match limit {
        omnibus_model::topic::Limit::Unlimited => None,
        omnibus_model::topic::Limit::AtMost(most) => Some(most),
    }
}

#[cfg(test)]
mod tests;
