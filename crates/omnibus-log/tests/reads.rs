//! A disk that does not let read: whoever asked is told, nobody else notices.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::sync::Arc;

use omnibus_io::{Disk, FaultDisk};
use omnibus_log::{LogConfig, LogError, ReadError, Replacement};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term, Timestamp};
use support::{Bench, batch, payload, small};

const ONE: StreamId = StreamId(1);
const TWO: StreamId = StreamId(2);

fn without_cache() -> LogConfig {
    LogConfig { cache_bytes: 0, ..small() }
}

/// Fills some segments: much of stream one, a little of stream two in each.
fn filled(memory: &FaultDisk) -> (Bench, LogIndex) {
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let mut bench = Bench::open(&disk, without_cache()).unwrap();
    let mut last = LogIndex(0);
    for round in 0..200 {
        last = bench.submit(1, vec![batch(1, round * 2, 2, 3000), batch(2, round * 2, 2, 1000)]);
        bench.settle();
    }
    bench.log.maintain().unwrap();
    (bench, last)
}

fn segments(memory: &FaultDisk) -> Vec<String> {
    memory.paths().into_iter().filter(|path| path.ends_with(".seg")).collect()
}

#[test]
fn one_reader_is_told_of_an_error_and_all_others_go_on() {
    let memory = FaultDisk::new(1);
    let (mut bench, _) = filled(&memory);
    let expected = bench.read_all(ONE).unwrap();
    for read in 1.. {
        let failures = memory.read_failures();
        memory.fail_read_at(memory.reads() + read);
        let all = bench.read_all(ONE);
        if memory.read_failures() == failures {
            break;
        }
        match all {
            // Who has got something already is served that, and meets the error where it goes on.
            Ok(all) => assert!(all == expected, "read {read}: something else is served"),
            Err(error) => assert!(matches!(error, ReadError::Io { .. }), "read {read}: {error}"),
        }
        assert!(bench.read_all(ONE).unwrap() == expected);
    }
    memory.fail_read_at(0);
    assert!(!bench.log.stats().failed);
    let end = bench.log.bounds(ONE).end;
    bench.submit(1, vec![batch(1, end.0, 2, 3000)]);
    bench.settle();
    assert!(bench.answers.lock().unwrap().iter().all(|answer| answer.2), "a read error is no failed write");
}

#[test]
fn packing_leaves_out_what_cannot_be_read() {
    let memory = FaultDisk::new(1);
    let (bench, last) = filled(&memory);
    let expected = bench.read_all(TWO).unwrap();
    let broken = segments(&memory)[1].clone();
    bench.log.trim(ONE, Offset(400));
    bench.log.save_checkpoint(ShardId(1), Term(1), last, b"state").unwrap();
    memory.break_reads_of(&broken);
    let packed: u64 = (0..6).map(|_| bench.log.maintain().unwrap().files_packed).sum();
    assert!(packed >= 4, "{packed} files");
    assert!(memory.paths().contains(&broken), "its records are nowhere else");
    assert!(!bench.log.stats().failed);
    assert!(matches!(bench.read_all(TWO), Err(ReadError::Io { .. })));
    memory.heal();
    assert!(bench.read_all(TWO).unwrap() == expected);
    drop(bench);
    // The next start looks at it again.
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let bench = Bench::open(&disk, without_cache()).unwrap();
    assert_eq!(bench.log.maintain().unwrap().files_packed, 1);
    bench.log.maintain().unwrap();
    assert!(!memory.paths().contains(&broken), "it was packed and is free");
    assert!(bench.read_all(TWO).unwrap() == expected);
}

#[test]
fn a_replacement_that_cannot_be_checked_changes_nothing() {
    let memory = FaultDisk::new(1);
    let (bench, _) = filled(&memory);
    let expected = bench.read_all(ONE).unwrap();
    let kept = Replacement { base: Offset(10), count: 2, timestamp_max: Timestamp(7), bytes: payload(ONE, 10, 2, 100) };
    memory.break_reads_of(&segments(&memory)[0]);
    let replaced = bench.log.replace(ONE, Offset(2), Offset(20), vec![kept]);
    assert!(matches!(replaced, Err(LogError::Read(ReadError::Io { .. }))), "{replaced:?}");
    memory.heal();
    assert!(bench.read_all(ONE).unwrap() == expected);
    assert!(!bench.log.stats().failed);
}

#[test]
fn an_opening_that_cannot_read_says_so_and_the_next_one_finds_all() {
    let memory = FaultDisk::new(1);
    let (bench, _) = filled(&memory);
    let expected = [ONE, TWO].map(|stream| bench.read_all(stream).unwrap());
    drop(bench);
    for read in 1.. {
        let memory = memory.fork(read);
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        memory.fail_read_at(read);
        let opened = Bench::open(&disk, without_cache());
        let failed = memory.read_failures() > 0;
        match opened {
            Ok(_) => assert!(!failed, "read {read} failed and nobody was told"),
            Err(error) => assert!(matches!(error, LogError::Io { .. }), "read {read}: {error}"),
        }
        memory.fail_read_at(0);
        let bench = Bench::open(&disk, without_cache()).unwrap();
        assert!([ONE, TWO].map(|stream| bench.read_all(stream).unwrap()) == expected);
        if !failed {
            break;
        }
    }
}

/// Batches of very different lengths: the index at the end of a file takes several pages.
fn counts() -> Vec<u32> {
    let ones = std::iter::repeat_n(1, 300);
    let uneven = (0..200).map(|place| 1 + place * place % 97);
    let long = [1_000_000, 1, 3];
    ones.chain(long).chain(uneven).chain(long).chain(std::iter::repeat_n(7, 300)).collect()
}

/// Reads from the first, a middle and the last offset of a batch.
fn check_each(bench: &Bench, batches: &[(u64, u32)]) {
    for (base, count) in batches {
        for inside in [0, count / 2, count - 1] {
            let plan = bench.log.plan(ONE, Offset(base + u64::from(inside)), 1).unwrap();
            let read = bench.log.load(&plan).unwrap().concat();
            assert!(read == payload(ONE, *base, *count, 40), "from {inside} of {count} at {base}");
        }
    }
}

#[test]
fn every_offset_is_found_in_the_index_of_a_file() {
    let memory = FaultDisk::new(1);
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let mut bench = Bench::open(&disk, without_cache()).unwrap();
    let mut batches = Vec::new();
    let mut next = 0;
    for (number, count) in (0..).zip(counts()) {
        batches.push((next, count));
        // A neighbour, so that the stream's rows do not begin a page.
        bench.submit(1, vec![batch(1, next, count, 40), batch(0, number, 1, 24)]);
        next += u64::from(count);
        bench.settle();
    }
    check_each(&bench, &batches);
    // Until the file is full and has its index.
    for number in 0..20 {
        bench.submit(1, vec![batch(2, number, 1, 30_000)]);
        bench.settle();
    }
    assert!(bench.log.maintain().unwrap().segments_sealed > 0);
    check_each(&bench, &batches);
    bench.log.trim(ONE, Offset(batches[310].0));
    check_each(&bench, &batches[310..]);
    // What compaction leaves has gaps.
    let kept: Vec<(u64, u32)> = batches[320..].iter().copied().filter(|(base, _)| base % 3 == 0).collect();
    let replacement = |(base, count): &(u64, u32)| Replacement {
        base: Offset(*base),
        count: *count,
        timestamp_max: Timestamp(7),
        bytes: payload(ONE, *base, *count, 40),
    };
    let replacements = kept.iter().map(replacement).collect();
    bench.log.replace(ONE, Offset(batches[320].0), Offset(next), replacements).unwrap();
    check_each(&bench, &kept);
}
