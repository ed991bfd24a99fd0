//! Queues with priorities through the whole engine, on a disk in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::SubmitError;
use omnibus_engine::by_hand;
use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};
use omnibus_engine::consuming::Consumer;
use omnibus_engine::fan_out::Target;
use omnibus_engine::queues::Deliveries;
use omnibus_model::command::{Acquire, CreateQueue};
use omnibus_model::queue::{
    CursorConfig, DeadLetters, Delivery, DeliveryOrder, Envelope, History, MoveState, QueueConfig, Settlement,
};
use omnibus_model::topic::{QueuePlace, TopicConfig};
use omnibus_model::{AttemptHash, Command, DedupHash, Millis, Offset, Refusal, ShardId, Timestamp, TopicId, TopicName};
use omnibus_record::{Message, Native, SqsNative};
use support::{ManualClock, Node, acquire, bodies, enveloped, queue_config};

const ACCEPT: Settlement = Settlement::Accept;
const RELEASE: Settlement = Settlement::Release { delay: Millis(0), delivery: Delivery::Counts };

fn of_priority(priority: u8) -> Envelope {
    Envelope { priority, ..Envelope::default() }
}

/// Sends messages, each with the priority that its first letter is.
async fn send(node: &Node, queue: QueuePlace, messages: &[&str]) {
    let priority = |body: &str| u8::try_from(body.chars().next().unwrap().to_digit(10).unwrap()).unwrap();
    let messages = messages.iter().map(|body| (enveloped(body, of_priority(priority(body))), None)).collect();
    assert!(node.engine.enqueue(queue, messages).await.unwrap().iter().all(Result::is_ok));
}

async fn settle(node: &Node, received: &[Deliveries], how: Settlement) {
    for deliveries in received {
        let settlements = deliveries.keys().map(|key| (key, how)).collect();
        assert!(node.engine.settle(deliveries.queue, settlements).await.unwrap().iter().all(Result::is_ok));
    }
}

fn names(received: &[Deliveries]) -> Vec<String> {
    received.iter().flat_map(|deliveries| bodies(&deliveries.deliveries)).collect()
}

fn config(credit: u32) -> ConsumerConfig {
    ConsumerConfig { credit, settling: Settling::ByReceiver, access: Access::Shared, priority: 0 }
}

/// What has come already.
async fn come(node: &Node, consumer: &mut Consumer) -> Vec<Deliveries> {
    node.settled().await;
    let mut come = Vec::new();
    while let Ok(next) = tokio::time::timeout(Duration::ZERO, consumer.next()).await {
        come.push(next.unwrap());
    }
    come
}

#[tokio::test]
async fn highest_goes_first_and_then_the_lowest_offset() {
    let node = Node::start();
    let queue = node.priority_queue("jobs", queue_config(), 2).await;
    send(&node, queue, &["0a", "2a", "1a", "0b", "9b", "1b"]).await;
    let first = node.received(queue, 3).await;
    assert_eq!(names(&first), ["2a", "9b", "1a"], "what is above the highest counts as the highest");
    send(&node, queue, &["2c"]).await;
    assert_eq!(bodies(&node.receive(queue, 10).await), ["2c", "1b", "0a", "0b"]);
    let counts = node.counts(queue).await.unwrap();
    assert_eq!((counts.enqueued, counts.ready, counts.leased), (7, 0, 7));
    node.stop().await;
}

#[tokio::test]
async fn what_comes_back_comes_back_to_its_place() {
    let clock = Arc::new(ManualClock::default());
    let node = Node::by(clock.clone());
    let queue = node.priority_queue("jobs", queue_config(), 2).await;
    send(&node, queue, &["0a", "1a", "2a", "1b"]).await;
    let all = node.received(queue, 10).await;
    assert_eq!(names(&all), ["2a", "1a", "1b", "0a"]);
    settle(&node, &all, RELEASE).await;
    assert_eq!(bodies(&node.receive(queue, 2).await), ["2a", "1a"]);
    clock.advance(30_000);
    node.settled().await;
    assert_eq!(bodies(&node.receive(queue, 10).await), ["2a", "1a", "1b", "0a"], "both leases have run out");
    node.stop().await;
}

#[tokio::test]
async fn record_that_is_worn_out_holds_up_no_lower_priority() {
    let node = Node::start();
    let cursor = CursorConfig { deliveries_max: Some(1), ..CursorConfig::default() };
    let queue = node.priority_queue("jobs", QueueConfig { cursor, ..queue_config() }, 1).await;
    send(&node, queue, &["0a", "1a"]).await;
    let worn_out = node.received(queue, 1).await;
    settle(&node, &worn_out, RELEASE).await;
    assert_eq!(bodies(&node.receive(queue, 1).await), ["0a"]);
    assert_eq!(node.counts(queue).await.unwrap().dropped, 1);
    node.stop().await;
}

#[tokio::test]
async fn who_waits_gets_what_comes_with_any_priority() {
    let node = Node::start();
    let queue = node.priority_queue("jobs", queue_config(), 2).await;
    for body in ["2a", "0a", "1a"] {
        let engine = node.engine.clone();
        let wish = acquire(queue.lowest, 1);
        let waiting = tokio::spawn(async move { engine.receive(queue, wish, Duration::from_secs(3_600)).await });
        node.settled().await;
        send(&node, queue, &[body]).await;
        let received = waiting.await.unwrap().unwrap();
        assert_eq!(names(&node.engine.received(&received).await.unwrap()), [body]);
    }
    let (engine, wish) = (node.engine.clone(), acquire(queue.lowest, 1));
    let waiting = tokio::spawn(async move { engine.receive(queue, wish, Duration::from_secs(3_600)).await });
    node.settled().await;
    node.engine.delete_topic(TopicName::new("jobs").unwrap()).await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(SubmitError::Refused(Refusal::UnknownQueue { .. }))));
    node.stop().await;
}

#[tokio::test]
async fn consumer_is_given_the_highest_first_within_one_credit() {
    let node = Node::start();
    let queue = node.priority_queue("jobs", queue_config(), 3).await;
    send(&node, queue, &["0a", "1a", "3a", "1b", "0b"]).await;
    let mut consumer = node.engine.consume(queue, config(3)).await.unwrap();
    let first = come(&node, &mut consumer).await;
    assert_eq!(names(&first), ["3a", "1a", "1b"]);
    send(&node, queue, &["2a"]).await;
    assert_eq!(names(&come(&node, &mut consumer).await), [""; 0], "the credit is for all priorities");
    settle(&node, &first[..1], ACCEPT).await;
    assert_eq!(names(&come(&node, &mut consumer).await), ["2a"]);
    settle(&node, &first[1..], RELEASE).await;
    assert_eq!(names(&come(&node, &mut consumer).await), ["1a", "1b"], "ahead of what was never handed out");
    drop(consumer);
    node.settled().await;
    assert_eq!(bodies(&node.receive(queue, 10).await), ["2a", "1a", "1b", "0a", "0b"]);
    node.stop().await;
}

#[tokio::test]
async fn consumers_share_all_priorities_or_have_them_alone() {
    let node = Node::start();
    let queue = node.priority_queue("jobs", queue_config(), 1).await;
    let single = ConsumerConfig { access: Access::SingleActive, ..config(10) };
    let mut active = node.engine.consume(queue, single).await.unwrap();
    let mut heir = node.engine.consume(queue, single).await.unwrap();
    send(&node, queue, &["0a", "1a"]).await;
    let given = come(&node, &mut active).await;
    assert_eq!((names(&given).len(), come(&node, &mut heir).await.len()), (2, 0));
    assert_eq!(node.engine.consumer_count(queue).await.unwrap(), 2);
    let released = active.close().await.unwrap();
    assert_eq!(released, 2);
    assert_eq!(names(&come(&node, &mut heir).await), ["1a", "0a"]);
    heir.close().await.unwrap();
    let alone = ConsumerConfig { access: Access::Exclusive, settling: Settling::Automatic, ..config(1) };
    let mut alone = node.engine.consume(queue, alone).await.unwrap();
    assert!(node.engine.consume(queue, config(1)).await.is_err());
    let mut taken = Vec::new();
    while taken.len() < 2 {
        taken.extend(bodies(&alone.next().await.unwrap().deliveries));
    }
    assert_eq!(taken, ["1a", "0a"]);
    assert_eq!(node.counts(queue).await.unwrap().settled, 2);
    node.stop().await;
}

#[tokio::test]
async fn cancelled_consumer_gives_each_back_where_it_came_from() {
    let node = Node::start();
    let queue = node.priority_queue("jobs", queue_config(), 2).await;
    send(&node, queue, &["0a", "1a", "2a"]).await;
    let mut consumer = node.engine.consume(queue, config(10)).await.unwrap();
    node.settled().await;
    consumer.cancel().await.unwrap();
    assert_eq!(bodies(&node.receive(queue, 10).await), ["2a", "1a", "0a"]);
    node.stop().await;
}

#[tokio::test]
async fn restart_knows_every_priority() {
    let node = Node::start();
    let queue = node.priority_queue("jobs", queue_config(), 2).await;
    send(&node, queue, &["0a", "1a", "2a", "1b"]).await;
    let first = node.received(queue, 2).await;
    settle(&node, &first[..1], ACCEPT).await;
    settle(&node, &first[1..], RELEASE).await;
    let node = node.restarted_after_a_power_cut();
    send(&node, queue, &["2b"]).await;
    assert_eq!(bodies(&node.receive(queue, 10).await), ["2b", "1a", "1b", "0a"]);
    node.stop().await;
}

#[tokio::test]
async fn creation_that_was_cut_short_is_finished_at_the_next_start() {
    let node = Node::start();
    let create = CreateQueue {
        name: TopicName::new("jobs").unwrap(),
        id: TopicId(7),
        config: TopicConfig::default(),
        queue: queue_config(),
    };
    let create = Command::CreatePriorityQueue { create: Box::new(create), priorities: 2 };
    node.engine.submit(ShardId::METADATA, create).await.unwrap();
    let queue = node.engine.catalog().topic("jobs").unwrap().queue_place().unwrap();
    assert_eq!(node.counts(queue).await, None);
    let node = node.restarted_after_a_power_cut();
    send(&node, queue, &["0a", "2a"]).await;
    assert_eq!(bodies(&node.receive(queue, 10).await), ["2a", "0a"]);
    node.stop().await;
}

/// What a queue with priorities has to be: a sorted list.
#[derive(Debug, Default)]
struct Model {
    /// By how far below the highest, and by number, which grows.
    ready: BTreeSet<(u8, u64)>,
    held: Vec<(u8, u64)>,
}

/// Numbers that look random (xorshift), the same every time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[tokio::test]
async fn any_mix_is_served_as_a_sorted_list_would_be() {
    const HIGHEST: u8 = 4;
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let mut node = Node::start();
    let queue = node.priority_queue("jobs", queue_config(), HIGHEST).await;
    let (mut model, mut held, mut sent) = (Model::default(), Vec::new(), 0_u64);
    for _ in 0..400 {
        match draw.below(12) {
            0..=4 => {
                let priority = u8::try_from(draw.below(7)).unwrap();
                let message = enveloped(&sent.to_string(), of_priority(priority));
                node.engine.enqueue(queue, vec![(message, None)]).await.unwrap().remove(0).unwrap();
                model.ready.insert((HIGHEST - priority.min(HIGHEST), sent));
                sent += 1;
            }
            5..=8 => {
                let count = usize::try_from(draw.below(4) + 1).unwrap();
                let received = node.received(queue, u32::try_from(count).unwrap()).await;
                let expected: Vec<_> = model.ready.iter().copied().take(count).collect();
                let numbers: Vec<_> = expected.iter().map(|(_, number)| number.to_string()).collect();
                assert_eq!(names(&received), numbers);
                model.ready.retain(|record| !expected.contains(record));
                model.held.extend(expected);
                held.extend(received.iter().flat_map(|of| of.keys().map(|key| (of.queue, key))));
            }
            9 | 10 if !held.is_empty() => {
                let place = usize::try_from(draw.below(held.len() as u64)).unwrap();
                let ((partition, key), record) = (held.swap_remove(place), model.held.swap_remove(place));
                let how = if draw.below(2) == 0 { ACCEPT } else { RELEASE };
                assert_eq!(node.engine.settle(partition, vec![(key, how)]).await.unwrap(), [Ok(())]);
                if how == RELEASE {
                    model.ready.insert(record);
                }
            }
            11 if draw.below(8) == 0 => node = node.restarted_after_a_power_cut(),
            _ => {}
        }
        let counts = node.counts(queue).await.unwrap();
        assert_eq!((counts.ready, counts.leased), (model.ready.len() as u64, model.held.len() as u64));
    }
    node.stop().await;
}

#[tokio::test]
async fn dead_letters_and_what_is_moved_keep_their_priority() {
    let node = Node::start();
    let dead = node.priority_queue("dead", queue_config(), 1).await;
    let cursor = CursorConfig { dead_letters: DeadLetters::Moved, ..CursorConfig::default() };
    let letters = Some(TopicName::new("dead").unwrap());
    let queue =
        node.priority_queue("jobs", QueueConfig { cursor, dead_letters_to: letters, ..queue_config() }, 3).await;
    send(&node, queue, &["0a", "1a", "3a"]).await;
    let all = node.received(queue, 10).await;
    settle(&node, &all, Settlement::Reject).await;
    assert!(node.until(async || Some(node.counts(dead).await?.ready == 3)).await);
    assert!(node.until(async || Some(node.counts(queue).await?.dead_lettered == 3)).await);
    let letters = node.received(dead, 10).await;
    let mut worn_out = names(&letters);
    worn_out[..2].sort();
    assert_eq!(worn_out, ["1a", "3a", "0a"], "3 counts as 1 here");
    settle(&node, &letters, RELEASE).await;
    let refused = node.engine.start_move(dead, None, Some(10)).await;
    assert!(matches!(refused, Err(SubmitError::Refused(Refusal::RequestInvalid { .. }))));
    let task = node.engine.start_move(dead, None, None).await.unwrap();
    assert!(node.until(async || Some(node.counts(queue).await?.ready == 3)).await);
    let is_over = async || Some(node.engine.moves(dead).await.ok()?[0].state == MoveState::Completed);
    assert!(node.until(is_over).await);
    let moves = node.engine.moves(dead).await.unwrap();
    assert_eq!(moves.len(), 1);
    assert_eq!((moves[0].id, moves[0].planned, moves[0].taken, moves[0].moved), (task, 3, 3, 3));
    assert_eq!(bodies(&node.receive(queue, 10).await), ["3a", "1a", "0a"]);
    node.stop().await;
}

#[tokio::test]
async fn move_that_was_cancelled_is_cancelled_for_all_priorities() {
    let node = Node::start();
    let (queue, other) =
        (node.priority_queue("jobs", queue_config(), 2).await, node.queue("other", queue_config()).await);
    let (running, second) = {
        let start = |stream| Command::StartMove { stream, target: Some(other.stream), rate_max: Some(1) };
        send(&node, queue, &["0a", "0b", "0c"]).await;
        let lowest = queue.lowest;
        let running = node.engine.submit(lowest.shard, start(lowest.stream)).await.unwrap();
        (running, node.engine.start_move(queue, Some(other.stream), None).await)
    };
    drop(running);
    let task = match second {
        Err(SubmitError::Refused(Refusal::MoveRunning { task })) => task,
        other => panic!("a queue of which a part is moved is moved: {other:?}"),
    };
    for partition in queue.partitions().filter(|partition| *partition != queue.lowest) {
        assert_eq!(node.engine.moves(partition).await.unwrap(), [], "none began without the others");
    }
    node.engine.cancel_move(queue, task).await.unwrap();
    assert!(matches!(
        node.engine.cancel_move(queue, task).await,
        Err(SubmitError::Refused(Refusal::UnknownMove { .. }))
    ));
    node.stop().await;
}

#[tokio::test]
async fn purge_and_rewind_are_for_all_priorities() {
    let node = Node::start();
    let cursor = CursorConfig { history: History::Kept, ..CursorConfig::default() };
    let queue = node.priority_queue("jobs", QueueConfig { cursor, ..queue_config() }, 2).await;
    send(&node, queue, &["0a", "1a", "2a", "2b"]).await;
    let two = node.received(queue, 2).await;
    settle(&node, &two, ACCEPT).await;
    assert_eq!(node.engine.rewind_all(queue, |_| Offset::ZERO).await.unwrap(), 2);
    assert_eq!(bodies(&node.receive(queue, 3).await), ["2a", "2b", "1a"]);
    assert_eq!(node.engine.purge(queue).await.unwrap(), 4);
    let counts = node.counts(queue).await.unwrap();
    assert_eq!((counts.present(), counts.purged), (0, 4));
    assert!(counts.add_up());
    node.stop().await;
}

#[tokio::test]
async fn delays_expiries_and_limits_hold_in_every_priority() {
    let clock = Arc::new(ManualClock::default());
    let node = Node::by(clock.clone());
    let cursor = CursorConfig { leases_max: 2, ..CursorConfig::default() };
    let queue = node.priority_queue("jobs", QueueConfig { cursor, ..queue_config() }, 2).await;
    let now = node.engine.now();
    let late = Envelope { deliver_at: Some(now.plus(Millis(1_000))), ..of_priority(2) };
    let short = Envelope { expires_at: Some(now.plus(Millis(1_000))), ..of_priority(1) };
    let messages = [("late", late), ("short", short), ("plain", of_priority(0)), ("more", of_priority(0))];
    let messages = messages.map(|(body, envelope)| (enveloped(body, envelope), None));
    assert!(node.engine.enqueue(queue, messages.into()).await.unwrap().iter().all(Result::is_ok));
    assert_eq!(node.counts(queue).await.unwrap().delayed, 1);
    clock.advance(1_000);
    node.settled().await;
    let two = node.received(queue, 10).await;
    assert_eq!(names(&two), ["late", "plain"], "no more than two are leased at a time");
    let wish = acquire(queue.lowest, 1);
    let full = node.engine.receive(queue, wish, Duration::ZERO).await;
    assert_eq!(full, Err(SubmitError::Refused(Refusal::LeasesFull { max: 2 })));
    let mut consumer = node.engine.consume(queue, config(10)).await.unwrap();
    assert_eq!(names(&come(&node, &mut consumer).await), [""; 0]);
    settle(&node, &two, ACCEPT).await;
    assert_eq!(names(&come(&node, &mut consumer).await), ["more"]);
    let counts = node.counts(queue).await.unwrap();
    assert_eq!((counts.settled, counts.expired, counts.leased), (2, 1, 1));
    node.stop().await;
}

#[tokio::test]
async fn message_is_known_again_whatever_its_priority_was() {
    let node = Node::start();
    let queue = node.priority_queue("jobs", queue_config(), 2).await;
    let again = |priority| Envelope { dedup: Some(DedupHash(5)), ..of_priority(priority) };
    let messages = [2, 0, 1].map(|priority| (enveloped("once", again(priority)), None));
    let told = node.engine.enqueue(queue, messages.into()).await.unwrap();
    let duplicates: Vec<bool> = told.into_iter().map(|told| told.unwrap().duplicate).collect();
    assert_eq!(duplicates, [false, true, true]);
    let message = Message {
        offset: Offset::ZERO,
        timestamp: Timestamp(1),
        envelope: Envelope::default(),
        native: Native::Sqs(SqsNative::default()),
        history: None,
        body: "news".into(),
    };
    let plain = node.queue("plain", queue_config()).await;
    let targets = [
        Target { queue, envelope: again(0) },
        Target { queue, envelope: of_priority(1) },
        Target { queue: plain.into(), envelope: of_priority(9) },
        Target { queue, envelope: of_priority(9) },
    ];
    let told = node.engine.fan_out(&message.encode_shared().unwrap(), &targets).await.unwrap();
    let duplicates: Vec<bool> = told.into_iter().map(|told| told.unwrap().duplicate).collect();
    assert_eq!(duplicates, [true, false, false, false]);
    assert_eq!(bodies(&node.receive(queue, 10).await), ["once", "news", "news"]);
    assert_eq!(bodies(&node.receive(plain, 10).await), ["news"]);
    node.stop().await;
}

#[tokio::test]
async fn what_is_gone_is_forgotten_in_every_priority() {
    let node = Node::start();
    let queue = node.priority_queue("jobs", queue_config(), 2).await;
    send(&node, queue, &["0a", "0b", "1a", "2a", "2b"]).await;
    let four = node.received(queue, 4).await;
    settle(&node, &four, ACCEPT).await;
    let topic = node.engine.queue(&TopicName::new("jobs").unwrap()).unwrap();
    by_hand::retain(&node.engine, &topic).await.unwrap();
    let starts: Vec<u64> = queue.streams().map(|stream| node.engine.bounds(stream).start.0).collect();
    assert_eq!(starts, [2, 1, 1]);
    node.stop().await;
}

#[tokio::test]
async fn what_priorities_cannot_do_is_refused() {
    let node = Node::start();
    let order = CursorConfig { order: DeliveryOrder::Ordered, ..CursorConfig::default() };
    let create = |cursor: CursorConfig| CreateQueue {
        name: TopicName::new("jobs").unwrap(),
        id: TopicId(7),
        config: TopicConfig::default(),
        queue: QueueConfig { cursor, ..queue_config() },
    };
    let refused = node.engine.create_priority_queue(create(order), 1).await;
    assert!(matches!(refused, Err(SubmitError::Refused(Refusal::RequestInvalid { .. }))));
    let refused = node.engine.create_priority_queue(create(CursorConfig::default()), 0).await;
    assert!(matches!(refused, Err(SubmitError::Refused(Refusal::RequestInvalid { .. }))));
    let topic = node.engine.create_priority_queue(create(CursorConfig::default()), u8::MAX).await.unwrap();
    assert_eq!(topic.partitions.len(), 256);
    let queue = topic.queue_place().unwrap();
    let attempt = Acquire { attempt: Some(AttemptHash(1)), ..acquire(queue.lowest, 1) };
    let refused = node.engine.receive(queue, attempt, Duration::ZERO).await;
    assert!(matches!(refused, Err(SubmitError::Refused(Refusal::RequestInvalid { .. }))));
    let grown = node.engine.add_partitions(topic.name.clone(), 300).await;
    assert!(matches!(grown, Err(SubmitError::Refused(Refusal::TopicIsQueue { .. }))));
    node.stop().await;
}
