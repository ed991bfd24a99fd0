//! The network: messages come late, or not at all, or twice; ways are cut, in one direction or both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use omnibus_engine::Engine;
use omnibus_engine::peers::{Asking, PeerError};
use omnibus_model::NodeId;
use omnibus_raft::{Calling, Door, Pieces};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::life::Life;
use super::world::{World, present};
use crate::random::Random;

/// How long a connection takes to be known as dead.
const SILENCE: Duration = Duration::from_secs(3);

/// Connects the nodes. Clones share it.
#[derive(Clone)]
pub(crate) struct Network {
    world: World,
    state: Arc<Mutex<State>>,
}

struct State {
    chance: Random,
    nodes: BTreeMap<NodeId, Host>,
    cut: BTreeSet<(NodeId, NodeId)>,
    weather: Weather,
    /// When the newest message arrives that goes from an engine to another: they keep their order.
    engines: BTreeMap<(NodeId, NodeId), Instant>,
}

/// A node that can be reached.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) life: Life,
    pub(crate) door: Door,
    pub(crate) engine: Engine,
}

/// What becomes of messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// How late they are at most, in milliseconds.
    pub(crate) late_max: u64,
    /// One in so many is lost, with its answer; 0 is none.
    pub(crate) lost: u64,
    /// One in so many comes once more; 0 is none.
    pub(crate) twice: u64,
}

impl Weather {
    pub(crate) const FAIR: Self = Self { late_max: 3, lost: 0, twice: 0 };
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Consensus,
    Engine,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// It was not delivered.
    Undelivered,
    /// It may have been.
    Lost,
}

/// A node's ways to all others.
#[derive(Clone)]
pub(crate) struct Line {
    network: Network,
    node: NodeId,
    life: Life,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("node", &self.node).finish_non_exhaustive()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Network {
    pub(crate) fn new(world: World) -> Self {
        let state = State {
            chance: world.chance(),
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            weather: Weather::FAIR,
            engines: BTreeMap::new(),
        };
        Self { world, state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn line(&self, node: NodeId, life: &Life) -> Line {
        Line { network: self.clone(), node, life: life.clone() }
    }

    pub(crate) fn connect(&self, node: NodeId, host: Host) {
        self.state.lock().nodes.insert(node, host);
    }

    pub(crate) fn disconnect(&self, node: NodeId) {
        let gone = self.state.lock().nodes.remove(&node);
        drop(gone);
    }

    pub(crate) fn cut(&self, from: NodeId, to: NodeId) {
        self.state.lock().cut.insert((from, to));
    }

    /// Whether a node has no way to most others.
    pub(crate) fn is_cut_off(&self, node: NodeId) -> bool {
        let state = self.state.lock();
        let ways = state.cut.iter().filter(|(from, to)| *from == node || *to == node);
        let others: BTreeSet<NodeId> = ways.map(|(from, to)| if *from == node { *to } else { *from }).collect();
        others.len() > 1
    }

    /// Mends all ways.
    pub(crate) fn mend(&self) {
        self.state.lock().cut.clear();
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.state.lock().weather = weather;
    }

    fn is_open(&self, from: NodeId, to: NodeId) -> bool {
        let state = self.state.lock();
        state.nodes.contains_key(&to) && !state.cut.contains(&(from, to)) && !state.cut.contains(&(to, from))
    }

    /// Begins to bring a request to a node.
    fn send(&self, from: (NodeId, Life), to: NodeId, service: Service, request: Bytes) -> oneshot::Receiver<Fate> {
        let (answer, answered) = oneshot::channel();
        let journey = self.state.lock().journey((from.0, to), service);
        let number = if service == Service::Consensus { 0 } else { 1 };
        let start = request.get(..8).map_or(0, |start| u64::from_le_bytes(start.try_into().expect("eight bytes")));
        let late = journey.arrives.saturating_duration_since(present()).as_millis();
        let late = u64::try_from(late).unwrap_or(u64::MAX);
        let length = request.len() as u64;
        self.world.note("send", &[from.0.0.into(), to.0.into(), number, length, start, late, journey.is_lost.into()]);
        self.world.with(|state| state.tally.messages += 1);
        if let Some(again) = journey.again {
            let (network, from, request) = (self.clone(), from.clone(), request.clone());
            let (nobody, _) = oneshot::channel();
            let journey = Journey { arrives: again, again: None, ..journey };
            tokio::spawn(async move { network.deliver(from, to, (service, request), journey, nobody).await });
        }
        let network = self.clone();
        tokio::spawn(async move { network.deliver(from, to, (service, request), journey, answer).await });
        answered
    }

    async fn deliver(
        self,
        (from, sender): (NodeId, Life),
        to: NodeId,
        (service, request): (Service, Bytes),
        journey: Journey,
        answer: oneshot::Sender<Fate>,
    ) {
        sleep_until(journey.arrives).await;
        let fate = self.exchange((from, sender), to, (service, request), journey).await;
        // Who asked may have given up.
        drop(answer.send(fate));
    }

    async fn exchange(
        &self,
        (from, sender): (NodeId, Life),
        to: NodeId,
        (service, request): (Service, Bytes),
        journey: Journey,
    ) -> Fate {
        let host = {
            let state = self.state.lock();
            if !state.nodes.contains_key(&from) || sender.is_over() {
                return Err(Broken::Lost);
            }
            state.nodes.get(&to).cloned()
        };
        // A machine without a process says so at once.
        let Some(Host { life, door, engine }) = host else { return Err(Broken::Undelivered) };
        if journey.is_lost || self.is_cut(from, to) {
            sleep(SILENCE).await;
            return Err(Broken::Lost);
        }
        if !life.awake().await {
            return Err(Broken::Lost);
        }
        let answered = life.live(async {
            match service {
                Service::Consensus => door.answer(request).await,
                Service::Engine => Some(engine.answer_peer(request).await),
            }
        });
        let answer = answered.await.flatten().ok_or(Broken::Lost)?;
        if !life.awake().await {
            return Err(Broken::Lost);
        }
        let back = self.state.lock().late();
        sleep(back).await;
        if journey.is_answer_lost || self.is_cut(to, from) {
            sleep(SILENCE).await;
            return Err(Broken::Lost);
        }
        Ok(answer)
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.state.lock().cut.contains(&(from, to))
    }
}

type Fate = Result<Bytes, Broken>;

/// How a message travels.
#[derive(Clone, Copy, Debug)]
struct Journey {
    arrives: Instant,
    again: Option<Instant>,
    is_lost: bool,
    is_answer_lost: bool,
}

impl State {
    fn late(&mut self) -> Duration {
        let late_max = self.weather.late_max;
        // Most are on time.
        let late = if self.chance.once_in(4) { self.chance.within(0..=late_max) } else { self.chance.below(3) };
        Duration::from_millis(late)
    }

    fn journey(&mut self, way: (NodeId, NodeId), service: Service) -> Journey {
        let now = present();
        let mut arrives = now + self.late();
        let Weather { lost, twice, .. } = self.weather;
        let mut strikes = |rate: u64| rate > 0 && self.chance.once_in(rate);
        let (is_lost, is_answer_lost, is_twice) = (strikes(lost), strikes(lost), strikes(twice));
        if service == Service::Engine {
            // A connection loses nothing in its midst, and keeps the order.
            let newest = self.engines.entry(way).or_insert(now);
            arrives = arrives.max(*newest + Duration::from_millis(1));
            *newest = arrives;
            return Journey { arrives, again: None, is_lost, is_answer_lost };
        }
        let again = is_twice.then(|| arrives + Duration::from_millis(self.chance.within(0..=400)));
        Journey { arrives, again, is_lost, is_answer_lost }
    }
}

impl Line {
    async fn ask(self, to: NodeId, service: Service, request: Bytes) -> Fate {
        if !self.life.awake().await {
            return Err(Broken::Undelivered);
        }
        self.network.send((self.node, self.life.clone()), to, service, request).await.unwrap_or(Err(Broken::Lost))
    }
}

impl omnibus_raft::Peers for Line {
    fn call(&self, node: NodeId, request: Pieces) -> Calling {
        let mut whole = BytesMut::with_capacity(request.iter().map(Bytes::len).sum());
        request.iter().for_each(|piece| whole.extend_from_slice(piece));
        let asking = self.clone().ask(node, Service::Consensus, whole.freeze());
        Box::pin(async move {
            asking.await.map_err(|broken| match broken {
                Broken::Undelivered => omnibus_raft::PeerError::Unreachable { node },
                Broken::Lost => omnibus_raft::PeerError::Lost { node },
            })
        })
    }
}

impl omnibus_engine::peers::Peers for Line {
    fn ask(&self, node: NodeId, request: Bytes) -> Asking {
        // It is on its way as soon as it is asked for, so that all keep their order.
        let way = (self.node, self.life.clone());
        let answered = self.network.send(way, node, Service::Engine, request);
        Box::pin(async move {
            answered.await.unwrap_or(Err(Broken::Lost)).map_err(|broken| match broken {
                Broken::Undelivered => PeerError::Unreachable { node },
                Broken::Lost => PeerError::Lost { node },
            })
        })
    }

    fn reaches(&self, node: NodeId) -> bool {
        self.network.is_open(self.node, node)
    }
}
