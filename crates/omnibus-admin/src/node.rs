//! What the admin door knows of the node that it is a door of.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_admin_api::group::Assigned;
use omnibus_admin_api::node::Setting;
use omnibus_cluster::Cluster;
use omnibus_engine::Engine;

/// The node, as its wiring describes it.
#[derive(Clone, Debug)]
pub struct Node {
    pub engine: Engine,
    /// The other nodes, if there are any.
    pub cluster: Option<Cluster>,
    pub cluster_id: String,
    pub node_id: u32,
    pub kafka: SocketAddr,
    pub admin: SocketAddr,
    pub data_dir: String,
    /// Partitions of a topic whose creator names no number.
    pub partitions_default: u32,
    /// The most series of one metric.
    pub metrics_series_max: u64,
    pub settings: Vec<Setting>,
    /// Reads what the leader of a group of this protocol type wrote for a member. Given by
    /// the wiring, since only that protocol's door knows its bytes.
    pub read_assignment: fn(&str, &Bytes) -> Option<Vec<Assigned>>,
}

/// A node that many requests share.
pub(crate) type SharedNode = Arc<Node>;
