//! One message to many queues, through the whole engine on a disk in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use omnibus_engine::fan_out::{Letter, Target};
use omnibus_engine::line::Line;
use omnibus_model::queue::{Envelope, RecordState};
use omnibus_model::topic::Partition;
use omnibus_model::{DedupHash, Offset, Refusal, StreamId, Timestamp};
use support::{Node, acquire, bodies, queue_config, shared};

fn plain(queue: Partition) -> Target {
    Target { queue: queue.into(), envelope: Envelope::default() }
}

async fn queues(node: &Node, count: usize) -> Vec<Partition> {
    let mut queues = Vec::with_capacity(count);
    for number in 0..count {
        queues.push(node.queue(&format!("queue-{number}"), queue_config()).await);
    }
    queues
}

#[tokio::test]
async fn every_queue_gets_the_message_and_those_who_wait_are_woken() {
    let node = Node::start();
    let queues = queues(&node, 20).await;
    let shards: BTreeSet<_> = queues.iter().map(|queue| queue.shard).collect();
    assert!(shards.len() > 1, "several shards take part");
    node.send(queues[3], &["before"]).await;
    let engine = node.engine.clone();
    let waits = queues[0];
    let waiting =
        tokio::spawn(async move { engine.receive(waits, acquire(waits, 1), Duration::from_secs(3600)).await });
    node.settled().await;
    let targets: Vec<Target> = queues.iter().copied().map(plain).collect();
    let answers = node.engine.fan_out(&shared("news"), &targets).await.unwrap();
    let offsets: Vec<u64> = answers.into_iter().map(|answer| answer.unwrap().base.0).collect();
    assert_eq!((offsets.len(), offsets[3], offsets.iter().sum::<u64>()), (20, 1, 1));
    assert_eq!(waiting.await.unwrap().unwrap().leases().count(), 1);
    assert_eq!(bodies(&node.receive(queues[3], 10).await), ["before", "news"]);
    for queue in &queues[4..] {
        assert_eq!(bodies(&node.receive(*queue, 10).await), ["news"]);
    }
    node.stop().await;
}

#[tokio::test]
async fn each_target_has_its_own_envelope_and_its_own_answer() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let gone = Partition { stream: StreamId(u64::MAX), shard: queue.shard };
    let dedup = Envelope { dedup: Some(DedupHash(5)), ..Envelope::default() };
    let later = Envelope { deliver_at: Some(Timestamp(i64::MAX)), ..Envelope::default() };
    let targets = [
        Target { queue: queue.into(), envelope: dedup },
        Target { queue: gone.into(), envelope: Envelope::default() },
        Target { queue: queue.into(), envelope: later },
        Target { queue: queue.into(), envelope: dedup },
    ];
    let answers = node.engine.fan_out(&shared("news"), &targets).await.unwrap();
    assert_eq!(answers[1], Err(Refusal::UnknownQueue { stream: gone.stream }));
    let place = |answer: usize| answers[answer].as_ref().map(|appended| (appended.base.0, appended.duplicate));
    assert_eq!([place(0), place(2), place(3)], [Ok((0, false)), Ok((1, false)), Ok((0, true))]);
    assert_eq!(
        node.engine.record_states(queue, vec![Offset(0)]).await.unwrap(),
        [RecordState::Ready { delivery_count: 0 }]
    );
    let delivered = node.receive(queue, 10).await;
    assert_eq!((bodies(&delivered), delivered[0].message.envelope), (vec!["news".to_owned()], dedup));
    let held_back = node.engine.messages(queue.stream, vec![Offset(1)]).await.unwrap();
    assert_eq!(held_back[&Offset(1)].envelope, later);
    node.stop().await;
}

#[tokio::test]
async fn many_messages_come_to_each_queue_in_their_order() {
    let node = Node::start();
    let queues = queues(&node, 20).await;
    let gone = Partition { stream: StreamId(u64::MAX), shard: queues[0].shard };
    let long = "x".repeat(700_000);
    let letters = [
        Letter { message: shared("first"), targets: queues.iter().copied().map(plain).collect(), is_transient: false },
        Letter { message: shared("nobody's"), targets: Vec::new(), is_transient: false },
        Letter { message: shared("lost"), targets: vec![plain(gone), plain(queues[3])], is_transient: false },
        // Two of these are more than one entry takes beside others.
        Letter { message: shared(&long), targets: vec![plain(queues[3])], is_transient: false },
        Letter { message: shared(&long), targets: vec![plain(queues[3])], is_transient: false },
        Letter { message: shared("last"), targets: vec![plain(queues[3]), plain(queues[4])], is_transient: false },
    ];
    let told = node.engine.fan_out_in_line(&Line::default(), &letters).await;
    let told: Vec<Vec<Option<u64>>> = told
        .into_iter()
        .map(|answers| answers.unwrap().into_iter().map(|answer| answer.ok().map(|appended| appended.base.0)).collect())
        .collect();
    assert_eq!(told[0], vec![Some(0); 20]);
    assert_eq!(told[1..], [vec![], vec![None, Some(1)], vec![Some(2)], vec![Some(3)], vec![Some(4), Some(1)]]);
    assert_eq!(bodies(&node.receive(queues[3], 10).await), ["first", "lost", &*long, &*long, "last"]);
    assert_eq!(bodies(&node.receive(queues[4], 10).await), ["first", "last"]);
    node.stop().await;
}

#[tokio::test]
async fn what_was_fanned_out_survives_a_power_cut() {
    let node = Node::start();
    let queues = queues(&node, 5).await;
    let targets: Vec<Target> = queues.iter().copied().map(plain).collect();
    node.engine.fan_out(&shared("news"), &targets).await.unwrap();
    let node = node.restarted_after_a_power_cut();
    for queue in queues {
        let delivered = node.receive(queue, 10).await;
        assert_eq!((bodies(&delivered), delivered[0].message.offset), (vec!["news".to_owned()], Offset(0)));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_thousand_queues_store_one_body_per_shard() {
    let node = Node::start();
    let queues = queues(&node, 1000).await;
    let shards = queues.iter().map(|queue| queue.shard).collect::<BTreeSet<_>>().len();
    let targets: Vec<Target> = queues.iter().copied().map(plain).collect();
    let message = shared(&"x".repeat(100_000));
    let before = node.engine.log_stats();
    let answers = node.engine.fan_out(&message, &targets).await.unwrap();
    assert!(answers.iter().all(Result::is_ok));
    let after = node.engine.log_stats();
    // A header, three bytes that say what follows, and where the body is.
    let own_bytes = 61 + 3 + 8;
    let stored = after.payload_bytes - before.payload_bytes;
    assert_eq!(stored, (shards * message.rest().len() + 1000 * own_bytes) as u64);
    let node = node.restarted_after_a_power_cut();
    for queue in queues {
        let delivered = node.receive(queue, 10).await;
        assert_eq!((delivered.len(), delivered[0].message.body.len()), (1, 100_000));
    }
    node.stop().await;
}

#[tokio::test]
async fn more_targets_than_an_entry_takes_are_answered_in_order() {
    let node = Node::start();
    let queue = node.queue("orders", queue_config()).await;
    let targets = vec![plain(queue); 10_001];
    let answers = node.engine.fan_out(&shared("news"), &targets).await.unwrap();
    let offsets: Vec<u64> = answers.into_iter().map(|answer| answer.unwrap().base.0).collect();
    assert_eq!(offsets, (0..10_001).collect::<Vec<_>>());
    let last = node.engine.messages(queue.stream, vec![Offset(10_000)]).await.unwrap();
    assert_eq!(last[&Offset(10_000)].body, "news");
    node.stop().await;
}
