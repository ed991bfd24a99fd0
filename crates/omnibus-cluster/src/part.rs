//! How a node takes part.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::{Engine, EngineConfig, EngineError, Opening, Running, Seams};
use omnibus_model::NodeId;
use omnibus_raft::{Consensus, OpenraftLog};
use omnibus_replication::{Opened as OpenedLog, ReplicatedLog};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::balance;
use crate::carriers::ways;
use crate::cluster::Cluster;
use crate::leaving;
use crate::meeting::{Entrance, Meeting, OpenError};
use crate::{succession, upkeep};

/// How long others may take to lead what this node led. One election takes no longer.
const HAND_OVER_TIME: Duration = Duration::from_secs(2);

/// An engine that is a replica of the cluster's.
#[derive(Debug)]
pub struct Opened {
    pub engine: Engine,
    pub running: Running,
    pub cluster: Cluster,
    pub part: TakingPart,
}

/// The tasks of a node that takes part.
#[derive(Debug)]
pub struct TakingPart {
    cluster: Cluster,
    stop: watch::Sender<bool>,
    door: JoinHandle<()>,
    upkeep: JoinHandle<()>,
    succession: JoinHandle<()>,
    watching: JoinHandle<()>,
}

impl Meeting {
    /// Opens the engine as one replica of the cluster's. Must be called within a runtime of several
    /// threads. Nothing may be led yet when this returns: that takes a majority of nodes. Founders
    /// must all have been told of the same members.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn take_part(self, entrance: Entrance, seams: Seams, engine: EngineConfig) -> Result<Opened, OpenError> {
        let founders: BTreeSet<NodeId> = match entrance {
            Entrance::Founder => self.members.nodes().collect(),
            Entrance::Guest => BTreeSet::new(),
        };
        if entrance == Entrance::Founder {
            self.found();
        }
        let Self { node, address, lines, answerer, stop, door, .. } = self;
        let (to_voters, to_engines) = ways(&lines);
        let seed = u64::try_from(seams.entropy.random() >> 64).unwrap_or_default();
        let consensus = Consensus { node, seed, runtime: Handle::current(), peers: Some(to_voters), founders };
        let (engine, running, log) = open_over(seams, engine, consensus)?;
        engine.connect(to_engines);
        let is_first = answerer.taking_part.set((Arc::clone(&log), engine.clone())).is_ok();
        debug_assert!(is_first, "a meeting ends once");
        let (changes, gone) = Default::default();
        let cluster = Cluster { node, address, log, lines, engine: engine.clone(), changes, gone };
        let upkeep = tokio::spawn(upkeep::run(cluster.clone()));
        let watching = tokio::spawn(leaving::watch(cluster.clone()));
        let succession = tokio::spawn(succession::run(cluster.clone()));
        let part = TakingPart { cluster: cluster.clone(), stop, door, upkeep, succession, watching };
        Ok(Opened { engine, running, cluster, part })
    }
}

impl TakingPart {
    /// Has others lead what this node leads, where there is somebody to.
    pub async fn hand_over(&self) {
        self.upkeep.abort();
        self.succession.abort();
        let cluster = &self.cluster;
        if cluster.was_removed() {
            return;
        }
        let roster = cluster.roster();
        for shard in cluster.all_shards() {
            balance::hand_over(cluster, &roster, shard).await;
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
        self.upkeep.abort();
        self.succession.abort();
        self.watching.abort();
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
