//! Measures what a queue costs: how many records a second are acquired and settled with how many
//! lying there, and bytes of memory per record by where it is. Run it with `--release`.

#![expect(clippy::print_stdout, reason = "a measurement is for reading")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "the broker has no clock, its measurer has")]

use std::time::Instant;

use omnibus_broker::{Broker, BrokerLimits};
use omnibus_model::command::{Acquire, Admit, Append, Enqueue};
use omnibus_model::queue::{Admission, CursorConfig, DeliveryOrder, Envelope, LeaseKey, Settlement};
use omnibus_model::{
    BatchInfo, Command, GroupHash, LeaderEpoch, Millis, Offset, Outcome, RecordFormat, StreamId, Timestamp,
};

const STREAM: StreamId = StreamId(1);
/// Receives of so many records.
const AT_ONCE: u32 = 10;

fn main() {
    println!("{:>24} {:>14}", "record", "bytes each");
    // All stay, so that no memory is used twice.
    let _queues = [
        memory("plain", 10_000_000, |_| Envelope::default(), 0),
        memory("leased", 1_000_000, |_| Envelope::default(), 1_000_000),
        memory("delayed, same time", 1_000_000, |_| delayed(900_000), 0),
        memory("delayed, any time", 1_000_000, |offset| delayed(offset.wrapping_mul(2_654_435_761) % 900_000), 0),
        memory("in one of 1,000 groups", 1_000_000, |offset| in_group(offset % 1_000), 0),
        memory("in a group of its own", 1_000_000, in_group, 0),
        priorities(10, 1_000_000),
    ];
    println!("\n{:>10} {:>9} {:>13} {:>13}", "backlog", "groups", "enqueued/s", "drained/s");
    for groups in [0, 1, 1_000, 100_000] {
        for backlog in [10_000, 1_000_000, 10_000_000] {
            drain(backlog, groups);
        }
    }
}

/// Bytes of memory per record of a queue with so many priorities above 0, records of each in a random order.
fn priorities(highest: u64, records: u64) -> Broker {
    let before = resident_bytes();
    let mut broker = Broker::new(BrokerLimits::default());
    let streams = 0..=highest;
    for stream in streams.clone().map(StreamId) {
        let configure = Command::ConfigureCursor { stream, config: CursorConfig::default() };
        broker.apply(Timestamp(0), &configure).expect("a new stream");
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..records {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        enqueue_to(&mut broker, StreamId(random % (highest + 1)), Envelope::default());
    }
    let held = resident_bytes().saturating_sub(before);
    println!("{:>24} {:>14.3}", "of 11 random priorities", held as f64 / records as f64);
    let ready = |stream| broker.queue_counts(stream).map_or(0, |counts| counts.ready);
    assert_eq!(streams.map(StreamId).map(ready).sum::<u64>(), records, "all are there");
    println!("{:>24} {held:>8} bytes of memory, {} in a checkpoint", "in all", broker.encode().len());
    broker
}

fn delayed(ms: u64) -> Envelope {
    Envelope { deliver_at: Some(Timestamp(0).plus(Millis(ms + 1))), ..Envelope::default() }
}

fn in_group(group: u64) -> Envelope {
    Envelope { group: Some(GroupHash(group.wrapping_mul(0x9e37_79b9_7f4a_7c15))), ..Envelope::default() }
}

fn queue(order: DeliveryOrder, limit: u32) -> Broker {
    let mut broker = Broker::new(BrokerLimits::default());
    let config = CursorConfig { order, leases_max: limit, grouped_max: limit, ..CursorConfig::default() };
    broker.apply(Timestamp(0), &Command::ConfigureCursor { stream: STREAM, config }).expect("a new stream");
    broker
}

fn enqueue(broker: &mut Broker, envelope: Envelope) {
    enqueue_to(broker, STREAM, envelope);
}

fn enqueue_to(broker: &mut Broker, stream: StreamId, envelope: Envelope) {
    let format = RecordFormat::Message;
    let batch = BatchInfo { format, count: 1, bytes: 1_000, timestamp_max: Timestamp(0), producer: None };
    let append = Append { stream, batch, leader_epoch: LeaderEpoch(1) };
    broker.apply(Timestamp(0), &Command::Enqueue(Enqueue { append, envelope, origin: None })).expect("room");
}

/// Drains a million records of a backlog, if there are as many, as the leader would: receives of ten, each
/// settled, and envelopes read from the log when the queue asks for them.
fn drain(backlog: u64, groups: u64) {
    let order = if groups == 0 { DeliveryOrder::Standard } else { DeliveryOrder::Ordered };
    let envelope = |offset: u64| if groups == 0 { Envelope::default() } else { in_group(offset % groups) };
    let mut broker = queue(order, 120_000);
    let begin = Instant::now();
    (0..backlog).for_each(|offset| enqueue(&mut broker, envelope(offset)));
    let enqueued = per_second(backlog, begin);
    let begin = Instant::now();
    let mut drained = 0;
    while drained < backlog.min(1_000_000) {
        let keys = acquire(&mut broker, AT_ONCE);
        assert!(!keys.is_empty(), "there is always something to take");
        drained += keys.len() as u64;
        let settlements = keys.into_iter().map(|key| (key, Settlement::Accept)).collect();
        broker.apply(Timestamp(1), &Command::Settle { stream: STREAM, settlements }).expect("an answer");
        admit(&mut broker, &envelope);
    }
    let per_second = per_second(drained, begin);
    println!("{backlog:>10} {groups:>9} {enqueued:>13} {per_second:>13}");
}

fn admit(broker: &mut Broker, envelope: &impl Fn(u64) -> Envelope) {
    while let Some(wanted) = broker.wants_admission(STREAM) {
        let record =
            |offset| Admission { offset: Offset(offset), envelope: envelope(offset), enqueued_at: Timestamp(0) };
        let records = (wanted.start.0..wanted.end.0).map(record).collect();
        let admit = Admit { stream: STREAM, from: wanted.start, to: wanted.end, records };
        broker.apply(Timestamp(1), &Command::Admit(Box::new(admit))).expect("an admission is not refused");
    }
}

fn acquire(broker: &mut Broker, count_max: u32) -> Vec<LeaseKey> {
    let wish = Acquire { stream: STREAM, count_max, lease: Millis(30_000), holder: None, attempt: None };
    match broker.apply(Timestamp(1), &Command::Acquire(wish)).expect("room for leases").outcome {
        Outcome::Acquired(acquired) => acquired.leases.iter().map(|lease| lease.key).collect(),
        other => unreachable!("an acquire ended in {other:?}"),
    }
}

/// Bytes of memory per record; the index of groups has room for all.
fn memory(name: &str, records: u64, envelope: impl Fn(u64) -> Envelope, leased: u32) -> Broker {
    let before = resident_bytes();
    let mut broker = queue(DeliveryOrder::Standard, u32::MAX);
    (0..records).for_each(|offset| enqueue(&mut broker, envelope(offset)));
    if leased > 0 {
        assert_eq!(acquire(&mut broker, leased).len(), leased as usize, "there are enough");
    }
    let held = resident_bytes().saturating_sub(before);
    println!("{name:>24} {:>14.1}", held as f64 / records as f64);
    broker
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number");
    pages * 4_096
}

fn per_second(count: u64, begin: Instant) -> u64 {
    let nanoseconds = u64::try_from(begin.elapsed().as_nanos()).expect("not for centuries").max(1);
    count.saturating_mul(1_000_000_000) / nanoseconds
}
