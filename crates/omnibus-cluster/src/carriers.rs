//! What goes over the connections between nodes: consensus, and what engines ask each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use omnibus_engine::Engine;
use omnibus_engine::peers::{Asking, Living, PeerError};
use omnibus_model::{LogIndex, NodeId, ShardId};
use omnibus_peers::{Answering, Answers, CallError, Lines, Service};
use omnibus_raft::{OpenraftLog, Pieces};

use crate::leaving::has_left;
use crate::stage::Stage;

/// Carries what consensus says.
#[derive(Clone, Debug)]
pub(crate) struct ConsensusLines(pub(crate) Lines);

impl omnibus_raft::Peers for ConsensusLines {
    fn call(&self, node: NodeId, request: Pieces) -> omnibus_raft::Calling {
        let calling = self.0.call(node, Service::Consensus, request);
        Box::pin(async move {
            calling.await.map_err(|error| match error {
                CallError::Unreachable { node } => omnibus_raft::PeerError::Unreachable { node },
                CallError::Busy { node } => omnibus_raft::PeerError::Busy { node },
                CallError::Lost { node } | CallError::NotUnderstood { node } => omnibus_raft::PeerError::Lost { node },
                CallError::TooLong => unsendable(node),
            })
        })
    }
}

/// A request of consensus has at most an entry more than it should, which fits into a frame twice.
fn unsendable(node: NodeId) -> omnibus_raft::PeerError {
    tracing::error!(%node, "what consensus wants to say does not fit into a frame");
    omnibus_raft::PeerError::Unreachable { node }
}

/// Carries what engines ask each other.
#[derive(Clone, Debug)]
pub(crate) struct EngineLines(pub(crate) Lines);

impl omnibus_engine::peers::Peers for EngineLines {
    fn reaches(&self, node: NodeId) -> bool {
        self.0.is_open(node)
    }

    fn hears(&self, node: NodeId) -> bool {
        self.0.is_heard(node)
    }

    fn sign_of_life(&self, node: NodeId) -> Living {
        let lines = self.0.clone();
        Box::pin(async move { lines.sign_of_life(node).await })
    }

    fn ask(&self, node: NodeId, request: Bytes) -> Asking {
        let calling = self.0.call(node, Service::Engine, vec![request]);
        Box::pin(async move {
            calling.await.map_err(|error| match error {
                CallError::Lost { node } => PeerError::Lost { node },
                CallError::Unreachable { .. }
                | CallError::Busy { .. }
                | CallError::TooLong
                | CallError::NotUnderstood { .. } => PeerError::Unreachable { node },
            })
        })
    }
}

/// Answers what other nodes ask of this one, as far as it takes part yet.
#[derive(Debug, Default)]
pub(crate) struct Answerer {
    pub(crate) is_founding: AtomicBool,
    pub(crate) taking_part: OnceLock<(Arc<OpenraftLog>, Engine)>,
}

impl Answerer {
    /// What a node is told that asks.
    fn stage(&self, asks: NodeId) -> Stage {
        if self.taking_part.get().is_some_and(|(_, engine)| has_left(engine, asks)) {
            return Stage::Removed;
        }
        let has_begun = self.taking_part.get().is_some_and(|(log, _)| has_begun(log));
        match self.is_founding.load(Ordering::Relaxed) {
            _ if has_begun => Stage::Begun,
            true => Stage::Founding,
            false => Stage::New,
        }
    }
}

impl Answers for Answerer {
    fn answer(&self, from: NodeId, service: Service, request: Bytes) -> Answering {
        match (service, self.taking_part.get()) {
            (Service::Cluster, _) => {
                let stage = self.stage(from);
                Box::pin(async move { Some(stage.encode()) })
            }
            // It does not know yet.
            (_, Some((_, engine))) if has_left(engine, from) => Box::pin(async { None }),
            (Service::Consensus, Some((log, _))) => {
                let door = log.door();
                Box::pin(async move { door.answer(request).await })
            }
            (Service::Engine, Some((_, engine))) => {
                let engine = engine.clone();
                Box::pin(async move { Some(engine.answer_peer(request).await) })
            }
            (Service::Consensus | Service::Engine, None) => Box::pin(async { None }),
        }
    }
}

/// The first entry says who votes, the second is some leader's first.
fn has_begun(log: &OpenraftLog) -> bool {
    (0..log.shards()).map(ShardId).any(|shard| log.standing(shard).last >= LogIndex(2))
}

/// Both ways of a node.
pub(crate) fn ways(lines: &Lines) -> (Arc<dyn omnibus_raft::Peers>, Arc<dyn omnibus_engine::peers::Peers>) {
    (Arc::new(ConsensusLines(lines.clone())), Arc::new(EngineLines(lines.clone())))
}
