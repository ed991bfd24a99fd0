//! Leaders are killed while others publish and consume on all nodes: nothing acknowledged is lost, nothing comes
//! twice that does not say so, and nothing settled comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use omnibus_engine::consuming::{Consumer, NextError};
use omnibus_engine::queues::Delivery;
use omnibus_engine::{Engine, Running, SubmitError};
use omnibus_io::fault::FaultDisk;
use omnibus_model::queue::{Envelope, Settlement};
use omnibus_model::topic::Partition;
use omnibus_model::{LeaseEpoch, NodeId, Offset, ShardId, TopicName};
use omnibus_replication::model::ModelCluster;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::consuming::{RELEASE, config, create};
use crate::engines::{open_on, pump};
use crate::node::SHARDS;
use crate::seeds::Random;
use crate::trio::{NODES, message};
use crate::wires::Wires;

const KILLS: usize = 4;
const SENT_BETWEEN_KILLS: usize = 40;
const CREDIT: u32 = 5;

/// What all clients were told.
#[derive(Debug, Default)]
struct Ledger {
    acknowledged: BTreeSet<Bytes>,
    delivered: BTreeMap<Offset, Vec<(LeaseEpoch, u32)>>,
    bodies: BTreeSet<Bytes>,
    settled: BTreeMap<Offset, LeaseEpoch>,
    /// Nobody publishes any more, and all that comes is settled.
    is_closing_time: bool,
}

impl Ledger {
    fn deliver(&mut self, delivery: &Delivery) {
        let key = delivery.lease.key;
        self.delivered.entry(key.offset).or_default().push((key.epoch, delivery.lease.delivery_count));
        self.bodies.insert(delivery.message.body.clone());
    }

    fn check(&mut self) {
        let lost: Vec<_> = self.acknowledged.difference(&self.bodies).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        for (offset, deliveries) in &mut self.delivered {
            deliveries.sort_unstable();
            let says_so = deliveries.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1);
            assert!(says_so, "record {offset} came twice and does not say so: {deliveries:?}");
            let settled = self.settled.get(offset);
            let back = deliveries.iter().filter(|(epoch, _)| settled.is_some_and(|settled| epoch > settled)).count();
            assert_eq!(back, 0, "record {offset} was settled as {settled:?} and came back: {deliveries:?}");
        }
    }
}

struct World {
    cluster: ModelCluster,
    disks: Vec<FaultDisk>,
    wires: Wires,
    alive: BTreeMap<NodeId, (Engine, Running)>,
    consuming: BTreeMap<NodeId, JoinHandle<()>>,
    ledger: Arc<Mutex<Ledger>>,
    random: Random,
}

impl World {
    fn start(seed: u64) -> Self {
        let cluster = ModelCluster::new(NODES.len(), SHARDS);
        let mut world = Self {
            cluster,
            disks: NODES.into_iter().map(|node| FaultDisk::new(seed * 10 + u64::from(node.0))).collect(),
            wires: Wires::connect(&[]),
            alive: BTreeMap::new(),
            consuming: BTreeMap::new(),
            ledger: Arc::default(),
            random: Random(seed),
        };
        NODES.into_iter().for_each(|node| world.open(node));
        world
    }

    fn open(&mut self, node: NodeId) {
        let opened = open_on(&self.cluster, node, &self.disks[node.0 as usize - 1]);
        self.wires.put(node, opened.0.clone());
        self.wires.mend(node);
        self.alive.insert(node, opened);
    }

    fn engine(&self, node: NodeId) -> &Engine {
        &self.alive[&node].0
    }

    /// Some node that is alive.
    fn any(&mut self) -> NodeId {
        let alive: Vec<NodeId> = self.alive.keys().copied().collect();
        alive[usize::try_from(self.random.below(alive.len() as u64)).unwrap()]
    }

    /// Lets some node lead that may.
    async fn elect(&mut self) {
        for shard in (0..SHARDS).map(ShardId) {
            let mut node = self.any();
            while !self.cluster.can_lead(shard, node) {
                tokio::task::yield_now().await;
                node = self.any();
            }
            self.cluster.elect(shard, node);
            while !self.engine(node).leads(shard) {
                tokio::task::yield_now().await;
            }
        }
    }

    fn consume(&mut self, node: NodeId, queue: Partition) {
        let (engine, ledger) = (self.engine(node).clone(), Arc::clone(&self.ledger));
        let random = Random(self.random.below(u64::MAX));
        self.consuming.insert(node, tokio::spawn(consume(engine, queue, (ledger, random))));
    }

    /// The power of whoever leads the queue is cut, while others are connected to it.
    async fn kill_leader(&mut self, queue: Partition) -> NodeId {
        let node = self.cluster.leader(queue.shard).unwrap();
        self.wires.cut(node);
        self.wires.take(node);
        self.cluster.kill(node);
        self.disks[node.0 as usize - 1].cut_power();
        self.consuming.remove(&node).unwrap().abort();
        let (engine, running) = self.alive.remove(&node).unwrap();
        drop(engine);
        self.elect().await;
        running.close().await;
        node
    }

    fn restart(&mut self, node: NodeId) {
        self.disks[node.0 as usize - 1].restart();
        self.open(node);
    }

    /// Publishes until so many messages are acknowledged, at any node.
    async fn publish(&mut self, queue: Partition, count: usize, name: &str) {
        let mut attempts = 0;
        for _ in 0..count {
            loop {
                attempts += 1;
                let body = format!("{name} {attempts}");
                let sent = vec![(message(&body, Envelope::default()), None)];
                let node = self.any();
                match self.engine(node).enqueue(queue, sent).await {
                    Ok(answers) => {
                        answers[0].clone().unwrap();
                        self.ledger.lock().acknowledged.insert(Bytes::from(body));
                        break;
                    }
                    // Another attempt is another message.
                    Err(SubmitError::Lost { .. } | SubmitError::NotLeader { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}

/// Takes what comes, and settles, gives back, and keeps it as chance will have it.
async fn consume(engine: Engine, queue: Partition, (ledger, mut random): (Arc<Mutex<Ledger>>, Random)) {
    let mut consumer = engine.consume(queue, config(CREDIT)).await.unwrap();
    let mut kept: Vec<Delivery> = Vec::new();
    loop {
        let deliveries = match consumer.next().await {
            Ok(deliveries) => deliveries.deliveries,
            Err(NextError::Ended(_)) => return,
            Err(error) => panic!("{error}"),
        };
        deliveries.iter().for_each(|delivery| ledger.lock().deliver(delivery));
        kept.extend(deliveries);
        let closing = ledger.lock().is_closing_time;
        // What is kept keeps others waiting, so in the end it goes.
        while kept.len() >= CREDIT as usize || (!kept.is_empty() && (closing || random.below(3) > 0)) {
            let place = usize::try_from(random.below(kept.len() as u64)).unwrap();
            let delivery = kept.swap_remove(place);
            let how = if !closing && random.below(5) == 0 { RELEASE } else { Settlement::Accept };
            settle(&consumer, &engine, (queue, &delivery, how), &ledger).await;
        }
    }
}

async fn settle(
    _held_by: &Consumer,
    engine: &Engine,
    (queue, delivery, how): (Partition, &Delivery, Settlement),
    ledger: &Mutex<Ledger>,
) {
    let key = delivery.lease.key;
    match engine.settle(queue, vec![(key, how)]).await {
        Ok(settled) if settled[0].is_ok() && how == Settlement::Accept => {
            ledger.lock().settled.insert(key.offset, key.epoch);
        }
        // Somebody else holds it by now, or had done it already.
        Ok(_) => {}
        Err(SubmitError::Lost { .. } | SubmitError::NotLeader { .. } | SubmitError::Closing) => {}
        Err(other) => panic!("{other}"),
    }
}

async fn play(seed: u64) {
    let mut world = World::start(seed);
    let pumping = tokio::spawn(pump(world.cluster.clone()));
    world.elect().await;
    let queue = create(TopicName::new("orders").unwrap());
    let queue = world.engine(NODES[0]).create_queue(queue).await.unwrap().partitions[0];
    NODES.into_iter().for_each(|node| world.consume(node, queue));
    for kill in 0..KILLS {
        world.publish(queue, SENT_BETWEEN_KILLS, &format!("before kill {kill}")).await;
        let killed = world.kill_leader(queue).await;
        world.publish(queue, SENT_BETWEEN_KILLS, &format!("after kill {kill}")).await;
        world.restart(killed);
        world.consume(killed, queue);
    }
    world.ledger.lock().is_closing_time = true;
    // Whoever has nothing left to come settles no more, so all is released that anybody keeps.
    for (_, consuming) in std::mem::take(&mut world.consuming) {
        consuming.abort();
    }
    NODES.into_iter().for_each(|node| world.consume(node, queue));
    loop {
        let counts = world.engine(NODES[0]).queue_view(queue).await.unwrap().unwrap().counts;
        if (counts.ready, counts.leased) == (0, 0) {
            break;
        }
        tokio::task::yield_now().await;
    }
    world.ledger.lock().check();
    for (_, consuming) in std::mem::take(&mut world.consuming) {
        consuming.abort();
    }
    for (_, running) in std::mem::take(&mut world.alive).into_values() {
        running.close().await;
    }
    pumping.abort();
}

#[tokio::test]
async fn killed_leaders_lose_nothing_and_bring_nothing_back() {
    for seed in 1..=2 {
        play(seed).await;
    }
}
