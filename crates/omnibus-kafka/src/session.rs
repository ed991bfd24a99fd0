//! What a connection knows: whom it serves, and as which broker.

use std::net::SocketAddr;
use std::sync::Arc;

use omnibus_engine::Engine;
use omnibus_model::ShardId;

use crate::budget::Budget;
use crate::patterns::Patterns;
use crate::wire::WireString;

/// How this broker presents itself to Kafka clients.
#[derive(Clone, Debug)]
pub struct Settings {
    pub cluster_id: String,
    pub node_id: i32,
    /// The host that clients are told to come back to; `None` for the one they came to.
    pub advertised_host: Option<String>,
    /// The port that clients are told to come back to; `None` for the one they came to.
    pub advertised_port: Option<u16>,
    pub rack: Option<String>,
    /// Whether asking for a topic's metadata may create it.
    pub auto_create_topics: bool,
    /// Partitions of a topic whose creator names no number.
    pub default_partitions: u32,
    pub connections_max: usize,
    /// The most bytes of one request.
    pub request_bytes_max: usize,
    /// The most bytes that all connections together hold for requests and responses.
    pub memory_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cluster_id: String::from("omnibus"),
            node_id: 1,
            advertised_host: None,
            advertised_port: None,
            rack: None,
            auto_create_topics: true,
            default_partitions: 4,
            connections_max: 10_000,
            request_bytes_max: 100 << 20,
            memory_bytes_max: 256 << 20,
        }
    }
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub local: SocketAddr,
    pub peer: SocketAddr,
}

/// What a request may need to know besides its own bytes.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) engine: Engine,
    pub(crate) settings: Arc<Settings>,
    pub(crate) budget: Budget,
    pub(crate) patterns: Patterns,
    pub(crate) client: Client,
    pub(crate) ends: Ends,
}

/// Who asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// As the request's header names it.
    pub(crate) id: WireString,
    /// The address it calls from, as Kafka prints it.
    pub(crate) host: WireString,
}

impl Context {
    /// The host that clients are told to come back to.
    pub(crate) fn host(&self) -> String {
        self.settings.advertised_host.clone().unwrap_or_else(|| self.ends.local.ip().to_string())
    }

    /// The port that clients are told to come back to.
    pub(crate) fn port(&self) -> i32 {
        i32::from(self.settings.advertised_port.unwrap_or_else(|| self.ends.local.port()))
    }

    /// The epoch of who leads a shard's partitions, as Kafka writes it; −1 if nobody is known to.
    pub(crate) fn leader_epoch(&self, shard: ShardId) -> i32 {
        self.engine.leader_epoch(shard).map_or(-1, |epoch| i32::try_from(epoch.0).unwrap_or(i32::MAX))
    }
}
