//! What a log does when nothing goes wrong.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::sync::Arc;

use omnibus_io::{Disk, FaultDisk, SystemDisk};
use omnibus_log::{Choice, LogConfig, ReadError};
use omnibus_model::{Offset, StreamId};
use support::{Bench, batch, batches_of, payload, small};

fn in_memory() -> Arc<dyn Disk> {
    Arc::new(FaultDisk::new(1))
}

/// Appends to three streams of two shards for a while.
fn fill(bench: &mut Bench, rounds: u64, length: usize) {
    let start = bench.log.bounds(StreamId(1)).end.0;
    for round in 0..rounds {
        let base = start + round * 2;
        bench.submit(1, vec![batch(1, base, 2, length), batch(2, base, 2, length)]);
        bench.submit(2, vec![batch(3, base, 2, length)]);
        bench.settle();
    }
}

fn check_streams(bench: &Bench, rounds: u64, length: usize) {
    for stream in 1..=3 {
        let stream = StreamId(stream);
        let expected: Vec<u8> = (0..rounds).flat_map(|round| payload(stream, round * 2, 2, length)).collect();
        assert_eq!(bench.read_all(stream).unwrap(), expected, "stream {stream}");
        assert_eq!(bench.log.bounds(stream).end, Offset(rounds * 2));
    }
}

#[test]
fn what_is_appended_is_read_before_and_after_reopening() {
    let disk = in_memory();
    let mut bench = Bench::open(&disk, small()).unwrap();
    assert!(bench.report.created);
    fill(&mut bench, 100, 500);
    check_streams(&bench, 100, 500);
    let segments = bench.log.stats().segments;
    assert!(segments > 1, "{segments} segments");
    drop(bench);
    let mut bench = Bench::open(&disk, small()).unwrap();
    assert_eq!((bench.incarnation, bench.replayed.len()), (2, 200));
    assert_eq!(&bench.replayed[0].head[..], b"head of 1/1");
    check_streams(&bench, 100, 500);
    fill(&mut bench, 10, 500);
    check_streams(&bench, 110, 500);
}

#[test]
fn every_way_to_a_real_disk_leads_to_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(SystemDisk::open(directory.path()).unwrap());
    let mut rounds = 0;
    for (io_uring, direct_io) in [
        (Choice::Auto, Choice::Auto),
        (Choice::Off, Choice::Auto),
        (Choice::Auto, Choice::Off),
        (Choice::Off, Choice::Off),
    ] {
        let config = LogConfig { io_uring, direct_io, ..small() };
        let mut bench = Bench::open(&disk, config).unwrap();
        check_streams(&bench, rounds, 3000);
        fill(&mut bench, 50, 3000);
        rounds += 50;
        check_streams(&bench, rounds, 3000);
        let Bench { log, writer, .. } = bench;
        log.close();
        writer.run();
    }
}

#[test]
fn an_entry_longer_than_a_block_or_a_segment_is_its_own_block() {
    let disk = in_memory();
    let mut bench = Bench::open(&disk, small()).unwrap();
    bench.submit(1, vec![batch(1, 0, 1, 60_000)]);
    bench.submit(1, vec![batch(1, 1, 1, 600_000)]);
    bench.submit(1, vec![batch(1, 2, 1, 100)]);
    bench.settle();
    drop(bench);
    let bench = Bench::open(&disk, small()).unwrap();
    let batches = batches_of(&bench.read_all(StreamId(1)).unwrap());
    assert_eq!(batches.iter().map(|batch| batch.3.len()).collect::<Vec<_>>(), [60_000, 600_000, 100]);
}

#[test]
fn nobody_reads_before_the_entry_is_published() {
    let disk = in_memory();
    let mut bench = Bench::open(&disk, small()).unwrap();
    bench.submit(1, vec![batch(1, 0, 3, 100)]);
    while bench.writer.step() {}
    assert_eq!(bench.log.bounds(StreamId(1)).end, Offset(0));
    bench.settle();
    assert_eq!(bench.log.bounds(StreamId(1)).end, Offset(3));
    let plan = bench.log.plan(StreamId(1), Offset(2), 1).unwrap();
    assert_eq!(plan.cached().unwrap().concat(), payload(StreamId(1), 0, 3, 100));
    assert!(bench.log.plan(StreamId(1), Offset(3), 1).unwrap().cached().unwrap().is_empty());
    assert!(matches!(bench.log.plan(StreamId(1), Offset(4), 1), Err(ReadError::OffsetOutOfRange { .. })));
}

#[test]
fn range_ends_before_the_batch_that_begins_behind_it() {
    let disk = in_memory();
    let mut bench = Bench::open(&disk, small()).unwrap();
    for base in 0..6 {
        bench.submit(1, vec![batch(1, base, 1, 100)]);
    }
    bench.settle();
    let read = |from, to| {
        let plan = bench.log.plan_range(StreamId(1), Offset(from)..Offset(to), 10_000).unwrap();
        batches_of(&plan.cached().unwrap().concat()).len()
    };
    assert_eq!((read(1, 4), read(4, 9), read(2, 2)), (3, 2, 1));
}
