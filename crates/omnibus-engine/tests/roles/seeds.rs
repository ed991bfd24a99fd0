//! Many changes of leader, cuts of power and lost tails, in an order that follows from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use omnibus_engine::SubmitError;
use omnibus_model::queue::{CursorConfig, Envelope, LeaseKey, RecordState};
use omnibus_model::{LogIndex, NodeId, Offset, Outcome, ShardId};

use crate::trio::{DATA, Enqueued, NODES, QUEUE, Received, Submitted, Trio};

const SEEDS: u64 = 150;
const STEPS: u32 = 250;

/// What may happen, and how often.
const DEEDS: [(Deed, u64); 12] = [
    (Deed::Enqueue, 20),
    (Deed::Receive, 8),
    (Deed::Accept, 8),
    (Deed::Propose, 15),
    (Deed::Write, 15),
    (Deed::Listen, 20),
    (Deed::Rebuild, 4),
    (Deed::Replicate, 20),
    (Deed::Commit, 12),
    (Deed::Elect, 2),
    (Deed::CutPower, 1),
    (Deed::Checkpoint, 2),
];

#[derive(Clone, Copy, Debug)]
enum Deed {
    Enqueue,
    Receive,
    Accept,
    Propose,
    Write,
    Listen,
    Rebuild,
    Replicate,
    Commit,
    Elect,
    CutPower,
    Checkpoint,
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn node(&mut self) -> NodeId {
        NODES[usize::try_from(self.below(3)).unwrap()]
    }

    fn deed(&mut self) -> Deed {
        let mut left = self.below(DEEDS.iter().map(|(_, weight)| weight).sum());
        for (deed, weight) in DEEDS {
            if left < weight {
                return deed;
            }
            left -= weight;
        }
        unreachable!("one of them it is")
    }
}

struct World {
    trio: Trio,
    random: Random,
    sent: u64,
    sending: Vec<(Bytes, Enqueued)>,
    receiving: Vec<Received>,
    accepting: Vec<(LeaseKey, Submitted)>,
    /// What was acknowledged, and where it is.
    stored: BTreeMap<Bytes, Offset>,
    refused: BTreeSet<Bytes>,
    leased: BTreeMap<Offset, LeaseKey>,
    accepted: BTreeSet<Offset>,
    /// What some reader on some node has seen.
    seen: BTreeMap<Offset, Bytes>,
    digests: BTreeMap<(ShardId, LogIndex), u64>,
    /// How often what mattered has happened.
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    elections: u32,
    rebuilt: u32,
    refused: u32,
    acknowledged: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            trio: Trio::with_a_queue(CursorConfig::default()),
            random: Random(seed),
            sent: 0,
            sending: Vec::new(),
            receiving: Vec::new(),
            accepting: Vec::new(),
            stored: BTreeMap::new(),
            refused: BTreeSet::new(),
            leased: BTreeMap::new(),
            accepted: BTreeSet::new(),
            seen: BTreeMap::new(),
            digests: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    fn step(&mut self) {
        let (deed, id) = (self.random.deed(), self.random.node());
        let shard = if self.random.below(4) == 0 { ShardId::METADATA } else { DATA };
        match deed {
            Deed::Enqueue => {
                self.sent += 1;
                let body = format!("message {}", self.sent);
                let answer = self.trio.enqueue(id, &body, Envelope::default());
                self.sending.push((body.into(), answer));
            }
            Deed::Receive => {
                let wait = Duration::from_secs(20 * self.random.below(2));
                let answer = self.trio.receive(id, 2, wait);
                self.receiving.push(answer);
            }
            Deed::Accept => self.accept(id),
            Deed::Propose => self.trio.node(id).propose(),
            Deed::Write => {
                self.trio.node(id).write();
                self.trio.node(id).save_checkpoints();
            }
            Deed::Listen => drop(self.trio.node(id).listen_once(0)),
            Deed::Rebuild => self.tally.rebuilt += u32::from(self.trio.node(id).rebuild(0)),
            Deed::Replicate => {
                let count = usize::try_from(self.random.below(4)).unwrap();
                self.trio.cluster.replicate(shard, id, count);
            }
            Deed::Commit => self.trio.cluster.commit(shard),
            Deed::Elect => {
                if self.trio.cluster.can_lead(shard, id) {
                    self.tally.elections += 1;
                    self.trio.cluster.elect(shard, id);
                }
            }
            Deed::CutPower => self.cut_power(id),
            Deed::Checkpoint => self.trio.node(id).ask_for_checkpoints(0),
        }
        self.look(id);
    }

    fn accept(&mut self, id: NodeId) {
        let open: Vec<LeaseKey> = self.leased.values().copied().collect();
        if !open.is_empty() {
            let key = open[usize::try_from(self.random.below(open.len() as u64)).unwrap()];
            let answer = self.trio.accept(id, key);
            self.accepting.push((key, answer));
        }
    }

    fn cut_power(&mut self, id: NodeId) {
        let place = id.0 as usize - 1;
        let cluster = self.trio.cluster.clone();
        let node = self.trio.nodes.remove(place).after_a_power_cut(&cluster);
        self.trio.nodes.insert(place, node);
    }

    /// Looks for answers, and at what can be seen on a node.
    fn look(&mut self, id: NodeId) {
        self.take_answers();
        for (offset, body) in self.trio.bodies(id) {
            let first = self.seen.entry(offset).or_insert_with(|| body.clone());
            assert_eq!(*first, body, "what was seen at {offset} is something else on node {id}");
        }
        for shard in Trio::shards() {
            let state = self.trio.node(id).shard(shard);
            if state.is_settled() {
                let (index, digest) = (state.known_committed(), state.broker().digest());
                let known = *self.digests.entry((shard, index)).or_insert(digest);
                assert_eq!(known, digest, "brokers of shard {shard} differ after entry {index}");
            }
        }
    }

    fn take_answers(&mut self) {
        for (body, mut answer) in std::mem::take(&mut self.sending) {
            match answer.try_recv() {
                Ok(Ok(appended)) => {
                    self.tally.acknowledged += 1;
                    self.stored.insert(body, appended.answers[0].clone().unwrap().base);
                }
                Ok(Err(SubmitError::NotLeader { .. })) => {
                    self.tally.refused += 1;
                    self.refused.insert(body);
                }
                Ok(Err(other)) => panic!("an enqueue ended in {other}"),
                Err(tokio::sync::oneshot::error::TryRecvError::Empty) => self.sending.push((body, answer)),
                // Its node has lost power.
                Err(tokio::sync::oneshot::error::TryRecvError::Closed) => {}
            }
        }
        for mut answer in std::mem::take(&mut self.receiving) {
            match answer.try_recv() {
                Ok(Ok(received)) => {
                    for lease in received.leases() {
                        let before = self.leased.insert(lease.key.offset, lease.key);
                        assert_eq!(before, None, "{} has a second holder", lease.key.offset);
                    }
                }
                Err(tokio::sync::oneshot::error::TryRecvError::Empty) => self.receiving.push(answer),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        for (key, mut answer) in std::mem::take(&mut self.accepting) {
            match answer.try_recv() {
                Ok(Ok(Outcome::Settled { results, .. })) if results == [Ok(())] => {
                    self.accepted.insert(key.offset);
                }
                Err(tokio::sync::oneshot::error::TryRecvError::Empty) => self.accepting.push((key, answer)),
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Lets everything come to rest, and checks what is left.
    fn end(&mut self) {
        for shard in Trio::shards() {
            let leader = NODES.into_iter().find(|id| self.trio.cluster.can_lead(shard, *id)).unwrap();
            self.trio.cluster.elect(shard, leader);
        }
        self.trio.settle();
        NODES.into_iter().for_each(|id| self.look(id));
        self.trio.check_alike();
        assert!(self.sending.is_empty(), "everybody is answered");
        let bodies = self.trio.bodies(NODES[0]);
        for (body, offset) in &self.stored {
            assert!(bodies.contains(&(*offset, body.clone())), "{body:?} was acknowledged at {offset} and is lost");
        }
        for (_, body) in &bodies {
            assert!(!self.refused.contains(body), "{body:?} was refused and is there");
        }
        let broker = self.trio.node(NODES[0]).shard(DATA).broker();
        broker.audit();
        for offset in &self.accepted {
            assert_eq!(broker.record_state(QUEUE, *offset), RecordState::Absent, "{offset} was accepted");
        }
        for (offset, key) in &self.leased {
            let state = broker.record_state(QUEUE, *offset);
            let is_held = matches!(state, RecordState::Leased(lease) if lease.key == *key);
            assert!(is_held || state == RecordState::Absent, "the lease of {offset} is lost: {state:?}");
        }
    }
}

fn play(seed: u64) -> Tally {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.end();
    world.tally
}

#[test]
fn changes_of_leader_lose_nothing_that_was_acknowledged() {
    let mut all = Tally::default();
    for seed in 0..SEEDS {
        let played = std::panic::catch_unwind(|| play(seed));
        let Ok(tally) = played else { panic!("seed {seed}") };
        all.elections += tally.elections;
        all.rebuilt += tally.rebuilt;
        all.refused += tally.refused;
        all.acknowledged += tally.acknowledged;
    }
    let enough = all.elections > 300 && all.rebuilt > 50 && all.refused > 1_000 && all.acknowledged > 300;
    assert!(enough, "too little has happened: {all:?}");
}
