//! Asks a node of a cluster to take this one in.

use anyhow::{Context, Result};
use hyper::Method;
use omnibus_admin_api::cluster::{ClusterView, NodeJoin};
use omnibus_cluster::{Member, Members};
use omnibus_model::NodeId;
use omnibus_model::node::Address;

use crate::client::AdminArgs;

/// A cluster that lets this node in.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) cluster_id: String,
    /// Its nodes, as far as they have said where other nodes reach them.
    pub(super) members: Members,
}

/// Asks the admin API at an address. It is no matter if it was asked before.
pub(super) async fn ask(at: &str, node: NodeId, own: &Address) -> Result<Joined> {
    let member = Member { node, address: own.clone() };
    let body = NodeJoin { node: member.to_string() };
    let view: ClusterView = AdminArgs::at(at).client()?.send(Method::POST, "/v1/cluster/nodes", &body).await?;
    let others = view.nodes.iter().filter(|other| other.node != node.0);
    let places = others.filter_map(|other| Some((other.node, other.addresses.get(omnibus_cluster::DOOR)?)));
    let members = places.map(|(node, address)| format!("{node}@{address}").parse());
    let members = members.collect::<Result<_, _>>().context("the cluster names a node in another way")?;
    Ok(Joined { cluster_id: view.cluster_id, members })
}
