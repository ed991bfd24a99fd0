//! What the simulation found about ends and restarts, each as small as it gets.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::sync::Arc;

use omnibus_io::fault::Fault;
use omnibus_io::{Disk, FaultDisk};
use omnibus_log::{LogConfig, Replacement};
use omnibus_model::{Offset, StreamId, Timestamp};
use support::{Bench, batch, payload, small};

const ONE: StreamId = StreamId(1);

fn disk_of(memory: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(memory.clone())
}

/// Appends a batch of two records to stream one.
fn append(bench: &mut Bench) {
    let end = bench.log.bounds(ONE).end.0;
    bench.submit(1, vec![batch(1, end, 2, 3000)]);
    bench.settle();
}

#[test]
fn a_seal_that_fails_is_told() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    append(&mut bench);
    memory.fail_at(memory.operations() + 1, Fault::Error);
    bench.writer.seal();
    let answers = bench.answers.lock().unwrap().clone();
    assert!(answers.iter().any(|(_, _, good)| !good), "nobody learns that nothing more is acknowledged");
}

#[test]
fn what_a_killed_process_left_unsynced_is_durable_once_it_was_served() {
    for seed in 0..40 {
        let memory = FaultDisk::new(seed);
        let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
        append(&mut bench);
        // The block is written, its sync fails, and the process ends.
        memory.fail_at(memory.operations() + 2, Fault::Error);
        append(&mut bench);
        let memory = memory.fork(seed);
        let bench = Bench::open(&disk_of(&memory), small()).unwrap();
        let end = bench.log.bounds(ONE).end;
        memory.restart();
        let bench = Bench::open(&disk_of(&memory), small()).unwrap();
        assert_eq!(bench.log.bounds(ONE).end, end, "seed {seed}");
    }
}

#[test]
fn a_stream_that_was_trimmed_before_its_segment_was_sealed_has_its_end() {
    let memory = FaultDisk::new(3);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    append(&mut bench);
    bench.log.trim(ONE, Offset(2));
    for base in 0..60 {
        bench.submit(1, vec![batch(2, base * 2, 2, 3000)]);
        bench.settle();
    }
    assert!(bench.log.maintain().unwrap().segments_sealed > 0);
    let memory = memory.fork(3);
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    assert_eq!(bench.log.bounds(ONE).end, Offset(2));
}

#[test]
fn a_read_steps_over_what_compaction_emptied() {
    let memory = FaultDisk::new(4);
    let config = LogConfig { cache_bytes: 0, ..small() };
    let mut bench = Bench::open(&disk_of(&memory), config).unwrap();
    (0..4).for_each(|_| append(&mut bench));
    let first = Replacement { base: Offset(0), count: 2, timestamp_max: Timestamp(0), bytes: payload(ONE, 0, 2, 3000) };
    bench.log.replace(ONE, Offset(0), Offset(6), vec![first]).unwrap();
    let plan = bench.log.plan(ONE, Offset(2), 1).unwrap();
    assert_eq!(bench.log.load(&plan).unwrap().concat(), payload(ONE, 6, 2, 3000));
}
