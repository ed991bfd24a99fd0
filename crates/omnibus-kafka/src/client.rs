//! A small Kafka client: what the command line and the tests speak to any broker.
//!
//! [`Client`] knows a cluster and finds who leads what; [`Connection`] is one socket.
//! It retries nothing and balances nothing: a caller sees every answer as it came.

mod connection;

use std::collections::BTreeMap;

use omnibus_model::TopicId;
use thiserror::Error;

use crate::wire::messages::find_coordinator_request::FindCoordinatorRequest;
use crate::wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use crate::wire::messages::metadata_response::MetadataResponse;
use crate::wire::{ApiKey, DecodeError, EncodeError, ErrorCode, WireString};

pub use connection::{Answer, Connection};

/// The first version of FindCoordinator that asks for several groups at once (KIP-699).
const COORDINATORS_BATCHED_FROM: i16 = 4;

/// Why a call had no answer.
#[derive(Clone, Debug, Error)]
pub enum ClientError {
    #[error("cannot connect to {address}: {reason}")]
    Connect { address: String, reason: String },
    #[error("the connection is closed: {reason}")]
    Closed { reason: String },
    #[error("{address} has no version of {key} that we speak")]
    VersionUnsupported { address: String, key: ApiKey },
    #[error("{key} cannot be written: {error}")]
    Encode { key: ApiKey, error: EncodeError },
    #[error("the answer to {key} cannot be read: {error}")]
    Decode { key: ApiKey, error: DecodeError },
    #[error("{key} failed: {code}")]
    Refused { key: ApiKey, code: ErrorCode },
    #[error("{key} failed with code {number}, which we do not know")]
    RefusedUnknown { key: ApiKey, number: i16 },
    #[error("node {node} is not one of the cluster's")]
    NodeUnknown { node: i32 },
    #[error("{topic} has no partition {partition}")]
    PartitionUnknown { topic: String, partition: i32 },
}

/// A cluster.
#[derive(Debug)]
pub struct Client {
    client_id: String,
    /// The connection that knows the way to the others.
    first: Connection,
    /// The addresses of the nodes, as the last metadata had them.
    nodes: BTreeMap<i32, String>,
    connections: BTreeMap<i32, Connection>,
    /// Who leads the partitions of a topic, as the last metadata had it.
    leaders: BTreeMap<String, BTreeMap<i32, i32>>,
}

impl Client {
    /// Connects to the first of `addresses` (`host:port`) that answers.
    ///
    /// # Errors
    /// What the last of them failed with.
    pub async fn connect(addresses: &[String], client_id: &str) -> Result<Self, ClientError> {
        let mut failed = ClientError::Connect { address: String::new(), reason: "no address is given".to_owned() };
        for address in addresses {
            match Connection::open(address, client_id).await {
                Ok(first) => {
                    return Ok(Self {
                        client_id: client_id.to_owned(),
                        first,
                        nodes: BTreeMap::new(),
                        connections: BTreeMap::new(),
                        leaders: BTreeMap::new(),
                    });
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Returns the connection for what any node answers.
    #[must_use]
    pub const fn any(&self) -> &Connection {
        &self.first
    }

    /// Asks for some topics, or for all, and remembers who leads what.
    ///
    /// # Errors
    /// If there is no answer. Errors of single topics are in it.
    pub async fn metadata(&mut self, topics: Option<&[String]>) -> Result<MetadataResponse, ClientError> {
        let named = |name: &String| MetadataRequestTopic {
            name: Some(WireString::from(name.as_str())),
            topic_id: TopicId::default(),
        };
        let topics = topics.map(|names| names.iter().map(named).collect());
        let request = MetadataRequest { topics, allow_auto_topic_creation: true, ..MetadataRequest::default() };
        let response = self.first.call(&request).await?;
        self.remember(&response);
        Ok(response)
    }

    /// Returns the connection to the leader of a partition.
    ///
    /// # Errors
    /// If it has none, or cannot be reached.
    pub async fn leader(&mut self, topic: &str, partition: i32) -> Result<Connection, ClientError> {
        if self.known_leader(topic, partition).is_none() {
            drop(self.metadata(Some(&[topic.to_owned()])).await?);
        }
        let unknown = || ClientError::PartitionUnknown { topic: topic.to_owned(), partition };
        let node = self.known_leader(topic, partition).ok_or_else(unknown)?;
        self.node(node).await
    }

    /// Forgets who leads a topic, after it turned out to be wrong.
    pub fn forget(&mut self, topic: &str) {
        self.leaders.remove(topic);
    }

    /// Returns the connection to the coordinator of a group.
    ///
    /// # Errors
    /// If it has none yet, or cannot be reached.
    pub async fn coordinator(&mut self, group: &str) -> Result<Connection, ClientError> {
        let key = ApiKey::FindCoordinator;
        let mut request = FindCoordinatorRequest::default();
        if self.first.version(key)? < COORDINATORS_BATCHED_FROM {
            request.key = group.into();
        } else {
            request.coordinator_keys = vec![group.into()];
        }
        let response = self.first.call(&request).await?;
        let (error, node, host, port) = match response.coordinators.first() {
            Some(found) => (found.error_code, found.node_id, &found.host, found.port),
            None => (response.error_code, response.node_id, &response.host, response.port),
        };
        check(key, error)?;
        self.nodes.insert(node, format!("{host}:{port}"));
        self.node(node).await
    }

    /// Returns the connection to a node, and opens it if there is none.
    ///
    /// # Errors
    /// If the node is not known or cannot be reached.
    pub async fn node(&mut self, node: i32) -> Result<Connection, ClientError> {
        if let Some(connection) = self.connections.get(&node).filter(|connection| connection.is_open()) {
            return Ok(connection.clone());
        }
        let address = self.nodes.get(&node).ok_or(ClientError::NodeUnknown { node })?;
        let connection = Connection::open(address, &self.client_id).await?;
        self.connections.insert(node, connection.clone());
        Ok(connection)
    }

    fn known_leader(&self, topic: &str, partition: i32) -> Option<i32> {
        self.leaders.get(topic)?.get(&partition).copied().filter(|node| self.nodes.contains_key(node))
    }

    fn remember(&mut self, response: &MetadataResponse) {
        self.nodes = response.brokers.iter().map(|b| (b.node_id, format!("{}:{}", b.host, b.port))).collect();
        for topic in &response.topics {
            if let Some(name) = &topic.name {
                let leaders = topic.partitions.iter().map(|p| (p.partition_index, p.leader_id)).collect();
                self.leaders.insert(name.to_string(), leaders);
            }
        }
    }
}

/// Turns the error code of a response into an error.
///
/// # Errors
/// Unless the code says that all went well.
pub fn check(key: ApiKey, number: i16) -> Result<(), ClientError> {
    match ErrorCode::from_number(number) {
        Some(ErrorCode::None) => Ok(()),
        Some(code) => Err(ClientError::Refused { key, code }),
        None => Err(ClientError::RefusedUnknown { key, number }),
    }
}
