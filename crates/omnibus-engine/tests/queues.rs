//! Queues through the whole engine, on a disk in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::SubmitError;
use omnibus_model::command::CreateQueue;
use omnibus_model::config::ConfigChange;
use omnibus_model::queue::{Delivery, LeaseRefusal, QueueConfig, RecordState, Settlement};
use omnibus_model::topic::TopicConfig;
use omnibus_model::{Command, Millis, Offset, Refusal, ShardId, TopicId, TopicName};
use support::{ManualClock, Node, acquire, bodies, message, queue_config};

#[tokio::test]
async fn what_is_sent_is_received_and_settled() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    assert_eq!(node.send(queue, &["a", "b", "c"]).await, [0, 1, 2]);
    let first = node.receive(queue, 2).await;
    assert_eq!(bodies(&first), ["a", "b"]);
    assert_eq!(first[0].lease.delivery_count, 1);
    assert_eq!(bodies(&node.receive(queue, 10).await), ["c"]);
    let keys = first.iter().map(|delivery| (delivery.lease.key, Settlement::Accept));
    assert_eq!(node.engine.settle(queue, keys.collect()).await.unwrap(), [Ok(()), Ok(())]);
    let counts = node.engine.queue_view(queue).await.unwrap().unwrap();
    assert_eq!((counts.counts.ready, counts.counts.leased, counts.counts.settled), (0, 1, 2));
    assert!(counts.oldest.is_some());
    node.stop().await;
}

#[tokio::test]
async fn time_goes_on_after_a_restart_if_the_clock_was_turned_back() {
    let clock = Arc::new(ManualClock::default());
    clock.advance(60_000);
    let node = Node::by(clock.clone());
    let created_at = |node: &Node, name| node.engine.queue(&TopicName::new(name).unwrap()).unwrap().created_at;
    node.queue("before", queue_config()).await;
    clock.turn_back(60_000);
    let node = node.restarted_after_a_power_cut();
    node.queue("after", queue_config()).await;
    assert_eq!(created_at(&node, "after"), created_at(&node, "before"));
    clock.advance(1_000);
    node.queue("later", queue_config()).await;
    assert_eq!(created_at(&node, "later"), created_at(&node, "before").plus(Millis(1_000)), "time passes all the same");
    clock.advance(120_000);
    node.queue("last", queue_config()).await;
    assert_eq!(created_at(&node, "last"), created_at(&node, "before").plus(Millis(121_000)));
    node.stop().await;
}

#[tokio::test]
async fn acknowledged_messages_and_leases_survive_a_power_cut() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    node.send(queue, &["a", "b", "c"]).await;
    let held = node.receive(queue, 1).await;
    let settled = node.receive(queue, 1).await;
    let settlement = vec![(settled[0].lease.key, Settlement::Accept)];
    node.engine.settle(queue, settlement.clone()).await.unwrap();

    let node = node.restarted_after_a_power_cut();
    assert_eq!(bodies(&node.receive(queue, 10).await), ["c"]);
    let again = node.engine.settle(queue, settlement).await.unwrap();
    assert_eq!(again, [Err(LeaseRefusal::AlreadySettled)]);
    let released = Settlement::Release { delay: Millis(0), delivery: Delivery::Counts };
    assert_eq!(node.engine.settle(queue, vec![(held[0].lease.key, released)]).await.unwrap(), [Ok(())]);
    let again = node.receive(queue, 10).await;
    assert_eq!((bodies(&again), again[0].lease.delivery_count), (vec!["a".to_owned()], 2));
    node.stop().await;
}

#[tokio::test]
async fn who_waits_is_served_in_the_order_of_arrival() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let wait = |engine: omnibus_engine::Engine| {
        tokio::spawn(async move { engine.receive(queue, acquire(queue, 1), Duration::from_secs(3600)).await })
    };
    let gone = wait(node.engine.clone());
    node.settled().await;
    let waiting = [wait(node.engine.clone()), wait(node.engine.clone())];
    node.settled().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    node.send(queue, &["a", "b"]).await;
    for (expected, waiting) in (0..).zip(waiting) {
        let acquired = waiting.await.unwrap().unwrap();
        assert_eq!(acquired.leases().next().unwrap().key.offset, Offset(expected));
    }
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_long_enough_is_told_that_there_is_nothing() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let acquired = node.engine.receive(queue, acquire(queue, 1), Duration::from_millis(20)).await.unwrap();
    assert!(acquired.is_empty());
    node.stop().await;
}

#[tokio::test]
async fn who_waits_is_woken_by_a_lease_that_runs_out() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    node.send(queue, &["a"]).await;
    let short = omnibus_model::command::Acquire { lease: Millis(20), ..acquire(queue, 1) };
    assert_eq!(node.engine.receive(queue, short, Duration::ZERO).await.unwrap().leases().count(), 1);
    let again = node.engine.receive(queue, acquire(queue, 1), Duration::from_secs(3600)).await.unwrap();
    assert_eq!(again.leases().next().unwrap().delivery_count, 2);
    node.stop().await;
}

#[tokio::test]
async fn who_waits_for_a_queue_that_is_deleted_is_told() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let engine = node.engine.clone();
    let waiting =
        tokio::spawn(async move { engine.receive(queue, acquire(queue, 1), Duration::from_secs(3600)).await });
    node.settled().await;
    node.engine.delete_topic(TopicName::new("orders").unwrap()).await.unwrap();
    let stream = queue.stream;
    assert_eq!(waiting.await.unwrap(), Err(SubmitError::Refused(Refusal::UnknownQueue { stream })));
    node.stop().await;
}

#[tokio::test]
async fn creation_that_was_cut_short_is_finished_at_the_next_start() {
    let node = Node::start();
    let create = CreateQueue {
        name: TopicName::new("orders").unwrap(),
        id: TopicId(node.engine.random()),
        config: TopicConfig::default(),
        queue: queue_config(),
    };
    // The process ends before it comes to the cursor.
    node.engine.submit(ShardId::METADATA, Command::CreateQueue(Box::new(create))).await.unwrap();
    let node = node.restarted_after_a_power_cut();
    let queue = node.engine.catalog().topic("orders").unwrap().partitions[0];
    assert_eq!(node.send(queue, &["a"]).await, [0]);
    node.stop().await;
}

#[tokio::test]
async fn change_that_was_cut_short_is_finished_at_the_next_start() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let mut after = queue_config();
    after.cursor.leases_max = 1;
    let change = ConfigChange { before: queue_config(), after };
    let topic = TopicName::new("orders").unwrap();
    node.engine.submit(ShardId::METADATA, Command::AlterQueue { topic, change: Box::new(change) }).await.unwrap();
    node.send(queue, &["a", "b"]).await;
    let node = node.restarted_after_a_power_cut();
    assert_eq!(node.receive(queue, 10).await.len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn queue_is_no_other_topic() {
    let node = Node::start();
    node.queue("orders", queue_config()).await;
    let topic = TopicName::new("orders").unwrap();
    let create = CreateQueue {
        name: topic.clone(),
        id: TopicId(node.engine.random()),
        config: TopicConfig::default(),
        queue: QueueConfig::default(),
    };
    let refused = node.engine.create_queue(create).await;
    assert_eq!(refused, Err(SubmitError::Refused(Refusal::TopicExists { topic: topic.clone() })));
    let refused = node.engine.add_partitions(topic.clone(), 2).await;
    assert_eq!(refused, Err(SubmitError::Refused(Refusal::TopicIsQueue { topic })));
    node.stop().await;
}

#[tokio::test]
async fn records_are_read_where_they_lie_whoever_wrote_them() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    node.send(queue, &["a"]).await;
    node.produce(queue, &["b", "c", "d"]).await;
    node.send(queue, &["e"]).await;
    let deliveries = node.receive(queue, 10).await;
    assert_eq!(bodies(&deliveries), ["a", "b", "c", "d", "e"]);
    let wanted = vec![Offset(0), Offset(3), Offset(4), Offset(9)];
    let found = node.engine.messages(queue.stream, wanted).await.unwrap();
    assert_eq!(found.keys().map(|offset| offset.0).collect::<Vec<_>>(), [0, 3, 4]);
    let states = node.engine.record_states(queue, vec![Offset(1), Offset(9)]).await.unwrap();
    assert!(matches!(states[..], [RecordState::Leased(_), RecordState::Absent]));
    node.stop().await;
}

#[tokio::test]
async fn each_message_of_a_batch_has_an_answer() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let messages = vec![(message("a"), None), (message("b"), None)];
    let answers = node.engine.enqueue(queue, messages).await.unwrap();
    assert_eq!(answers.into_iter().map(|answer| answer.unwrap().base.0).collect::<Vec<_>>(), [0, 1]);
    node.stop().await;
}

#[tokio::test]
async fn batch_that_is_settled_in_part_is_delivered_in_part() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    node.produce(queue, &["a", "b", "c", "d", "e"]).await;
    let taken = node.receive(queue, 10).await;
    let even = |place: usize| place.is_multiple_of(2);
    let settlements = taken.iter().enumerate().map(|(place, delivery)| {
        let back = Settlement::Release { delay: Millis(0), delivery: Delivery::Counts };
        (delivery.lease.key, if even(place) { Settlement::Accept } else { back })
    });
    node.engine.settle(queue, settlements.collect()).await.unwrap();
    assert_eq!(bodies(&node.receive(queue, 10).await), ["b", "d"]);
    node.stop().await;
}
