//! Nodes in one process that call each other, over ways that can be cut, and on which messages
//! may come late, in another order and more than once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use omnibus_model::NodeId;
use parking_lot::Mutex;

use crate::door::Door;
use crate::peers::{Calling, PeerError, Peers};
use crate::wire::Pieces;

/// Connects the nodes of a process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Switchboard {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    doors: BTreeMap<NodeId, Door>,
    /// Ways from a node to another that nothing passes.
    cut: BTreeSet<(NodeId, NodeId)>,
    disorder: Option<Disorder>,
}

/// Chance, out of a seed.
#[derive(Debug)]
struct Disorder {
    state: u64,
}

impl Disorder {
    /// The next number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// How a message travels.
#[derive(Clone, Copy, Debug, Default)]
struct Travel {
    late: Duration,
    /// It arrives once more, this much later.
    again: Option<Duration>,
}

/// A node's own line.
#[derive(Clone, Debug)]
struct Line {
    board: Switchboard,
    node: NodeId,
}

impl Switchboard {
    /// The way from a node to all others.
    #[must_use]
    pub fn line(&self, node: NodeId) -> Arc<dyn Peers> {
        Arc::new(Line { board: self.clone(), node })
    }

    /// Lets a node be called.
    pub fn connect(&self, node: NodeId, door: Door) {
        self.state.lock().doors.insert(node, door);
    }

    /// Lets a node be called no more.
    pub fn disconnect(&self, node: NodeId) {
        self.state.lock().doors.remove(&node);
    }

    /// Cuts the way from one node to another, or mends it.
    pub fn set_cut(&self, from: NodeId, to: NodeId, is_cut: bool) {
        let mut state = self.state.lock();
        if is_cut {
            state.cut.insert((from, to));
        } else {
            state.cut.remove(&(from, to));
        }
    }

    /// From now on messages come late, in another order, and some of them twice; or not any more.
    pub fn set_disorder(&self, seed: Option<u64>) {
        self.state.lock().disorder = seed.map(|state| Disorder { state });
    }

    fn passes(&self, from: NodeId, to: NodeId) -> bool {
        !self.state.lock().cut.contains(&(from, to))
    }

    fn door(&self, from: NodeId, to: NodeId) -> Option<Door> {
        let state = self.state.lock();
        state.doors.get(&to).filter(|_| !state.cut.contains(&(from, to))).cloned()
    }

    fn travel(&self) -> Travel {
        let mut state = self.state.lock();
        let Some(disorder) = &mut state.disorder else { return Travel::default() };
        let late = Duration::from_millis(if disorder.below(4) == 0 { disorder.below(60) } else { disorder.below(3) });
        let again = (disorder.below(8) == 0).then(|| Duration::from_millis(disorder.below(400)));
        Travel { late, again }
    }

    /// Delivers a request and brings the answer back, if the ways are open at each moment.
    async fn deliver(self, from: NodeId, to: NodeId, request: Bytes) -> Result<Bytes, PeerError> {
        let Travel { late, again } = self.travel();
        pass(late).await;
        let door = self.door(from, to).ok_or(PeerError::Unreachable { node: to })?;
        if let Some(later) = again {
            let (door, request) = (door.clone(), request.clone());
            tokio::spawn(async move {
                pass(later).await;
                // Nobody waits for a second answer.
                drop(door.answer(request).await);
            });
        }
        let answer = door.answer(request).await.ok_or(PeerError::Lost { node: to })?;
        pass(self.travel().late).await;
        if self.passes(to, from) { Ok(answer) } else { Err(PeerError::Lost { node: to }) }
    }
}

impl Peers for Line {
    fn call(&self, node: NodeId, request: Pieces) -> Calling {
        let mut whole = BytesMut::with_capacity(request.iter().map(Bytes::len).sum());
        request.iter().for_each(|piece| whole.extend_from_slice(piece));
        Box::pin(self.board.clone().deliver(self.node, node, whole.freeze()))
    }
}

async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
