//! Makes an engine and the doors' settings from the configuration.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use omnibus_admin_api::group::Assigned;
use omnibus_broker::BrokerLimits;
use omnibus_cluster::OpenError;
use omnibus_engine::{Engine, EngineConfig, Running, ScrubConfig, Seams};
use omnibus_io::{Disk, SystemClock, SystemDisk, SystemEntropy};
use omnibus_kafka::wire::Input;
use omnibus_kafka::wire::messages::consumer_protocol_assignment::ConsumerProtocolAssignment;
use omnibus_log::{LogConfig, RecoveryReport};
use omnibus_model::node::{Address, NodeInfo};
use omnibus_model::topic::{EffectiveConfig, Limit};
use omnibus_model::{ClusterSecret, Millis, NodeId};

use super::identity::{self, Identity};
use super::part::{Entering, Others, cannot_open, cluster_config, who};
use crate::config::{Config, Effective};

/// How often, and how fast, data at rest may be read again.
const SCRUB_INTERVALS: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(366 * 24 * 3600);
const SCRUB_RATES: RangeInclusive<u64> = 64 << 10..=16 << 30;

/// Whoever pushes waits no longer.
const WEBHOOK_TIME_MAX: Duration = Duration::from_secs(60);

/// A node that is open, whether it has others beside it or not.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) running: Running,
    pub(crate) identity: Identity,
    pub(crate) others: Option<Others>,
}

/// Opens the data directory.
pub(crate) async fn open(effective: &Effective) -> Result<Opened> {
    let config = &effective.config;
    let directory = config.data_dir.display();
    let disk = SystemDisk::open(&config.data_dir).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            anyhow!("{directory} is in use by another process; stop it, or choose another directory with --data-dir")
        }
        _ => anyhow!(error).context(format!("cannot open the data directory {directory}")),
    })?;
    refuse_others_files(&disk, &config.data_dir)?;
    let entropy = SystemEntropy::open().context("cannot open /dev/urandom")?;
    let (identity, members) = who(effective, &disk, &entropy).await?;
    let disk = Arc::new(disk);
    let seams = Seams {
        disk: Arc::clone(&disk) as Arc<dyn Disk>,
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(entropy),
    };
    let engine_config = engine_config(config, &identity)?;
    let (engine, running, others) = if members.is_empty() {
        let opened = Engine::open(seams, engine_config).map_err(OpenError::Engine);
        let (engine, running) = opened.map_err(|error| cannot_open(error, &config.data_dir))?;
        (engine, running, None)
    } else {
        let cluster = cluster_config(config, &identity, members)?;
        let entrance = Entering { disk: &*disk, identity: &identity, directory: &config.data_dir };
        let (engine, running, others) = entrance.take_part(cluster, seams, engine_config).await?;
        (engine, running, Some(others))
    };
    tell(&running.report);
    Ok(Opened { engine, running, identity, others })
}

/// How others reach this node's doors: where they are, with a host that means the same everywhere.
pub(crate) fn node_info(config: &Config, identity: &Identity, doors: &[(&str, SocketAddr)]) -> NodeInfo {
    let own = config.cluster.nodes.address(NodeId(identity.node_id));
    let host = |address: &SocketAddr| match own {
        Some(own) if address.ip().is_unspecified() => own.host.clone(),
        _ => address.ip().to_string(),
    };
    let place = |(door, address): &(&str, SocketAddr)| {
        ((*door).to_owned(), Address { host: host(address), port: address.port() })
    };
    let mut addresses: BTreeMap<String, Address> = doors.iter().map(place).collect();
    addresses.extend(own.map(|own| (omnibus_cluster::DOOR.to_owned(), own.clone())));
    if let (Some(advertised), Some(kafka)) = (&config.kafka.advertised, addresses.get_mut(omnibus_kafka::DOOR)) {
        kafka.host.clone_from(&advertised.host);
        kafka.port = advertised.port.unwrap_or(kafka.port);
    }
    NodeInfo { addresses, rack: config.cluster.rack.clone() }
}

/// A directory that is somebody else's is not made a data directory by mistake.
fn refuse_others_files(disk: &SystemDisk, directory: &Path) -> Result<()> {
    let names = disk.list("").with_context(|| format!("cannot read {}", directory.display()))?;
    let is_ours = |name: &String| name.starts_with("SUPER.") || name.starts_with(identity::FILE);
    let is_others = |name: &String| name != "lost+found" && !name.starts_with('.');
    if !names.iter().any(is_ours) && names.iter().any(is_others) {
        bail!(
            "{} is no data directory and has other files in it; choose an empty or a new one with --data-dir",
            directory.display()
        );
    }
    Ok(())
}

/// Says what opening has repaired.
fn tell(report: &RecoveryReport) {
    if let Some(torn) = &report.torn_tail {
        tracing::info!(%torn, "the last write before the end was not finished, nor acknowledged; it is wiped");
    }
    for damage in &report.redundant {
        tracing::warn!(%damage, "a damaged file was repaired from its copy; see to the disk");
    }
}

/// How the Kafka door presents itself.
pub(crate) fn kafka_settings(config: &Config, identity: &Identity) -> omnibus_kafka::Settings {
    let advertised = config.kafka.advertised.as_ref();
    omnibus_kafka::Settings {
        cluster_id: identity.cluster_id.clone(),
        node_id: i32::try_from(identity.node_id).unwrap_or(i32::MAX),
        advertised_host: advertised.map(|address| address.host.clone()),
        advertised_port: advertised.and_then(|address| address.port),
        rack: config.cluster.rack.clone(),
        auto_create_topics: config.topics.auto_create,
        default_partitions: config.topics.partitions,
        connections_max: config.kafka.connections_max,
        request_bytes_max: usize::try_from(config.kafka.request_bytes_max.0).unwrap_or(usize::MAX),
        memory_bytes_max: usize::try_from(config.kafka.memory.0).unwrap_or(usize::MAX),
    }
}

/// How the AMQP door presents itself.
pub(crate) fn amqp_settings(config: &Config, identity: &Identity) -> Result<omnibus_amqp::Settings> {
    let amqp = &config.amqp;
    let credentials = match &amqp.credentials_file {
        None => Vec::new(),
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
            omnibus_amqp::read_credentials(&text).map_err(|reason| anyhow!("{file}: {reason}"))?
        }
    };
    let virtual_hosts = amqp.virtual_hosts.iter().flat_map(|names| names.split(',')).map(str::trim);
    Ok(omnibus_amqp::Settings {
        credentials,
        virtual_hosts: virtual_hosts.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        connections_max: amqp.connections_max,
        message_bytes_max: usize::try_from(amqp.message_bytes_max.0).unwrap_or(usize::MAX),
        memory_bytes_max: usize::try_from(amqp.memory.0).unwrap_or(usize::MAX),
        node: identity.node_id,
        cluster: identity.cluster_id.clone(),
        ..omnibus_amqp::Settings::default()
    })
}

/// How the SQS door presents itself.
pub(crate) fn sqs_settings(config: &Config, secret: ClusterSecret) -> Result<omnibus_sqs::Settings> {
    let sqs = &config.sqs;
    let credentials = match &sqs.credentials_file {
        None => Vec::new(),
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
            omnibus_sqs::read_credentials(&text).map_err(|reason| anyhow!("{file}: {reason}"))?
        }
    };
    let settings = omnibus_sqs::Settings {
        account: sqs.account.clone(),
        region: sqs.region.clone(),
        domain: sqs.domain.clone(),
        credentials,
        pace: sqs.pace,
        encryption: sqs.encryption,
        signatures: sqs.signatures,
        connections_max: sqs.connections_max,
        request_bytes_max: usize::try_from(sqs.request_bytes_max.0).unwrap_or(usize::MAX),
        memory_bytes_max: usize::try_from(sqs.memory.0).unwrap_or(usize::MAX),
        secret,
    };
    settings.check().map_err(|reason| anyhow!(reason))?;
    Ok(settings)
}

/// How those are called who subscribed by HTTP.
pub(crate) fn poster(config: &Config) -> Result<omnibus_webhook::Poster> {
    let webhooks = &config.webhooks;
    let time_max = Duration::from_millis(webhooks.time_max.0);
    if time_max.is_zero() || time_max > WEBHOOK_TIME_MAX {
        bail!("webhooks.time_max must be more than nothing and a minute at most");
    }
    let settings = omnibus_webhook::Settings {
        reach: webhooks.reach,
        certificates_file: webhooks.certificates_file.clone(),
        time_max,
        ..omnibus_webhook::Settings::default()
    };
    omnibus_webhook::Poster::new(settings).context("webhooks.certificates_file chooses another file")
}

/// Reads the assignment that a leader of Kafka's consumer protocol wrote for a member.
pub(crate) fn read_assignment(protocol_type: &str, assignment: &Bytes) -> Option<Vec<Assigned>> {
    if protocol_type != "consumer" {
        return None;
    }
    if assignment.is_empty() {
        return Some(Vec::new());
    }
    let version = i16::from_be_bytes(*assignment.first_chunk()?);
    let mut input = Input::from(assignment.slice(2..));
    let assignment = ConsumerProtocolAssignment::decode(&mut input, version.min(3)).ok()?;
    let assigned = assignment.assigned_partitions.into_iter().map(|topic| Assigned {
        topic: topic.topic.to_string(),
        partitions: topic.partitions.into_iter().filter_map(|partition| u32::try_from(partition).ok()).collect(),
    });
    Some(assigned.collect())
}

fn engine_config(config: &Config, identity: &Identity) -> Result<EngineConfig> {
    let storage = &config.storage;
    let log = LogConfig {
        segment_bytes: storage.segment.0,
        cache_bytes: storage.cache.0,
        reserve_bytes: storage.reserve.0,
        direct_io: storage.direct_io,
        io_uring: storage.io_uring,
        identity: identity.log()?,
        ..LogConfig::default()
    };
    Ok(EngineConfig {
        node: NodeId(identity.node_id),
        log,
        limits: limits(config),
        housekeeping_interval: storage.retention_interval.duration(),
        retention_time_interval: storage.retention_time_interval.duration(),
        checkpoint_interval: storage.checkpoint_interval.duration(),
        checkpoint_wal_bytes: storage.checkpoint_wal.0,
        scrub: scrub_config(config)?,
    })
}

/// How often data at rest is read again, and how fast.
fn scrub_config(config: &Config) -> Result<ScrubConfig> {
    let (interval, bytes_per_second) = (config.storage.scrub_interval.duration(), config.storage.scrub_rate.0);
    if !SCRUB_INTERVALS.contains(&interval) {
        bail!("storage.scrub_interval must be a minute at least, and a year at most");
    }
    if !SCRUB_RATES.contains(&bytes_per_second) {
        bail!("storage.scrub_rate must be 64KiB at least, and 16GiB at most");
    }
    Ok(ScrubConfig { interval, bytes_per_second })
}

fn limits(config: &Config) -> BrokerLimits {
    let (topics, groups) = (&config.topics, &config.groups);
    let at_most = |most: Option<u64>| most.map_or(Limit::Unlimited, Limit::AtMost);
    BrokerLimits {
        partitions_max: topics.partitions_max,
        session_timeout_min: Millis(groups.session_timeout_min.0),
        session_timeout_max: Millis(groups.session_timeout_max.0),
        initial_rebalance_delay: Millis(groups.initial_rebalance_delay.0),
        offsets_retention: Millis(groups.offsets_retention.0),
        defaults: EffectiveConfig {
            retention_time: at_most(topics.retention_time.map(|span| span.0)),
            retention_bytes: at_most(topics.retention_bytes.map(|size| size.0)),
            batch_bytes_max: u32::try_from(topics.batch_bytes_max.0).unwrap_or(u32::MAX),
            ..EffectiveConfig::default()
        },
        ..BrokerLimits::default()
    }
}

#[cfg(test)]
mod tests {
    use omnibus_kafka::wire::Output;
    use omnibus_kafka::wire::messages::consumer_protocol_assignment::TopicPartition;

    use super::*;

    #[test]
    fn data_at_rest_is_read_neither_all_the_time_nor_never() {
        let mut config = Config::default();
        assert_eq!(scrub_config(&config).unwrap(), ScrubConfig::default());
        for (interval, rate) in [("59s", "1MiB"), ("0", "1MiB"), ("400d", "1MiB"), ("7d", "0"), ("7d", "32GiB")] {
            config.storage.scrub_interval = interval.parse().unwrap();
            config.storage.scrub_rate = rate.parse().unwrap();
            assert!(scrub_config(&config).is_err(), "{interval} {rate}");
        }
    }

    #[test]
    fn assignment_of_a_classic_member_is_read() {
        let topic = TopicPartition { topic: "orders".into(), partitions: vec![0, 2] };
        let assignment = ConsumerProtocolAssignment { assigned_partitions: vec![topic], user_data: None };
        let mut out = Output::new();
        out.put_slice(&1i16.to_be_bytes());
        assignment.encode(&mut out, 1).unwrap();
        let written = out.into_bytes();
        let assigned = Assigned { topic: "orders".to_owned(), partitions: vec![0, 2] };
        assert_eq!(read_assignment("consumer", &written), Some(vec![assigned]));
        assert_eq!(read_assignment("consumer", &Bytes::new()), Some(Vec::new()));
        assert_eq!(read_assignment("consumer", &Bytes::from_static(&[0, 1, 0xff])), None);
        assert_eq!(read_assignment("connect", &written), None);
    }
}
