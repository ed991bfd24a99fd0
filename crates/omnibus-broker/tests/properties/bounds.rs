//! Bounded queues with priorities against a naive model: a list of records, of which the first of the highest priority go.

use std::collections::BTreeMap;

use omnibus_broker::{Broker, BrokerLimits};
use omnibus_model::command::{Acquire, Append, Enqueue};
use omnibus_model::queue::{
    CursorConfig, DeadLetters, Delivery, Envelope, LeaseKey, Overflow, QueueCounts, QueueLimits, RecordState,
    Settlement,
};
use omnibus_model::{
    BatchInfo, Command, LeaderEpoch, Millis, Offset, Outcome, RecordFormat, Refusal, StreamId, Timestamp,
};
use proptest::prelude::*;

const LOWEST: StreamId = StreamId(4);
const HIGHEST: u8 = 2;
const NOW: Timestamp = Timestamp(1_000);

fn stream(priority: u8) -> StreamId {
    StreamId(LOWEST.0 + u64::from(priority))
}

/// What happens next; records are named by their place among those of a priority.
#[derive(Clone, Debug)]
enum Step {
    Send { priority: u8, bytes: u32 },
    Take { priority: u8, count: u32 },
    Settle { priority: u8, place: u64, how: Settlement },
    Bury { priority: u8, place: u64 },
    Purge { priority: u8 },
    Limit(QueueLimits),
    Fate(DeadLetters),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Leased,
    Dying,
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    state: State,
    /// Nothing if nobody counted it when it came.
    bytes: u64,
}

/// A queue's records by priority and offset.
#[derive(Debug, Default)]
struct Model {
    records: BTreeMap<(u8, u64), Record>,
    limits: QueueLimits,
    fate: DeadLetters,
}

impl Model {
    fn lacks_room(&self, count: u64, bytes: u64) -> bool {
        let ready = || self.records.values().filter(|record| record.state == State::Ready);
        let has = (ready().count() as u64 + count, ready().map(|record| record.bytes).sum::<u64>() + bytes);
        self.limits.records_max.is_some_and(|max| has.0 > max) || self.limits.bytes_max.is_some_and(|max| has.1 > max)
    }

    fn set(&mut self, key: (u8, u64), from: State, to: State) -> bool {
        let record = self.records.get_mut(&key).filter(|record| record.state == from);
        record.map(|record| record.state = to).is_some()
    }

    const fn dead(&self) -> State {
        match self.fate {
            DeadLetters::Dropped => State::Gone,
            DeadLetters::Moved => State::Dying,
        }
    }

    /// The first that are ready of a priority.
    fn ready(&self, priority: u8) -> impl Iterator<Item = (u8, u64)> {
        let of = self.records.range((priority, 0)..=(priority, u64::MAX));
        of.filter(|(_, record)| record.state == State::Ready).map(|(key, _)| *key)
    }

    fn overflow(&mut self) {
        while self.limits.overflow == Overflow::DropOldest && self.lacks_room(0, 0) {
            let Some(first) = (0..=HIGHEST).rev().find_map(|priority| self.ready(priority).next()) else { return };
            let dead = self.dead();
            self.set(first, State::Ready, dead);
        }
    }

    /// Whether it is refused.
    fn apply(&mut self, step: &Step) -> bool {
        match *step {
            Step::Send { priority, bytes } => {
                if self.limits.overflow == Overflow::RefuseNewest && self.lacks_room(1, bytes.into()) {
                    return true;
                }
                let offset = self.records.range((priority, 0)..=(priority, u64::MAX)).count() as u64;
                let bytes = if self.limits.bytes_max.is_some() { bytes.into() } else { 0 };
                self.records.insert((priority, offset), Record { state: State::Ready, bytes });
            }
            Step::Take { priority, count } => {
                for key in self.ready(priority).take(count as usize).collect::<Vec<_>>() {
                    self.set(key, State::Ready, State::Leased);
                }
            }
            Step::Settle { priority, place, how } => {
                let to = match how {
                    Settlement::Accept => State::Gone,
                    Settlement::Release { .. } => State::Ready,
                    Settlement::Reject => self.dead(),
                };
                self.set((priority, place), State::Leased, to);
            }
            Step::Bury { priority, place } => {
                self.set((priority, place), State::Dying, State::Gone);
            }
            Step::Purge { priority } => {
                let of = self.records.range_mut((priority, 0)..=(priority, u64::MAX));
                of.filter(|(_, record)| record.state != State::Dying)
                    .for_each(|(_, record)| record.state = State::Gone);
            }
            Step::Limit(limits) => {
                self.limits = limits;
                if limits.bytes_max.is_none() {
                    self.records.values_mut().for_each(|record| record.bytes = 0);
                }
            }
            Step::Fate(fate) => {
                self.fate = fate;
                if fate == DeadLetters::Dropped {
                    let dying = self.records.values_mut().filter(|record| record.state == State::Dying);
                    dying.for_each(|record| record.state = State::Gone);
                }
            }
        }
        self.overflow();
        false
    }

    fn count(&self, state: State) -> u64 {
        self.records.values().filter(|record| record.state == state).count() as u64
    }
}

fn send(priority: u8, bytes: u32) -> Command {
    let batch =
        BatchInfo { format: RecordFormat::Message, count: 1, bytes, timestamp_max: Timestamp(0), producer: None };
    let append = Append { stream: stream(priority), batch, leader_epoch: LeaderEpoch(1) };
    Command::Enqueue(Enqueue { append, envelope: Envelope { priority, ..Envelope::default() }, origin: None })
}

/// The commands that a step means.
fn commands(broker: &Broker, step: &Step) -> Vec<Command> {
    let lease = Millis(u64::MAX);
    match *step {
        Step::Send { priority, bytes } => vec![send(priority, bytes)],
        Step::Take { priority, count } => {
            let stream = stream(priority);
            vec![Command::Acquire(Acquire { stream, count_max: count, lease, holder: None, attempt: None })]
        }
        Step::Settle { priority, place, how } => {
            let stream = stream(priority);
            let RecordState::Leased(lease) = broker.record_state(stream, Offset(place)) else { return Vec::new() };
            let key = LeaseKey { offset: Offset(place), epoch: lease.key.epoch };
            vec![Command::Settle { stream, settlements: vec![(key, how)] }]
        }
        Step::Bury { priority, place } => vec![Command::Bury { stream: stream(priority), offset: Offset(place) }],
        Step::Purge { priority } => vec![Command::Purge { stream: stream(priority) }],
        Step::Limit(limits) => vec![Command::LimitCursors { lowest: LOWEST, highest: HIGHEST, limits }],
        Step::Fate(fate) => (0..=HIGHEST).map(|priority| configure(priority, fate)).collect(),
    }
}

fn configure(priority: u8, dead_letters: DeadLetters) -> Command {
    Command::ConfigureCursor {
        stream: stream(priority),
        config: CursorConfig { dead_letters, ..CursorConfig::default() },
    }
}

fn limits() -> impl Strategy<Value = QueueLimits> {
    let overflow = prop_oneof![3 => Just(Overflow::DropOldest), 1 => Just(Overflow::RefuseNewest)];
    (prop::option::of(0..5_u64), prop::option::of(0..40_u64), overflow)
        .prop_map(|(records_max, bytes_max, overflow)| QueueLimits { records_max, bytes_max, overflow, ttl: None })
}

fn step() -> impl Strategy<Value = Step> {
    let release = Settlement::Release { delay: Millis(0), delivery: Delivery::Counts };
    let how = prop_oneof![1 => Just(Settlement::Accept), 2 => Just(release), 1 => Just(Settlement::Reject)];
    let priority = || 0..=HIGHEST;
    prop_oneof![
        8 => (priority(), 1..20_u32).prop_map(|(priority, bytes)| Step::Send { priority, bytes }),
        4 => (priority(), 1..3_u32).prop_map(|(priority, count)| Step::Take { priority, count }),
        4 => (priority(), 0..6_u64, how).prop_map(|(priority, place, how)| Step::Settle { priority, place, how }),
        2 => (priority(), 0..6_u64).prop_map(|(priority, place)| Step::Bury { priority, place }),
        1 => priority().prop_map(|priority| Step::Purge { priority }),
        2 => limits().prop_map(Step::Limit),
        1 => prop_oneof![Just(DeadLetters::Dropped), Just(DeadLetters::Moved)].prop_map(Step::Fate),
    ]
}

fn apply(broker: &mut Broker, command: &Command) -> Result<Outcome, Refusal> {
    let before = broker.digest();
    let answer = broker.apply(NOW, command);
    let changed = answer.as_ref().is_ok_and(|applied| applied.changed);
    assert!(changed || broker.digest() == before, "not logged, but changed: {command:?} {answer:?}");
    broker.audit();
    answer.map(|applied| applied.outcome)
}

proptest! {
    #[test]
    fn bounded_queue_with_priorities_is_like_its_model(steps in prop::collection::vec(step(), 1..80)) {
        let (mut broker, mut model) = (Broker::new(BrokerLimits::default()), Model::default());
        for priority in 0..=HIGHEST {
            apply(&mut broker, &configure(priority, DeadLetters::Dropped)).expect("a new stream");
        }
        for step in &steps {
            let refused = model.apply(step);
            for command in commands(&broker, step) {
                let answer = apply(&mut broker, &command);
                prop_assert_eq!(matches!(answer, Err(Refusal::QueueFull { .. })), refused, "{:?}", step);
            }
            // Nothing is left for a tick: there are few.
            apply(&mut broker, &Command::Tick).expect("a tick is never refused");
            for ((priority, offset), record) in &model.records {
                let state = match broker.record_state(stream(*priority), Offset(*offset)) {
                    RecordState::Ready { .. } | RecordState::Delayed { .. } => State::Ready,
                    RecordState::Leased(_) => State::Leased,
                    RecordState::Dying(_) => State::Dying,
                    RecordState::Absent => State::Gone,
                };
                prop_assert_eq!(state, record.state, "{} of {} after {:?}", offset, priority, step);
            }
            let counts = (0..=HIGHEST).filter_map(|priority| broker.queue_counts(stream(priority)));
            let counts = counts.fold(QueueCounts::default(), QueueCounts::plus);
            prop_assert_eq!(counts.ready, model.count(State::Ready));
            prop_assert_eq!(broker.lacks_room(stream(1), 3), model.limits.are_bounds() && model.lacks_room(1, 3));
            let again = Broker::decode(BrokerLimits::default(), &broker.encode()).expect("a checkpoint can be read");
            prop_assert_eq!(&again, &broker);
        }
    }
}
