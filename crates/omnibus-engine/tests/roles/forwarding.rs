//! Three whole engines that ask each other: whoever is asked has it done by whoever leads.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::poll;
use omnibus_engine::fan_out::{Letter, Target};
use omnibus_engine::line::Line;
use omnibus_engine::peers::{Asking, PeerError, Peers};
use omnibus_engine::{Engine, Fate, SubmitError};
use omnibus_model::command::{Acquire, CreateQueue};
use omnibus_model::queue::{Envelope, QueueConfig, Settlement};
use omnibus_model::topic::{Partition, TopicConfig};
use omnibus_model::{Command, NodeId, Offset, TopicId, TopicName};
use omnibus_replication::model::ModelCluster;
use tokio::task::JoinSet;

use crate::engines::{all_bodies, lead, open, pump, pump_to};
use crate::node::SHARDS;
use crate::trio::{LEASE, NODES, Trio, message, shared};

const MESSAGES_EACH: usize = 60;
const ELECTIONS: usize = 9;

/// The way from anybody to anybody, in one process.
#[derive(Debug, Default)]
pub(crate) struct Nearby(OnceLock<Vec<Engine>>);

impl Nearby {
    /// Lets engines ask each other.
    pub(crate) fn connect(engines: &[Engine]) {
        let nearby = Arc::new(Self::default());
        engines.iter().for_each(|engine| engine.connect(Arc::<Self>::clone(&nearby)));
        nearby.0.set(engines.to_vec()).unwrap();
    }
}

impl Peers for Nearby {
    fn reaches(&self, _node: NodeId) -> bool {
        true
    }

    fn ask(&self, node: NodeId, request: Bytes) -> Asking {
        let engine = self.0.get().and_then(|engines| engines.get(node.0 as usize - 1)).cloned();
        Box::pin(async move {
            let engine = engine.ok_or(PeerError::Unreachable { node })?;
            Ok(engine.answer_peer(request).await)
        })
    }
}

/// Sends messages one after the other to the same node, whoever leads.
async fn send(engine: Engine, queue: Partition, client: usize) -> BTreeMap<Offset, Bytes> {
    let mut sent = BTreeMap::new();
    for number in 0..MESSAGES_EACH {
        let body = format!("message {number} of {client}");
        let answers = engine.enqueue(queue, vec![(message(&body, Envelope::default()), None)]).await.unwrap();
        let base = answers[0].clone().unwrap().base;
        // Who was told can look.
        assert_eq!(engine.messages(queue.stream, vec![base]).await.unwrap()[&base].body, body);
        sent.insert(base, Bytes::from(body));
    }
    sent
}

/// Receives and settles at one node until the queue is empty.
async fn drain(engine: &Engine, queue: Partition) -> BTreeMap<Offset, Bytes> {
    let acquire = Acquire { stream: queue.stream, count_max: 7, lease: LEASE, holder: None, attempt: None };
    let mut got = BTreeMap::new();
    loop {
        let received = engine.receive(queue, acquire, Duration::ZERO).await.unwrap();
        if received.is_empty() {
            return got;
        }
        let deliveries = engine.received(&received).await.unwrap().remove(0).deliveries;
        let keys = deliveries.iter().map(|delivery| (delivery.lease.key, Settlement::Accept)).collect();
        let settled = engine.settle(queue, keys).await.unwrap();
        assert!(settled.iter().all(Result::is_ok));
        got.extend(deliveries.into_iter().map(|delivery| (delivery.lease.key.offset, delivery.message.body)));
    }
}

#[tokio::test]
async fn whoever_is_asked_has_it_done_while_the_lead_goes_round() {
    let cluster = ModelCluster::new(NODES.len(), SHARDS);
    let (engines, running): (Vec<_>, Vec<_>) = NODES.into_iter().map(|node| open(&cluster, node)).unzip();
    Nearby::connect(&engines);
    let pumping = tokio::spawn(pump(cluster.clone()));
    lead(&cluster, &engines, NODES[0]).await;
    let name = TopicName::new("orders").unwrap();
    let (config, queue) = (TopicConfig::default(), QueueConfig::default());
    let create = CreateQueue { name: name.clone(), id: TopicId(1), config, queue };
    let queue = engines[2].create_queue(create).await.unwrap().partitions[0];
    assert_eq!(engines[2].queue(&name).unwrap().partitions[0], queue);
    let mut clients = JoinSet::new();
    for (client, engine) in engines.iter().enumerate() {
        clients.spawn(send(engine.clone(), queue, client));
    }
    for election in 1..=ELECTIONS {
        let wanted = Offset((election * MESSAGES_EACH * NODES.len() / (ELECTIONS + 1)) as u64);
        while engines[0].bounds(queue.stream).end < wanted {
            tokio::task::yield_now().await;
        }
        lead(&cluster, &engines, NODES[election % NODES.len()]).await;
    }
    let sent: BTreeMap<Offset, Bytes> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(sent.len(), NODES.len() * MESSAGES_EACH);
    for engine in &engines {
        let view = engine.queue_view(queue).await.unwrap().unwrap();
        assert_eq!((view.counts.ready, view.counts.enqueued), (sent.len() as u64, sent.len() as u64));
        assert_eq!(all_bodies(engine, queue).await, sent, "nothing twice, nothing lost, the same everywhere");
    }
    assert_eq!(drain(&engines[1], queue).await, sent);
    assert_eq!(engines[2].queue_view(queue).await.unwrap().unwrap().counts.settled, sent.len() as u64);
    // Who leads first, while there are others to write with it.
    for running in running {
        running.close().await;
    }
    pumping.abort();
}

#[tokio::test]
async fn what_stands_in_a_line_stays_in_order_while_the_lead_goes_round() {
    let cluster = ModelCluster::new(NODES.len(), SHARDS);
    let (engines, _running): (Vec<_>, Vec<_>) = NODES.into_iter().map(|node| open(&cluster, node)).unzip();
    Nearby::connect(&engines);
    let pumping = tokio::spawn(pump(cluster.clone()));
    lead(&cluster, &engines, NODES[0]).await;
    let (config, queue) = (TopicConfig::default(), QueueConfig::default());
    let create = CreateQueue { name: TopicName::new("orders").unwrap(), id: TopicId(1), config, queue };
    let queue = engines[2].create_queue(create).await.unwrap().partitions[0];
    let (line, mut asking) = (Line::default(), JoinSet::new());
    for number in 0..ELECTIONS * MESSAGES_EACH {
        let (engine, line) = (engines[2].clone(), line.clone());
        let targets = vec![Target { queue: queue.into(), envelope: Envelope::default() }];
        let letters = [Letter { message: shared(&format!("{number:04}")), targets, is_transient: false }];
        let mut one = Box::pin(async move { engine.fan_out_in_line(&line, &letters).await.remove(0) });
        // Its place is what it has when it is polled first.
        assert!(poll!(&mut one).is_pending());
        asking.spawn(one);
        tokio::task::yield_now().await;
        if number % MESSAGES_EACH == MESSAGES_EACH / 2 {
            let leader = NODES[number / MESSAGES_EACH % NODES.len()];
            // Whoever can lead already does.
            Trio::shards()
                .filter(|shard| cluster.can_lead(*shard, leader))
                .for_each(|shard| cluster.elect(shard, leader));
        }
    }
    assert!(asking.join_all().await.into_iter().all(|answers| answers.unwrap()[0].is_ok()));
    // Who was told finds what it was told of.
    let bodies: Vec<Bytes> = all_bodies(&engines[2], queue).await.into_values().collect();
    let sent = |number: usize| Bytes::from(format!("{number:04}"));
    let wrong: Vec<_> = bodies.iter().enumerate().filter(|(at, body)| **body != sent(*at)).take(9).collect();
    assert_eq!((bodies.len(), wrong), (ELECTIONS * MESSAGES_EACH, vec![]));
    pumping.abort();
}

#[tokio::test]
async fn who_was_replaced_and_does_not_know_answers_nothing_of_before() {
    let cluster = ModelCluster::new(NODES.len(), SHARDS);
    let (engines, running): (Vec<_>, Vec<_>) = NODES.into_iter().map(|node| open(&cluster, node)).unzip();
    Nearby::connect(&engines);
    let pumping = tokio::spawn(pump(cluster.clone()));
    lead(&cluster, &engines, NODES[0]).await;
    let (config, queue) = (TopicConfig::default(), QueueConfig::default());
    let create = CreateQueue { name: TopicName::new("orders").unwrap(), id: TopicId(1), config, queue };
    let queue = engines[0].create_queue(create).await.unwrap().partitions[0];
    pumping.abort();
    let pumping = tokio::spawn(pump_to(cluster.clone(), NODES[1..].to_vec()));
    lead(&cluster, &engines, NODES[1]).await;
    engines[2].enqueue(queue, vec![(message("new", Envelope::default()), None)]).await.unwrap()[0].clone().unwrap();
    assert!(engines[0].leads(queue.shard), "it does not know");
    let engine = engines[0].clone();
    let viewing = tokio::spawn(async move { engine.queue_view(queue).await });
    let engine = engines[0].clone();
    let acquire = Acquire { stream: queue.stream, count_max: 7, lease: LEASE, holder: None, attempt: None };
    let receiving = tokio::spawn(async move { engine.receive(queue, acquire, Duration::ZERO).await });
    // It would refuse this, since it has no record up to there.
    let trim = Command::Trim { stream: queue.stream, before: Offset(1) };
    let engine = engines[0].clone();
    let trimming = tokio::spawn(async move { engine.submit(queue.shard, trim).await });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    pumping.abort();
    let pumping = tokio::spawn(pump(cluster.clone()));
    assert_eq!(viewing.await.unwrap().unwrap().unwrap().counts.enqueued, 1);
    assert_eq!(receiving.await.unwrap().unwrap().leases().count(), 1);
    trimming.await.unwrap().unwrap();
    for running in running {
        running.close().await;
    }
    pumping.abort();
}

#[tokio::test]
async fn who_was_replaced_and_does_not_know_refuses_none_of_several_things() {
    let cluster = ModelCluster::new(NODES.len(), SHARDS);
    let (engines, running): (Vec<_>, Vec<_>) = NODES.into_iter().map(|node| open(&cluster, node)).unzip();
    Nearby::connect(&engines);
    let pumping = tokio::spawn(pump(cluster.clone()));
    lead(&cluster, &engines, NODES[0]).await;
    let create = |name, id| CreateQueue {
        name: TopicName::new(name).unwrap(),
        id: TopicId(id),
        config: TopicConfig::default(),
        queue: QueueConfig::default(),
    };
    let known = engines[0].create_queue(create("known", 1)).await.unwrap().partitions[0];
    pumping.abort();
    let pumping = tokio::spawn(pump_to(cluster.clone(), NODES[1..].to_vec()));
    lead(&cluster, &engines, NODES[1]).await;
    let queue = engines[2].create_queue(create("orders", 2)).await.unwrap().partitions[0];
    engines[2].enqueue(known, vec![(message("a", Envelope::default()), None)]).await.unwrap()[0].clone().unwrap();
    let acquire = Acquire { stream: known.stream, count_max: 7, lease: LEASE, holder: None, attempt: None };
    let held = engines[2].receive(known, acquire, Duration::ZERO).await.unwrap().leases().next().unwrap().key;
    assert!(engines[0].leads(queue.shard), "it does not know that, and knows neither the lease nor the newer queue");
    let engine = engines[0].clone();
    let settling = tokio::spawn(async move { engine.settle(known, vec![(held, Settlement::Accept)]).await });
    let engine = engines[0].clone();
    let purging = tokio::spawn(async move { engine.purge(queue).await });
    let engine = engines[0].clone();
    let two = ["b", "c"].map(|body| (message(body, Envelope::default()), None)).to_vec();
    let sending = tokio::spawn(async move { engine.enqueue(queue, two).await });
    let engine = engines[0].clone();
    let targets = [Target { queue: queue.into(), envelope: Envelope::default() }];
    let fanning_out = tokio::spawn(async move { engine.fan_out(&shared("d"), &targets).await });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    pumping.abort();
    let pumping = tokio::spawn(pump(cluster.clone()));
    assert!(settling.await.unwrap().unwrap()[0].is_ok());
    purging.await.unwrap().unwrap();
    assert!(sending.await.unwrap().unwrap().iter().all(Result::is_ok));
    assert!(fanning_out.await.unwrap().unwrap().iter().all(Result::is_ok));
    assert_eq!(all_bodies(&engines[1], queue).await.len(), 3, "each once");
    for running in running {
        running.close().await;
    }
    pumping.abort();
}

#[tokio::test]
async fn a_leader_without_a_majority_can_be_closed_and_says_that_it_does_not_know() {
    let cluster = ModelCluster::new(NODES.len(), SHARDS);
    let (engines, running): (Vec<_>, Vec<_>) = NODES.into_iter().map(|node| open(&cluster, node)).unzip();
    Nearby::connect(&engines);
    let pumping = tokio::spawn(pump(cluster.clone()));
    lead(&cluster, &engines, NODES[0]).await;
    let (config, queue) = (TopicConfig::default(), QueueConfig::default());
    let create = CreateQueue { name: TopicName::new("orders").unwrap(), id: TopicId(1), config, queue };
    let queue = engines[0].create_queue(create).await.unwrap().partitions[0];
    pumping.abort();
    let proposed = || engines[0].counters().entries_proposed.get();
    let before = proposed();
    let enqueue = |engine: Engine| async move {
        engine.enqueue(queue, vec![(message("x", Envelope::default()), None)]).await.map(drop)
    };
    let mut waiting = Vec::new();
    for (count, engine) in (1..).zip(&engines[..2]) {
        waiting.push(tokio::spawn(enqueue(engine.clone())));
        while proposed() < before + count {
            tokio::task::yield_now().await;
        }
    }
    for running in running {
        running.close().await;
    }
    for (waiting, told) in waiting.into_iter().zip([SubmitError::Closing, SubmitError::Lost { leader: NODES[0] }]) {
        assert_eq!(waiting.await.unwrap(), Err(told.clone()));
        assert_eq!(told.fate(), Fate::Unknown);
    }
}
