use omnibus_engine::consumers::{Access, ConsumerConfig, Settling};

use super::super::{Life, READ_BYTES_MAX, READ_BYTES_MIN, next_room, serve};
use super::*;
use crate::consuming;
use crate::inbox::Inbox;
use crate::link::Wish;

/// What the task of one connection may take, whatever it waits for: there may be tens of thousands of them.
const TASK_BYTES_MAX: usize = 4 << 10;

/// And that of one consumer.
const CONSUMER_BYTES_MAX: usize = 2_560;

#[tokio::test]
async fn task_of_a_connection_is_small() {
    let node = Node::new();
    let (_socket, theirs) = tokio::io::duplex(16);
    let task = serve(theirs, ends(true), Arc::clone(&node.door), node.stop.subscribe());
    let bytes = size_of_val(&task);
    assert!(bytes <= TASK_BYTES_MAX, "{bytes} bytes");
}

#[tokio::test]
async fn task_of_a_consumer_is_small() {
    let node = Node::new();
    let mut client = node.connect().await;
    client.ask(declare("q")).await;
    let queue = node.door.find("q").unwrap();
    let config = ConsumerConfig { credit: 1, settling: Settling::ByReceiver, access: Access::Shared, priority: 0 };
    let consumer = node.door.engine.consume(queue.place, config).await.unwrap();
    let first = Wish { credit: 1, settled: 0, is_cancelled: false };
    let (_wish, wishes) = watch::channel(first);
    let mut events = Inbox::new(1);
    let task = consuming::run(1, consumer, (first, wishes), events.sender());
    let bytes = size_of_val(&task);
    assert!(bytes <= CONSUMER_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn so_much_is_read_at_once_as_a_client_has_to_say() {
    let mut at_once = READ_BYTES_MIN;
    for filled in [2_048, 16_384, READ_BYTES_MAX, READ_BYTES_MAX] {
        at_once = next_room(at_once, (at_once, at_once));
        assert_eq!(at_once, filled);
    }
    assert_eq!(next_room(at_once, (at_once / 8, at_once)), at_once);
    let halves = std::iter::successors(Some(at_once), |at_once| Some(next_room(*at_once, (1, *at_once))));
    assert!(halves.take(20).any(|at_once| at_once == READ_BYTES_MIN));
    assert_eq!(next_room(READ_BYTES_MIN, (1, READ_BYTES_MIN)), READ_BYTES_MIN);
}

#[test]
fn connection_that_sends_only_heartbeats_is_idle() {
    let mut life = Life::default();
    life.received(READ_BYTES_MAX);
    assert!(!life.is_idle());
    for _ in 0..3 {
        life.received(8);
        assert!(life.is_idle());
    }
    life.received(READ_BYTES_MIN);
    assert!(!life.is_idle());
}
