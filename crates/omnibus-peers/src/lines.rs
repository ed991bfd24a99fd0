//! The ways to all other nodes, opened again whenever one ends.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnibus_model::NodeId;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::frame::Service;
use crate::hello::Identity;
use crate::line::{self, CallError, Line};

/// The pause before the next try to connect grows from this to that.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// An answer on its way.
pub type Calling = Pin<Box<dyn Future<Output = Result<Bytes, CallError>> + Send>>;

/// The ways to other nodes. Clones share them; they close with the last.
#[derive(Clone, Debug)]
pub struct Lines {
    ours: Arc<Identity>,
    open: Arc<Mutex<BTreeMap<NodeId, Way>>>,
    departures: Arc<watch::Sender<Departures>>,
}

/// How often the process of each node was found to be gone.
pub type Departures = BTreeMap<NodeId, u64>;

/// The way to one node.
#[derive(Debug)]
struct Way {
    address: String,
    line: Arc<Mutex<Option<Line>>>,
    task: JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lines {
    /// No ways yet. Must be called within a runtime, as must all that follows.
    #[must_use]
    pub fn new(ours: Identity) -> Self {
        Self { ours: Arc::new(ours), open: Arc::default(), departures: Arc::default() }
    }

    /// How often the process of each node was found to be gone, from now on: its connection has ended, and its machine lets
    /// nobody in any more. Of a machine that is silent nothing is known.
    #[must_use]
    pub fn departures(&self) -> watch::Receiver<Departures> {
        self.departures.subscribe()
    }

    /// Says where a node listens, and keeps a way to it open from now on.
    pub fn set(&self, node: NodeId, address: &str) {
        let mut open = self.open.lock();
        if open.get(&node).is_some_and(|way| way.address == address) {
            return;
        }
        let line = Arc::new(Mutex::new(None));
        let kept = (Arc::clone(&line), Arc::clone(&self.departures));
        let keep = keep(Arc::clone(&self.ours), (node, address.to_owned()), kept);
        open.insert(node, Way { address: address.to_owned(), line, task: tokio::spawn(keep) });
    }

    /// Closes the way to a node.
    pub fn remove(&self, node: NodeId) {
        self.open.lock().remove(&node);
    }

    /// To whom ways are kept open.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        self.open.lock().keys().copied().collect()
    }

    /// Whether there is a connection to a node now.
    #[must_use]
    pub fn is_open(&self, node: NodeId) -> bool {
        self.line(node).is_some()
    }

    /// Whether there is a connection to a node now on which something has come in the last one to two seconds.
    #[must_use]
    pub fn is_heard(&self, node: NodeId) -> bool {
        self.line(node).is_some_and(|line| line.is_heard())
    }

    /// Asks for a sign of life, and waits until it comes, or the connection has ended. Then [`Self::is_open`] knows, which a
    /// moment before may not have heard yet that the other process is gone.
    pub async fn sign_of_life(&self, node: NodeId) {
        if let Some(line) = self.line(node) {
            drop(line.ping().await);
        }
    }

    /// Sends a request. Requests to one node leave in the order of calls.
    #[must_use]
    pub fn call(&self, node: NodeId, service: Service, pieces: Vec<Bytes>) -> Calling {
        let answer = self.line(node).map(|line| line.call(service, pieces));
        Box::pin(async move {
            match answer {
                Some(answer) => answer.await.unwrap_or(Err(CallError::Lost { node })),
                None => Err(CallError::Unreachable { node }),
            }
        })
    }

    fn line(&self, node: NodeId) -> Option<Line> {
        self.open.lock().get(&node)?.line.lock().clone().filter(|line| !line.has_ended())
    }
}

/// Keeps a connection open.
async fn keep(
    ours: Arc<Identity>,
    (node, address): (NodeId, String),
    (line, departures): (Arc<Mutex<Option<Line>>>, Arc<watch::Sender<Departures>>),
) {
    let (mut pause, mut was_there) = (PAUSE_MIN, false);
    let mut complaint = String::new();
    loop {
        match line::connect(&ours, node, &address).await {
            Ok((open, _)) => {
                tracing::info!(%node, address, "connected");
                *line.lock() = Some(open.line.clone());
                let reason = open.serve().await;
                *line.lock() = None;
                tracing::warn!(%node, address, reason, "the connection ended");
                (pause, complaint, was_there) = (PAUSE_MIN, String::new(), true);
            }
            Err(error) => {
                if was_there && error.is_refusal() {
                    was_there = false;
                    departures.send_modify(|departures| *departures.entry(node).or_default() += 1);
                }
                // Once is enough for as long as nothing changes.
                let error = error.to_string();
                if error != complaint {
                    tracing::warn!(%node, address, error, "cannot connect; trying on");
                }
                complaint = error;
                pause = PAUSE_MAX.min(pause * 2);
            }
        }
        sleep(pause).await;
    }
}
