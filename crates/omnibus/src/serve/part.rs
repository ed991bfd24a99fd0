//! Who a node is, and how it takes part in a cluster.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use omnibus_cluster::{Cluster, ClusterConfig, Entrance, Meeting, Members, OpenError, TakingPart};
use omnibus_engine::{Engine, EngineConfig, Running, Seams};
use omnibus_io::{Disk, Entropy, SystemDisk};
use omnibus_model::NodeId;

use super::identity::{self, Identity, Naming};
use super::joining;
use crate::config::{Config, Effective};

/// The other nodes.
#[derive(Debug)]
pub(crate) struct Others {
    pub(crate) cluster: Cluster,
    pub(crate) part: TakingPart,
}

/// Finds out who this node is, and which others it is told of. A new one is given a name.
pub(super) async fn who(
    effective: &Effective,
    disk: &SystemDisk,
    entropy: &dyn Entropy,
) -> Result<(Identity, Members)> {
    let config = &effective.config;
    let known = Identity::read(disk)?;
    if let Some(identity) = &known {
        check_number(effective, identity)?;
    }
    let node = NodeId(known.as_ref().map_or(config.node_id, |identity| identity.node_id));
    let mut members = config.cluster.nodes.clone();
    if !members.is_empty() && members.address(node).is_none() {
        bail!("cluster.nodes does not name this node, which is {node}; it says {members}");
    }
    let mut name = None;
    if let Some(at) = &config.cluster.join {
        let own = members.address(node).context("with cluster.join, cluster.nodes says where this node is reached")?;
        match joining::ask(at, node, own).await {
            Ok(joined) => {
                members.extend(joined.members);
                name = Some(joined.cluster_id);
            }
            // It has joined before, and knows the others by itself.
            Err(error) if known.is_some() => tracing::warn!(at, %error, "the node to join through does not answer"),
            Err(error) => return Err(error.context(format!("cannot join the cluster of {at}"))),
        }
    }
    let naming = match &name {
        Some(name) => Naming::Joined(name),
        None if members.is_empty() => Naming::Alone,
        None => Naming::Founders(&config.cluster.nodes),
    };
    let identity = match known {
        Some(identity) => identity,
        None => {
            let drawn = Identity::draw(entropy, node.0, naming);
            drawn.save(disk).context("writing identity.toml; is the data directory writable?")?;
            drawn
        }
    };
    Ok((identity, members))
}

/// A data directory is of one node of one cluster for ever.
fn check_number(effective: &Effective, identity: &Identity) -> Result<()> {
    let (config, node) = (&effective.config, identity.node_id);
    if node != config.node_id && effective.is_chosen("node.id") {
        bail!(
            "{} belongs to node {node}, and node.id says {}; a node keeps its number, so choose another directory, \
             or the number {node}",
            config.data_dir.display(),
            config.node_id
        );
    }
    Ok(())
}

/// A node on its way into a cluster.
pub(super) struct Entering<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) identity: &'a Identity,
    pub(super) directory: &'a Path,
}

impl Entering<'_> {
    /// Takes part in the cluster, as what was found out once.
    pub(super) async fn take_part(
        &self,
        config: ClusterConfig,
        seams: Seams,
        engine: EngineConfig,
    ) -> Result<(Engine, Running, Others)> {
        let cannot = |error| cannot_open(error, self.directory);
        let meeting = Meeting::open(config).await.map_err(cannot)?;
        let entrance = match self.identity.entrance {
            Some(identity::Entrance::Founder) => Entrance::Founder,
            Some(identity::Entrance::Guest) => Entrance::Guest,
            None => meeting.agree().await.map_err(cannot)?,
        };
        if self.identity.entrance.is_none() {
            self.remember(entrance)?;
        }
        let opened = meeting.take_part(entrance, seams, engine).map_err(cannot)?;
        let omnibus_cluster::Opened { engine, running, cluster, part } = opened;
        Ok((engine, running, Others { cluster, part }))
    }

    /// Before it votes: what it is must not be found out anew when it has forgotten that.
    fn remember(&self, entrance: Entrance) -> Result<()> {
        tracing::info!(?entrance, "this node takes part in the cluster");
        let entrance = match entrance {
            Entrance::Founder => identity::Entrance::Founder,
            Entrance::Guest => identity::Entrance::Guest,
        };
        let identity = Identity { entrance: Some(entrance), ..self.identity.clone() };
        identity.save(self.disk).context("writing identity.toml")
    }
}

/// How a node takes part.
pub(super) fn cluster_config(config: &Config, identity: &Identity, members: Members) -> Result<ClusterConfig> {
    let node = NodeId(identity.node_id);
    let own = members.address(node).context("cluster.nodes does not name this node")?;
    let host = own.host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    Ok(ClusterConfig {
        identity: omnibus_cluster::Identity { cluster: identity.cluster_id.clone(), node, log: identity.log()? },
        listen: config.cluster.listen.unwrap_or_else(|| SocketAddr::new(host, own.port)),
        members,
    })
}

/// Why a data directory is of no use, and what to do about it.
pub(super) fn cannot_open(error: OpenError, directory: &Path) -> anyhow::Error {
    let directory = directory.display();
    match error {
        OpenError::Engine(error) => {
            let next = format!("; `omnibus verify {directory}` lists what is damaged");
            let next = if error.is_damage() { next } else { String::new() };
            anyhow!(error).context(format!("the data in {directory} cannot be opened{next}"))
        }
        OpenError::Listen { .. } => anyhow!(error).context("cluster.listen chooses another address"),
        OpenError::Removed { .. } => {
            anyhow!("{error}; to come back, join with a number that no node ever had, and an empty data directory")
        }
    }
}
