//! Queues that take only so much and keep it only for so long, and dead letters that a front end sends on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use omnibus_engine::SubmitError;
use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};
use omnibus_engine::dead_letters::{DeadLetter, DeadLetterRouter, Route};
use omnibus_engine::fan_out::Target;
use omnibus_engine::queues::Delivery;
use omnibus_model::config::ConfigChange;
use omnibus_model::queue::{
    CursorConfig, DeadLetterCause, DeadLetters, Delivery as Counting, Envelope, Overflow, QueueConfig, QueueLimits,
    Settlement,
};
use omnibus_model::topic::{Partition, QueuePlace};
use omnibus_model::{Millis, Refusal, TopicName};
use omnibus_record::Message;
use parking_lot::Mutex;
use support::{ManualClock, Node, acquire, bodies, enveloped, message, queue_config, shared};

const DROPS: QueueLimits =
    QueueLimits { records_max: Some(2), bytes_max: None, overflow: Overflow::DropOldest, ttl: None };

/// A queue whose dead letters go wherever a front end says.
fn routed() -> QueueConfig {
    let moved = DeadLetters::Moved;
    let cursor =
        CursorConfig { dead_letters: moved, expired: moved, deliveries_max: Some(1), ..CursorConfig::default() };
    QueueConfig { cursor, ..queue_config() }
}

/// Waits for records.
async fn wait_for(node: &Node, queue: Partition, count: usize) -> Vec<Delivery> {
    let mut got = Vec::new();
    while got.len() < count {
        let acquired = node.engine.receive(queue, acquire(queue, 10), Duration::from_secs(3600)).await.unwrap();
        got.extend(node.engine.received(&acquired).await.unwrap().into_iter().flat_map(|of| of.deliveries));
    }
    got
}

/// Sends dead letters to some queues, with a note in their bodies.
#[derive(Debug, Default)]
struct Router {
    queues: Mutex<Vec<QueuePlace>>,
    is_away: AtomicBool,
    seen: Mutex<Vec<(String, DeadLetterCause)>>,
}

impl DeadLetterRouter for Router {
    fn route(&self, letter: DeadLetter<'_>) -> Option<Route> {
        self.seen.lock().push((letter.queue.name.to_string(), letter.dying.cause));
        if self.is_away.swap(false, Ordering::SeqCst) {
            return Some(Route::NotNow);
        }
        let body = Bytes::from([&letter.message.body[..], b", dead"].concat());
        let message = Box::new(Message { body, ..letter.message.clone() });
        Some(Route::To { message, queues: self.queues.lock().clone() })
    }
}

#[tokio::test]
async fn full_queue_gives_what_it_has_to_who_waits_before_it_drops_anything() {
    let node = Node::start();
    let queue = node.limited_queue("orders", queue_config(), DROPS).await;
    node.send(queue, &["a", "b", "c"]).await;
    let counts = node.counts(queue).await.unwrap();
    assert_eq!((counts.ready, counts.dropped), (2, 1));
    let config = ConsumerConfig { credit: 5, settling: Settling::ByReceiver, access: Access::Shared, priority: 0 };
    let mut consumer = node.engine.consume(queue, config).await.unwrap();
    assert_eq!(bodies(&consumer.next().await.unwrap().deliveries), ["b", "c"]);
    // It has credit for three of these, and there is room for two.
    node.send(queue, &["d", "e", "f", "g", "h", "i"]).await;
    let mut got = Vec::new();
    while got.len() < 3 {
        got.extend(bodies(&consumer.next().await.unwrap().deliveries));
    }
    assert_eq!(got, ["d", "e", "f"]);
    let counts = node.counts(queue).await.unwrap();
    assert_eq!((counts.ready, counts.leased, counts.dropped), (2, 5, 2));
    node.stop().await;
}

/// What dies while others are buried does not wait for that, and is not carried twice.
#[tokio::test]
async fn what_dies_one_after_the_other_arrives_once_and_in_order() {
    let node = Node::start();
    let queue = node.limited_queue("orders", routed(), DROPS).await;
    let router = Arc::new(Router::default());
    node.engine.route_dead_letters(Arc::<Router>::clone(&router));
    let targets = [node.queue("dead", queue_config()).await, node.queue("dead-too", queue_config()).await];
    router.queues.lock().extend(targets.map(QueuePlace::from));
    for number in 0..302 {
        node.send(queue, &[&number.to_string()]).await;
    }
    let wanted: Vec<String> = (0..300).map(|number| format!("{number}, dead")).collect();
    for target in targets {
        let got = wait_for(&node, target, 300).await;
        assert_eq!(bodies(&got), wanted);
        assert!(node.receive(target, 9).await.is_empty());
    }
    assert_eq!(router.seen.lock().len(), 300, "each is carried once");
    node.stop().await;
}

/// A queue that keeps nothing, and a message that lives for no time: who waits gets it, and nobody else ever does.
#[tokio::test]
async fn what_is_over_as_it_comes_goes_to_who_waits_or_expires_at_once() {
    let limits = QueueLimits { ttl: Some(Millis(1)), ..QueueLimits::default() };
    for (name, limits, is_over) in [("keeps-nothing", limits, false), ("lives-not", QueueLimits::default(), true)] {
        // Its time stands still, so nothing expires by itself.
        let clock = Arc::new(ManualClock::default());
        let node = Node::by(Arc::<ManualClock>::clone(&clock));
        let cursor = CursorConfig { deliveries_max: None, ..routed().cursor };
        let queue = node.limited_queue(name, QueueConfig { cursor, ..routed() }, limits).await;
        let router = Arc::new(Router::default());
        node.engine.route_dead_letters(Arc::<Router>::clone(&router));
        let dead = node.queue("dead", queue_config()).await;
        router.queues.lock().push(dead.into());
        let expires_at = is_over.then(|| node.engine.now());
        let send = async |body: &str| {
            let targets = [Target { queue: queue.into(), envelope: Envelope { expires_at, ..Envelope::default() } }];
            node.engine.fan_out(&shared(body), &targets).await.unwrap()[0].clone().unwrap();
        };
        send("nobody waits").await;
        assert!(node.receive(queue, 9).await.is_empty());
        let config = ConsumerConfig { credit: 2, settling: Settling::ByReceiver, access: Access::Shared, priority: 0 };
        let mut consumer = node.engine.consume(queue, config).await.unwrap();
        for body in ["a", "b", "no credit"] {
            send(body).await;
        }
        assert!(node.receive(queue, 9).await.is_empty());
        let mut got = Vec::new();
        while got.len() < 2 {
            got.extend(consumer.next().await.unwrap().deliveries);
        }
        assert_eq!(bodies(&got), ["a", "b"], "{name}");
        assert_eq!(bodies(&wait_for(&node, dead, 2).await), ["nobody waits, dead", "no credit, dead"], "{name}");
        // What comes back at once does not go to anybody again.
        let back = Settlement::Release { delay: Millis(0), delivery: Counting::Counts };
        node.engine.settle(queue, vec![(got[1].lease.key, back)]).await.unwrap()[0].unwrap();
        while router.seen.lock().len() < 3 {
            clock.advance(10);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(bodies(&wait_for(&node, dead, 1).await), ["b, dead"], "{name}");
        assert_eq!(node.counts(queue).await.unwrap().leased, 1, "{name}");
        assert!(router.seen.lock().iter().all(|(_, cause)| *cause == DeadLetterCause::Expired));
        node.stop().await;
    }
}

#[tokio::test]
async fn full_queue_refuses_each_message_by_itself() {
    let node = Node::start();
    let limits = QueueLimits { overflow: Overflow::RefuseNewest, ..DROPS };
    let queue = node.limited_queue("orders", queue_config(), limits).await;
    let sent = ["a", "b", "c"].into_iter().map(|body| (message(body), None)).collect();
    let answers = node.engine.enqueue(queue, sent).await.unwrap();
    assert_eq!(answers[2], Err(Refusal::QueueFull { stream: queue.stream }));
    assert_eq!(bodies(&node.receive(queue, 9).await), ["a", "b"]);
    node.send(queue, &["d"]).await;
    node.stop().await;
}

#[tokio::test]
async fn limits_of_a_queue_change_while_it_is_there() {
    let node = Node::start();
    let name = TopicName::new("orders").unwrap();
    let queue = node.queue("orders", queue_config()).await;
    node.send(queue, &["a", "b", "c"]).await;
    let none = QueueLimits::default();
    let change = |before, after| node.engine.limit_queue(name.clone(), ConfigChange { before, after });
    change(none, DROPS).await.unwrap();
    assert_eq!(node.counts(queue).await.unwrap().ready, 2);
    assert!(matches!(change(none, DROPS).await, Err(SubmitError::Refused(Refusal::ConfigChangedMeanwhile { .. }))));
    change(DROPS, none).await.unwrap();
    node.send(queue, &["d"]).await;
    let node = node.restarted_after_a_power_cut();
    assert_eq!(bodies(&node.receive(queue, 9).await), ["b", "c", "d"]);
    node.stop().await;
}

#[tokio::test]
async fn limits_outlive_a_power_cut() {
    let node = Node::start();
    let queue = node.limited_queue("orders", queue_config(), DROPS).await;
    node.send(queue, &["a", "b"]).await;
    let node = node.restarted_after_a_power_cut();
    node.send(queue, &["c"]).await;
    assert_eq!(bodies(&node.receive(queue, 9).await), ["b", "c"]);
    node.stop().await;
}

/// Sends messages, each with the priority that it begins with; returns which were taken.
async fn send_ranked(node: &Node, queue: QueuePlace, bodies: &[&str]) -> Vec<bool> {
    let ranked = |body: &&str| {
        let priority = u8::try_from(body.chars().next().unwrap().to_digit(10).unwrap()).unwrap();
        (enveloped(body, Envelope { priority, ..Envelope::default() }), None)
    };
    let answers = node.engine.enqueue(queue, bodies.iter().map(ranked).collect()).await.unwrap();
    answers.iter().map(Result::is_ok).collect()
}

#[tokio::test]
async fn bounds_hold_for_all_priorities_together_and_outlive_a_power_cut() {
    let node = Node::start();
    let router = Arc::new(Router::default());
    node.engine.route_dead_letters(Arc::<Router>::clone(&router));
    let dead = node.queue("dead", queue_config()).await;
    router.queues.lock().push(dead.into());
    let queue = node.limited_priority_queue("orders", routed(), (2, DROPS)).await;
    send_ranked(&node, queue, &["0a", "1a", "2a"]).await;
    // What would be handed out next goes first.
    let moved = wait_for(&node, dead, 1).await;
    assert_eq!(bodies(&moved), ["2a, dead"]);
    assert_eq!(moved[0].message.history.as_ref().unwrap().last.cause, DeadLetterCause::Overflow);
    let node = node.restarted_after_a_power_cut();
    assert_eq!(send_ranked(&node, queue, &["0b", "0c"]).await, [true; 2]);
    assert_eq!(bodies(&node.receive(queue, 9).await), ["0b", "0c"]);
    // What is on lease does not count, and who waits is served first.
    let config = ConsumerConfig { credit: 2, settling: Settling::ByReceiver, access: Access::Shared, priority: 0 };
    let mut consumer = node.engine.consume(queue, config).await.unwrap();
    send_ranked(&node, queue, &["0d", "2d", "1d", "2e", "0e"]).await;
    let mut got = Vec::new();
    while got.len() < 2 {
        got.extend(bodies(&consumer.next().await.unwrap().deliveries));
    }
    got.sort();
    assert_eq!(got, ["0d", "2d"]);
    assert_eq!(bodies(&node.receive(queue, 9).await), ["1d", "0e"]);
    node.stop().await;
}

/// More than what one command lets go.
const MANY: usize = 1_001;

#[tokio::test]
async fn whatever_goes_from_one_priority_has_the_next_one_buried() {
    // It stands, so that no tick has anything looked after that was forgotten.
    let node = Node::by(Arc::new(ManualClock::default()));
    let router = Arc::new(Router::default());
    node.engine.route_dead_letters(Arc::<Router>::clone(&router));
    let dead = node.queue("dead", queue_config()).await;
    router.queues.lock().push(dead.into());
    let queue = node.priority_queue("orders", routed(), 2).await;
    for _ in 0..MANY {
        send_ranked(&node, queue, &["2"]).await;
    }
    send_ranked(&node, queue, &["0", "0", "0"]).await;
    let (none, nothing) = (QueueLimits::default(), QueueLimits { records_max: Some(0), ..DROPS });
    let change = ConfigChange { before: none, after: nothing };
    node.engine.limit_queue(TopicName::new("orders").unwrap(), change).await.unwrap();
    let is_left_to_the_lowest = async || {
        let counts = node.counts(queue).await?;
        Some(counts.ready + counts.dying <= 3)
    };
    assert!(node.until(is_left_to_the_lowest).await);
    // What is to be buried by then goes before what comes to be now.
    let last = node.limited_queue("last", routed(), nothing).await;
    node.send(last, &["last"]).await;
    let mut letters = Vec::new();
    while letters.last().is_none_or(|letter| letter != "last, dead") {
        letters.extend(bodies(&wait_for(&node, dead, 1).await));
    }
    assert_eq!(letters.len(), MANY + 3 + 1);
    node.stop().await;
}

#[tokio::test]
async fn full_queue_with_priorities_refuses_whatever_comes_until_its_limits_change() {
    let node = Node::start();
    let name = TopicName::new("orders").unwrap();
    let queue = node.priority_queue("orders", queue_config(), 3).await;
    let refuses = QueueLimits { overflow: Overflow::RefuseNewest, ..DROPS };
    let change = |before, after| node.engine.limit_queue(name.clone(), ConfigChange { before, after });
    change(QueueLimits::default(), refuses).await.unwrap();
    assert_eq!(send_ranked(&node, queue, &["0a", "3a", "1a", "3b"]).await, [true, true, false, false]);
    change(refuses, QueueLimits::default()).await.unwrap();
    assert_eq!(send_ranked(&node, queue, &["1b", "2b"]).await, [true; 2]);
    change(QueueLimits::default(), DROPS).await.unwrap();
    let node = node.restarted_after_a_power_cut();
    assert_eq!(bodies(&node.receive(queue, 9).await), ["1b", "0a"]);
    node.stop().await;
}

#[tokio::test]
async fn record_is_kept_for_so_long_and_then_a_dead_letter() {
    let clock = Arc::new(ManualClock::default());
    let node = Node::by(Arc::<ManualClock>::clone(&clock));
    let router = Arc::new(Router::default());
    node.engine.route_dead_letters(Arc::<Router>::clone(&router));
    let dead = node.queue("dead", queue_config()).await;
    router.queues.lock().push(dead.into());
    let limits = QueueLimits { ttl: Some(Millis(10_000)), ..QueueLimits::default() };
    let queue = node.limited_queue("orders", routed(), limits).await;
    node.send(queue, &["a"]).await;
    clock.advance(9_999);
    node.settled().await;
    assert_eq!(node.counts(queue).await.unwrap().ready, 1);
    clock.advance(1);
    node.settled().await;
    assert_eq!(node.counts(queue).await.unwrap().dying, 1);
    // Some time after a tick all queues are asked what is to leave them.
    clock.advance(50);
    let moved = wait_for(&node, dead, 1).await;
    assert_eq!(bodies(&moved), ["a, dead"]);
    assert_eq!(moved[0].message.history.as_ref().unwrap().last.cause, DeadLetterCause::Expired);
    assert_eq!(*router.seen.lock(), [("orders".to_owned(), DeadLetterCause::Expired)]);
    node.stop().await;
}

#[tokio::test]
async fn dead_letter_goes_to_all_whom_a_front_end_names_once() {
    let node = Node::start();
    let router = Arc::new(Router::default());
    node.engine.route_dead_letters(Arc::<Router>::clone(&router));
    let (one, other) = (node.queue("one", queue_config()).await, node.queue("other", queue_config()).await);
    let queue = node.limited_queue("orders", routed(), DROPS).await;
    router.queues.lock().extend([QueuePlace::from(one), other.into()]);
    router.is_away.store(true, Ordering::SeqCst);
    node.send(queue, &["a", "b", "c"]).await;
    for target in [one, other] {
        let moved = wait_for(&node, target, 1).await;
        assert_eq!(bodies(&moved), ["a, dead"]);
        let history = moved[0].message.history.clone().unwrap();
        assert_eq!((history.deaths, history.last.cause), (1, DeadLetterCause::Overflow));
        assert_eq!(&*history.last.queue, "orders");
    }
    assert_eq!(router.seen.lock().len(), 2, "it was asked again");
    assert!(node.until(async || Some(node.counts(queue).await?.dead_lettered == 1)).await);
    node.stop().await;
}

#[tokio::test]
async fn dead_letter_that_is_for_nobody_is_gone() {
    let node = Node::start();
    node.engine.route_dead_letters(Arc::new(Router::default()));
    let queue = node.limited_queue("orders", routed(), DROPS).await;
    node.send(queue, &["a", "b", "c"]).await;
    assert!(node.until(async || Some(node.counts(queue).await?.dying == 0)).await);
    assert_eq!(node.counts(queue).await.unwrap().ready, 2);
    node.stop().await;
}

#[tokio::test]
async fn who_does_not_get_it_now_gets_it_later_and_nobody_gets_it_twice() {
    let node = Node::start();
    let router = Arc::new(Router::default());
    node.engine.route_dead_letters(Arc::<Router>::clone(&router));
    let full = QueueLimits { records_max: Some(1), overflow: Overflow::RefuseNewest, ..DROPS };
    let (full, other) =
        (node.limited_queue("full", queue_config(), full).await, node.queue("other", queue_config()).await);
    node.send(full, &["in the way"]).await;
    router.queues.lock().extend([QueuePlace::from(full), other.into()]);
    let queue = node.limited_queue("orders", routed(), DROPS).await;
    node.send(queue, &["a", "b", "c"]).await;
    assert_eq!(bodies(&wait_for(&node, other, 1).await), ["a, dead"]);
    assert_eq!(node.counts(queue).await.unwrap().dying, 1);
    assert_eq!(bodies(&node.receive(full, 1).await), ["in the way"]);
    assert_eq!(bodies(&wait_for(&node, full, 1).await), ["a, dead"]);
    assert!(node.until(async || Some(node.counts(queue).await?.dead_lettered == 1)).await);
    let counts = node.counts(other).await.unwrap();
    assert_eq!((counts.enqueued, counts.leased), (1, 1));
    node.stop().await;
}
