//! Appends against a model that keeps everything.

use std::collections::BTreeMap;

use omnibus_broker::{Broker, BrokerLimits, RECENT_BATCHES};
use omnibus_model::command::Append;
use omnibus_model::outcome::Appended;
use omnibus_model::{
    BatchInfo, Command, LeaderEpoch, Offset, Outcome, ProducerEpoch, ProducerId, ProducerStamp, RecordFormat, Refusal,
    StreamId, Timestamp,
};
use proptest::prelude::*;

/// One batch; where its sequence lies is told relative to what would be right.
#[derive(Clone, Debug)]
struct Attempt {
    stream: u64,
    producer: u64,
    epoch: u16,
    /// 0 continues, 1 skips a number, −n repeats the n-th batch before.
    step: i32,
    count: u32,
}

/// All that a producer has ever written to a stream in its present epoch.
#[derive(Clone, Debug)]
struct History {
    epoch: u16,
    batches: Vec<(u32, u32, u64)>,
    next: u32,
}

#[derive(Default)]
struct Model {
    ends: BTreeMap<u64, u64>,
    histories: BTreeMap<(u64, u64), History>,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    At(u64),
    Again(u64),
    OutOfOrder,
    Fenced,
}

const NUMBERS: u64 = 1 << 31;
/// Histories begin close to where sequences wrap.
const FIRST: u32 = (1 << 31) - 3;

fn after(sequence: u32, count: u32) -> u32 {
    u32::try_from((u64::from(sequence) + u64::from(count)) % NUMBERS).expect("below 2^31")
}

impl Model {
    /// Turns a relative attempt into a batch.
    fn stamp(&self, attempt: &Attempt) -> (u32, u32) {
        let Some(history) = self.histories.get(&(attempt.stream, attempt.producer)) else {
            return (FIRST, attempt.count);
        };
        let repeated = usize::try_from(-attempt.step).ok().filter(|back| *back > 0);
        let repeated = repeated.and_then(|back| history.batches.iter().rev().nth(back - 1));
        match repeated {
            Some((first, count, _)) => (*first, *count),
            None if history.epoch != attempt.epoch => (u32::from(attempt.step == 1), attempt.count),
            None => (after(history.next, u32::from(attempt.step == 1)), attempt.count),
        }
    }

    fn append(&mut self, attempt: &Attempt, first: u32, count: u32) -> Answer {
        let end = self.ends.entry(attempt.stream).or_default();
        let key = (attempt.stream, attempt.producer);
        if let Some(history) = self.histories.get(&key) {
            if attempt.epoch < history.epoch {
                return Answer::Fenced;
            }
            let recent = history.batches.iter().rev().take(RECENT_BATCHES);
            let same =
                |batch: &&(u32, u32, u64)| attempt.epoch == history.epoch && (batch.0, batch.1) == (first, count);
            if let Some((_, _, base)) = recent.rev().find(same) {
                return Answer::Again(*base);
            }
            let expected = if attempt.epoch == history.epoch { history.next } else { 0 };
            if first != expected {
                return Answer::OutOfOrder;
            }
        }
        let fresh = History { epoch: attempt.epoch, batches: Vec::new(), next: 0 };
        let history = self.histories.entry(key).or_insert_with(|| fresh.clone());
        if history.epoch != attempt.epoch {
            *history = fresh;
        }
        let base = *end;
        *end += u64::from(count);
        history.batches.push((first, count, base));
        history.next = after(first, count);
        Answer::At(base)
    }
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let step = prop_oneof![6 => Just(0), 1 => Just(1), 3 => -7..0];
    let epoch = prop_oneof![8 => Just(1_u16), 1 => Just(0), 1 => Just(2)];
    (0..2_u64, 0..2_u64, epoch, step, 1..4_u32).prop_map(|(stream, producer, epoch, step, count)| Attempt {
        stream,
        producer,
        epoch,
        step,
        count,
    })
}

fn command(attempt: &Attempt, first: u32, count: u32) -> Command {
    let stamp =
        ProducerStamp { id: ProducerId(attempt.producer), epoch: ProducerEpoch(attempt.epoch), sequence_first: first };
    let batch = BatchInfo {
        format: RecordFormat::KafkaBatch,
        count,
        bytes: 10,
        timestamp_max: Timestamp(0),
        producer: Some(stamp),
    };
    Command::Append(Append { stream: StreamId(attempt.stream), batch, leader_epoch: LeaderEpoch(1) })
}

proptest! {
    #[test]
    fn appends_are_as_the_model_says(attempts in prop::collection::vec(attempt(), 1..120)) {
        let mut model = Model::default();
        let mut broker = Broker::new(BrokerLimits::default());
        for attempt in attempts {
            let (first, count) = model.stamp(&attempt);
            let answer = match broker.apply(Timestamp(0), &command(&attempt, first, count)).map(|applied| applied.outcome) {
                Ok(Outcome::Appended(Appended { base, duplicate: false, .. })) => Answer::At(base.0),
                Ok(Outcome::Appended(Appended { base, duplicate: true, .. })) => Answer::Again(base.0),
                Err(Refusal::SequenceOutOfOrder { .. }) => Answer::OutOfOrder,
                Err(Refusal::ProducerFenced { .. }) => Answer::Fenced,
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(answer, model.append(&attempt, first, count));
            let end = broker.stream(StreamId(attempt.stream)).map_or(Offset(0), omnibus_broker::Stream::end);
            prop_assert_eq!(end.0, model.ends[&attempt.stream]);
        }
    }
}
