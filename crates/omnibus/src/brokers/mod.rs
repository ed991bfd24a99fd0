//! Any cluster that speaks Kafka, as the command line uses it: find a topic, write to its
//! partitions, read from them.

mod produce;
mod reader;

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use omnibus_kafka::client::{Client, ClientError, Connection, check};
use omnibus_kafka::wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use omnibus_kafka::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use omnibus_kafka::wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use omnibus_kafka::wire::messages::metadata_response::MetadataResponseTopic;
use omnibus_kafka::wire::{ApiKey, ErrorCode, WireString};
use omnibus_model::TopicId;

use crate::output::Misuse;

pub(crate) use produce::{Acks, Batch, CodecName, Sent, partition_of_key, send};
pub(crate) use reader::{Fetched, Reader};

/// Between two looks at something that a cluster is about to do.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks before it counts as failed.
const TRIES: u32 = 300;

/// How long a request that changes something may take.
const TIMEOUT_MS: i32 = 30_000;

/// A consumer of our own is called like this where brokers list their clients.
const CLIENT_ID: &str = "omnibus-cli";

/// Where Kafka is spoken.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KafkaArgs {
    /// Where Kafka is spoken; several addresses of one cluster are separated by commas.
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "OMNIBUS_KAFKA",
        hide_env_values = true,
        default_value = "127.0.0.1:9092"
    )]
    kafka: String,
}

/// A cluster that answers.
#[derive(Debug)]
pub(crate) struct Brokers {
    client: Client,
    address: String,
}

/// A topic, as the cluster described it.
#[derive(Clone, Debug)]
pub(crate) struct TopicAt {
    pub(crate) name: WireString,
    pub(crate) id: TopicId,
    /// Partitions with their leaders.
    pub(crate) partitions: Vec<(i32, i32)>,
}

/// A place that a cluster can look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Beginning,
    End,
}

impl KafkaArgs {
    /// Connects.
    pub(crate) async fn cluster(&self) -> Result<Brokers> {
        let addresses: Vec<String> = self.kafka.split(',').map(|address| address.trim().to_owned()).collect();
        let has_port = |address: &str| address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if let Some(address) = addresses.iter().find(|address| !has_port(address)) {
            bail!(Misuse(format!("--kafka {address}: write HOST:PORT")));
        }
        let client = Client::connect(&addresses, CLIENT_ID).await.map_err(|error| match error {
            ClientError::Connect { .. } => {
                anyhow!("{error}; start a broker with `omnibus serve`, or name another with --kafka or OMNIBUS_KAFKA")
            }
            _ => anyhow!("{}: {error}; is it Kafka that is spoken there?", self.kafka),
        })?;
        Ok(Brokers { client, address: self.kafka.clone() })
    }
}

impl Brokers {
    /// Where the cluster was asked for.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The connections alone, for who knows what to ask.
    pub(crate) fn into_client(self) -> Client {
        self.client
    }

    /// Finds a topic; does not create it.
    pub(crate) async fn find(&mut self, name: &str) -> Result<Option<TopicAt>> {
        let named = MetadataRequestTopic { name: Some(name.into()), topic_id: TopicId::default() };
        let request = MetadataRequest {
            topics: Some(vec![named]),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let response = self.client.any().call(&request).await?;
        let Some(topic) = response.topics.into_iter().next() else { bail!("the cluster says nothing of {name}") };
        match ErrorCode::from_number(topic.error_code) {
            Some(ErrorCode::UnknownTopicOrPartition) => return Ok(None),
            Some(ErrorCode::InvalidTopicException) => bail!(
                "{name:?} cannot name a topic; a topic's name is 1 to 249 letters, digits, dots, underscores and hyphens"
            ),
            _ => check(ApiKey::Metadata, topic.error_code)?,
        }
        Ok(Some(described(topic, name)))
    }

    /// Finds a topic that has to be there.
    pub(crate) async fn topic(&mut self, name: &str) -> Result<TopicAt> {
        let found = self.find(name).await?;
        found.ok_or_else(|| anyhow!("there is no topic {name}; create it with `omnibus topic create {name}`"))
    }

    /// Creates a topic with one replica; `None` leaves the number of partitions to the broker.
    pub(crate) async fn create(&mut self, name: &str, partitions: Option<u32>) -> Result<TopicAt> {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions.map_or(Ok(-1), i32::try_from)?,
            replication_factor: -1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, validate_only: false };
        let response = self.client.any().call(&request).await?;
        for topic in &response.topics {
            let message = topic.error_message.as_deref().unwrap_or_default();
            check(ApiKey::CreateTopics, topic.error_code).with_context(|| format!("creating {name}: {message}"))?;
        }
        self.wait_for(name).await
    }

    /// The connection to a partition's leader.
    pub(crate) async fn leader(&mut self, topic: &TopicAt, partition: i32) -> Result<Connection> {
        Ok(self.client.leader(&topic.name, partition).await?)
    }

    /// A new connection to a partition's leader, beside the one that is shared.
    pub(crate) async fn own_connection(&mut self, topic: &TopicAt, partition: i32) -> Result<Connection> {
        let shared = self.leader(topic, partition).await?;
        Ok(Connection::open(shared.address(), CLIENT_ID).await?)
    }

    /// The connection to the coordinator of a group.
    pub(crate) async fn coordinator(&mut self, group: &str) -> Result<Connection> {
        Ok(patiently(async || self.coordinator_now(group).await).await?)
    }

    /// The connection to what is the coordinator of a group now, if there is one.
    pub(crate) async fn coordinator_now(&mut self, group: &str) -> Result<Connection, ClientError> {
        self.client.coordinator(group).await
    }

    /// The offset at a place of a partition.
    pub(crate) async fn offset(&mut self, topic: &TopicAt, partition: i32, place: Place) -> Result<i64> {
        Ok(patiently(async || self.offset_now(topic, partition, place).await).await?)
    }

    async fn offset_now(&mut self, topic: &TopicAt, partition: i32, place: Place) -> Result<i64, ClientError> {
        let timestamp = match place {
            Place::Beginning => -2,
            Place::End => -1,
        };
        let wanted = ListOffsetsPartition { partition_index: partition, current_leader_epoch: -1, timestamp };
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic { name: topic.name.clone(), partitions: vec![wanted] }],
            ..ListOffsetsRequest::default()
        };
        let response = self.client.leader(&topic.name, partition).await?.call(&request).await?;
        let found = response.topics.first().and_then(|topic| topic.partitions.first());
        let unknown = || ClientError::PartitionUnknown { topic: topic.name.to_string(), partition };
        let found = found.ok_or_else(unknown)?;
        check(ApiKey::ListOffsets, found.error_code)?;
        Ok(found.offset)
    }

    /// Waits until every partition of a new topic can be used; brokers spread the news.
    async fn wait_for(&mut self, name: &str) -> Result<TopicAt> {
        for _ in 0..TRIES {
            if let Some(topic) = self.find(name).await?
                && topic.partitions.iter().all(|(_, leader)| *leader >= 0)
                && !topic.partitions.is_empty()
            {
                for (partition, _) in &topic.partitions {
                    self.offset(&topic, *partition, Place::End).await?;
                }
                return Ok(topic);
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("{name} was created but has no leaders yet")
    }
}

/// Tries again while the cluster says that it is not ready yet.
pub(crate) async fn patiently<T>(mut attempt: impl AsyncFnMut() -> Result<T, ClientError>) -> Result<T, ClientError> {
    for _ in 1..TRIES {
        match attempt().await {
            Err(ClientError::Refused { code, .. }) if code.is_retriable() => tokio::time::sleep(PAUSE).await,
            result => return result,
        }
    }
    attempt().await
}

impl TopicAt {
    /// Makes sure that a partition is there.
    pub(crate) fn check_partition(&self, partition: i32) -> Result<()> {
        let count = self.partitions.len();
        let is_there = self.partitions.iter().any(|(number, _)| *number == partition);
        ensure!(is_there, "{} has no partition {partition}; it has {count}, from 0", self.name);
        Ok(())
    }
}

fn described(topic: MetadataResponseTopic, name: &str) -> TopicAt {
    let mut partitions: Vec<(i32, i32)> =
        topic.partitions.iter().map(|partition| (partition.partition_index, partition.leader_id)).collect();
    partitions.sort_unstable();
    TopicAt { name: name.into(), id: topic.topic_id, partitions }
}
