//! What all requests know: the door, and how this node presents itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use omnibus_amqp::administration::Administration;
use omnibus_model::{NodeId, ShardId};

/// The version of RabbitMQ whose API this follows: the same that clients of the door are told.
pub(crate) const RABBITMQ: &str = omnibus_amqp::RABBITMQ_VERSION;

/// This node, for those who ask.
#[derive(Debug)]
pub struct Site {
    pub administration: Administration,
    /// What the cluster is called.
    pub cluster_id: String,
    pub node: NodeId,
    pub listening: Vec<Listening>,
    /// Free bytes on disk below which publishes are refused.
    pub disk_reserve_bytes: u64,
    /// The most series that one metric may have.
    pub metrics_series_max: u64,
    pub read_process: fn() -> Process,
}

/// What the process takes of the machine, as far as the system tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    pub memory_bytes: Option<u64>,
    pub open_files: Option<u64>,
    pub open_files_max: Option<u64>,
}

/// Where the node is reached by a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// As RabbitMQ calls it.
    pub protocol: &'static str,
    pub address: SocketAddr,
}

/// The site that all requests share.
pub(crate) type SharedSite = Arc<Site>;

impl Site {
    /// What a node is called.
    pub(crate) fn name_of(node: NodeId) -> String {
        format!("omnibus@{}", node.0)
    }

    /// What this node is called.
    pub(crate) fn name(&self) -> String {
        Self::name_of(self.node)
    }

    /// The nodes of the cluster.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> =
            self.administration.engine().catalog().nodes().into_iter().map(|(node, _)| node).collect();
        if nodes.is_empty() {
            nodes.push(self.node);
        }
        nodes
    }

    /// The node that serves a shard now.
    pub(crate) fn leader(&self, shard: ShardId) -> Option<String> {
        self.administration.engine().leader(shard).map(Self::name_of)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.administration.engine().clock().elapsed()
    }
}
