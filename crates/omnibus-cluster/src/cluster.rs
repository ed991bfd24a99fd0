//! How a node takes part.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::{Engine, EngineConfig, EngineError, Opening, Running, Seams};
use omnibus_model::{NodeId, ShardId};
use omnibus_peers::{Door, Identity, Lines};
use omnibus_raft::{Consensus, OpenraftLog};
use omnibus_replication::{Leadership, Opened as OpenedLog, ReplicatedLog};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::balance;
use crate::carriers::{Answerer, ways};
use crate::member::{Members, reached};

/// How soon is looked again.
const PAUSE: Duration = Duration::from_millis(10);

/// How long others may take to lead what this node led. One election takes no longer.
const HAND_OVER_TIME: Duration = Duration::from_secs(2);

/// How often whoever waits is told what for.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What a node is told of the cluster.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    pub identity: Identity,
    /// Where other nodes come in.
    pub listen: SocketAddr,
    /// Who makes the cluster, this node among them. All of them must be told the same.
    pub founders: Members,
    /// Where chance comes from.
    pub seed: u64,
}

/// Why a node cannot take part.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("cannot listen on {address} for other nodes")]
    Listen {
        address: SocketAddr,
        #[source]
        error: io::Error,
    },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// An engine that is a replica of the cluster's.
#[derive(Debug)]
pub struct Opened {
    pub engine: Engine,
    pub running: Running,
    pub cluster: Cluster,
    pub part: TakingPart,
}

/// What can be asked of the cluster. Clones share it.
#[derive(Clone, Debug)]
pub struct Cluster {
    node: NodeId,
    address: SocketAddr,
    log: Arc<OpenraftLog>,
    lines: Lines,
}

/// The tasks of a node that takes part.
#[derive(Debug)]
pub struct TakingPart {
    cluster: Cluster,
    stop: watch::Sender<bool>,
    door: JoinHandle<()>,
    balance: JoinHandle<()>,
}

impl Cluster {
    /// Opens the engine as one replica of the cluster's. Must be called within a runtime of several
    /// threads. Nothing may be led yet when this returns: that takes a majority of nodes.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(config: ClusterConfig, seams: Seams, engine: EngineConfig) -> Result<Opened, OpenError> {
        let ClusterConfig { identity, listen, founders, seed } = config;
        let node = identity.node;
        let cannot = |error| OpenError::Listen { address: listen, error };
        let door = Door::bind(listen, identity.clone()).await.map_err(cannot)?;
        let address = door.local_addr().map_err(cannot)?;
        let lines = Lines::new(identity);
        let (to_voters, to_engines) = ways(&lines);
        let consensus = Consensus {
            node,
            seed,
            runtime: Handle::current(),
            peers: Some(to_voters),
            founders: founders.nodes().collect(),
        };
        let (engine, running, log) = open_over(seams, engine, consensus)?;
        engine.connect(to_engines);
        for (other, address) in founders.iter().filter(|(other, _)| *other != node) {
            lines.set(other, &reached(address));
        }
        let (stop, stopped) = watch::channel(false);
        let answerer = Answerer { consensus: log.door(), engine: engine.clone() };
        let door = tokio::spawn(door.run(Arc::new(answerer), stopped));
        let balance = tokio::spawn(balance::run(node, Arc::clone(&log), lines.clone()));
        let cluster = Self { node, address, log, lines };
        let part = TakingPart { cluster: cluster.clone(), stop, door, balance };
        Ok(Opened { engine, running, cluster, part })
    }

    /// Where other nodes come in.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(crate) const fn node(&self) -> NodeId {
        self.node
    }

    pub(crate) const fn log(&self) -> &Arc<OpenraftLog> {
        &self.log
    }

    pub(crate) fn all_shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.log.shards()).map(ShardId)
    }

    /// Waits until each shard is led by somebody, and says now and then what for.
    pub async fn led(&self) {
        while timeout(TELL_EVERY, self.until(|cluster, shard| cluster.is_led(shard))).await.is_err() {
            let voters = self.log.replicas(ShardId::METADATA).voters;
            let missing: Vec<u32> = voters.into_iter().filter(|node| !self.reaches(*node)).map(|node| node.0).collect();
            tracing::info!(?missing, "waiting for a majority of the nodes");
        }
    }

    /// Waits until something is true of all shards.
    async fn until(&self, is_so: impl Fn(&Self, ShardId) -> bool) {
        while !self.all_shards().all(|shard| is_so(self, shard)) {
            sleep(PAUSE).await;
        }
    }

    fn is_led(&self, shard: ShardId) -> bool {
        !matches!(self.log.leadership(shard), Leadership::Elsewhere { leader: None })
    }

    pub(crate) fn reaches(&self, node: NodeId) -> bool {
        node == self.node || self.lines.is_open(node)
    }

    fn leads(&self, shard: ShardId) -> bool {
        matches!(self.log.leadership(shard), Leadership::Here { .. })
    }
}

impl TakingPart {
    /// Has others lead what this node leads, where there is somebody to.
    pub async fn hand_over(&self) {
        self.balance.abort();
        let cluster = &self.cluster;
        for shard in cluster.all_shards() {
            balance::hand_over(cluster.node, &cluster.log, &cluster.lines, shard).await;
        }
        let is_led_elsewhere = |cluster: &Cluster, shard| cluster.is_led(shard) && !cluster.leads(shard);
        if timeout(HAND_OVER_TIME, cluster.until(is_led_elsewhere)).await.is_err() {
            let kept = cluster.all_shards().filter(|shard| cluster.leads(*shard)).count();
            tracing::warn!(kept, "not all that this node led is led by others yet");
        }
    }

    /// Answers what other nodes have asked, and speaks with nobody any more. To be called before the engine is
    /// closed, which could answer nothing but that.
    pub async fn close(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.door.await {
            tracing::error!(%error, "the door of the nodes did not close well");
        }
    }
}

fn open_over(
    seams: Seams,
    config: EngineConfig,
    consensus: Consensus,
) -> Result<(Engine, Running, Arc<OpenraftLog>), EngineError> {
    let mut kept = None;
    let (engine, running) = Engine::open_over(seams, config, |opening| {
        let Opening { disk, log, shards, on_event, recover } = opening;
        let opened = OpenraftLog::open((disk, log), shards, consensus, on_event, recover)?;
        let OpenedLog { replicated, log, writer, checkpoints, report } = opened;
        let replicated = Arc::new(replicated);
        kept = Some(Arc::clone(&replicated));
        Ok(OpenedLog { replicated: replicated as Arc<dyn ReplicatedLog>, log, writer, checkpoints, report })
    })?;
    let Some(log) = kept else { unreachable!("an engine is open over a log") };
    Ok((engine, running, log))
}
