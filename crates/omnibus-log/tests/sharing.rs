//! Bodies that several streams share: stored once, read whole, and alive as long as anybody wants them.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::sync::Arc;

use omnibus_io::{Disk, FaultDisk};
use omnibus_log::{Gravity, LogConfig, ReadError, verify};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term};
use support::{Bench, batch, fan_out, shared_payload, small};

const BODY_BYTES: usize = 5000;

fn disk_of(memory: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(memory.clone())
}

/// Small, and without a cache: all that is read comes from the disk and is checked.
fn cold() -> LogConfig {
    LogConfig { cache_bytes: 0, ..small() }
}

/// Appends records to streams which share their bodies; returns the last index.
fn fill(bench: &mut Bench, streams: &[u64], records: u64) -> LogIndex {
    let mut last = LogIndex(0);
    for _ in 0..records {
        let base = bench.log.bounds(StreamId(streams[0])).end.0;
        let (bodies, batches) = fan_out(streams, base, BODY_BYTES);
        last = bench.submit_with(1, bodies, batches);
        bench.settle();
    }
    last
}

fn expected(stream: u64, offsets: std::ops::Range<u64>) -> Vec<u8> {
    offsets.map(|offset| shared_payload(StreamId(stream), offset, BODY_BYTES)).collect::<Vec<_>>().concat()
}

fn check(bench: &Bench, streams: &[u64], offsets: &std::ops::Range<u64>) {
    for stream in streams {
        assert_eq!(bench.read_all(StreamId(*stream)).unwrap(), expected(*stream, offsets.clone()), "stream {stream}");
    }
}

#[test]
fn a_thousand_streams_store_one_body() {
    let memory = FaultDisk::new(1);
    let streams: Vec<u64> = (1..=1000).collect();
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    fill(&mut bench, &streams, 1);
    let stored = bench.log.stats().payload_bytes;
    assert_eq!(stored, (BODY_BYTES - 24 + 1000 * (24 + 8)) as u64);
    check(&bench, &streams, &(0..1));
    let live = bench.log.stats().live_bytes;
    assert!((stored - 1000..=stored).contains(&live), "{live} of {stored} bytes live");
    bench.writer.seal();
    drop(bench);
    for config in [small(), cold()] {
        let bench = Bench::open(&disk_of(&memory), config).unwrap();
        assert_eq!(bench.replayed.iter().map(|entry| entry.batches.len()).sum::<usize>(), 1000);
        check(&bench, &streams, &(0..1));
    }
    let report = verify(&disk_of(&memory)).unwrap();
    assert_eq!((report.batches, report.damage), (1000, Vec::new()));
}

#[test]
fn those_who_share_lie_among_those_who_do_not() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), cold()).unwrap();
    let (first, mut batches) = fan_out(&[2, 4], 0, 300);
    let (second, of_second) = fan_out(&[2, 3], 1, 400);
    batches.extend(of_second.into_iter().map(|batch| omnibus_log::EntryBatch {
        base: Offset(if batch.stream == StreamId(2) { 1 } else { 0 }),
        rest: omnibus_log::Rest::Shared(1),
        ..batch
    }));
    batches.extend([batch(1, 0, 2, 100), batch(3, 1, 2, 100), batch(4, 1, 3, 100)]);
    batches.sort_by_key(|batch| batch.stream);
    bench.submit_with(1, [first, second].concat(), batches);
    bench.submit(1, vec![batch(2, 2, 1, 50)]);
    bench.settle();
    let lengths = |stream| bench.read_all(StreamId(stream)).unwrap().len();
    assert_eq!([1, 2, 3, 4].map(lengths), [100, 750, 500, 400]);
    let plan = bench.log.plan(StreamId(2), Offset(0), 699).unwrap();
    assert_eq!(bench.log.load(&plan).unwrap().concat().len(), 300, "a reader's bound is about what it gets");
    let plan = bench.log.plan(StreamId(2), Offset(0), 700).unwrap();
    assert_eq!(bench.log.load(&plan).unwrap().concat().len(), 700);
}

#[test]
fn a_shared_body_lives_as_long_as_one_stream_wants_it() {
    let memory = FaultDisk::new(1);
    let streams: Vec<u64> = (1..=20).collect();
    let mut bench = Bench::open(&disk_of(&memory), cold()).unwrap();
    let last = fill(&mut bench, &streams, 200);
    bench.log.save_checkpoint(ShardId(1), Term(1), last, b"state").unwrap();
    bench.log.maintain().unwrap();
    let (all_live, segments) = (bench.log.stats().live_bytes, bench.log.stats().segments);
    assert!(segments > 5);
    // The last one reads on, through every packing, while one after the other is done.
    for gone in &streams[..19] {
        bench.log.trim(StreamId(*gone), Offset(200));
        while bench.log.maintain().unwrap().files_packed > 0 {}
        check(&bench, &[20], &(0..200));
        assert_eq!(bench.log.bounds(StreamId(*gone)).start, Offset(200));
    }
    assert!(bench.log.stats().packs > 0, "{:?}", bench.log.stats());
    let live = bench.log.stats().live_bytes;
    assert!(live > 190 * BODY_BYTES as u64 && live <= all_live, "{live} of {all_live}");
    drop(bench);
    assert_eq!(verify(&disk_of(&memory)).unwrap().damage, []);
    let mut bench = Bench::open(&disk_of(&memory), cold()).unwrap();
    check(&bench, &[20], &(0..200));
    // The checkpoint is of before all that.
    streams[..19].iter().for_each(|gone| bench.log.trim(StreamId(*gone), Offset(200)));
    bench.log.drop_stream(StreamId(20));
    fill(&mut bench, &[30], 1);
    bench.log.maintain().unwrap();
    let stats = bench.log.stats();
    assert_eq!(stats.packs, 0, "nobody wants it any more");
    assert!(stats.live_bytes < 2 * BODY_BYTES as u64, "{stats:?}");
}

#[test]
fn survivors_share_in_a_pack_too() {
    let memory = FaultDisk::new(1);
    let streams: Vec<u64> = (1..=100).collect();
    let mut bench = Bench::open(&disk_of(&memory), cold()).unwrap();
    let last = fill(&mut bench, &streams, 60);
    bench.log.save_checkpoint(ShardId(1), Term(1), last, b"state").unwrap();
    for gone in &streams[..70] {
        bench.log.trim(StreamId(*gone), Offset(60));
    }
    while bench.log.maintain().unwrap().files_packed > 0 {}
    let stats = bench.log.stats();
    assert!(stats.packs > 0 && stats.segments < 3, "{stats:?}");
    check(&bench, &streams[70..], &(0..60));
    let packed: usize =
        (0..20).filter_map(|number| memory.content(&format!("pack/{number:010}.pk"))).map(|pack| pack.len()).sum();
    assert!(packed < 60 * (BODY_BYTES + 30 * 100) + (40 << 10), "{packed} bytes for 60 bodies of {BODY_BYTES}");
    drop(bench);
    assert_eq!(verify(&disk_of(&memory)).unwrap().damage, []);
    let bench = Bench::open(&disk_of(&memory), cold()).unwrap();
    check(&bench, &streams[70..], &(0..60));
    // A pack becomes sparse, too.
    for gone in &streams[70..90] {
        bench.log.trim(StreamId(*gone), Offset(60));
    }
    let mut packed = 0;
    for _ in 0..5 {
        packed += bench.log.maintain().unwrap().files_packed;
    }
    assert!(packed > 0);
    check(&bench, &streams[90..], &(0..60));
}

#[test]
fn a_rotten_body_is_told_to_all_who_share_it_and_served_to_nobody() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), cold()).unwrap();
    let streams = [1, 2, 3];
    fill(&mut bench, &streams, 2);
    bench.writer.seal();
    let content = memory.content("wal/0000000000.seg").unwrap();
    let body = &shared_payload(StreamId(0), 1, BODY_BYTES)[24..];
    let places: Vec<usize> = (0..content.len() - body.len()).filter(|at| content[*at..].starts_with(body)).collect();
    let [place] = places[..] else { panic!("the body is there {} times", places.len()) };
    memory.flip_bit("wal/0000000000.seg", (place as u64 + 4000) * 8 + 1);
    for stream in streams.map(StreamId) {
        let plan = bench.log.plan(stream, Offset(0), 100_000).unwrap();
        assert_eq!(bench.log.load(&plan).unwrap().concat(), expected(stream.0, 0..1));
        let plan = bench.log.plan(stream, Offset(1), 1).unwrap();
        let error = bench.log.load(&plan).expect_err("it is served");
        assert!(matches!(error, ReadError::Corrupt { from: Offset(1), to: Offset(2), .. }), "{error}");
    }
    drop(bench);
    let report = verify(&disk_of(&memory)).unwrap();
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert_eq!((damage.gravity, damage.affected.len()), (Gravity::Acknowledged, 3), "{damage}");
    assert!(Bench::open(&disk_of(&memory), cold()).is_err());
}

#[test]
fn any_flipped_bit_of_a_shared_record_is_seen() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let (bodies, batches) = fan_out(&[1, 2, 3], 0, 100);
    bench.submit_with(1, bodies, batches);
    bench.settle();
    bench.writer.seal();
    drop(bench);
    let used = 64 + 40 + 20 + 3 * 40 + 76 + 3 * (8 + 24);
    let content = memory.content("wal/0000000000.seg").unwrap();
    let end = content[..4096].iter().rposition(|byte| *byte != 0).unwrap();
    assert!(end < used);
    for bit in 0..(end as u64 + 1) * 8 {
        let memory = memory.fork(1);
        memory.flip_bit("wal/0000000000.seg", bit);
        assert!(Bench::open(&disk_of(&memory), small()).is_err(), "bit {bit}");
        assert!(!verify(&disk_of(&memory)).unwrap().is_sound(), "bit {bit}");
    }
}

#[test]
fn a_rotten_body_in_a_pack_is_told_to_all_who_share_it() {
    let memory = FaultDisk::new(1);
    let streams: Vec<u64> = (1..=9).collect();
    let mut bench = Bench::open(&disk_of(&memory), cold()).unwrap();
    let last = fill(&mut bench, &streams, 60);
    bench.log.save_checkpoint(ShardId(1), Term(1), last, b"state").unwrap();
    for gone in &streams[..7] {
        bench.log.trim(StreamId(*gone), Offset(60));
    }
    while bench.log.maintain().unwrap().files_packed > 0 {}
    let (pack, content) = (0..20)
        .map(|number| format!("pack/{number:010}.pk"))
        .find_map(|path| Some((path.clone(), memory.content(&path)?)))
        .expect("a pack");
    let body = &shared_payload(StreamId(0), 1, BODY_BYTES)[24..];
    let places: Vec<usize> = (0..content.len() - body.len()).filter(|at| content[*at..].starts_with(body)).collect();
    let [place] = places[..] else { panic!("the body is there {} times", places.len()) };
    memory.flip_bit(&pack, (place as u64 + 7) * 8);
    for stream in [8, 9].map(StreamId) {
        let plan = bench.log.plan(stream, Offset(1), 1).unwrap();
        assert!(bench.log.load(&plan).is_err(), "it is served to {stream}");
    }
    let report = verify(&disk_of(&memory)).unwrap();
    assert_eq!(report.damage.len(), 2, "{report:?}");
}
