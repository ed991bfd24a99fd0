//! Damaged disks: a log opens, refuses or reports, and never serves a wrong byte.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::sync::Arc;

use omnibus_io::{Disk, FaultDisk};
use omnibus_log::{Gravity, LogConfig, LogError, ReadError, Replacement, verify};
use omnibus_model::{Offset, ShardId, StreamId, Term, Timestamp};
use support::{Bench, batch, batches_of, payload, small};

fn shared(memory: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(memory.clone())
}

/// Three acknowledged blocks of one batch each, the last announced or not.
fn three_blocks(sealed: bool) -> FaultDisk {
    let memory = FaultDisk::new(3);
    let mut bench = Bench::open(&shared(&memory), small()).unwrap();
    for base in 0..3 {
        bench.submit(1, vec![batch(5, base * 2, 2, 3000)]);
        bench.settle();
    }
    if sealed {
        assert!(bench.writer.seal());
        assert!(!bench.writer.seal(), "a log announces its end once");
    }
    memory
}

const SEGMENT: &str = "wal/0000000000.seg";

#[test]
fn a_flipped_bit_in_acknowledged_data_is_reported_precisely() {
    for (block, bit) in (0..3u64).flat_map(|block| [0, 8, 40, 100, 2000].map(|byte| (block, byte * 8 + 3))) {
        let memory = three_blocks(true);
        assert!(memory.flip_bit(SEGMENT, block * 4096 * 8 + bit));
        let error = Bench::open(&shared(&memory), small()).err().expect("it opens");
        let LogError::Damaged(damage) = error else { panic!("{error}") };
        assert_eq!((damage.file.as_str(), damage.position), (SEGMENT, block * 4096));
        assert_eq!((damage.block_seq, damage.gravity), (Some(block + 1), Gravity::Acknowledged));
        let report = verify(&shared(&memory)).unwrap();
        assert!(!report.is_sound());
        assert_eq!(report.damage, [*damage.clone()]);
        // What an unreadable block held is known from what follows it: after the last, nothing.
        if block < 2 || bit > 2000 * 8 {
            let [affected] = damage.affected[..] else { panic!("{damage:?}") };
            assert_eq!(
                (affected.stream, affected.from, affected.to),
                (StreamId(5), Offset(block * 2), Offset(block * 2 + 2))
            );
        }
    }
}

#[test]
fn a_flipped_bit_in_the_unannounced_last_block_is_a_torn_tail() {
    let memory = three_blocks(false);
    memory.flip_bit(SEGMENT, 2 * 4096 * 8 + 1000 * 8);
    assert_eq!(verify(&shared(&memory)).unwrap().damage[0].gravity, Gravity::TornTail);
    let mut bench = Bench::open(&shared(&memory), small()).unwrap();
    assert_eq!(bench.report.torn_tail.as_ref().unwrap().position, 8192);
    assert_eq!(bench.log.bounds(StreamId(5)).end, Offset(4));
    let content = memory.content(SEGMENT).unwrap();
    assert!(content[8192..].iter().all(|byte| *byte == 0), "a torn tail stays");
    bench.submit(1, vec![batch(5, 4, 2, 100)]);
    bench.settle();
    drop(bench);
    assert_eq!(Bench::open(&shared(&memory), small()).unwrap().log.bounds(StreamId(5)).end, Offset(6));
}

#[test]
fn what_was_there_at_the_last_opening_must_be_there_at_the_next() {
    let memory = three_blocks(false);
    drop(Bench::open(&shared(&memory), small()).unwrap());
    memory.flip_bit(SEGMENT, 2 * 4096 * 8 + 1000 * 8);
    assert!(matches!(Bench::open(&shared(&memory), small()), Err(LogError::Damaged(_))));
}

#[test]
fn rot_behind_the_checkpoint_is_met_when_it_is_read() {
    let memory = FaultDisk::new(3);
    let mut bench = Bench::open(&shared(&memory), small()).unwrap();
    for base in 0..60 {
        bench.submit(1, vec![batch(5, base, 1, 3000), batch(6, base, 1, 3000)]);
        bench.settle();
    }
    let last = bench.submit(1, vec![]);
    bench.settle();
    bench.log.save_checkpoint(ShardId(1), Term(1), last, b"state").unwrap();
    assert!(bench.log.maintain().unwrap().segments_sealed > 0);
    drop(bench);
    memory.flip_bit(SEGMENT, 2000 * 8);
    let bench = Bench::open(&shared(&memory), small()).unwrap();
    let error = bench.read_all(StreamId(5)).unwrap_err();
    let ReadError::Corrupt { stream, from, to, file, .. } = error else { panic!("{error}") };
    assert_eq!((stream, from, to, file.as_str()), (StreamId(5), Offset(0), Offset(1), SEGMENT));
    assert_eq!(bench.read_all(StreamId(6)).unwrap().len(), 60 * 3000);
    let report = verify(&shared(&memory)).unwrap();
    assert_eq!(report.damage.len(), 1);
    assert_eq!((report.damage[0].affected.len(), report.damage[0].affected[0].stream), (1, StreamId(5)));
}

/// A small log with something of everything: segments with and without footers, packs,
/// checkpoints, trims.
fn furnished() -> FaultDisk {
    let memory = FaultDisk::new(5);
    let config = LogConfig { segment_bytes: 64 << 10, block_bytes_max: 16 << 10, ..small() };
    let mut bench = Bench::open(&shared(&memory), config).unwrap();
    for round in 0..24u64 {
        bench.submit(1, vec![batch(1, round * 2, 2, 3000), batch(2, round * 2, 2, 500)]);
        let index = bench.submit(2, vec![batch(3, round * 2, 2, 2000)]);
        bench.settle();
        if round == 15 {
            bench.log.trim(StreamId(1), Offset(26));
            bench.log.save_checkpoint(ShardId(2), Term(1), index, b"state of two").unwrap();
            bench.log.save_checkpoint(ShardId(1), Term(1), index, b"state of one").unwrap();
            let bytes = payload(StreamId(3), 4, 2, 100);
            let kept = Replacement { base: Offset(4), count: 2, timestamp_max: Timestamp(0), bytes };
            bench.log.replace(StreamId(3), Offset(0), Offset(10), vec![kept]).unwrap();
        }
        bench.log.maintain().unwrap();
    }
    assert!(bench.log.stats().packs > 0);
    memory
}

fn next(random: &mut u64) -> u64 {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *random >> 33
}

/// Does one of many bad things to a file.
fn mutate(memory: &FaultDisk, random: &mut u64) {
    let paths: Vec<String> = memory.paths();
    let path = &paths[next(random) as usize % paths.len()];
    let mut content = memory.content(path).unwrap();
    let place = if content.is_empty() { 0 } else { next(random) as usize % content.len() };
    // Most of what matters lies near the beginning of a page.
    let place = if next(random).is_multiple_of(2) { place / 4096 * 4096 + place % 128 } else { place };
    let length = 1 << (next(random) % 14);
    match next(random) % 8 {
        0 | 1 => drop(memory.flip_bit(path, place as u64 * 8 + next(random) % 8)),
        2 => content.truncate(place),
        3 => content.iter_mut().skip(place).take(length).for_each(|byte| *byte = 0),
        4 => content.iter_mut().skip(place).take(length).for_each(|byte| *byte = next(random) as u8),
        5 => content = memory.content(&paths[next(random) as usize % paths.len()]).unwrap(),
        6 => content.resize(content.len() + length, 7),
        _ => {
            let from = next(random) as usize % content.len().max(1) / 4096 * 4096;
            let moved: Vec<u8> = content.iter().skip(from).take(4096).copied().collect();
            let to = place / 4096 * 4096;
            content.iter_mut().skip(to).zip(moved).for_each(|(byte, moved)| *byte = moved);
        }
    }
    if memory.content(path).unwrap().len() != content.len() || next(random).is_multiple_of(2) {
        memory.set_content(path, content);
    }
}

#[test]
fn any_image_opens_or_is_refused_and_never_gives_a_wrong_byte() {
    let whole = furnished();
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..400u64 {
        let memory = whole.fork(seed);
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..=seed % 3 {
            mutate(&memory, &mut random);
        }
        let disk = shared(&memory);
        // Whatever it says, it says it without panicking.
        drop(verify(&disk));
        let config = LogConfig { segment_bytes: 64 << 10, block_bytes_max: 16 << 10, ..small() };
        let Ok(mut bench) = Bench::open(&disk, config) else {
            refused += 1;
            continue;
        };
        opened += 1;
        for stream in bench.log.streams() {
            let Ok(bytes) = bench.read_all(stream) else { continue };
            for (of, base, count, bytes) in batches_of(&bytes) {
                assert_eq!((of, &bytes), (stream, &payload(stream, base.0, count, bytes.len())), "seed {seed}");
            }
        }
        let base = bench.log.bounds(StreamId(77)).end.0;
        bench.submit(3, vec![batch(77, base, 1, 100)]);
        bench.settle();
        drop(bench.log.maintain());
    }
    assert!(opened > 50 && refused > 50, "{opened} opened, {refused} refused");
}
