//! What a shard has is handed over to a log on another disk, whatever happened to its streams.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::sync::Arc;

use omnibus_io::fault::Fault;
use omnibus_io::{Disk, FaultDisk};
use omnibus_log::{EntryId, Holdings, Log, LogConfig, LogError, Mark, Replacement, Stretch, verify};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term, Timestamp};
use support::{Bench, batch, fan_out, payload, small};

const SHARD: ShardId = ShardId(1);
const PLAIN: u64 = 1;
const TRIMMED: u64 = 2;
const COMPACTED: u64 = 3;
const SHARING: [u64; 2] = [4, 5];
const EMPTIED: u64 = 6;
const DROPPED: u64 = 7;
const LATE: u64 = 8;
/// Of another shard.
const STRANGE: u64 = 9;

fn disk_of(memory: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(memory.clone())
}

fn other() -> LogConfig {
    LogConfig { identity: 0x8765_4321, ..small() }
}

fn mark(bench: &mut Bench, mark: Mark) {
    bench.log.mark(SHARD, mark, Box::new(|written| assert!(written.is_ok())));
    bench.settle();
}

/// A log with streams of all kinds; returns the checkpoint's place.
fn source(bench: &mut Bench) -> EntryId {
    mark(bench, Mark::Committed(EntryId::default()));
    for base in 0..40 {
        let (bodies, mut batches) = fan_out(&SHARING, base, 3_000);
        batches.extend([PLAIN, TRIMMED, COMPACTED, EMPTIED, DROPPED].map(|stream| batch(stream, base * 2, 2, 700)));
        batches.sort_by_key(|batch| batch.stream);
        bench.submit_with(SHARD.0, bodies, batches);
        bench.submit(2, vec![batch(STRANGE, base, 1, 100)]);
        bench.settle();
        bench.log.maintain().unwrap();
    }
    bench.log.trim(StreamId(TRIMMED), Offset(21));
    bench.log.trim(StreamId(EMPTIED), Offset(80));
    let kept = |base: u64| Replacement {
        base: Offset(base),
        count: 2,
        timestamp_max: Timestamp(7),
        bytes: payload(StreamId(COMPACTED), base, 2, 300),
    };
    bench.log.replace(StreamId(COMPACTED), Offset(0), Offset(60), vec![kept(10), kept(40)]).unwrap();
    bench.log.save_checkpoint(SHARD, Term(1), LogIndex(40), b"state").unwrap();
    let id = EntryId { term: Term(1), index: LogIndex(40) };
    // What comes behind the checkpoint is not handed over.
    bench.submit(SHARD.0, vec![batch(PLAIN, 80, 2, 700), batch(LATE, 0, 3, 700)]);
    bench.submit(SHARD.0, vec![batch(PLAIN, 82, 2, 700)]);
    bench.settle();
    bench.log.drop_stream(StreamId(DROPPED));
    id
}

/// Reads all that is held, in parts.
fn read(log: &Log, holdings: &Holdings, bytes_max: usize) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    for (stream, bounds) in &holdings.streams {
        let mut from = bounds.start;
        while from < bounds.end {
            let stretch = log.stretch(*stream, from..bounds.end, bytes_max).unwrap().unwrap();
            from = stretch.to;
            stretches.push(stretch);
        }
    }
    stretches
}

fn assert_same(from: &Bench, to: &Bench) {
    for stream in [PLAIN, TRIMMED, COMPACTED, SHARING[0], SHARING[1], EMPTIED, LATE].map(StreamId) {
        assert_eq!(to.log.bounds(stream), from.log.bounds(stream), "stream {stream}");
        assert_eq!(to.read_all(stream).unwrap(), from.read_all(stream).unwrap(), "stream {stream}");
    }
    assert_eq!(to.log.bounds(StreamId(STRANGE)).end, Offset(0));
}

#[test]
fn a_log_elsewhere_gets_what_the_checkpoint_refers_to_and_goes_on() {
    for (bytes_max, together) in [(1, 1), (2_000, 3), (1 << 20, 1_000)] {
        let (here, there) = (FaultDisk::new(1), FaultDisk::new(2));
        let mut from = Bench::open(&disk_of(&here), small()).unwrap();
        let id = source(&mut from);
        let holdings = from.log.holdings(SHARD, id).unwrap().unwrap();
        let mut to = Bench::open(&disk_of(&there), other()).unwrap();
        mark(&mut to, Mark::Committed(EntryId::default()));
        for part in read(&from.log, &holdings, bytes_max).chunks(together) {
            to.log.fill(SHARD, part.to_vec()).unwrap();
        }
        to.log.install(&holdings).unwrap();
        mark(&mut to, Mark::Purged(id));
        let checkpoint = to.log.checkpoint(SHARD).unwrap().unwrap();
        assert_eq!((checkpoint.index, &checkpoint.state[..]), (id.index, &b"state"[..]));
        assert_eq!(to.log.bounds(StreamId(PLAIN)).end, Offset(80));
        assert_eq!(
            (to.log.bounds(StreamId(DROPPED)).start, to.log.bounds(StreamId(LATE)).end),
            (Offset(80), Offset(0))
        );
        drop(to);
        there.cut_power();
        there.restart();
        let mut to = Bench::open(&disk_of(&there), other()).unwrap();
        assert_eq!(to.saved.get(&SHARD), Some(&id.index));
        to.submit(SHARD.0, vec![batch(PLAIN, 80, 2, 700), batch(LATE, 0, 3, 700)]);
        to.submit(SHARD.0, vec![batch(PLAIN, 82, 2, 700)]);
        to.settle();
        to.log.drop_stream(StreamId(DROPPED));
        assert_same(&from, &to);
        to.log.maintain().unwrap();
        drop(to);
        let to = Bench::open(&disk_of(&there), other()).unwrap();
        assert_same(&from, &to);
        drop(to);
        assert!(verify(&disk_of(&there)).unwrap().damage.is_empty());
    }
}

#[test]
fn what_is_trimmed_or_dropped_meanwhile_need_not_be_read() {
    let (here, there) = (FaultDisk::new(1), FaultDisk::new(2));
    let mut from = Bench::open(&disk_of(&here), small()).unwrap();
    let id = source(&mut from);
    let holdings = from.log.holdings(SHARD, id).unwrap().unwrap();
    from.log.trim(StreamId(PLAIN), Offset(30));
    from.log.drop_stream(StreamId(SHARING[0]));
    let stretches = read(&from.log, &holdings, 2_000);
    let mut to = Bench::open(&disk_of(&there), other()).unwrap();
    mark(&mut to, Mark::Committed(EntryId::default()));
    to.log.fill(SHARD, stretches).unwrap();
    to.log.install(&holdings).unwrap();
    to.log.trim(StreamId(PLAIN), Offset(30));
    let (wanted, found) = (from.read_all(StreamId(PLAIN)).unwrap(), to.read_all(StreamId(PLAIN)).unwrap());
    assert!(wanted.starts_with(&found) && !found.is_empty());
}

#[test]
fn what_does_not_belong_together_is_refused_and_can_be_begun_anew() {
    let (here, there) = (FaultDisk::new(1), FaultDisk::new(2));
    let mut from = Bench::open(&disk_of(&here), small()).unwrap();
    let id = source(&mut from);
    let holdings = from.log.holdings(SHARD, id).unwrap().unwrap();
    let stretches = read(&from.log, &holdings, 2_000);
    let mut to = Bench::open(&disk_of(&there), other()).unwrap();
    to.submit(2, vec![batch(TRIMMED + 100, 0, 1, 100)]);
    to.settle();
    let refused = |stretches: &[Stretch]| {
        let error = to.log.fill(SHARD, stretches.to_vec()).unwrap_err();
        assert!(matches!(error, LogError::Replacement { .. }), "{error}");
    };
    refused(&[stretches[0].clone(), stretches[0].clone()]);
    refused(&[Stretch { stream: StreamId(TRIMMED + 100), ..stretches[0].clone() }]);
    refused(&[Stretch { to: Offset(1), ..stretches[0].clone() }]);
    refused(&[Stretch { from: Offset(1), ..stretches[0].clone() }]);
    to.log.fill(SHARD, stretches[..2].to_vec()).unwrap();
    // What comes again takes its own place.
    to.log.fill(SHARD, stretches[..1].to_vec()).unwrap();
    assert!(to.log.install(&holdings).is_err(), "there is more");
    to.log.clear(SHARD);
    to.log.fill(SHARD, stretches).unwrap();
    to.log.install(&holdings).unwrap();
    assert_eq!(to.log.bounds(StreamId(PLAIN)).end, Offset(80));
    to.log.maintain().unwrap();
    assert_eq!(from.log.holdings(SHARD, EntryId { term: Term(1), index: LogIndex(39) }).unwrap(), None);
}

/// The replica's own: entries that are in its checkpoint, some more that it was told to be committed, and some that it was
/// not, and that others never had.
fn stale(memory: &FaultDisk) -> Bench {
    let mut to = Bench::open(&disk_of(memory), other()).unwrap();
    mark(&mut to, Mark::Committed(EntryId::default()));
    for base in 0..20 {
        let (bodies, mut batches) = fan_out(&SHARING, base, 3_000);
        batches.extend([PLAIN, TRIMMED, COMPACTED, EMPTIED, DROPPED].map(|stream| batch(stream, base * 2, 2, 700)));
        batches.sort_by_key(|batch| batch.stream);
        to.submit_with(SHARD.0, bodies, batches);
        to.settle();
        if base == 9 {
            to.log.save_checkpoint(SHARD, Term(1), LogIndex(10), b"old").unwrap();
        }
        to.log.maintain().unwrap();
    }
    for base in 20..30 {
        to.submit(SHARD.0, vec![batch(PLAIN, base * 2, 2, 333), batch(TRIMMED + 100, base, 1, 333)]);
    }
    write(&mut to);
    to
}

/// Writes what waits; nobody is told that it is committed.
fn write(bench: &mut Bench) {
    while bench.writer.step() {}
}

/// Takes what another log has; says whether the disk let it.
fn take_over(to: &mut Bench, holdings: &Holdings, stretches: &[Stretch]) -> bool {
    to.log.mark(SHARD, Mark::Truncated { from: LogIndex(21) }, Box::new(drop));
    write(to);
    let filled = stretches.chunks(7).all(|some| to.log.fill(SHARD, some.to_vec()).is_ok());
    if !filled || to.log.install(holdings).is_err() {
        return false;
    }
    let last = EntryId { term: holdings.checkpoint.term, index: holdings.checkpoint.index };
    to.log.mark(SHARD, Mark::Purged(last), Box::new(drop));
    write(to);
    true
}

fn go_on(to: &mut Bench) {
    to.submit(SHARD.0, vec![batch(PLAIN, 80, 2, 700), batch(LATE, 0, 3, 700)]);
    to.submit(SHARD.0, vec![batch(PLAIN, 82, 2, 700)]);
    to.settle();
    to.log.drop_stream(StreamId(DROPPED));
}

#[test]
fn what_a_log_has_gives_way_to_what_comes() {
    let (here, there) = (FaultDisk::new(1), FaultDisk::new(2));
    let mut from = Bench::open(&disk_of(&here), small()).unwrap();
    let id = source(&mut from);
    let holdings = from.log.holdings(SHARD, id).unwrap().unwrap();
    let stretches = read(&from.log, &holdings, 2_000);
    let mut to = stale(&there);
    assert!(take_over(&mut to, &holdings, &stretches));
    // What is told late of the entries that were there says nothing.
    to.log.publish(SHARD, LogIndex(20));
    assert_eq!(to.log.bounds(StreamId(TRIMMED + 100)).end, Offset(0));
    to.log.maintain().unwrap();
    drop(to);
    let mut to = Bench::open(&disk_of(&there), other()).unwrap();
    assert_eq!((to.saved.get(&SHARD), to.replayed.len()), (Some(&id.index), 0));
    go_on(&mut to);
    assert_same(&from, &to);
    drop(to);
    let to = Bench::open(&disk_of(&there), other()).unwrap();
    assert_same(&from, &to);
    drop(to);
    assert!(verify(&disk_of(&there)).unwrap().damage.is_empty());
}

#[test]
fn a_power_cut_leaves_what_a_log_had_or_what_it_was_sent_and_never_both() {
    let mut from = Bench::open(&disk_of(&FaultDisk::new(1)), small()).unwrap();
    let id = source(&mut from);
    let holdings = from.log.holdings(SHARD, id).unwrap().unwrap();
    let stretches = read(&from.log, &holdings, 20_000);
    let (mut old, mut new) = (0, 0);
    for cut in 1.. {
        let memory = FaultDisk::new(cut);
        let mut to = stale(&memory);
        memory.fail_at(memory.operations() + cut, Fault::PowerCut);
        let is_done = take_over(&mut to, &holdings, &stretches) && memory.failures() == 0;
        drop(to);
        memory.cut_power();
        memory.restart();
        let mut to = Bench::open(&disk_of(&memory), other()).unwrap();
        if to.saved.get(&SHARD) != Some(&id.index) {
            assert_eq!(to.saved.get(&SHARD), Some(&LogIndex(10)));
            old += 1;
            if to.replayed.len() > 10 {
                // What is void is not yet known to be.
                continue;
            }
            // It is sent everything again.
            assert!(take_over(&mut to, &holdings, &stretches), "cut {cut}");
        } else {
            new += 1;
        }
        go_on(&mut to);
        assert_same(&from, &to);
        if is_done {
            break;
        }
    }
    assert!(old > 10 && new > 1, "{old} {new}");
}
