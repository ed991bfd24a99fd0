//! Consumers through the whole engine, on a disk in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::time::Duration;

use omnibus_engine::consumers::{Access, ConsumerConfig, Ended, Occupied, Settling};
use omnibus_engine::consuming::{ConsumeError, Consumer, NextError};
use omnibus_engine::queues::Deliveries;
use omnibus_model::command::Acquire;
use omnibus_model::queue::{CursorConfig, Delivery, QueueConfig, Settlement};
use omnibus_model::topic::Partition;
use omnibus_model::{Millis, Refusal, StreamId, TopicName};
use support::{Node, acquire, bodies, queue_config};

const ACCEPT: Settlement = Settlement::Accept;
const RELEASE: Settlement = Settlement::Release { delay: Millis(0), delivery: Delivery::Counts };

fn config(credit: u32) -> ConsumerConfig {
    ConsumerConfig { credit, settling: Settling::ByReceiver, access: Access::Shared, priority: 0 }
}

/// Waits for so many records.
async fn take(consumer: &mut Consumer, count: usize) -> Vec<omnibus_engine::queues::Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(consumer.next().await.unwrap().deliveries);
    }
    taken
}

/// What has come already.
async fn come(node: &Node, consumer: &mut Consumer) -> Vec<String> {
    node.settled().await;
    let mut come = Vec::new();
    while let Ok(next) = tokio::time::timeout(Duration::ZERO, consumer.next()).await {
        come.extend(bodies(&next.unwrap().deliveries));
    }
    come
}

async fn settle(node: &Node, deliveries: &Deliveries, how: Settlement) {
    let settlements = deliveries.keys().map(|key| (key, how)).collect();
    assert!(node.engine.settle(deliveries.queue, settlements).await.unwrap().iter().all(Result::is_ok));
}

async fn leased(node: &Node, queue: Partition) -> u64 {
    node.counts(queue).await.unwrap().leased
}

#[tokio::test]
async fn records_come_as_far_as_the_credit_goes_and_settling_gives_it_back() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let mut consumer = node.engine.consume(queue, config(2)).await.unwrap();
    node.send(queue, &["a", "b", "c", "d", "e"]).await;
    let first = consumer.next().await.unwrap();
    assert_eq!(bodies(&first.deliveries), ["a", "b"]);
    assert_eq!(come(&node, &mut consumer).await, [""; 0]);
    settle(&node, &first, ACCEPT).await;
    let second = consumer.next().await.unwrap();
    assert_eq!(bodies(&second.deliveries), ["c", "d"]);
    let key = second.deliveries[0].lease.key;
    node.engine.settle(queue, vec![(key, RELEASE)]).await.unwrap();
    let again = consumer.next().await.unwrap();
    assert_eq!((bodies(&again.deliveries), again.deliveries[0].lease.delivery_count), (vec!["c".to_owned()], 2));
    node.stop().await;
}

#[tokio::test]
async fn credit_may_change_while_it_runs() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    node.send(queue, &["a", "b", "c", "d"]).await;
    let mut consumer = node.engine.consume(queue, config(0)).await.unwrap();
    assert_eq!(come(&node, &mut consumer).await, [""; 0]);
    consumer.set_credit(3).await.unwrap();
    let taken = take(&mut consumer, 3).await;
    consumer.set_credit(1).await.unwrap();
    let keys: Vec<_> = taken.iter().map(|delivery| (delivery.lease.key, ACCEPT)).collect();
    node.engine.settle(queue, keys[..2].to_vec()).await.unwrap();
    assert_eq!(come(&node, &mut consumer).await, [""; 0], "it still holds one");
    node.engine.settle(queue, keys[2..].to_vec()).await.unwrap();
    assert_eq!(bodies(&take(&mut consumer, 1).await), ["d"]);
    node.stop().await;
}

#[tokio::test]
async fn consumers_share_alike_and_take_turns() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let mut one = node.engine.consume(queue, config(10)).await.unwrap();
    let mut other = node.engine.consume(queue, config(10)).await.unwrap();
    node.send(queue, &["a", "b", "c", "d"]).await;
    assert_eq!(bodies(&take(&mut one, 2).await), ["a", "b"]);
    assert_eq!(bodies(&take(&mut other, 2).await), ["c", "d"]);
    for (number, body) in (0..).zip(["e", "f", "g", "h"]) {
        node.send(queue, &[body]).await;
        let whose = if number % 2 == 0 { &mut one } else { &mut other };
        assert_eq!(bodies(&take(whose, 1).await), [body]);
    }
    node.stop().await;
}

#[tokio::test]
async fn higher_priority_is_served_while_it_has_credit() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let mut low = node.engine.consume(queue, config(10)).await.unwrap();
    let mut high = node.engine.consume(queue, ConsumerConfig { priority: 7, ..config(2) }).await.unwrap();
    node.send(queue, &["a", "b", "c"]).await;
    assert_eq!(bodies(&take(&mut high, 2).await), ["a", "b"]);
    assert_eq!(bodies(&take(&mut low, 1).await), ["c"]);
    node.stop().await;
}

#[tokio::test]
async fn lost_connection_releases_what_it_held_in_order() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let mut one = node.engine.consume(queue, config(3)).await.unwrap();
    node.send(queue, &["a", "b", "c", "d"]).await;
    let first = take(&mut one, 3).await;
    let mut other = node.engine.consume(queue, config(10)).await.unwrap();
    assert_eq!(bodies(&take(&mut other, 1).await), ["d"]);
    node.engine.settle(queue, vec![(first[1].lease.key, ACCEPT)]).await.unwrap();
    drop(one);
    let again = take(&mut other, 2).await;
    assert_eq!(bodies(&again), ["a", "c"]);
    assert!(again.iter().all(|delivery| delivery.lease.delivery_count == 2));
    node.stop().await;
}

#[tokio::test]
async fn consumers_that_are_closed_together_release_together() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let mut one = node.engine.consume(queue, config(1)).await.unwrap();
    let mut other = node.engine.consume(queue, config(1)).await.unwrap();
    node.send(queue, &["a", "b"]).await;
    let (_a, _b) = (take(&mut one, 1).await, take(&mut other, 1).await);
    let mut heir = node.engine.consume(queue, config(10)).await.unwrap();
    // The one that holds the later record is closed first.
    assert_eq!(node.engine.close_consumers(vec![other, one]).await.unwrap(), 2);
    assert_eq!(bodies(&take(&mut heir, 2).await), ["a", "b"]);
    node.stop().await;
}

#[tokio::test]
async fn cancelled_consumer_keeps_what_it_has_and_gives_back_the_rest() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let mut consumer = node.engine.consume(queue, config(3)).await.unwrap();
    node.send(queue, &["a"]).await;
    let held = take(&mut consumer, 1).await;
    node.send(queue, &["b", "c"]).await;
    node.settled().await;
    assert_eq!(leased(&node, queue).await, 3);
    consumer.cancel().await.unwrap();
    assert_eq!(leased(&node, queue).await, 1);
    assert_eq!(consumer.next().await.unwrap_err(), NextError::Ended(Ended::Cancelled));
    let others = node.receive(queue, 10).await;
    assert_eq!((bodies(&others), others[0].lease.delivery_count), (vec!["b".to_owned(), "c".to_owned()], 1));
    assert_eq!(node.engine.settle(queue, vec![(held[0].lease.key, ACCEPT)]).await.unwrap(), [Ok(())]);
    assert_eq!(consumer.close().await.unwrap(), 0);
    node.stop().await;
}

#[tokio::test]
async fn start_ends_the_leases_of_all_who_were_connected_but_no_others() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    node.send(queue, &["a", "b", "c"]).await;
    let mut consumer = node.engine.consume(queue, config(1)).await.unwrap();
    assert_eq!(bodies(&take(&mut consumer, 1).await), ["a"]);
    assert_eq!(bodies(&node.receive(queue, 1).await), ["b"]);
    let node = node.restarted_after_a_power_cut();
    assert_eq!(leased(&node, queue).await, 1);
    let mut consumer = node.engine.consume(queue, config(10)).await.unwrap();
    let again = take(&mut consumer, 2).await;
    assert_eq!(bodies(&again), ["a", "c"]);
    assert_eq!((again[0].lease.delivery_count, again[1].lease.delivery_count), (2, 1));
    node.stop().await;
}

#[tokio::test]
async fn what_is_done_at_once_is_never_leased_and_bounded_by_the_credit() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let automatic = ConsumerConfig { settling: Settling::Automatic, ..config(2) };
    let mut consumer = node.engine.consume(queue, automatic).await.unwrap();
    node.send(queue, &["a", "b", "c", "d", "e"]).await;
    node.settled().await;
    let counts = node.counts(queue).await.unwrap();
    assert_eq!((counts.ready, counts.leased, counts.settled), (3, 0, 2));
    assert_eq!(bodies(&take(&mut consumer, 5).await), ["a", "b", "c", "d", "e"]);
    node.send(queue, &["f", "g"]).await;
    node.settled().await;
    consumer.cancel().await.unwrap();
    assert_eq!(bodies(&take(&mut consumer, 2).await), ["f", "g"], "it is done, and so it is delivered");
    assert_eq!(consumer.next().await.unwrap_err(), NextError::Ended(Ended::Cancelled));
    node.stop().await;
}

#[tokio::test]
async fn exclusive_consumer_is_alone() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let exclusive = ConsumerConfig { access: Access::Exclusive, ..config(1) };
    let alone = node.engine.consume(queue, exclusive).await.unwrap();
    let refused = Err(ConsumeError::Occupied(Occupied));
    assert_eq!(node.engine.consume(queue, config(1)).await.map(drop), refused);
    let pulls = ConsumerConfig { access: Access::Pulls, ..config(9) };
    let holder = node.engine.consume(queue, pulls).await.unwrap();
    assert_eq!(node.engine.consumer_count(queue).await.unwrap(), 1);
    alone.close().await.unwrap();
    let shared = node.engine.consume(queue, config(1)).await.unwrap();
    assert_eq!(node.engine.consume(queue, exclusive).await.map(drop), refused);
    drop((shared, holder));
    node.stop().await;
}

#[tokio::test]
async fn next_in_line_is_active_when_the_active_one_goes() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let single = ConsumerConfig { access: Access::SingleActive, ..config(10) };
    let mut active = node.engine.consume(queue, single).await.unwrap();
    let mut waits = node.engine.consume(queue, single).await.unwrap();
    node.send(queue, &["a", "b"]).await;
    assert_eq!(bodies(&take(&mut active, 2).await), ["a", "b"]);
    assert_eq!(come(&node, &mut waits).await, [""; 0]);
    drop(active);
    assert_eq!(bodies(&take(&mut waits, 2).await), ["a", "b"]);
    node.stop().await;
}

#[tokio::test]
async fn who_pulls_holds_what_he_receives_for_as_long_as_he_lives() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    node.send(queue, &["a"]).await;
    let pulls = ConsumerConfig { access: Access::Pulls, ..config(9) };
    let owner = node.engine.consume(queue, pulls).await.unwrap();
    let wish = Acquire { lease: Millis(u64::MAX), holder: Some(owner.holder()), ..acquire(queue, 1) };
    assert_eq!(node.engine.receive(queue, wish, Duration::ZERO).await.unwrap().leases().count(), 1);
    assert_eq!(leased(&node, queue).await, 1);
    assert_eq!(owner.close().await.unwrap(), 1);
    assert_eq!(leased(&node, queue).await, 0);
    node.stop().await;
}

#[tokio::test]
async fn consumer_of_a_queue_that_goes_is_told() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let mut consumer = node.engine.consume(queue, config(1)).await.unwrap();
    node.engine.delete_topic(TopicName::new("orders").unwrap()).await.unwrap();
    assert_eq!(consumer.next().await.unwrap_err(), NextError::Ended(Ended::QueueDeleted));
    let stream = StreamId(99);
    let unknown = node.engine.consume(Partition { stream, ..queue }, config(1)).await.map(drop);
    assert_eq!(unknown, Err(ConsumeError::Submit(Refusal::UnknownQueue { stream }.into())));
    node.stop().await;
}

#[tokio::test]
async fn consumer_is_told_when_the_broker_ends() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let mut consumer = node.engine.consume(queue, config(1)).await.unwrap();
    node.stop().await;
    assert_eq!(consumer.next().await.unwrap_err(), NextError::Ended(Ended::Closing));
}

#[tokio::test]
async fn record_that_wears_consumers_out_dies_and_the_next_comes() {
    let node = Node::start();
    let cursor = CursorConfig { deliveries_max: Some(1), ..CursorConfig::default() };
    let queue = node.queue("orders", QueueConfig { cursor, ..queue_config() }).await;
    node.send(queue, &["a", "b"]).await;
    let mut one = node.engine.consume(queue, config(1)).await.unwrap();
    take(&mut one, 1).await;
    drop(one);
    let mut other = node.engine.consume(queue, config(1)).await.unwrap();
    assert_eq!(bodies(&take(&mut other, 1).await), ["b"]);
    assert_eq!(node.counts(queue).await.unwrap().dropped, 1);
    node.stop().await;
}

#[tokio::test]
async fn many_records_make_few_commands() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let bodies_sent: Vec<String> = (0..1_500).map(|number| number.to_string()).collect();
    node.send(queue, &bodies_sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut consumer = node.engine.consume(queue, config(1_000)).await.unwrap();
    let first = take(&mut consumer, 1_000).await;
    assert_eq!(bodies(&first), bodies_sent[..1_000]);
    // One lease each, and all by one command: their epochs follow each other.
    assert!(first.windows(2).all(|pair| pair[0].lease.key.epoch.0 + 1 == pair[1].lease.key.epoch.0));
    let keys = first.iter().map(|delivery| (delivery.lease.key, ACCEPT)).collect();
    node.engine.settle(queue, keys).await.unwrap();
    assert_eq!(bodies(&take(&mut consumer, 500).await), bodies_sent[1_000..]);
    node.stop().await;
}

#[tokio::test]
async fn batch_with_gaps_is_read_once_for_a_consumer() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let bytes_read = || node.engine.counters().bytes_read.get();
    node.produce(queue, &["a", "b", "c", "d", "e", "f", "g"]).await;
    let taken = node.receive(queue, 7).await;
    let bytes_of_the_batch = bytes_read();
    for delivery in &taken {
        let how = if delivery.lease.key.offset.0 % 2 == 0 { RELEASE } else { ACCEPT };
        node.engine.settle(queue, vec![(delivery.lease.key, how)]).await.unwrap();
    }
    let before = bytes_read();
    let mut consumer = node.engine.consume(queue, config(10)).await.unwrap();
    assert_eq!(bodies(&consumer.next().await.unwrap().deliveries), ["a", "c", "e", "g"]);
    assert_eq!(bytes_read() - before, bytes_of_the_batch);
    node.stop().await;
}

#[tokio::test]
async fn records_come_in_the_order_they_were_handed_out_and_not_as_they_lie() {
    let node = Node::start();
    let cursor = CursorConfig { back_after: Some(1), ..CursorConfig::default() };
    let queue = node.queue("orders", QueueConfig { cursor, ..queue_config() }).await;
    node.produce(queue, &["a", "b", "c"]).await;
    let taken = node.receive(queue, 3).await;
    let release = async |place: usize| {
        node.engine.settle(queue, vec![(taken[place].lease.key, RELEASE)]).await.unwrap();
    };
    release(2).await;
    node.send(queue, &["d"]).await;
    release(0).await;
    let mut consumer = node.engine.consume(queue, config(10)).await.unwrap();
    assert_eq!(bodies(&take(&mut consumer, 3).await), ["c", "d", "a"]);
    node.stop().await;
}
