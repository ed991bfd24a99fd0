//! Consumers of queues that another node leads.

use std::time::Duration;

use omnibus_engine::consumers::{Access, ConsumerConfig, Ended, Occupied, Settling};
use omnibus_engine::consuming::{ConsumeError, Consumer, NextError};
use omnibus_engine::fan_out::{Letter, Target};
use omnibus_engine::line::Line;
use omnibus_engine::queues::{Deliveries, Delivery};
use omnibus_engine::shard::FannedOut;
use omnibus_engine::{Engine, Running, SubmitError};
use omnibus_model::command::{Acquire, CreateQueue};
use omnibus_model::queue::{CursorConfig, Delivery as Counting, Envelope, LeaseRefusal, QueueConfig, Settlement};
use omnibus_model::topic::{Partition, TopicConfig};
use omnibus_model::{Millis, NodeId, Refusal, StreamId, TopicId, TopicName};
use omnibus_replication::model::ModelCluster;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::engines::{lead, open, pump};
use crate::node::SHARDS;
use crate::trio::{LEASE, NODES, message, shared};
use crate::wires::Wires;

pub(crate) const RELEASE: Settlement = Settlement::Release { delay: Millis(0), delivery: Counting::Counts };

/// Three engines that ask each other; the first leads.
pub(crate) struct Three {
    pub(crate) cluster: ModelCluster,
    pub(crate) engines: Vec<Engine>,
    pub(crate) running: Vec<Running>,
    pub(crate) wires: Wires,
    pumping: JoinHandle<()>,
}

impl Three {
    async fn start() -> Self {
        let cluster = ModelCluster::new(NODES.len(), SHARDS);
        let (engines, running): (Vec<_>, Vec<_>) = NODES.into_iter().map(|node| open(&cluster, node)).unzip();
        let wires = Wires::connect(&engines);
        let pumping = tokio::spawn(pump(cluster.clone()));
        lead(&cluster, &engines, NODES[0]).await;
        Self { cluster, engines, running, wires, pumping }
    }

    async fn stop(self) {
        drop(self.engines);
        for running in self.running {
            running.close().await;
        }
        self.pumping.abort();
    }

    async fn lead(&self, node: NodeId) {
        lead(&self.cluster, &self.engines, node).await;
    }

    async fn queue(&self) -> Partition {
        let queue = create(TopicName::new("orders").unwrap());
        self.engines[1].create_queue(queue).await.unwrap().partitions[0]
    }

    /// Publishes at the second node.
    async fn send(&self, queue: Partition, bodies: &[&str]) {
        let messages = bodies.iter().map(|body| (message(body, Envelope::default()), None)).collect();
        assert!(self.engines[1].enqueue(queue, messages).await.unwrap().iter().all(Result::is_ok));
    }

    async fn leased(&self, queue: Partition) -> u64 {
        self.engines[1].queue_view(queue).await.unwrap().unwrap().counts.leased
    }

    /// Waits until so many records are leased.
    async fn until_leased(&self, queue: Partition, count: u64) {
        while self.leased(queue).await != count {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn create(name: TopicName) -> CreateQueue {
    let cursor = CursorConfig::default();
    let queue = QueueConfig { cursor, ..QueueConfig::default() };
    CreateQueue { name, id: TopicId(1), config: TopicConfig::default(), queue }
}

pub(crate) fn config(credit: u32) -> ConsumerConfig {
    ConsumerConfig { credit, settling: Settling::ByReceiver, access: Access::Shared, priority: 0 }
}

/// Waits for so many records.
async fn take(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(consumer.next().await.unwrap().deliveries);
    }
    taken
}

fn bodies(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| std::str::from_utf8(&delivery.message.body).unwrap()).collect()
}

async fn settle(engine: &Engine, queue: Partition, deliveries: &[Delivery], how: Settlement) -> Vec<bool> {
    let settlements = deliveries.iter().map(|delivery| (delivery.lease.key, how)).collect();
    engine.settle(queue, settlements).await.unwrap().into_iter().map(|settled| settled.is_ok()).collect()
}

async fn nothing_comes(consumer: &mut Consumer) {
    assert!(timeout(Duration::from_millis(50), consumer.next()).await.is_err());
}

#[tokio::test]
async fn records_come_to_another_node_as_far_as_the_credit_goes() {
    let three = Three::start().await;
    let queue = three.queue().await;
    let engine = &three.engines[2];
    let mut consumer = engine.consume(queue, config(2)).await.unwrap();
    three.send(queue, &["a", "b", "c", "d", "e"]).await;
    let first = take(&mut consumer, 2).await;
    assert_eq!(bodies(&first), ["a", "b"]);
    nothing_comes(&mut consumer).await;
    assert_eq!(settle(engine, queue, &first[..1], Settlement::Accept).await, [true]);
    assert_eq!(bodies(&take(&mut consumer, 1).await), ["c"]);
    settle(engine, queue, &first[1..], RELEASE).await;
    let again = take(&mut consumer, 1).await;
    assert_eq!((bodies(&again), again[0].lease.delivery_count), (vec!["b"], 2));
    consumer.set_credit(3).await.unwrap();
    assert_eq!(bodies(&take(&mut consumer, 1).await), ["d"]);
    for engine in &three.engines {
        assert_eq!(engine.consumer_count(queue).await.unwrap(), 1);
    }
    assert_eq!(consumer.close().await.unwrap(), 3);
    assert_eq!(three.leased(queue).await, 0);
    assert_eq!(engine.consumer_count(queue).await.unwrap(), 0);
    three.stop().await;
}

/// Three nodes between which nothing goes any more, and a consumer where the queue is led.
async fn uncommitted(settling: Settling) -> (Three, Partition, Consumer) {
    let three = Three::start().await;
    let queue = three.queue().await;
    let consumer = three.engines[0].consume(queue, ConsumerConfig { settling, ..config(9) }).await.unwrap();
    three.pumping.abort();
    (three, queue, consumer)
}

/// Sends a message to a queue that the first node leads, from there.
fn publish(engine: &Engine, queue: Partition, body: &str, is_transient: bool) -> JoinHandle<FannedOut> {
    let targets = vec![Target { queue: queue.into(), envelope: Envelope::default() }];
    let letters = [Letter { message: shared(body), targets, is_transient }];
    let engine = engine.clone();
    tokio::spawn(async move { engine.fan_out_in_line(&Line::default(), &letters).await.remove(0) })
}

#[tokio::test]
async fn transient_message_comes_before_it_is_committed_and_what_lasts_does_not() {
    for settling in [Settling::ByReceiver, Settling::Automatic] {
        let (three, queue, mut consumer) = uncommitted(settling).await;
        let engine = &three.engines[0];
        let mut sent = publish(engine, queue, "transient", true);
        let first = take(&mut consumer, 1).await;
        assert_eq!((bodies(&first), first[0].lease.delivery_count), (vec!["transient"], 1));
        assert!(timeout(Duration::from_millis(50), &mut sent).await.is_err(), "the answer waits for the majority");
        let lasting = publish(engine, queue, "lasting", false);
        nothing_comes(&mut consumer).await;
        // It stands behind what comes later.
        let last = publish(engine, queue, "transient, too", true);
        nothing_comes(&mut consumer).await;
        let pumping = tokio::spawn(pump(three.cluster.clone()));
        assert_eq!(bodies(&take(&mut consumer, 2).await), ["lasting", "transient, too"]);
        for sent in [sent, lasting, last] {
            assert!(sent.await.unwrap().is_ok());
        }
        nothing_comes(&mut consumer).await;
        let held = if settling == Settling::Automatic { 0 } else { 3 };
        assert_eq!(consumer.close().await.unwrap(), held);
        assert_eq!(three.leased(queue).await, 0);
        three.stop().await;
        pumping.abort();
    }
}

#[tokio::test]
async fn what_was_handed_out_before_its_leader_went_is_sent_by_nobody_else() {
    for settling in [Settling::ByReceiver, Settling::Automatic] {
        let (three, queue, mut consumer) = uncommitted(settling).await;
        let engine = &three.engines[0];
        let sent = publish(engine, queue, "handed out", true);
        assert_eq!(bodies(&take(&mut consumer, 1).await), ["handed out"]);
        three.cluster.elect(queue.shard, NODES[1]);
        let pumping = tokio::spawn(pump(three.cluster.clone()));
        assert_eq!(
            sent.await.unwrap(),
            Err(SubmitError::Lost { leader: NODES[0] }),
            "it cannot be said not to have happened"
        );
        nothing_comes(&mut consumer).await;
        assert_eq!(three.engines[1].queue_view(queue).await.unwrap().unwrap().counts.present(), 0);
        three.stop().await;
        pumping.abort();
    }
}

#[tokio::test]
async fn cancelled_consumer_elsewhere_keeps_what_it_has_and_gives_back_the_rest() {
    let three = Three::start().await;
    let queue = three.queue().await;
    let engine = &three.engines[2];
    let mut consumer = engine.consume(queue, config(3)).await.unwrap();
    three.send(queue, &["a"]).await;
    let held = take(&mut consumer, 1).await;
    three.send(queue, &["b", "c"]).await;
    three.until_leased(queue, 3).await;
    consumer.cancel().await.unwrap();
    assert_eq!(three.leased(queue).await, 1);
    assert_eq!(consumer.next().await.unwrap_err(), NextError::Ended(Ended::Cancelled));
    let mut heir = three.engines[1].consume(queue, config(9)).await.unwrap();
    let given_back = take(&mut heir, 2).await;
    assert_eq!((bodies(&given_back), given_back[0].lease.delivery_count), (vec!["b", "c"], 1));
    assert_eq!(settle(engine, queue, &held, Settlement::Accept).await, [true]);
    assert_eq!(consumer.close().await.unwrap(), 0);
    drop(heir);
    three.until_leased(queue, 0).await;
    three.stop().await;
}

#[tokio::test]
async fn who_goes_without_a_word_releases_in_order() {
    let three = Three::start().await;
    let queue = three.queue().await;
    let mut one = three.engines[2].consume(queue, config(3)).await.unwrap();
    three.send(queue, &["a", "b", "c", "d"]).await;
    let first = take(&mut one, 3).await;
    let mut other = three.engines[1].consume(queue, config(10)).await.unwrap();
    assert_eq!(bodies(&take(&mut other, 1).await), ["d"]);
    assert_eq!(settle(&three.engines[2], queue, &first[1..2], Settlement::Accept).await, [true]);
    drop(one);
    let again = take(&mut other, 2).await;
    assert_eq!(bodies(&again), ["a", "c"]);
    assert!(again.iter().all(|delivery| delivery.lease.delivery_count == 2));
    three.stop().await;
}

#[tokio::test]
async fn what_nobody_settles_is_bounded_by_the_credit_on_another_node_too() {
    let three = Three::start().await;
    let queue = three.queue().await;
    let automatic = ConsumerConfig { settling: Settling::Automatic, ..config(2) };
    let mut consumer = three.engines[2].consume(queue, automatic).await.unwrap();
    three.send(queue, &["a", "b", "c", "d", "e"]).await;
    let done = |three: &Three| {
        let engine = three.engines[1].clone();
        async move { engine.queue_view(queue).await.unwrap().unwrap().counts }
    };
    while done(&three).await.settled < 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let counts = done(&three).await;
    assert_eq!((counts.ready, counts.leased, counts.settled), (3, 0, 2));
    assert_eq!(bodies(&take(&mut consumer, 5).await), ["a", "b", "c", "d", "e"]);
    three.send(queue, &["f", "g"]).await;
    while done(&three).await.settled < 7 {
        tokio::task::yield_now().await;
    }
    consumer.cancel().await.unwrap();
    assert_eq!(bodies(&take(&mut consumer, 2).await), ["f", "g"], "it is done, and so it is delivered");
    assert_eq!(consumer.next().await.unwrap_err(), NextError::Ended(Ended::Cancelled));
    three.stop().await;
}

#[tokio::test]
async fn who_shares_with_nobody_does_so_on_all_nodes() {
    let three = Three::start().await;
    let queue = three.queue().await;
    let exclusive = ConsumerConfig { access: Access::Exclusive, ..config(1) };
    let alone = three.engines[2].consume(queue, exclusive).await.unwrap();
    for engine in &three.engines {
        assert_eq!(engine.consume(queue, config(1)).await.map(drop), Err(ConsumeError::Occupied(Occupied)));
    }
    alone.close().await.unwrap();
    let single = ConsumerConfig { access: Access::SingleActive, ..config(10) };
    let mut active = three.engines[1].consume(queue, single).await.unwrap();
    let mut waits = three.engines[2].consume(queue, single).await.unwrap();
    three.send(queue, &["a", "b"]).await;
    assert_eq!(bodies(&take(&mut active, 2).await), ["a", "b"]);
    nothing_comes(&mut waits).await;
    drop(active);
    assert_eq!(bodies(&take(&mut waits, 2).await), ["a", "b"]);
    three.stop().await;
}

#[tokio::test]
async fn consumer_elsewhere_is_told_that_its_queue_is_gone_or_never_was() {
    let three = Three::start().await;
    let queue = three.queue().await;
    let engine = &three.engines[2];
    let mut consumer = engine.consume(queue, config(1)).await.unwrap();
    engine.delete_topic(TopicName::new("orders").unwrap()).await.unwrap();
    assert_eq!(consumer.next().await.unwrap_err(), NextError::Ended(Ended::QueueDeleted));
    let stream = StreamId(99);
    let unknown = engine.consume(Partition { stream, ..queue }, config(1)).await.map(drop);
    assert_eq!(unknown, Err(ConsumeError::Submit(Refusal::UnknownQueue { stream }.into())));
    three.stop().await;
}

#[tokio::test]
async fn consumer_goes_on_wherever_its_queue_is_led() {
    let three = Three::start().await;
    let queue = three.queue().await;
    let engine = &three.engines[2];
    let mut consumer = engine.consume(queue, config(2)).await.unwrap();
    three.send(queue, &["a", "b", "c"]).await;
    let mut held = take(&mut consumer, 2).await;
    // To another node, to this node, and away from it.
    for (times, leader) in (1..).zip([NODES[1], NODES[2], NODES[0]]) {
        three.lead(leader).await;
        let again = take(&mut consumer, 2).await;
        assert_eq!((bodies(&again), consumer.times_lost()), (vec!["a", "b"], times));
        assert!(again.iter().all(|delivery| u64::from(delivery.lease.delivery_count) == times + 1));
        assert_eq!(settle(engine, queue, &held, Settlement::Accept).await, [false, false], "others hold them now");
        assert_eq!(three.leased(queue).await, 2);
        held = again;
    }
    assert_eq!(settle(engine, queue, &held, Settlement::Accept).await, [true, true]);
    assert_eq!(bodies(&take(&mut consumer, 1).await), ["c"]);
    three.stop().await;
}

#[tokio::test]
async fn who_pulls_goes_on_too_and_nothing_is_held_by_who_is_gone() {
    let three = Three::start().await;
    let queue = three.queue().await;
    let engine = &three.engines[2];
    let pulls = ConsumerConfig { access: Access::Pulls, ..config(9) };
    let mut owner = engine.consume(queue, pulls).await.unwrap();
    three.send(queue, &["a", "b"]).await;
    let pulled = |pulled: Vec<Deliveries>| pulled.into_iter().flat_map(|it| it.deliveries).collect::<Vec<_>>();
    let first = pulled(owner.pull(1).await.unwrap());
    assert_eq!(bodies(&first), ["a"]);
    let before = owner.holder();
    three.lead(NODES[1]).await;
    let stale =
        Acquire { stream: queue.stream, count_max: 1, lease: Millis(u64::MAX), holder: Some(before), attempt: None };
    let refused = engine.receive(queue, stale, Duration::ZERO).await.unwrap_err();
    assert_eq!(refused, Refusal::UnknownHolder { stream: queue.stream }.into());
    let again = pulled(owner.pull(9).await.unwrap());
    assert_eq!((bodies(&again), again[0].lease.delivery_count), (vec!["a", "b"], 2));
    assert_ne!(owner.holder(), before);
    assert_eq!(owner.close().await.unwrap(), 2);
    let anybody = Acquire { lease: LEASE, holder: None, ..stale };
    assert_eq!(engine.receive(queue, anybody, Duration::ZERO).await.unwrap().leases().count(), 1);
    three.stop().await;
}

#[tokio::test]
async fn each_record_comes_once_although_answers_are_lost() {
    let three = Three::start().await;
    let queue = three.queue().await;
    let sent: Vec<String> = (0..400).map(|number| number.to_string()).collect();
    three.send(queue, &sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut consumer = three.engines[2].consume(queue, config(7)).await.unwrap();
    three.wires.lose_every(3);
    let mut got = Vec::new();
    while got.len() < sent.len() {
        let deliveries = consumer.next().await.unwrap().deliveries;
        let mut left = deliveries.iter().map(|delivery| (delivery.lease.key, Settlement::Accept)).collect::<Vec<_>>();
        // Whether it was settled nobody knows if the answer is lost; then it is settled already.
        while let Err(error) = three.engines[2].settle(queue, std::mem::take(&mut left)).await {
            assert_eq!(error, omnibus_engine::SubmitError::Lost { leader: NODES[0] });
        }
        got.extend(deliveries.iter().map(|delivery| String::from_utf8(delivery.message.body.to_vec()).unwrap()));
    }
    assert_eq!((got, consumer.times_lost()), (sent, 0));
    three.wires.lose_every(0);
    three.stop().await;
}

#[tokio::test]
async fn what_a_silent_node_holds_is_released_and_who_was_cut_off_begins_anew() {
    let three = Three::start().await;
    let queue = three.queue().await;
    let engine = &three.engines[2];
    let mut cut_off = engine.consume(queue, config(2)).await.unwrap();
    three.send(queue, &["a", "b"]).await;
    let held = take(&mut cut_off, 2).await;
    three.wires.cut(NODES[2]);
    let mut heir = three.engines[1].consume(queue, config(1)).await.unwrap();
    let first = take(&mut heir, 1).await;
    assert_eq!((bodies(&first), first[0].lease.delivery_count), (vec!["a"], 2));
    three.wires.mend(NODES[2]);
    let second = take(&mut cut_off, 1).await;
    assert_eq!((bodies(&second), cut_off.times_lost()), (vec!["b"], 1));
    let late = engine.settle(queue, vec![(held[0].lease.key, Settlement::Accept)]).await.unwrap();
    assert!(matches!(late[..], [Err(LeaseRefusal::Lost { current: Some(_) })]), "{late:?}");
    assert_eq!(settle(engine, queue, &second, Settlement::Accept).await, [true]);
    assert_eq!(settle(engine, queue, &first, Settlement::Accept).await, [true]);
    three.stop().await;
}
