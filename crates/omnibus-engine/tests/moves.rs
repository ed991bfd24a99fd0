//! Records that are carried from queue to queue, and what queues no longer keep.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::time::Duration;

use omnibus_engine::EngineConfig;
use omnibus_engine::queues::Delivery;
use omnibus_io::fault::Fault;
use omnibus_model::queue::{
    CursorConfig, DeadLetterCause, DeadLetters, DeliveryOrder, Envelope, History, LeaseKey, MoveState, Origin,
    QueueConfig, Settlement,
};
use omnibus_model::topic::{Limit, Partition};
use omnibus_model::{Command, GroupHash, Millis, Offset, TopicName};
use support::{Node, acquire, bodies, enveloped, message, queue_config};

/// A queue that rejects to `target`.
fn dying_to(target: &str) -> QueueConfig {
    let cursor = CursorConfig { dead_letters: DeadLetters::Moved, deliveries_max: Some(1), ..CursorConfig::default() };
    QueueConfig { cursor, dead_letters_to: Some(TopicName::new(target).unwrap()), ..queue_config() }
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

fn rejected(deliveries: &[Delivery]) -> Vec<(LeaseKey, Settlement)> {
    deliveries.iter().map(|delivery| (delivery.lease.key, Settlement::Reject)).collect()
}

#[tokio::test]
async fn rejected_record_comes_to_the_dead_letters_with_its_history() {
    let node = Node::start();
    let (orders, dead) = (node.queue("orders", dying_to("dead")).await, node.queue("dead", queue_config()).await);
    node.send(orders, &["a"]).await;
    let first = node.receive(orders, 1).await;
    node.engine.settle(orders, rejected(&first)).await.unwrap();
    let moved = wait_for(&node, dead, 1).await;
    let origin = Origin { stream: orders.stream, offset: Offset(0) };
    let history = moved[0].message.history.clone().unwrap();
    assert_eq!((history.first, history.deaths), (origin, 1));
    assert_eq!((&*history.last.queue, history.last.cause), ("orders", DeadLetterCause::Rejected));
    assert_eq!((history.last.deliveries, history.last.from), (1, origin));
    assert_eq!(moved[0].message.body, "a");
    let done = async || Some(node.counts(orders).await?.dead_lettered == 1);
    assert!(node.until(done).await);
    // The origin is forgotten, or another record could not come under it.
    let forgotten = async || {
        let answer = node.engine.enqueue(dead, vec![(message("again"), Some(origin))]).await.ok()?.remove(0);
        Some(!answer.unwrap().duplicate)
    };
    assert!(node.until(forgotten).await);
    node.stop().await;
}

#[tokio::test]
async fn record_of_kafka_dies_as_one() {
    let node = Node::start();
    let (orders, dead) = (node.queue("orders", dying_to("dead")).await, node.queue("dead", queue_config()).await);
    node.produce(orders, &["a", "b", "c"]).await;
    let taken = node.receive(orders, 10).await;
    node.engine.settle(orders, rejected(&taken[1..2])).await.unwrap();
    let moved = wait_for(&node, dead, 1).await;
    assert_eq!((bodies(&moved), moved[0].message.native.clone()), (vec!["b".into()], taken[1].message.native.clone()));
    node.stop().await;
}

#[tokio::test]
async fn worn_out_record_dies_when_it_would_be_received_again() {
    let node = Node::start();
    let (orders, dead) = (node.queue("orders", dying_to("dead")).await, node.queue("dead", queue_config()).await);
    node.send(orders, &["a"]).await;
    let short = omnibus_model::command::Acquire { lease: Millis(5), ..acquire(orders, 1) };
    assert_eq!(node.engine.receive(orders, short, Duration::ZERO).await.unwrap().leases().count(), 1);
    let engine = node.engine.clone();
    let again =
        tokio::spawn(async move { engine.receive(orders, acquire(orders, 1), Duration::from_secs(3600)).await });
    let moved = wait_for(&node, dead, 1).await;
    let cause = moved[0].message.history.as_ref().unwrap().last.cause;
    assert_eq!(cause, DeadLetterCause::Exhausted);
    again.abort();
    node.stop().await;
}

#[tokio::test]
async fn dead_letters_wait_for_a_queue_that_is_not_there_yet() {
    let node = Node::start();
    let orders = node.queue("orders", dying_to("dead")).await;
    node.send(orders, &["a"]).await;
    let taken = node.receive(orders, 1).await;
    node.engine.settle(orders, rejected(&taken)).await.unwrap();
    assert_eq!(node.counts(orders).await.unwrap().dying, 1);
    let dead = node.queue("dead", queue_config()).await;
    assert_eq!(bodies(&wait_for(&node, dead, 1).await), ["a"]);
    node.stop().await;
}

/// The power goes at every write of a move, from the command that starts it to the last; then the
/// node starts again. Each record arrives once.
#[tokio::test]
async fn dead_letters_arrive_once_whatever_is_cut_short() {
    for operation in 1.. {
        let node = Node::start();
        let (orders, dead) = (node.queue("orders", dying_to("dead")).await, node.queue("dead", queue_config()).await);
        node.send(orders, &["a", "b", "c"]).await;
        let rejections = rejected(&node.receive(orders, 10).await);
        let clean = node.disk.operations();
        node.disk.fail_at(clean + operation, Fault::PowerCut);
        drop(node.engine.settle(orders, rejections.clone()).await);
        let arrived = async |node: &Node| Some(node.counts(orders).await?.dead_lettered == 3);
        let finished = node.until(async || arrived(&node).await).await;

        let node = node.restarted_after_a_power_cut();
        // Unless it was the rejection that was cut short.
        drop(node.engine.settle(orders, rejections).await.unwrap());
        assert!(node.until(async || arrived(&node).await).await);
        let mut moved = bodies(&node.receive(dead, 10).await);
        moved.sort();
        assert_eq!(moved, ["a", "b", "c"], "the power went at operation {operation}");
        let counts = node.counts(orders).await.unwrap();
        assert_eq!((counts.leased, counts.dying, counts.ready), (0, 0, 0));
        node.stop().await;
        if finished {
            assert!(operation > 3, "the move takes three commits");
            return;
        }
    }
}

#[tokio::test]
async fn moved_back_records_come_to_where_they_died() {
    let node = Node::start();
    let (orders, dead) = (node.queue("orders", dying_to("dead")).await, node.queue("dead", queue_config()).await);
    node.send(orders, &["a", "b"]).await;
    let taken = node.receive(orders, 10).await;
    node.engine.settle(orders, rejected(&taken)).await.unwrap();
    assert!(node.until(async || Some(node.counts(dead).await?.ready == 2)).await);
    let task = node.engine.start_move(dead, None, Some(1_000)).await.unwrap();
    let back = wait_for(&node, orders, 2).await;
    assert_eq!(bodies(&back), ["a", "b"]);
    let history = back[0].message.history.clone().unwrap();
    let first = Origin { stream: orders.stream, offset: Offset(0) };
    assert_eq!((history.first, history.last.cause), (first, DeadLetterCause::Moved(task)));
    let completed = async || {
        let moves = node.engine.moves(dead).await.ok()?;
        Some(moves[0].state == MoveState::Completed && moves[0].moved == 2)
    };
    assert!(node.until(completed).await);
    node.stop().await;
}

#[tokio::test]
async fn cancelled_move_leaves_the_rest() {
    let node = Node::start();
    let (from, to) = (node.queue("from", queue_config()).await, node.queue("to", queue_config()).await);
    node.send(from, &["a", "b", "c"]).await;
    // The first record goes at once, the next in a second.
    let task = node.engine.start_move(from, Some(to.stream), Some(1)).await.unwrap();
    wait_for(&node, to, 1).await;
    assert!(node.engine.cancel_move(from, task).await.unwrap() <= 2);
    assert!(node.counts(from).await.unwrap().ready >= 1);
    node.stop().await;
}

#[tokio::test]
async fn ordered_queue_that_is_full_looks_on_when_there_is_room() {
    const GROUPS: u64 = 3;
    const RECORDS: u64 = 60;
    let node = Node::start();
    let cursor = CursorConfig { order: DeliveryOrder::Ordered, grouped_max: 4, ..CursorConfig::default() };
    let orders = node.queue("orders", QueueConfig { cursor, ..queue_config() }).await;
    for number in 0..RECORDS {
        let envelope = Envelope { group: Some(GroupHash(number % GROUPS)), ..Envelope::default() };
        node.engine.enqueue(orders, vec![(enveloped(&number.to_string(), envelope), None)]).await.unwrap();
    }
    let mut last = [None; 3];
    for _ in 0..RECORDS {
        let delivery = wait_one(&node, orders).await;
        let number = delivery.lease.key.offset.0;
        let group = usize::try_from(number % GROUPS).unwrap();
        assert_eq!(number, last[group].map_or(number % GROUPS, |last: u64| last + GROUPS));
        last[group] = Some(number);
        node.engine.settle(orders, vec![(delivery.lease.key, Settlement::Accept)]).await.unwrap();
    }
    assert_eq!(node.counts(orders).await.unwrap().settled, RECORDS);
    node.stop().await;
}

/// Waits for one record.
async fn wait_one(node: &Node, queue: Partition) -> Delivery {
    let acquired = node.engine.receive(queue, acquire(queue, 1), Duration::from_secs(3600)).await.unwrap();
    node.engine.received(&acquired).await.unwrap().remove(0).deliveries.remove(0)
}

/// Lets housekeeping run, in the runtime's own time, until something is so.
async fn housekeeping_until(is_so: impl AsyncFn() -> bool) {
    const ROUNDS_MAX: u32 = 1000;
    for _ in 0..ROUNDS_MAX {
        if is_so().await {
            return;
        }
        tokio::time::sleep(EngineConfig::default().housekeeping_interval).await;
    }
    panic!("housekeeping has not done it in {ROUNDS_MAX} rounds");
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_goes_unless_history_is_kept() {
    let node = Node::start();
    let cursor = CursorConfig { history: History::Kept, ..CursorConfig::default() };
    // Queues are cleaned in the order of their names.
    let kept = node.queue("a", QueueConfig { cursor, ..queue_config() }).await;
    let trimmed = node.queue("b", queue_config()).await;
    // Its messages will say that they are of 2023, which is too long ago for a topic.
    let topic = node.engine.catalog().topic("a").unwrap();
    let mut after = topic.config.clone();
    after.cleanup = Some(omnibus_model::topic::Cleanup::Keep);
    let change = omnibus_model::config::ConfigChange { before: topic.config.clone(), after };
    node.engine.alter_topic(topic.name.clone(), change).await.unwrap();
    for queue in [kept, trimmed] {
        node.send(queue, &["a", "b", "c"]).await;
        let taken = node.receive(queue, 2).await;
        let accepted = taken.iter().map(|delivery| (delivery.lease.key, Settlement::Accept)).collect();
        node.engine.settle(queue, accepted).await.unwrap();
    }
    housekeeping_until(async || node.engine.bounds(trimmed.stream).start == Offset(2)).await;
    assert_eq!(node.engine.bounds(kept.stream).start, Offset::ZERO);
    assert_eq!(node.engine.rewind(kept, Offset::ZERO).await.unwrap(), 2);
    assert_eq!(bodies(&node.receive(kept, 10).await), ["a", "b", "c"]);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_retained_goes_when_it_is_too_old_and_not_when_it_is_settled() {
    let node = Node::start();
    let cursor = CursorConfig { history: History::Retained, ..CursorConfig::default() };
    // Queues are cleaned in the order of their names.
    let retained = node.queue("a", QueueConfig { cursor, ..queue_config() }).await;
    let trimmed = node.queue("b", queue_config()).await;
    let keep = async |time: Limit| {
        let topic = node.engine.catalog().topic("a").unwrap();
        let mut after = topic.config.clone();
        after.retention_time = Some(time);
        let change = omnibus_model::config::ConfigChange { before: topic.config.clone(), after };
        node.engine.alter_topic(topic.name.clone(), change).await.unwrap();
    };
    keep(Limit::Unlimited).await;
    for queue in [retained, trimmed] {
        node.send(queue, &["a", "b", "c"]).await;
        let taken = node.receive(queue, 2).await;
        let accepted = taken.iter().map(|delivery| (delivery.lease.key, Settlement::Accept)).collect();
        node.engine.settle(queue, accepted).await.unwrap();
    }
    housekeeping_until(async || node.engine.bounds(trimmed.stream).start == Offset(2)).await;
    assert_eq!(node.engine.bounds(retained.stream).start, Offset::ZERO);
    // Its messages say that they are of 2023.
    keep(Limit::AtMost(60_000)).await;
    housekeeping_until(async || node.engine.bounds(retained.stream).start == Offset(3)).await;
    assert_eq!(node.counts(retained).await.unwrap().present(), 0);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn old_records_expire() {
    let node = Node::start();
    let queue = node.queue("orders", QueueConfig { retention: Some(Millis(60_000)), ..queue_config() }).await;
    node.send(queue, &["of 2023", "too"]).await;
    housekeeping_until(async || node.counts(queue).await.unwrap().expired == 2).await;
    housekeeping_until(async || node.engine.bounds(queue.stream).start == Offset(2)).await;
    node.stop().await;
}

#[tokio::test]
async fn purged_queue_is_empty() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    node.send(queue, &["a", "b"]).await;
    node.receive(queue, 1).await;
    assert_eq!(node.engine.purge(queue).await.unwrap(), 2);
    assert_eq!(node.receive(queue, 10).await.len(), 0);
    let tick = node.engine.submit(queue.shard, Command::Tick).await;
    assert!(tick.is_ok());
    node.stop().await;
}

/// Damages what holds a body on the disk, so that it is not what was written any more.
fn damage(node: &Node, body: &str) {
    let places = node.disk.paths().into_iter().filter_map(|path| {
        let content = node.disk.content(&path)?;
        let place = content.windows(body.len()).position(|window| window == body.as_bytes())?;
        Some((path, place))
    });
    let places: Vec<(String, usize)> = places.collect();
    assert!(!places.is_empty(), "{body} is on the disk");
    for (path, place) in places {
        assert!(node.disk.flip_bit(&path, place as u64 * 8));
    }
}

#[tokio::test]
async fn damaged_record_holds_up_no_other() {
    let node = Node::start();
    let (orders, dead) = (node.queue("orders", dying_to("dead")).await, node.queue("dead", queue_config()).await);
    // Longer than what is read at a time, so that each has its own place on the disk.
    let long = |name: &str| format!("{name} {}", "x".repeat(8_192));
    node.send(orders, &[&long("first"), &long("second"), &long("third")]).await;
    let node = node.restarted_after_a_power_cut();
    damage(&node, "second x");
    let taken = node.receive(orders, 10).await;
    let names = |deliveries: &[Delivery]| -> Vec<String> {
        bodies(deliveries).iter().map(|body| body.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&taken), ["first", "third"]);
    // All three are rejected, also the one that nobody has seen.
    let mut keys = rejected(&taken);
    let LeaseKey { offset, epoch } = taken[0].lease.key;
    let unseen = LeaseKey { offset: offset.plus(1), epoch: omnibus_model::LeaseEpoch(epoch.0 + 1) };
    keys.push((unseen, Settlement::Reject));
    let answers = node.engine.settle(orders, keys).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(names(&wait_for(&node, dead, 2).await), ["first", "third"]);
    assert!(node.until(async || Some(node.counts(orders).await?.dying == 1)).await);
    node.stop().await;
}
