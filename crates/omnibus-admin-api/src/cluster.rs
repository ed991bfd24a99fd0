//! The cluster, as one of its nodes sees it: `/v1/cluster`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scrub::DamagedView;

/// What a node knows of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    pub cluster_id: String,
    /// The node that says so.
    pub node: u32,
    /// All nodes by number: those that vote, and those that have introduced themselves.
    pub nodes: Vec<MemberView>,
    /// Empty where a node has no others beside it.
    pub shards: Vec<ShardView>,
    /// What has rotted on the disk of the node that says so.
    #[serde(default)]
    pub damaged: DamagedView,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    pub node: u32,
    /// Whether there is a connection to it now.
    pub reached: bool,
    /// The shards that it is known to lead.
    pub leads: usize,
    /// Where its doors are, by their names. Empty until it has introduced itself.
    pub addresses: BTreeMap<String, String>,
    pub rack: Option<String>,
    pub duty: Duty,
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// It replicates, and leads its share.
    #[default]
    Full,
    /// It replicates and leads nothing, until somebody says otherwise.
    Drained,
    /// It leaves for good.
    Leaving,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardView {
    pub shard: u16,
    /// None if nobody is known to lead it.
    pub leader: Option<u32>,
    /// The newest entry on the node that says so.
    pub last: u64,
    /// The newest that it has applied.
    pub applied: u64,
    pub replicas: Vec<ReplicaView>,
    /// A change of who votes that is under way. Known to the leader first.
    #[serde(default)]
    pub change: Option<ChangeView>,
}

/// A change of who votes about a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// Who gets a vote.
    pub added: Vec<u32>,
    /// Who loses it.
    pub taken: Vec<u32>,
    /// Whether it has begun: until it ends, a majority of those before and one of those behind it are needed. It is only due
    /// otherwise.
    pub half_done: bool,
    /// For how many seconds the node that says so has seen it; null if it has not looked since.
    pub seconds: Option<u64>,
}

/// One of a shard's replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaView {
    pub node: u32,
    /// Whether it decides with the others; it only gets what they decide otherwise.
    pub votes: bool,
    /// The newest entry that it has for certain. Known to the leader only.
    pub has: Option<u64>,
}

/// A node that wants to be taken in: a `POST` to `/v1/cluster/nodes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeJoin {
    /// Its number and where other nodes reach it, as `4@10.0.0.4:9643`.
    pub node: String,
}

/// What a `POST` to `/v1/cluster/balance` has moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceView {
    /// The node that says so: each hands over what it leads itself.
    pub node: u32,
    pub moved: Vec<MovedView>,
}

/// A shard that another node was asked to lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedView {
    pub shard: u16,
    pub to: u32,
}
