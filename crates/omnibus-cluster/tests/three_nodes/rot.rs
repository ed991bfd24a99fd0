//! What rots on one node's disk is found, and mended from another.

use std::ops::Range;

use omnibus_engine::ScrubStatus;
use omnibus_model::topic::Partition;
use omnibus_model::{Offset, StreamId};

use super::*;

/// So many batches go to each partition and are packed, and so many come behind them; each has a text of its own.
const PACKED: u64 = 90;
const BATCHES: u64 = 160;

fn text(stream: StreamId, number: u64) -> Vec<u8> {
    let mut text = format!("<{} of {stream}>", number).into_bytes();
    text.resize(20_000, b'.');
    text
}

async fn fill(nodes: &[Opened], topics: &[&Topic], numbers: Range<u64>) {
    let now = nodes[0].engine.now();
    for number in numbers {
        let mut commits = Vec::new();
        for place in topics.iter().flat_map(|topic| &topic.partitions) {
            let leader = leader_of(nodes, place).await;
            commits
                .push(leader.append(place.shard, place.stream, batch(&text(place.stream, number), now)).await.unwrap());
        }
        for commit in commits {
            commit.appended().await.unwrap();
        }
    }
}

async fn leader_of<'a>(nodes: &'a [Opened], place: &Partition) -> &'a Engine {
    loop {
        if let Some(node) = nodes.iter().find(|node| node.engine.leads(place.shard)) {
            return &node.engine;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn batch(value: &[u8], time: Timestamp) -> Payload {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(time, None, Some(value), &[]);
    let bytes = builder.finish(Stamp::default());
    let (count, timestamp_max) = (1, time);
    let length = u32::try_from(bytes.len()).unwrap();
    let batch = BatchInfo { format: RecordFormat::KafkaBatch, count, bytes: length, timestamp_max, producer: None };
    Payload { batch, bytes }
}

/// Turns a bit over in a record wherever a disk has it in a file of a kind; returns how often.
fn rot(disk: &FaultDisk, kind: &str, stream: StreamId, number: u64) -> usize {
    let wanted = &text(stream, number)[..100];
    let mut count = 0;
    for path in disk.paths().into_iter().filter(|path| path.starts_with(kind) && !path.ends_with("spare")) {
        let Some(content) = disk.content(&path) else { continue };
        let place = content.windows(wanted.len()).position(|bytes| bytes == wanted);
        if let Some(place) = place {
            count += usize::from(disk.flip_bit(&path, (place as u64 + 50) * 8));
        }
    }
    count
}

/// Waits until all have packed something, and no files come or go any more.
async fn settled(nodes: &[Opened]) {
    let files = |node: &Opened| {
        let stats = node.engine.log_stats();
        (stats.segments, stats.packs, stats.spares, stats.live_bytes)
    };
    let (mut seen, mut looks): (Vec<(u64, u64, u64, u64)>, u32) = (Vec::new(), 0);
    while looks < 20 || seen.iter().any(|(_, packs, ..)| *packs == 0) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now: Vec<_> = nodes.iter().map(files).collect();
        looks = if now == seen { looks + 1 } else { 0 };
        seen = now;
    }
}

/// Has a node read everything once more, and waits until nothing is damaged.
async fn scrub(node: &Opened) -> ScrubStatus {
    let before = node.engine.scrub_status().passes;
    node.engine.begin_scrub();
    loop {
        let status = node.engine.scrub_status();
        if status.passes > before && status.damaged.is_empty() {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// All records of a partition, as a node has them.
async fn content(node: &Opened, stream: StreamId) -> Vec<u8> {
    let (mut all, mut from) = (Vec::new(), Offset(0));
    while from < Offset(BATCHES) {
        let read = node.engine.read(stream, from, 1).await.unwrap();
        let bytes = read.pieces.concat();
        if bytes.is_empty() {
            // What was acknowledged is on its way here.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        all.extend(bytes);
        from = from.plus(1);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_has_rotted_on_a_leader_and_on_a_follower_is_mended_from_others() {
    let disks: Vec<FaultDisk> = (31..=33).map(FaultDisk::new).collect();
    let founders = members(&[31, 32, 33]);
    let nodes = open_all(&[31, 32, 33], &founders, &disks).await;
    for node in &nodes {
        node.cluster.led().await;
    }
    for node in 31..=33 {
        introduce(&nodes[0].engine, node).await;
    }
    let kept = nodes[0].engine.create_topic(topic("kept")).await.unwrap();
    let short = nodes[0].engine.create_topic(CreateTopic { id: TopicId(8), ..topic("short") }).await.unwrap();
    fill(&nodes, &[&kept, &short, &short], 0..PACKED).await;
    // Two thirds of what the segments hold goes, so the rest is packed.
    nodes[0].engine.delete_topic(short.name.clone()).await.unwrap();
    settled(&nodes).await;
    fill(&nodes, &[&kept], PACKED..BATCHES).await;
    settled(&nodes).await;
    let mut rotten = [0; 2];
    for place in &kept.partitions {
        let (leader, follower) = (leader_of(&nodes, place).await.node(), place.stream.0 % 3);
        for (node, disk) in nodes.iter().zip(&disks) {
            // Not two of the same record: one of three is damaged in each.
            let number =
                if node.engine.node() == leader { 5 } else { 20 + follower * 7 + u64::from(node.engine.node().0) };
            rotten[0] += rot(disk, "pack/", place.stream, number);
            rotten[1] += rot(disk, "wal/", place.stream, PACKED + number);
        }
    }
    assert!(rotten.iter().all(|count| *count > 0), "{rotten:?}");
    let mut mended = 0;
    for node in &nodes {
        mended += scrub(node).await.mended_records;
    }
    // A segment may have been packed from memory in the meantime: what has rotted of it on the disk was not needed any more.
    let (packed, all) = (rotten[0] as u64, (rotten[0] + rotten[1]) as u64);
    assert!((packed..=all).contains(&mended), "{mended} of {rotten:?}");
    for place in &kept.partitions {
        let first = content(&nodes[0], place.stream).await;
        assert!((0..BATCHES).all(|number| {
            let wanted = &text(place.stream, number)[..30];
            first.windows(wanted.len()).any(|bytes| bytes == wanted)
        }));
        for node in &nodes[1..] {
            assert_eq!(content(node, place.stream).await, first, "stream {}", place.stream);
        }
    }
    for node in &nodes {
        assert_eq!(scrub(node).await.damaged, []);
    }
    close_all(nodes).await;
}
