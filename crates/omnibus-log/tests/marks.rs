//! What a replicated log remembers beside its entries, and how entries are read back.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that fails may panic")]

mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use omnibus_io::fault::Fault;
use omnibus_io::{Disk, FaultDisk};
use omnibus_log::{Entry, EntryId, EntryKind, Log, LogConfig, Mark, Vote, verify};
use omnibus_model::{LogIndex, ShardId, StreamId, Term};
use support::{Bench, batch, fan_out, small};

const SHARD: ShardId = ShardId(1);

fn disk_of(memory: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(memory.clone())
}

fn id(term: u64, index: u64) -> EntryId {
    EntryId { term: Term(term), index: LogIndex(index) }
}

fn vote(term: u64) -> Mark {
    Mark::Vote(Vote { term: Term(term), node: 3, granted: true })
}

/// Hands a mark over; what it is told is in the list that is returned.
fn hand_over(log: &Log, mark: Mark) -> Arc<Mutex<Vec<bool>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let answers = Arc::clone(&told);
    log.mark(SHARD, mark, Box::new(move |written| answers.lock().unwrap().push(written.is_ok())));
    told
}

/// Makes a mark durable.
fn mark(bench: &mut Bench, mark: Mark) {
    let told = hand_over(&bench.log, mark);
    bench.settle();
    assert_eq!(*told.lock().unwrap(), [true]);
}

/// An entry with one batch of two records.
fn entry(term: u64, index: u64, base: u64, length: usize) -> Entry {
    Entry {
        shard: SHARD,
        term: Term(term),
        index: LogIndex(index),
        kind: EntryKind::Commands,
        head: Bytes::from(format!("head {term} {index}")),
        bodies: Arc::default(),
        batches: Arc::new(vec![batch(1, base, 2, length)]),
    }
}

/// The entry as it is handed over when it is read back: payloads in one piece.
fn joined(entry: &Entry) -> Vec<(StreamId, Vec<u8>)> {
    let payload = |batch: &omnibus_log::EntryBatch| {
        let rest = match &batch.rest {
            omnibus_log::Rest::Own(rest) => rest.clone(),
            omnibus_log::Rest::Shared(body) => entry.bodies[*body].clone(),
        };
        (batch.stream, [&batch.prefix[..], &rest[..]].concat())
    };
    entry.batches.iter().map(payload).collect()
}

fn assert_read_back(log: &Log, entry: &Entry) {
    let read = log.entry(entry.shard, entry.index).unwrap().expect("the entry is kept");
    assert_eq!((read.term, read.index, read.kind, &read.head), (entry.term, entry.index, entry.kind, &entry.head));
    assert_eq!(joined(&read), joined(entry));
    assert_eq!(read.bodies, entry.bodies);
}

fn durable_without_publishing(bench: &mut Bench, entry: Entry) {
    bench.log.submit_decided(entry).unwrap();
    while bench.writer.step() {}
}

#[test]
fn marks_are_there_after_a_power_cut() {
    let memory = FaultDisk::new(1);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, vote(4));
    mark(&mut bench, Mark::Purged(id(2, 3)));
    mark(&mut bench, Mark::Membership(id(3, 5), Bytes::from_static(b"one")));
    mark(&mut bench, Mark::Membership(id(4, 9), Bytes::from_static(b"two")));
    memory.restart();
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let marks = &bench.marks[&SHARD];
    assert_eq!(Some(marks.clone()), bench.log.marks(SHARD));
    assert_eq!(marks.vote, Some(Vote { term: Term(4), node: 3, granted: true }));
    assert_eq!((marks.purged, marks.memberships.len()), (id(2, 3), 2));
    assert!(verify(&disk_of(&memory)).unwrap().damage.is_empty());
}

#[test]
fn a_commit_is_told_with_the_next_block_and_settles_memberships() {
    let memory = FaultDisk::new(2);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, vote(1));
    for (index, who) in [(1, "one"), (2, "two"), (3, "three")] {
        let head = Bytes::from(who);
        let said = Entry { kind: EntryKind::Membership, head, batches: Arc::default(), ..entry(1, index, 0, 0) };
        durable_without_publishing(&mut bench, said);
    }
    bench.log.note_committed(SHARD, id(1, 2));
    bench.writer.seal();
    memory.restart();
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let marks = &bench.marks[&SHARD];
    assert_eq!(marks.committed, id(1, 2));
    let said: Vec<&[u8]> = marks.memberships.iter().map(|(_, who)| &who[..]).collect();
    assert_eq!(said, [&b"two"[..], b"three"]);
}

#[test]
fn void_entries_are_not_replayed_nor_read_and_others_take_their_places() {
    let memory = FaultDisk::new(3);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, vote(1));
    (0..5).for_each(|number| durable_without_publishing(&mut bench, entry(1, number + 1, number * 2, 500)));
    mark(&mut bench, Mark::Truncated { from: LogIndex(3) });
    assert_eq!(bench.log.last_kept(SHARD), Some(id(1, 2)));
    assert!(bench.log.entry(SHARD, LogIndex(3)).unwrap().is_none());
    let other = entry(2, 3, 4, 900);
    durable_without_publishing(&mut bench, other.clone());
    assert_read_back(&bench.log, &other);
    bench.log.publish(SHARD, LogIndex(3));
    let all = bench.read_all(StreamId(1)).unwrap();
    memory.restart();
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let replayed: Vec<(u64, u64)> = bench.replayed.iter().map(|entry| (entry.term.0, entry.index.0)).collect();
    assert_eq!(replayed, [(1, 1), (1, 2), (2, 3)]);
    assert_eq!(bench.read_all(StreamId(1)).unwrap(), all);
    assert_read_back(&bench.log, &other);
    assert_eq!(bench.log.term_of(SHARD, LogIndex(2)), Some(Term(1)));
}

#[test]
fn entries_are_read_back_as_they_were_from_cache_and_disk() {
    let memory = FaultDisk::new(4);
    let mut bench = Bench::open(&disk_of(&memory), LogConfig { cache_bytes: 16 << 10, ..small() }).unwrap();
    mark(&mut bench, vote(1));
    let mut entries = Vec::new();
    for index in 1..=30 {
        let (bodies, shared) = fan_out(&[10, 11, 12], index - 1, 3000);
        let (mut all, batches) = (vec![batch(1, index * 2 - 2, 2, 4000)], shared);
        all.extend(batches);
        let (bodies, batches) = (Arc::new(bodies), Arc::new(all));
        entries.push(Entry { bodies, batches, ..entry(1, index, 0, 0) });
        durable_without_publishing(&mut bench, entries.last().unwrap().clone());
    }
    entries.iter().for_each(|entry| assert_read_back(&bench.log, entry));
    memory.restart();
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    entries.iter().for_each(|entry| assert_read_back(&bench.log, entry));
}

#[test]
fn segments_are_recycled_behind_purges_and_the_marks_stay() {
    let memory = FaultDisk::new(5);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, vote(6));
    mark(&mut bench, Mark::Membership(id(0, 0), Bytes::from_static(b"alone")));
    let mut recycled = 0;
    for index in 1..=120 {
        durable_without_publishing(&mut bench, entry(6, index, index * 2 - 2, 6000));
        bench.log.publish(SHARD, LogIndex(index));
        bench.log.trim(StreamId(1), omnibus_model::Offset(index * 2));
        if index % 20 == 0 {
            bench.log.save_checkpoint(SHARD, Term(6), LogIndex(index), b"state").unwrap();
            if index == 20 {
                let without_purge = bench.log.maintain().unwrap().segments_recycled;
                assert_eq!(without_purge, 0, "a replica may ask for them");
            }
            mark(&mut bench, Mark::Purged(id(6, index)));
            recycled += bench.log.maintain().unwrap().segments_recycled;
            assert!(bench.log.entry(SHARD, LogIndex(index)).unwrap().is_none());
        }
    }
    assert!(recycled > 3, "{recycled}");
    memory.restart();
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let marks = &bench.marks[&SHARD];
    assert_eq!(marks.vote.map(|vote| vote.term), Some(Term(6)));
    assert_eq!((marks.purged, marks.memberships.len()), (id(6, 120), 1));
    assert!(verify(&disk_of(&memory)).unwrap().damage.is_empty());
}

#[test]
fn marks_are_found_in_a_segment_that_was_sealed_when_the_next_is_empty() {
    for operations in 0..60 {
        let memory = FaultDisk::new(operations);
        let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
        mark(&mut bench, vote(7));
        let mut index = 0;
        while bench.log.stats().segments < 3 {
            index += 1;
            durable_without_publishing(&mut bench, entry(7, index, index * 2 - 2, 6000));
            bench.log.publish(SHARD, LogIndex(index));
            bench.log.maintain().unwrap();
        }
        bench.log.save_checkpoint(SHARD, Term(7), LogIndex(index), b"state").unwrap();
        memory.fail_at(memory.operations() + operations / 3 + 1, Fault::PowerCut);
        // The power goes somewhere around the begin of a segment.
        for more in 1..20 {
            let next = entry(7, index + more, (index + more) * 2 - 2, 6000);
            if bench.log.submit_decided(next).is_err() {
                break;
            }
            while bench.writer.step() {}
        }
        memory.restart();
        let bench = Bench::open(&disk_of(&memory), small()).unwrap();
        let marks = bench.marks.get(&SHARD).unwrap_or_else(|| panic!("{operations}: the marks are gone"));
        assert_eq!(marks.vote.map(|vote| vote.term), Some(Term(7)), "{operations}");
    }
}

#[test]
fn a_membership_that_an_old_entry_told_is_remembered() {
    let memory = FaultDisk::new(9);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, vote(1));
    let head = Bytes::from_static(b"who");
    let said = Entry { kind: EntryKind::Membership, head: head.clone(), batches: Arc::default(), ..entry(1, 1, 0, 0) };
    durable_without_publishing(&mut bench, said);
    durable_without_publishing(&mut bench, entry(1, 2, 0, 500));
    bench.log.publish(SHARD, LogIndex(2));
    bench.log.save_checkpoint(SHARD, Term(1), LogIndex(2), b"state").unwrap();
    memory.restart();
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    assert_eq!(bench.marks[&SHARD].memberships, [(id(1, 1), head)]);
}

#[test]
fn who_waits_for_a_mark_learns_that_it_will_never_be_durable() {
    let memory = FaultDisk::new(6);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, vote(1));
    memory.fail_at(memory.operations() + 1, Fault::Error);
    let told = hand_over(&bench.log, vote(2));
    while bench.writer.step() {}
    assert_eq!(*told.lock().unwrap(), [false]);
    assert_eq!(*hand_over(&bench.log, vote(3)).lock().unwrap(), [false]);
}

#[test]
fn a_vote_that_was_told_durable_survives_a_cut_at_any_operation() {
    /// Votes six times; returns how many votes were told durable.
    fn vote_often(memory: &FaultDisk) -> u64 {
        let Ok(mut bench) = Bench::open(&disk_of(memory), small()) else { return 0 };
        let mut told = Vec::new();
        for term in 1..=6 {
            told.push(hand_over(&bench.log, vote(term)));
            while bench.writer.step() {}
        }
        told.iter().filter(|told| *told.lock().unwrap() == [true]).count() as u64
    }
    let whole = FaultDisk::new(0);
    assert_eq!(vote_often(&whole), 6);
    let mut kept = std::collections::BTreeSet::new();
    for operation in 1..=whole.operations() {
        let memory = FaultDisk::new(operation);
        memory.fail_at(operation, Fault::PowerCut);
        let told = vote_often(&memory);
        memory.restart();
        let bench = Bench::open(&disk_of(&memory), small()).unwrap();
        let found = bench.marks.get(&SHARD).and_then(|marks| marks.vote).map_or(0, |vote| vote.term.0);
        assert!(found >= told, "cut at operation {operation}");
        kept.insert(found);
    }
    assert!(kept.len() > 5, "{kept:?}");
}

#[test]
fn what_was_not_purged_is_read_back_after_a_start_whatever_is_saved() {
    let memory = FaultDisk::new(17);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, vote(1));
    let entries: Vec<Entry> = (0..60).map(|number| entry(1, number + 1, number * 2, 8_000)).collect();
    for entry in &entries {
        durable_without_publishing(&mut bench, entry.clone());
        bench.log.publish(SHARD, entry.index);
        bench.log.maintain().unwrap();
    }
    mark(&mut bench, Mark::Purged(id(1, 20)));
    bench.log.trim(StreamId(1), omnibus_model::Offset(120));
    bench.log.save_checkpoint(SHARD, Term(1), LogIndex(50), b"state").unwrap();
    while bench.log.maintain().unwrap().goes_on {}
    for _ in 0..2 {
        memory.restart();
        let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
        assert_eq!(bench.log.first_kept(SHARD), Some(LogIndex(21)));
        entries[20..].iter().for_each(|entry| assert_read_back(&bench.log, entry));
        assert_eq!(bench.replayed.first().map(|entry| entry.index), Some(LogIndex(51)));
        mark(&mut bench, vote(2));
    }
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, Mark::Purged(id(1, 50)));
    while bench.log.maintain().unwrap().goes_on {}
    memory.restart();
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    assert_eq!(bench.log.first_kept(SHARD), Some(LogIndex(51)));
    assert!(verify(&disk_of(&memory)).unwrap().damage.is_empty());
}

#[test]
fn what_was_taken_back_is_not_indexed_again_by_a_start_behind_a_checkpoint() {
    let memory = FaultDisk::new(18);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, vote(1));
    (0..3).for_each(|number| durable_without_publishing(&mut bench, entry(1, number + 1, number * 2, 500)));
    mark(&mut bench, Mark::Truncated { from: LogIndex(2) });
    let shorter = Entry { batches: Arc::new(vec![batch(1, 2, 1, 500)]), ..entry(2, 2, 2, 500) };
    durable_without_publishing(&mut bench, shorter);
    durable_without_publishing(&mut bench, entry(2, 3, 3, 500));
    bench.log.publish(SHARD, LogIndex(3));
    bench.log.save_checkpoint(SHARD, Term(2), LogIndex(3), b"state").unwrap();
    memory.restart();
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    bench.log.publish(SHARD, LogIndex(3));
    assert_eq!(bench.log.bounds(StreamId(1)).end, omnibus_model::Offset(5));
}

#[test]
fn what_a_shard_has_from_its_beginning_is_kept_although_it_is_saved() {
    let memory = FaultDisk::new(19);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, vote(1));
    for number in 0..3 {
        durable_without_publishing(&mut bench, entry(1, number + 1, number * 2, 500));
    }
    bench.log.publish(SHARD, LogIndex(3));
    bench.log.save_checkpoint(SHARD, Term(1), LogIndex(3), b"state").unwrap();
    memory.restart();
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    assert_eq!(bench.log.first_kept(SHARD), Some(LogIndex(1)), "nobody has purged anything");
}

#[test]
fn a_sealed_segment_says_that_what_is_in_it_is_committed() {
    let memory = FaultDisk::new(20);
    let mut bench = Bench::open(&disk_of(&memory), small()).unwrap();
    mark(&mut bench, vote(1));
    let mut index = 0;
    while bench.log.stats().segments < 2 {
        index += 1;
        durable_without_publishing(&mut bench, entry(1, index, index * 2 - 2, 6000));
    }
    // No mark says so before the power goes.
    bench.log.publish(SHARD, LogIndex(index));
    assert_eq!(bench.log.maintain().unwrap().segments_sealed, 1);
    memory.restart();
    let bench = Bench::open(&disk_of(&memory), small()).unwrap();
    let committed = bench.marks[&SHARD].committed.index;
    assert!(committed >= LogIndex(index - 1), "{committed} of {index}");
}
