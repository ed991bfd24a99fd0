//! What survives when the disk fails, at every operation of a small workload.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use omnibus_io::fault::Fault;
use omnibus_io::{Disk, FaultDisk};
use omnibus_log::{LogConfig, LogError, Replacement, verify};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term, Timestamp};
use support::{Bench, batch, batches_of, fan_out, payload, shared_payload, small};

/// Rounds of the workload in which the disk fails.
const ROUNDS: u64 = 8;
/// How many accidents are tried at each operation: what is left of unsynced writes is chance.
const ACCIDENTS: u64 = 2;
const COMPACTED: StreamId = StreamId(9);
/// They get the same records.
const SHARING: [u64; 3] = [101, 102, 103];

/// What a user of the log was promised, over all its lives.
#[derive(Clone, Default)]
struct Promises {
    /// The end of each stream in acknowledged entries, and in all that were ever submitted.
    acknowledged: BTreeMap<StreamId, Offset>,
    /// The last acknowledged entry of each shard.
    entries: BTreeMap<ShardId, LogIndex>,
    incarnation: u64,
    /// Trims and drops that were applied; the engine would find them in its entries.
    trimmed: BTreeMap<StreamId, Offset>,
    dropped: BTreeSet<StreamId>,
    /// What its upkeep has done.
    done: Done,
}

/// Steps of upkeep that must be among the places where the disk fails.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    rotations: u64,
    packings: u64,
    recyclings: u64,
    checkpoints: u64,
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 64 << 10, block_bytes_max: 8 << 10, manifest_bytes_max: 16 << 10, ..small() }
}

/// Opens, appends, trims, compacts, saves and maintains; stops where the disk fails.
fn live(disk: &Arc<dyn Disk>, promises: &mut Promises, rounds: u64) -> Result<(), LogError> {
    let mut bench = Bench::open(disk, config())?;
    assert!(bench.incarnation > promises.incarnation, "an incarnation is used twice");
    promises.incarnation = bench.incarnation;
    promises.trimmed.iter().for_each(|(stream, before)| bench.log.trim(*stream, *before));
    promises.dropped.iter().for_each(|stream| bench.log.drop_stream(*stream));
    check_promises(&bench, promises);
    for round in 0..rounds {
        let mut ends = Vec::new();
        for (shard, stream) in [(1, 1), (1, COMPACTED.0), (2, 2), (2, 1000 + promises.incarnation * 100 + round)] {
            let mut base = bench.log.bounds(StreamId(stream)).end.0;
            // Two entries, so that two blocks are in flight.
            for _ in 0..2 {
                let index = bench.submit(shard, vec![batch(stream, base, 2, 3000 + (round as usize % 3) * 500)]);
                base += 2;
                ends.push((ShardId(shard), index, StreamId(stream), Offset(base)));
            }
        }
        let base = bench.log.bounds(StreamId(SHARING[0])).end.0;
        let (bodies, batches) = fan_out(&SHARING, base, 2500);
        let index = bench.submit_with(2, bodies, batches);
        ends.extend(SHARING.map(|stream| (ShardId(2), index, StreamId(stream), Offset(base + 1))));
        bench.settle();
        note_answers(&bench, promises, &ends);
        housekeeping(&mut bench, promises, round)?;
    }
    bench.writer.seal();
    Ok(())
}

fn note_answers(bench: &Bench, promises: &mut Promises, ends: &[(ShardId, LogIndex, StreamId, Offset)]) {
    let answers = bench.answers.lock().unwrap();
    let mut failed = false;
    for &(shard, index, good) in answers.iter() {
        assert!(!failed || !good, "an acknowledgement follows a failure");
        failed |= !good;
        for (.., stream, end) in ends.iter().filter(|end| good && (end.0, end.1) == (shard, index)) {
            promises.acknowledged.insert(*stream, *end);
            promises.entries.insert(shard, index);
        }
    }
}

fn housekeeping(bench: &mut Bench, promises: &mut Promises, round: u64) -> Result<(), LogError> {
    if round % 3 == 1 {
        let before = Offset(bench.log.bounds(StreamId(1)).end.0.saturating_sub(6));
        promises.trimmed.insert(StreamId(1), before);
        bench.log.trim(StreamId(1), before);
        for stream in SHARING.map(StreamId).into_iter().skip(1) {
            let before = bench.log.bounds(stream).end;
            promises.trimmed.insert(stream, before);
            bench.log.trim(stream, before);
        }
        promises.dropped.insert(StreamId(1000 + promises.incarnation * 100 + round - 1));
        bench.log.drop_stream(StreamId(1000 + promises.incarnation * 100 + round - 1));
        bench.writer.seal();
    }
    if round % 4 == 2 {
        let shard = ShardId(1 + (round / 4 % 2) as u16);
        if let Some(&index) = promises.entries.get(&shard) {
            bench.log.save_checkpoint(shard, Term(1), index, b"state")?;
            promises.done.checkpoints += 1;
        }
    }
    if round % 5 == 3 {
        compact(bench)?;
    }
    let report = bench.log.maintain()?;
    promises.done.rotations += u64::from(report.manifest_rotated);
    promises.done.packings += report.files_packed;
    promises.done.recyclings += report.segments_recycled;
    Ok(())
}

/// Leaves every second batch of what is old.
fn compact(bench: &Bench) -> Result<(), LogError> {
    let bounds = bench.log.bounds(COMPACTED);
    let to = Offset(bounds.end.0 / 8 * 8);
    if to.0 == 0 {
        return Ok(());
    }
    let keep = |base: u64| Replacement {
        base: Offset(base),
        count: 2,
        timestamp_max: Timestamp(0),
        bytes: payload(COMPACTED, base, 2, 200),
    };
    let batches = (bounds.start.0..to.0).filter(|base| base % 4 == 0).map(keep).collect();
    bench.log.replace(COMPACTED, bounds.start, to, batches)
}

fn check_promises(bench: &Bench, promises: &Promises) {
    for (stream, end) in &promises.acknowledged {
        let bounds = bench.log.bounds(*stream);
        if promises.dropped.contains(stream) {
            assert_eq!(bounds.end, Offset(0), "stream {stream} was dropped");
            continue;
        }
        assert!(bounds.end >= *end, "stream {stream}: acknowledged to {end}, recovered {bounds:?}");
    }
    let mut last = bench.saved.clone();
    last.extend(bench.replayed.iter().map(|entry| (entry.shard, entry.index)));
    for (shard, index) in &promises.entries {
        assert!(last.get(shard) >= Some(index), "shard {shard}: acknowledged {index}, recovered {last:?}");
    }
    check_content(bench);
}

/// Every byte is what was written, and offsets are dense except where they were compacted.
fn check_content(bench: &Bench) {
    for stream in bench.log.streams() {
        let bounds = bench.log.bounds(stream);
        let mut next = bounds.start;
        for (of, base, count, bytes) in batches_of(&bench.read_all(stream).unwrap()) {
            let written = match SHARING.contains(&stream.0) {
                true => shared_payload(stream, base.0, bytes.len()),
                false => payload(stream, base.0, count, bytes.len()),
            };
            assert_eq!((of, bytes), (stream, written));
            assert!(base <= next || stream == COMPACTED, "stream {stream}: {next} is missing");
            next = base.plus(count.into());
        }
        assert!(next == bounds.end || stream == COMPACTED, "stream {stream} ends at {next}, not {bounds:?}");
    }
}

/// A log in the middle of its life, to start every trial from.
fn lived() -> (FaultDisk, Promises) {
    let memory = FaultDisk::new(1);
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let mut promises = Promises::default();
    live(&disk, &mut promises, 5).unwrap();
    (memory, promises)
}

/// Lets one operation go wrong, with several accidents; returns whether it was reached.
fn survives(lived: &(FaultDisk, Promises), operation: u64, fault: Fault) -> bool {
    (0..ACCIDENTS).all(|accident| survives_once(lived, operation, fault, accident))
}

fn survives_once((memory, promises): &(FaultDisk, Promises), operation: u64, fault: Fault, accident: u64) -> bool {
    let memory = memory.fork(operation * 7 + accident * 1_000_003);
    let mut promises = promises.clone();
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    memory.fail_at(operation, fault);
    let failed = live(&disk, &mut promises, ROUNDS).is_err();
    let reached = memory.operations() >= operation;
    assert!(reached || !failed);
    memory.restart();
    live(&disk, &mut promises, 1).unwrap_or_else(|error| panic!("{fault:?} at {operation}: {error:?}"));
    assert!(verify(&disk).unwrap().is_sound());
    reached
}

#[test]
fn the_workload_does_all_that_may_be_interrupted() {
    let (memory, mut promises) = lived();
    promises.done = Done::default();
    let disk: Arc<dyn Disk> = Arc::new(memory.fork(1));
    live(&disk, &mut promises, ROUNDS).unwrap();
    let Done { rotations, packings, recyclings, checkpoints } = promises.done;
    assert!(rotations.min(packings).min(recyclings).min(checkpoints) > 0, "{:?}", promises.done);
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let lived = lived();
    let operations = (1..).take_while(|&operation| survives(&lived, operation, Fault::PowerCut)).count();
    assert!(operations > 150, "the workload has only {operations} operations");
}

#[test]
fn an_error_at_any_operation_ends_all_acknowledging_and_loses_nothing() {
    let lived = lived();
    let operations = (1..).take_while(|&operation| survives(&lived, operation, Fault::Error)).count();
    assert!(operations > 150, "the workload has only {operations} operations");
}

/// Makes a log on a disk that fails at one operation; returns whether it was reached.
fn first_log_survives(operation: u64, fault: Fault, accident: u64) -> bool {
    let memory = FaultDisk::new(operation + accident * 1_000_003);
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    memory.fail_at(operation, fault);
    let mut promises = Promises::default();
    let failed = live(&disk, &mut promises, 2).is_err();
    let reached = memory.operations() >= operation;
    assert!(reached || !failed);
    memory.restart();
    live(&disk, &mut promises, 2).unwrap_or_else(|error| panic!("{fault:?} at {operation}, {accident}: {error:?}"));
    reached
}

#[test]
fn whatever_happens_while_the_first_log_is_made_leaves_one_that_opens() {
    for fault in [Fault::PowerCut, Fault::Error] {
        for accident in 0..10 {
            let operations = (1..).take_while(|&operation| first_log_survives(operation, fault, accident)).count();
            assert!(operations > 30, "the first life has only {operations} operations");
        }
    }
}
