//! Reading all that is at rest again, while the log is in use.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::sync::Arc;

use omnibus_io::fault::Fault;
use omnibus_io::{Disk, FaultDisk};
use omnibus_log::{Affected, Gravity, LogConfig, Replacement, Rot, Stretch, verify};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term};
use support::{Bench, batch, fan_out, small};

fn shared(memory: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(memory.clone())
}

fn tiny() -> LogConfig {
    LogConfig { segment_bytes: 64 << 10, block_bytes_max: 16 << 10, ..small() }
}

/// All that a whole pass finds, and how much it read.
fn scrub(bench: &Bench) -> (Vec<Rot>, u64) {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut scrub = bench.log.scrub();
    while let Some(step) = scrub.step() {
        bytes += step.bytes;
        found.extend(step.rot);
    }
    (found, bytes)
}

/// Segments with and without an index, packs with and without shared bodies, checkpoints.
fn furnished(memory: &FaultDisk) -> Bench {
    let mut bench = Bench::open(&shared(memory), tiny()).unwrap();
    for round in 0..40u64 {
        bench.submit(1, vec![batch(1, round * 2, 2, 3000), batch(2, round * 2, 2, 500)]);
        bench.submit(2, vec![batch(3, round * 2, 2, 2000)]);
        let (bodies, batches) = fan_out(&[20, 21, 22], round, 900);
        let index = bench.submit_with(3, bodies, batches);
        bench.settle();
        if round == 30 {
            bench.log.trim(StreamId(1), Offset(50));
            bench.log.trim(StreamId(3), Offset(44));
            for shard in 1..=3 {
                bench.log.save_checkpoint(ShardId(shard), Term(1), index, b"a state").unwrap();
            }
        }
        bench.log.maintain().unwrap();
    }
    assert!(bench.log.stats().packs > 0);
    bench
}

fn affected(rot: &Rot, stream: u64) -> Vec<Affected> {
    rot.damage.affected.iter().filter(|range| range.stream == StreamId(stream)).copied().collect()
}

#[test]
fn a_sound_log_is_read_whole_and_nothing_is_found() {
    let memory = FaultDisk::new(3);
    let bench = furnished(&memory);
    let (found, bytes) = scrub(&bench);
    assert_eq!(found, []);
    assert!(bytes > bench.log.stats().live_bytes, "{bytes}");
}

#[test]
fn an_empty_log_has_nothing_to_find() {
    let memory = FaultDisk::new(3);
    assert_eq!(scrub(&Bench::open(&shared(&memory), small()).unwrap()).0, []);
}

/// Whatever a check of a log that nobody has open would call damage is found while it is open, but for what nobody
/// can read or needs any more.
#[test]
fn every_flipped_bit_is_found_that_a_check_of_the_directory_finds() {
    let memory = FaultDisk::new(3);
    let mut bench = furnished(&memory);
    // The newest block has announced all before it.
    bench.writer.seal();
    let mut found_in = [0; 3];
    for path in memory.paths() {
        let length = memory.content(&path).unwrap().len() as u64;
        for place in (0..length).step_by(971) {
            assert!(memory.flip_bit(&path, place * 8 + 3));
            let (found, _) = scrub(&bench);
            let known = verify(&shared(&memory)).unwrap();
            memory.flip_bit(&path, place * 8 + 3);
            assert!(found.iter().all(|rot| rot.damage.file == path), "{path} {place}: {found:?}");
            // What lies behind the newest blocks, or in files that wait, is nothing yet.
            if known.damage.is_empty() {
                let is_of_two = path.starts_with("manifest/");
                assert!(found.is_empty() || is_of_two && found[0].damage.gravity == Gravity::Redundant, "{found:?}");
                continue;
            }
            assert!(!found.is_empty(), "{path} {place}: {known:?}");
            // The index of a segment can be made anew from its blocks, but not while it is read by.
            let is_lost = |rot: &Rot| rot.damage.gravity == Gravity::Acknowledged;
            if found.iter().any(|rot| is_lost(rot) && rot.damage.what != "a page of the index") {
                assert!(!known.is_sound(), "{path} {place}: {found:?}");
            }
            let kinds = ["wal/", "pack/", "ckpt/"];
            kinds.iter().zip(&mut found_in).for_each(|(kind, count)| *count += u32::from(path.starts_with(kind)));
        }
    }
    assert!(found_in.iter().all(|count| *count > 0), "{found_in:?}");
    assert_eq!(scrub(&bench).0, []);
}

#[test]
fn only_what_somebody_could_read_is_said_to_be_affected() {
    let memory = FaultDisk::new(3);
    let mut bench = Bench::open(&shared(&memory), tiny()).unwrap();
    for base in 0..60 {
        bench.submit(1, vec![batch(5, base, 1, 3000), batch(6, base, 1, 3000)]);
        bench.settle();
    }
    bench.log.maintain().unwrap();
    // The first batch of stream 5, and the second, which lies in the next block.
    let segment = "wal/0000000000.seg";
    memory.flip_bit(segment, 2000 * 8);
    memory.flip_bit(segment, (8192 + 2000) * 8);
    let (found, _) = scrub(&bench);
    assert_eq!(found.len(), 2, "{found:?}");
    let range = |from, to| Affected { stream: StreamId(5), from: Offset(from), to: Offset(to) };
    assert_eq!((affected(&found[0], 5), found[0].records(), found[0].bytes), (vec![range(0, 1)], 1, 3000));
    assert_eq!((affected(&found[1], 5), affected(&found[1], 6)), (vec![range(1, 2)], vec![]));
    assert!(found.iter().all(|rot| rot.damage.gravity == Gravity::Acknowledged));
    // Nobody reads what is trimmed, but a start repeats the entries.
    bench.log.trim(StreamId(5), Offset(2));
    let (found, _) = scrub(&bench);
    assert!(found.iter().all(|rot| rot.records() == 0 && rot.damage.gravity == Gravity::Acknowledged), "{found:?}");
    bench.log.save_checkpoint(ShardId(1), Term(1), LogIndex(60), b"a state").unwrap();
    let (found, _) = scrub(&bench);
    assert!(found.iter().all(|rot| rot.damage.gravity == Gravity::Redundant), "{found:?}");
}

#[test]
fn a_disk_that_does_not_give_a_file_is_told_and_the_pass_goes_on() {
    let memory = FaultDisk::new(3);
    let bench = furnished(&memory);
    let pack = memory.paths().into_iter().find(|path| path.starts_with("pack/")).unwrap();
    memory.break_reads_of(&pack);
    let (found, _) = scrub(&bench);
    assert!(!found.is_empty() && found.iter().all(|rot| rot.damage.file == pack), "{found:?}");
    memory.heal();
    assert_eq!(scrub(&bench).0, []);
}

#[test]
fn files_that_go_while_they_are_waited_for_are_left_out() {
    let memory = FaultDisk::new(3);
    let mut bench = furnished(&memory);
    let mut scrub = bench.log.scrub();
    scrub.step().unwrap();
    for shard in 1..=3 {
        let index = bench.submit(shard, vec![]);
        bench.settle();
        bench.log.save_checkpoint(ShardId(shard), Term(1), index, b"another state").unwrap();
    }
    bench.log.streams().into_iter().for_each(|stream| bench.log.drop_stream(stream));
    assert!(bench.log.maintain().unwrap().segments_recycled > 0);
    while let Some(step) = scrub.step() {
        assert_eq!(step.rot, []);
    }
}

/// What another log has in the place of what is damaged here.
fn fetch(other: &Bench, found: &[Rot]) -> Vec<Stretch> {
    let ranges = found.iter().flat_map(|rot| &rot.damage.affected);
    let mut stretches: Vec<Stretch> = Vec::new();
    for range in ranges {
        let mut from = range.from;
        while from < range.to {
            let stretch = other.log.stretch(range.stream, from..range.to, 10_000).unwrap().unwrap();
            from = stretch.to;
            stretches.push(stretch);
        }
    }
    stretches.sort_by_key(|stretch| (stretch.stream, stretch.from));
    stretches.dedup();
    stretches
}

fn contents(bench: &Bench) -> Vec<Vec<u8>> {
    [1, 2, 3, 20, 21, 22].map(|stream| bench.read_all(StreamId(stream)).unwrap()).into()
}

/// Saves all shards, so that no segment is needed for its entries.
fn save_all(bench: &mut Bench) {
    for shard in 1..=3 {
        let index = bench.submit(shard, vec![]);
        bench.settle();
        bench.log.save_checkpoint(ShardId(shard), Term(1), index, b"a later state").unwrap();
    }
}

#[test]
fn what_has_rotted_is_mended_from_another_log_and_its_files_are_given_up() {
    let other = furnished(&FaultDisk::new(4));
    let wanted = contents(&other);
    for (kind, of_index) in [("wal/", false), ("pack/", false), ("wal/", true), ("pack/", true)] {
        let memory = FaultDisk::new(3);
        let mut bench = furnished(&memory);
        for path in memory.paths().into_iter().filter(|path| path.starts_with(kind) && path.ends_with(['g', 'k'])) {
            let content = memory.content(&path).unwrap();
            let kind_code = if kind == "wal/" { 1 } else { 2 };
            let number = path[path.len() - 14..].trim_end_matches(|c: char| !c.is_ascii_digit());
            let number: u64 = number.trim_start_matches('/').parse().unwrap();
            let is_page = |page: &usize| {
                let page = &content[page * 4096..][..32];
                page[24] == kind_code && page[16..24] == number.to_le_bytes() && page[4..8] == [0; 4]
            };
            let index = (0..content.len() / 4096).rev().find(is_page);
            let Some(place) = (if of_index { index.map(|page| page * 4096 + 100) } else { Some(5_000) }) else {
                continue;
            };
            memory.flip_bit(&path, place as u64 * 8);
        }
        let (found, _) = scrub(&bench);
        assert!(found.iter().any(|rot| rot.records() > 0), "{kind} {of_index} {found:?}");
        bench.log.mend(fetch(&other, &found)).unwrap();
        assert!(found.iter().all(|rot| bench.log.still_affected(rot).is_empty()));
        found.iter().for_each(|rot| bench.log.leave(&rot.damage.file));
        assert_eq!(contents(&bench), wanted, "{kind} {of_index}");
        save_all(&mut bench);
        for _ in 0..20 {
            bench.log.maintain().unwrap();
        }
        let (left, _) = scrub(&bench);
        // The segment that is written stays.
        assert!(left.iter().all(|rot| rot.records() == 0 && rot.damage.file.starts_with("wal/")), "{left:?}");
        assert_eq!(contents(&bench), wanted, "{kind} {of_index}");
        if left.is_empty() {
            drop(bench);
            assert_eq!(contents(&Bench::open(&shared(&memory), tiny()).unwrap()), wanted);
        }
    }
}

#[test]
fn what_is_not_what_was_written_mends_nothing() {
    let (here, there) = (FaultDisk::new(3), FaultDisk::new(4));
    let (bench, other) = (furnished(&here), furnished(&there));
    let pack = here.paths().into_iter().find(|path| path.ends_with(".pk")).unwrap();
    here.flip_bit(&pack, 5_000 * 8);
    let (found, _) = scrub(&bench);
    let good = fetch(&other, &found);
    let [stretch] = &good[..] else { panic!("{found:?}") };
    let batch = &stretch.batches[0];
    let mut bytes = batch.bytes.to_vec();
    bytes[200] ^= 1;
    let with = |batch: Replacement| Stretch { batches: vec![batch], ..stretch.clone() };
    for bad in [
        with(Replacement { bytes: bytes.into(), ..batch.clone() }),
        with(Replacement { count: batch.count + 1, ..batch.clone() }),
        with(Replacement { timestamp_max: omnibus_model::Timestamp(-1), ..batch.clone() }),
        Stretch { batches: Vec::new(), ..stretch.clone() },
        Stretch { stream: StreamId(77), ..stretch.clone() },
        Stretch { to: Offset(1_000), ..stretch.clone() },
    ] {
        assert!(bench.log.mend(vec![bad]).is_err());
        assert!(!bench.log.still_affected(&found[0]).is_empty());
    }
    bench.log.mend(good).unwrap();
    assert_eq!(contents(&bench), contents(&other));
}

#[test]
fn a_power_cut_leaves_the_damage_or_what_mends_it() {
    let other = furnished(&FaultDisk::new(4));
    let wanted = contents(&other);
    let (mut mended, mut left) = (0, 0);
    for cut in 1.. {
        let memory = FaultDisk::new(cut);
        let mut bench = furnished(&memory);
        bench.writer.seal();
        let segment = memory.paths().into_iter().rfind(|path| path.ends_with(".pk")).unwrap();
        memory.flip_bit(&segment, 5_000 * 8);
        let (found, _) = scrub(&bench);
        let stretches = fetch(&other, &found);
        memory.fail_at(memory.operations() + cut, Fault::PowerCut);
        let is_done = bench.log.mend(stretches.clone()).is_ok();
        drop(bench);
        memory.cut_power();
        memory.restart();
        let bench = Bench::open(&shared(&memory), tiny()).unwrap();
        let (found, _) = scrub(&bench);
        if found.iter().any(|rot| rot.records() > 0) {
            assert!(!is_done, "it was said to be durable");
            left += 1;
            bench.log.mend(stretches).unwrap();
        } else {
            mended += 1;
        }
        assert_eq!(contents(&bench), wanted, "cut {cut}");
        if is_done {
            break;
        }
    }
    assert!(mended > 0 && left > 0, "{mended} {left}");
}

#[test]
fn a_rotten_checkpoint_is_saved_again_and_a_rotten_root_written_anew() {
    let memory = FaultDisk::new(3);
    let mut bench = furnished(&memory);
    save_all(&mut bench);
    let saved = memory.paths().into_iter().find(|path| path.starts_with("ckpt/2/")).unwrap();
    for path in [saved.as_str(), "SUPER.a"] {
        memory.flip_bit(path, 20 * 8);
    }
    let (found, _) = scrub(&bench);
    assert_eq!(found.len(), 2, "{found:?}");
    let rotten = found.iter().find(|rot| rot.damage.file == saved).unwrap();
    assert!(bench.log.misses(rotten));
    let index = LogIndex(saved.rsplit_once('-').unwrap().1.parse().unwrap());
    bench.log.save_checkpoint(ShardId(2), Term(1), index, b"a later state").unwrap();
    assert!(!bench.log.misses(rotten));
    bench.log.maintain().unwrap();
    assert_eq!(scrub(&bench).0, []);
    drop(bench);
    assert!(verify(&shared(&memory)).unwrap().damage.is_empty());
}
