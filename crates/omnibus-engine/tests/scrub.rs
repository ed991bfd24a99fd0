//! A running engine reads what it has on disk again, and tells what has rotted.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::time::Duration;

use omnibus_engine::{ReadError, ScrubStatus};
use omnibus_model::Offset;
use omnibus_model::queue::QueueConfig;
use support::Node;

/// Has everything read once more.
async fn scrub(node: &Node) -> ScrubStatus {
    let before = node.engine.scrub_status().passes;
    node.engine.begin_scrub();
    loop {
        let status = node.engine.scrub_status();
        if status.passes > before {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_has_rotted_is_told_until_it_is_whole_again() {
    let node = Node::start();
    let queue = node.queue("work", QueueConfig::default()).await;
    let bodies: Vec<String> = (0..300).map(|number| format!("{number} {}", "x".repeat(20_000))).collect();
    for some in bodies.chunks(10) {
        node.send(queue, &some.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let sound = scrub(&node).await;
    assert_eq!((sound.damaged.len(), sound.redundant, sound.passes), (0, 0, 1));
    assert!(sound.bytes_read > 4 << 20 && sound.last_end.is_some() && sound.pass.is_none());

    let segment = "wal/0000000000.seg";
    let content = node.disk.content(segment).unwrap();
    let place = content.windows(12).position(|bytes| bytes == b"7 xxxxxxxxxx").unwrap() as u64;
    node.disk.flip_bit(segment, (place + 100) * 8);
    let status = scrub(&node).await;
    let [rot] = &status.damaged[..] else { panic!("{status:?}") };
    assert_eq!((rot.damage.file.as_str(), status.damaged_records()), (segment, 1));
    let range = rot.damage.affected[0];
    assert_eq!((range.stream, range.from), (queue.stream, Offset(7)));
    assert_eq!(scrub(&node).await.damaged, status.damaged, "it is still there");

    node.disk.flip_bit(segment, (place + 100) * 8);
    let whole = scrub(&node).await;
    assert_eq!((whole.damaged.len(), whole.passes), (0, 4));
    assert!(!matches!(node.engine.read(queue.stream, Offset(7), 1).await, Err(ReadError::Damaged { .. })));
    node.stop().await;
}

#[tokio::test]
async fn a_pass_ends_with_the_engine() {
    let node = Node::start();
    node.engine.begin_scrub();
    node.stop().await;
}
