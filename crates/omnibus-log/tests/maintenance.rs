//! Recycling, packing, trimming, compaction, checkpoints, and a disk that is full.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::sync::Arc;

use omnibus_io::{Disk, FaultDisk};
use omnibus_log::{EntryBatch, LogConfig, LogError, Replacement, Room};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term, Timestamp};
use support::{Bench, batch, batches_of, payload, small};

const ONE: StreamId = StreamId(1);
const TWO: StreamId = StreamId(2);

fn disk_of(memory: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(memory.clone())
}

/// Appends `rounds` batches of two records to streams one and two, and returns the last index.
fn fill(bench: &mut Bench, rounds: u64) -> LogIndex {
    let mut last = LogIndex(0);
    for _ in 0..rounds {
        let [one, two] = [ONE, TWO].map(|stream| bench.log.bounds(stream).end.0);
        last = bench.submit(1, vec![batch(1, one, 2, 3000), batch(2, two, 2, 1000)]);
        bench.settle();
    }
    last
}

fn save(bench: &Bench, index: LogIndex) {
    bench.log.save_checkpoint(ShardId(1), Term(1), index, b"state").unwrap();
}

#[test]
fn a_segment_is_recycled_when_nobody_needs_it() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let last = fill(&mut bench, 100);
    bench.log.trim(ONE, Offset(198));
    bench.log.trim(TWO, Offset(198));
    assert_eq!(bench.log.maintain().unwrap().segments_recycled, 0, "what must be replayed stays");
    let plan = bench.log.plan(ONE, Offset(198), 1).unwrap();
    save(&bench, last);
    let before = bench.log.stats();
    let report = bench.log.maintain().unwrap();
    assert!(report.segments_recycled >= 3, "{report:?}");
    assert!(bench.log.stats().segments < before.segments);
    assert_eq!(bench.log.load(&plan).unwrap().concat(), payload(ONE, 198, 2, 3000));
    let used = memory.used_bytes();
    for _ in 0..10 {
        let last = fill(&mut bench, 30);
        let end = bench.log.bounds(ONE).end;
        [ONE, TWO].iter().for_each(|stream| bench.log.trim(*stream, end));
        save(&bench, last);
        bench.log.maintain().unwrap();
    }
    assert!(memory.used_bytes() < used * 3, "{} bytes became {}", used, memory.used_bytes());
    drop(bench);
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    assert_eq!(bench.log.bounds(ONE).end, Offset(800), "the end outlives the last batch");
}

#[test]
fn a_reader_keeps_its_segment() {
    let memory = FaultDisk::new(1);
    let config = LogConfig { cache_bytes: 0, ..small() };
    let mut bench = Bench::open(&disk_of(&memory), config).unwrap();
    let last = fill(&mut bench, 100);
    let plan = bench.log.plan(ONE, Offset(0), 6000).unwrap();
    bench.log.drop_stream(ONE);
    bench.log.drop_stream(TWO);
    save(&bench, last);
    let recycled = bench.log.maintain().unwrap().segments_recycled;
    assert!(recycled > 0);
    let expected = [payload(ONE, 0, 2, 3000), payload(ONE, 2, 2, 3000)].concat();
    assert_eq!(bench.log.load(&plan).unwrap().concat(), expected);
    drop(plan);
    assert_eq!(bench.log.maintain().unwrap().segments_recycled, 1);
}

#[test]
fn survivors_of_sparse_segments_move_to_a_pack() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let last = fill(&mut bench, 200);
    let expected = bench.read_all(TWO).unwrap();
    bench.log.trim(ONE, Offset(400));
    save(&bench, last);
    let segments = bench.log.stats().segments;
    let mut packed = 0;
    for _ in 0..5 {
        packed += bench.log.maintain().unwrap().files_packed;
    }
    assert!(packed >= 5, "{packed} files");
    assert!(bench.log.stats().segments < segments);
    assert_eq!(bench.read_all(TWO).unwrap(), expected);
    assert_eq!(bench.log.stream_bytes(TWO), 200 * 1000);
    drop(bench);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    assert_eq!(bench.read_all(TWO).unwrap(), expected);
    assert_eq!(bench.log.bounds(ONE).start, Offset(400));
    fill(&mut bench, 10);
    bench.log.drop_stream(TWO);
    bench.log.maintain().unwrap();
    assert_eq!(bench.log.stats().packs, 0, "a pack without live batches stays");
}

#[test]
fn what_is_packed_rests_however_little_it_is() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    bench.submit(1, vec![batch(3, 0, 1, 50)]);
    let last = fill(&mut bench, 200);
    bench.log.trim(ONE, Offset(400));
    bench.log.trim(TWO, Offset(400));
    save(&bench, last);
    let packed = |bench: &Bench| (0..5).map(|_| bench.log.maintain().unwrap().files_packed).sum::<u64>();
    assert!(packed(&bench) > 0);
    assert_eq!(packed(&bench), 0, "a short pack is written anew again and again");
    // With company it is.
    bench.submit(1, vec![batch(3, 1, 1, 50)]);
    let last = fill(&mut bench, 200);
    bench.log.trim(ONE, Offset(800));
    bench.log.trim(TWO, Offset(800));
    save(&bench, last);
    assert!(packed(&bench) > 1);
    assert_eq!(bench.log.stats().packs, 1);
    let expected = [payload(StreamId(3), 0, 1, 50), payload(StreamId(3), 1, 1, 50)].concat();
    assert_eq!(bench.read_all(StreamId(3)).unwrap(), expected);
}

#[test]
fn compaction_replaces_a_range_and_keeps_offsets() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let last = fill(&mut bench, 60);
    bench.log.maintain().unwrap();
    let kept = |base: u64| Replacement {
        base: Offset(base),
        count: 2,
        timestamp_max: Timestamp(7),
        bytes: payload(ONE, base, 2, 100),
    };
    let bad = bench.log.replace(ONE, Offset(1), Offset(100), vec![]);
    assert!(matches!(bad, Err(LogError::Replacement { .. })), "{bad:?}");
    bench.log.replace(ONE, Offset(0), Offset(100), vec![kept(10), kept(50)]).unwrap();
    let check = |bench: &Bench| {
        let batches = batches_of(&bench.read_all(ONE).unwrap());
        let bases: Vec<u64> = batches.iter().map(|batch| batch.1.0).collect();
        assert_eq!(bases, [10, 50, 100, 102, 104, 106, 108, 110, 112, 114, 116, 118]);
        let plan = bench.log.plan(ONE, Offset(30), 1).unwrap();
        assert_eq!(bench.log.load(&plan).unwrap().concat(), payload(ONE, 50, 2, 100));
        assert_eq!(bench.log.find_timestamp(ONE, Timestamp(8)).unwrap().base, Offset(100));
    };
    check(&bench);
    drop(bench);
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    check(&bench);
    save(&bench, last);
    for _ in 0..3 {
        bench.log.maintain().unwrap();
    }
    check(&bench);
    drop(bench);
    check(&Bench::open(&disk_of(&memory), small()).unwrap());
}

#[test]
fn a_checkpoint_ends_the_replay_and_forgets_dropped_streams() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let saved = fill(&mut bench, 20);
    bench.log.trim(ONE, Offset(11));
    bench.log.drop_stream(TWO);
    assert!(bench.log.wal_bytes_since_checkpoint() > 0);
    save(&bench, saved);
    assert_eq!(bench.log.wal_bytes_since_checkpoint(), 0);
    bench.submit(1, vec![batch(1, 40, 2, 10), batch(3, 0, 1, 10)]);
    bench.settle();
    drop(bench);
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    assert_eq!((bench.replayed.len(), bench.saved[&ShardId(1)]), (1, saved));
    assert_eq!(bench.log.streams(), [ONE, StreamId(3)]);
    assert_eq!((bench.log.bounds(ONE).start, bench.log.bounds(ONE).end), (Offset(11), Offset(42)));
}

#[test]
fn retention_keeps_whole_batches_by_time_and_by_size() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    fill(&mut bench, 60);
    for _ in 0..2 {
        // The timestamp of a batch is ten times its base offset; a batch has 3,000 bytes.
        assert_eq!(bench.log.retained_from(ONE, None, None), Offset(0));
        assert_eq!(bench.log.retained_from(ONE, Some(Timestamp(401)), None), Offset(42));
        assert_eq!(bench.log.retained_from(ONE, Some(Timestamp(9999)), None), Offset(120));
        assert_eq!(bench.log.retained_from(ONE, None, Some(9000)), Offset(114));
        assert_eq!(bench.log.retained_from(ONE, None, Some(9001)), Offset(112));
        assert_eq!(bench.log.retained_from(ONE, None, Some(0)), Offset(120));
        assert_eq!(bench.log.retained_from(ONE, Some(Timestamp(401)), Some(9000)), Offset(114));
        assert_eq!(bench.log.newest_timestamp(ONE).unwrap().base, Offset(118));
        assert_eq!(bench.log.find_timestamp(ONE, Timestamp(9999)), None);
        bench.log.maintain().unwrap();
    }
}

#[test]
fn records_without_a_time_go_with_the_next_that_have_one() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let append = |bench: &mut Bench, times: &[i64]| {
        for time in times {
            let base = bench.log.bounds(ONE).end.0;
            bench.submit(1, vec![EntryBatch { timestamp_max: Timestamp(*time), ..batch(1, base, 2, 3000) }]);
            bench.settle();
        }
    };
    append(&mut bench, &[-1; 30]);
    let kept = |bench: &Bench, time| bench.log.retained_from(ONE, Some(Timestamp(time)), None);
    assert_eq!(kept(&bench, 1000), Offset(0), "nobody knows how old they are");
    append(&mut bench, &[500, -1, -1, 2000, -1]);
    for _ in 0..2 {
        assert_eq!(kept(&bench, 400), Offset(0));
        assert_eq!(kept(&bench, 1000), Offset(62), "those behind may be as new as what follows them");
        assert_eq!(kept(&bench, 3000), Offset(68));
        bench.log.maintain().unwrap();
    }
}

#[test]
fn a_full_disk_refuses_appends_serves_the_rest_and_recovers() {
    let memory = FaultDisk::new(1);
    let config = LogConfig { reserve_bytes: 3 * (128 << 10), ..small() };
    memory.set_capacity(1 << 20);
    let mut bench = Bench::open(&disk_of(&memory), config).unwrap();
    let mut appended = 0;
    let mut last = LogIndex(0);
    while bench.log.room() == Room::Plenty {
        last = fill(&mut bench, 1);
        appended += 1;
        bench.log.maintain().unwrap();
    }
    assert!(appended > 20, "{appended} entries");
    assert_eq!(bench.log.room(), Room::ReserveOnly);
    // What was decided before the room was gone gets in.
    bench.submit(9, vec![batch(9, 0, 1, 10)]);
    bench.settle();
    assert_eq!(bench.log.bounds(StreamId(9)).end, Offset(1));
    assert_eq!(bench.read_all(ONE).unwrap().len(), appended * 3000);
    let small_entry = bench.submit(1, vec![]);
    bench.settle();
    assert_eq!(bench.answers.lock().unwrap().last(), Some(&(ShardId(1), small_entry, true)));
    bench.log.trim(ONE, Offset(appended as u64 * 2));
    bench.log.trim(TWO, Offset(appended as u64 * 2));
    save(&bench, last.max(small_entry));
    bench.log.maintain().unwrap();
    assert_eq!(bench.log.room(), Room::Plenty);
    fill(&mut bench, 5);
    assert!(bench.answers.lock().unwrap().iter().all(|answer| answer.2), "a full disk is not a failure");
}

#[test]
fn recycled_segments_wait_to_be_written_again_unless_the_disk_is_short() {
    let memory = FaultDisk::new(1);
    let config = LogConfig { reserve_bytes: 4 * (128 << 10), ..small() };
    let spares = || memory.paths().iter().filter(|path| path.ends_with(".spare")).count();
    let mut bench = Bench::open(&disk_of(&memory), config.clone()).unwrap();
    let last = fill(&mut bench, 200);
    let end = bench.log.bounds(ONE).end;
    [ONE, TWO].iter().for_each(|stream| bench.log.trim(*stream, end));
    save(&bench, last);
    bench.log.maintain().unwrap();
    assert_eq!(spares(), config.recycled_segments_max - 1, "they wait, and one of them is the next segment");
    memory.set_capacity(memory.used_bytes() + 2 * config.segment_bytes);
    bench.log.maintain().unwrap();
    assert_eq!(spares(), config.recycled_segments_max - 3, "as many go as give the disk its reserve back");
    memory.set_capacity(memory.used_bytes());
    bench.log.maintain().unwrap();
    assert_eq!(spares(), config.spare_segments);
}

#[test]
fn a_new_segment_is_zeroed_a_part_at_a_time() {
    let memory = FaultDisk::new(1);
    let config = LogConfig { zeroed_bytes_at_once: 4 << 10, ..small() };
    let half_made = || memory.paths().iter().filter(|path| path.ends_with(".zeroing")).count();
    let mut bench = Bench::open(&disk_of(&memory), config.clone()).unwrap();
    let mut rounds = 1;
    while bench.log.maintain().unwrap().goes_on {
        rounds += 1;
        assert_eq!(half_made(), 1);
    }
    // The next segment, and the spare.
    assert_eq!((rounds, half_made(), bench.log.stats().spares), (64, 0, 2));
    // Who needs segments faster goes on in what is not zeroed, and has one ready.
    fill(&mut bench, 50);
    let mut one_is_ready = || {
        fill(&mut bench, 1);
        bench.log.maintain().unwrap().goes_on && bench.log.stats().spares == 1
    };
    assert!((0..20).any(|_| one_is_ready()));
    drop(bench);

    let fresh = FaultDisk::new(2);
    let bench = Bench::open(&disk_of(&fresh), config.clone()).unwrap();
    assert!(bench.log.maintain().unwrap().goes_on);
    drop(bench);
    assert!(fresh.paths().iter().any(|path| path.ends_with(".zeroing")));
    let bench = Bench::open(&disk_of(&fresh), config).unwrap();
    assert!(!fresh.paths().iter().any(|path| path.ends_with(".zeroing")), "what is half made is made anew");
    drop(bench);
}
