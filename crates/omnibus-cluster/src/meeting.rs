//! How a node finds out what it is to the cluster, before it has any part in it.
//!
//! A node with an empty disk is new, or has lost what it had. If it took part as a founder in the
//! second case, it would vote as if it had never confirmed anything. So the founders of a cluster
//! wait for each other, and a founder that hears of a cluster is a guest like any other newcomer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use omnibus_engine::EngineError;
use omnibus_model::NodeId;
use omnibus_peers::{Door, Identity, Lines, Service};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::carriers::Answerer;
use crate::member::Members;
use crate::stage::Stage;

/// How soon the others are asked again, and how long each may take.
const PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(1);

/// How many times they are asked before it is told who is missing.
const TELL_EVERY: u32 = 100;

/// What a node is told of the cluster.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    pub identity: Identity,
    /// Where other nodes come in.
    pub listen: SocketAddr,
    /// The nodes that are known from the start, this one among them.
    pub members: Members,
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
    #[error("node {node} was removed from the cluster, and its number is never used again")]
    Removed { node: NodeId },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// As what a node takes part for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// It makes the cluster, with the others that it was told of.
    Founder,
    /// There is a cluster, which gives it what it needs.
    Guest,
}

/// A node that can be reached by the others, and has no part in anything yet.
#[derive(Debug)]
pub struct Meeting {
    pub(crate) node: NodeId,
    pub(crate) members: Members,
    pub(crate) address: SocketAddr,
    pub(crate) lines: Lines,
    pub(crate) answerer: Arc<Answerer>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) door: JoinHandle<()>,
}

impl Meeting {
    /// Listens, and opens ways to the others. Must be called within a runtime.
    ///
    /// # Errors
    /// [`OpenError::Listen`].
    pub async fn open(config: ClusterConfig) -> Result<Self, OpenError> {
        let ClusterConfig { identity, listen, members } = config;
        let node = identity.node;
        let cannot = |error| OpenError::Listen { address: listen, error };
        let door = Door::bind(listen, identity.clone()).await.map_err(cannot)?;
        let address = door.local_addr().map_err(cannot)?;
        let lines = Lines::new(identity);
        for (other, address) in members.iter().filter(|(other, _)| *other != node) {
            lines.set(other, &address.to_string());
        }
        let (stop, stopped) = watch::channel(false);
        let answerer = Arc::new(Answerer::default());
        let door = tokio::spawn(door.run(Arc::clone(&answerer) as Arc<_>, stopped));
        Ok(Self { node, members, address, lines, answerer, stop, door })
    }

    /// Finds out whether this node, whose disk is empty, makes the cluster with the others that it
    /// knows. Waits until all of them are as new as it is, or any of them knows of a cluster.
    ///
    /// # Errors
    /// [`OpenError::Removed`].
    pub async fn agree(&self) -> Result<Entrance, OpenError> {
        let others: Vec<NodeId> = self.members.nodes().filter(|node| *node != self.node).collect();
        for attempt in 1_u32.. {
            let mut missing = Vec::new();
            for node in &others {
                match self.ask(*node).await {
                    Some(Stage::Begun) => return Ok(Entrance::Guest),
                    Some(Stage::Removed) => return Err(OpenError::Removed { node: self.node }),
                    Some(Stage::New | Stage::Founding) => {}
                    None => missing.push(node.0),
                }
            }
            if missing.is_empty() {
                break;
            }
            if attempt.is_multiple_of(TELL_EVERY) {
                tracing::info!(?missing, "a new cluster begins when all of its nodes are there");
            }
            sleep(PAUSE).await;
        }
        Ok(Entrance::Founder)
    }

    async fn ask(&self, node: NodeId) -> Option<Stage> {
        let answer = timeout(PATIENCE, self.lines.call(node, Service::Cluster, Vec::new())).await;
        Stage::decode(&answer.ok()?.ok()?)
    }

    /// Says from now on that this node makes the cluster.
    pub(crate) fn found(&self) {
        self.answerer.is_founding.store(true, Ordering::Relaxed);
    }
}
