//! Ways between three engines that can be cut, and that lose answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use omnibus_engine::Engine;
use omnibus_engine::peers::{Asking, PeerError, Peers};
use omnibus_model::NodeId;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::trio::NODES;

/// All ways; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Wires {
    engines: Arc<Mutex<Vec<Option<Engine>>>>,
    /// Nodes that nobody reaches, and that reach nobody.
    cut: Arc<watch::Sender<BTreeSet<NodeId>>>,
    /// Every so many answers one does not arrive; never if it is zero.
    loses: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
    /// Nobody answers anything.
    is_silent: Arc<AtomicBool>,
}

/// The ways of one node.
#[derive(Debug)]
struct Ways {
    from: NodeId,
    wires: Wires,
}

impl Wires {
    /// Lets engines ask each other.
    pub(crate) fn connect(engines: &[Engine]) -> Self {
        let wires = Self {
            engines: Arc::new(Mutex::new(vec![None; NODES.len()])),
            cut: Arc::new(watch::Sender::default()),
            loses: Arc::default(),
            asked: Arc::default(),
            is_silent: Arc::default(),
        };
        NODES.into_iter().zip(engines).for_each(|(node, engine)| wires.put(node, engine.clone()));
        wires
    }

    /// Lets an engine take the place of its node.
    pub(crate) fn put(&self, node: NodeId, engine: Engine) {
        engine.connect(Arc::new(Ways { from: node, wires: self.clone() }));
        self.engines.lock()[node.0 as usize - 1] = Some(engine);
    }

    /// Takes a dead node's engine away.
    pub(crate) fn take(&self, node: NodeId) {
        self.engines.lock()[node.0 as usize - 1] = None;
    }

    pub(crate) fn cut(&self, node: NodeId) {
        self.cut.send_if_modified(|cut| cut.insert(node));
    }

    pub(crate) fn mend(&self, node: NodeId) {
        self.cut.send_if_modified(|cut| cut.remove(&node));
    }

    pub(crate) fn never_answer(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::SeqCst);
    }

    pub(crate) fn lose_every(&self, answers: u64) {
        self.loses.store(answers, Ordering::SeqCst);
    }
}

impl Peers for Ways {
    fn reaches(&self, node: NodeId) -> bool {
        let cut = self.wires.cut.borrow();
        !cut.contains(&node) && !cut.contains(&self.from)
    }

    fn ask(&self, node: NodeId, request: Bytes) -> Asking {
        let (from, wires) = (self.from, self.wires.clone());
        Box::pin(async move {
            let mut cut = wires.cut.subscribe();
            let is_cut = |cut: &BTreeSet<NodeId>| cut.contains(&node) || cut.contains(&from);
            let engine = wires.engines.lock()[node.0 as usize - 1].clone();
            let Some(engine) = engine.filter(|_| !is_cut(&cut.borrow())) else {
                return Err(PeerError::Unreachable { node });
            };
            if wires.is_silent.load(Ordering::SeqCst) {
                return std::future::pending().await;
            }
            let answer = tokio::select! {
                answer = engine.answer_peer(request) => answer,
                _ = cut.wait_for(is_cut) => return Err(PeerError::Lost { node }),
            };
            let (asked, loses) = (wires.asked.fetch_add(1, Ordering::SeqCst), wires.loses.load(Ordering::SeqCst));
            if loses > 0 && asked % loses == 0 { Err(PeerError::Lost { node }) } else { Ok(answer) }
        })
    }
}
