//! Queues against a naive model: the same commands give the same answers, and every record is
//! where the model has it.

#![expect(clippy::cast_possible_truncation, reason = "offsets of tests are small")]

use std::collections::{BTreeMap, BTreeSet};

use omnibus_broker::{Broker, BrokerLimits};
use omnibus_model::command::{Acquire, Admit, Append, Enqueue};
use omnibus_model::queue::{
    Admission, CursorConfig, DeadLetters, Delivery, DeliveryOrder, Envelope, History, LateHolders, LeaseKey,
    LeaseRefusal, Origin, Overflow, QueueLimits, RecordState, Settlement,
};
use omnibus_model::{
    AttemptHash, BatchInfo, Command, DedupHash, GroupHash, HolderId, LeaderEpoch, LeaseEpoch, Millis, MoveId, Offset,
    Outcome, RecordFormat, Refusal, StreamId, Term, Timestamp,
};
use proptest::prelude::*;

use crate::queue_model::Model;

const STREAM: StreamId = StreamId(1);

/// What happens next. Leases are named by their place among the records, and by whether the
/// epoch is the right one.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are dozens of them")]
enum Step {
    Do(Command),
    Settle(Vec<(usize, u64, Settlement)>),
    Extend(usize, u64, Millis),
}

fn append() -> Append {
    let format = RecordFormat::Message;
    let batch = BatchInfo { format, count: 1, bytes: 9, timestamp_max: Timestamp(0), producer: None };
    Append { stream: STREAM, batch, leader_epoch: LeaderEpoch(1) }
}

fn enqueue(ordered: bool) -> impl Strategy<Value = Step> {
    let delay = if ordered { Just(None).boxed() } else { prop::option::weighted(0.2, 1..20_000_i64).boxed() };
    let ttl = prop::option::weighted(0.15, 1..30_000_i64);
    let group = prop::option::weighted(if ordered { 0.98 } else { 0.5 }, 0..4_u64);
    let dedup = prop::option::weighted(0.1, 0..3_u128);
    let origin = prop::option::weighted(0.1, 0..3_u64);
    // Times are filled in when it happens.
    (delay, ttl, group, dedup, origin).prop_map(|(delay, ttl, group, dedup, origin)| {
        let envelope = Envelope {
            deliver_at: delay.map(Timestamp),
            expires_at: ttl.map(Timestamp),
            group: group.map(GroupHash),
            dedup: dedup.map(DedupHash),
            priority: 0,
        };
        let origin = origin.map(|offset| Origin { stream: StreamId(9), offset: Offset(offset) });
        Step::Do(Command::Enqueue(Enqueue { append: append(), envelope, origin }))
    })
}

fn acquire() -> impl Strategy<Value = Step> {
    let number = prop::option::weighted(0.3, 0..2_u64);
    let attempt = prop::option::weighted(0.2, 0..2_u128);
    let lease = prop_oneof![4 => 1..20_000_u64, 1 => Just(u64::MAX)];
    (1..4_u32, lease, number, attempt).prop_map(|(count_max, lease, number, attempt)| {
        let (holder, attempt) = (number.map(holder), attempt.map(AttemptHash));
        Step::Do(Command::Acquire(Acquire { stream: STREAM, count_max, lease: Millis(lease), holder, attempt }))
    })
}

/// Every second is connected.
const fn holder(number: u64) -> HolderId {
    if number == 0 { HolderId(0) } else { HolderId::of_session(Term(1), number) }
}

fn settlement() -> impl Strategy<Value = Settlement> {
    let delivery = prop_oneof![3 => Just(Delivery::Counts), 1 => Just(Delivery::DidNotHappen)];
    let delay = prop_oneof![2 => Just(0_u64), 1 => 1..9_000_u64];
    prop_oneof![
        3 => Just(Settlement::Accept),
        2 => (delay, delivery).prop_map(|(delay, delivery)| Settlement::Release { delay: Millis(delay), delivery }),
        1 => Just(Settlement::Reject),
    ]
}

/// Mostly the right epoch.
fn skew() -> impl Strategy<Value = u64> {
    prop_oneof![8 => Just(0_u64), 1 => 1..3_u64]
}

fn config(ordered: bool) -> impl Strategy<Value = CursorConfig> {
    let fate = || prop_oneof![Just(DeadLetters::Dropped), Just(DeadLetters::Moved)];
    let late = prop_oneof![Just(LateHolders::Refused), Just(LateHolders::Heard)];
    let history = prop_oneof![1 => Just(History::Trimmed), 3 => Just(History::Kept)];
    let limits = (2..9_u32, prop::option::of(1..4_u32), prop::option::weighted(0.3, 1..3_u32));
    let delay = if ordered { prop_oneof![2 => Just(0_u64), 1 => 1..9_000_u64].boxed() } else { Just(0).boxed() };
    (limits, fate(), fate(), late, history, delay).prop_map(
        move |((leases_max, deliveries_max, back_after), dead_letters, expired, late, history, delay)| CursorConfig {
            order: if ordered { DeliveryOrder::Ordered } else { DeliveryOrder::Standard },
            leases_max,
            deliveries_max,
            back_after,
            dead_letters,
            expired,
            late,
            history,
            delay: Millis(delay),
            dedup_window: Millis(15_000),
            grouped_max: 120_000,
        },
    )
}

fn limits() -> impl Strategy<Value = QueueLimits> {
    let overflow = prop_oneof![2 => Just(Overflow::DropOldest), 1 => Just(Overflow::RefuseNewest)];
    let max = |max: u64| prop::option::of(0..max);
    (max(6), max(50), overflow, prop::option::of(1..20_000_u64)).prop_map(|(records_max, bytes_max, overflow, ttl)| {
        QueueLimits { records_max, bytes_max, overflow, ttl: ttl.map(Millis) }
    })
}

fn step(ordered: bool) -> impl Strategy<Value = Step> {
    let stream = STREAM;
    let place = 0..12_usize;
    let command = prop_oneof![
        1 => (0..2_u64).prop_map(move |number| Command::ReleaseHolder { stream, holder: holder(number) }),
        1 => Just(Command::EndSessions),
        2 => (1..4_u32).prop_map(move |count_max| Command::Take { stream, count_max }),
        2 => (0..12_u64).prop_map(move |offset| Command::Bury { stream, offset: Offset(offset) }),
        1 => (0..3_u64).prop_map(move |offset| {
            Command::ForgetOrigin { stream, origin: Origin { stream: StreamId(9), offset: Offset(offset) } }
        }),
        1 => prop::option::of(1..5_u32).prop_map(move |rate_max| Command::StartMove { stream, target: None, rate_max }),
        1 => (1..3_u64).prop_map(move |task| Command::CancelMove { stream, task: MoveId(task) }),
        2 => (1..3_u64, 1..4_u32).prop_map(move |(task, count_max)| {
            Command::AdvanceMove { stream, task: MoveId(task), count_max }
        }),
        1 => prop_oneof![1 => Just(Command::Purge { stream }), 1 => Just(Command::Tick)],
        1 => (0..14_u64).prop_map(move |to| Command::Rewind { stream, to: Offset(to) }),
        1 => (0..9_u64).prop_map(move |before| Command::ExpireBefore { stream, before: Offset(before) }),
        1 => (0..5_u64).prop_map(move |before| Command::Trim { stream, before: Offset(before) }),
        2 => limits().prop_map(move |limits| Command::LimitCursor { stream, limits }),
        1 => config(ordered).prop_map(move |config| Command::ConfigureCursor { stream, config }),
        6 => Just(Command::Tick),
    ];
    let settle = prop::collection::vec((place.clone(), skew(), settlement()), 1..4);
    prop_oneof![
        8 => enqueue(ordered),
        8 => acquire(),
        6 => settle.prop_map(Step::Settle),
        2 => (place, skew(), prop_oneof![1 => Just(0_u64), 3 => 1..20_000_u64])
            .prop_map(|(place, skew, span)| Step::Extend(place, skew, Millis(span))),
        8 => command.prop_map(Step::Do),
    ]
}

/// A broker, and how its log would look to the leader that reads envelopes.
struct Queue {
    broker: Broker,
    log: Vec<(Envelope, Timestamp)>,
}

impl Queue {
    fn new(config: CursorConfig) -> Self {
        let mut queue = Self { broker: Broker::new(BrokerLimits::default()), log: Vec::new() };
        queue.apply(Timestamp(0), &Command::ConfigureCursor { stream: STREAM, config }).expect("a new stream");
        queue
    }

    fn apply(&mut self, now: Timestamp, command: &Command) -> Result<Outcome, Refusal> {
        let before = self.broker.digest();
        let answer = self.broker.apply(now, command);
        let changed = answer.as_ref().is_ok_and(|applied| applied.changed);
        assert!(changed || self.broker.digest() == before, "not logged, but changed: {command:?} {answer:?}");
        if let (Command::Enqueue(enqueue), true) = (command, changed) {
            self.log.push((enqueue.envelope, now));
        }
        self.broker.audit();
        answer.map(|applied| applied.outcome)
    }

    /// Reads what the queue wants to be read; false if it wants nothing.
    fn admit(&mut self, now: Timestamp) -> bool {
        let Some(wanted) = self.broker.wants_admission(STREAM) else { return false };
        assert!(wanted.start < wanted.end, "who wants something wants at least one record");
        let record = |offset: u64| {
            let (envelope, enqueued_at) = self.log[usize::try_from(offset).expect("a short log")];
            Admission { offset: Offset(offset), envelope, enqueued_at }
        };
        let records = (wanted.start.0..wanted.end.0).map(record);
        let records = records.filter(|record| !record.envelope.is_plain()).collect();
        let admit = Admit { stream: STREAM, from: wanted.start, to: wanted.end, records };
        self.apply(now, &Command::Admit(Box::new(admit))).expect("an admission is never refused");
        true
    }

    fn epoch(&self, place: usize) -> u64 {
        match self.broker.record_state(STREAM, Offset(place as u64)) {
            RecordState::Leased(lease) => lease.key.epoch.0,
            _ => 0,
        }
    }

    /// The command that a step means now.
    fn command(&self, now: Timestamp, step: &Step, epochs: &BTreeMap<usize, u64>) -> Command {
        let key = |place: usize, skew: u64| {
            let epoch = epochs.get(&place).copied().unwrap_or(1).saturating_sub(skew);
            LeaseKey { offset: Offset(place as u64), epoch: LeaseEpoch(epoch) }
        };
        let stream = STREAM;
        match step {
            Step::Do(Command::Enqueue(enqueue)) => {
                let at = |span: Option<Timestamp>| span.map(|span| Timestamp(now.0 + span.0));
                let (deliver_at, expires_at) = (at(enqueue.envelope.deliver_at), at(enqueue.envelope.expires_at));
                let envelope = Envelope { deliver_at, expires_at, ..enqueue.envelope };
                Command::Enqueue(Enqueue { envelope, ..*enqueue })
            }
            Step::Do(command) => command.clone(),
            Step::Settle(settlements) => {
                let settlements = settlements.iter().map(|(place, skew, how)| (key(*place, *skew), *how)).collect();
                Command::Settle { stream, settlements }
            }
            Step::Extend(place, skew, span) => Command::Extend { stream, leases: vec![(key(*place, *skew), *span)] },
        }
    }
}

fn compare(config: CursorConfig, history: Vec<(u64, Step)>) -> Result<(), TestCaseError> {
    let mut queue = Queue::new(config);
    let mut model = Model::new(config);
    let mut epochs = BTreeMap::new();
    let mut now = Timestamp(0);
    for (wait, step) in history {
        now = now.plus(Millis(wait));
        let command = queue.command(now, &step, &epochs);
        let (answer, expected) = (queue.apply(now, &command), model.apply(now, &command));
        prop_assert_eq!(rougher(answer), rougher(expected), "{:?} at {}", command, now);
        while queue.admit(now) {}
        for place in 0..model.records.len() {
            let state = queue.broker.record_state(STREAM, Offset(place as u64));
            prop_assert_eq!(state, model.state(place), "record {} after {:?} at {}", place, command, now);
            if queue.epoch(place) > 0 {
                epochs.insert(place, queue.epoch(place));
            }
        }
        prop_assert_eq!(queue.broker.queue_counts(STREAM), Some(model.counts()), "after {:?}", command);
        prop_assert_eq!(queue.broker.moves(STREAM), model.moves());
        let again = Broker::decode(BrokerLimits::default(), &queue.broker.encode()).expect("a checkpoint can be read");
        prop_assert_eq!(&again, &queue.broker);
    }
    Ok(())
}

/// Whether a record that is not leased ever was, only the model knows for sure.
fn rougher(answer: Result<Outcome, Refusal>) -> Result<Outcome, Refusal> {
    let told = |refusal| if refusal == LeaseRefusal::Unknown { LeaseRefusal::AlreadySettled } else { refusal };
    answer.map(|outcome| match outcome {
        Outcome::Settled { results, dying } => {
            Outcome::Settled { results: results.into_iter().map(|it| it.map_err(told)).collect(), dying }
        }
        Outcome::Extended { results } => {
            Outcome::Extended { results: results.into_iter().map(|it| it.map_err(told)).collect() }
        }
        outcome => outcome,
    })
}

fn history(ordered: bool) -> impl Strategy<Value = Vec<(u64, Step)>> {
    let wait = prop_oneof![6 => Just(0_u64), 4 => 1..3_000_u64, 1 => 3_000..40_000_u64];
    prop::collection::vec((wait, step(ordered)), 1..70)
}

proptest! {
    #[test]
    fn standard_queue_is_like_its_model(config in config(false), history in history(false)) {
        compare(config, history)?;
    }

    #[test]
    fn ordered_queue_is_like_its_model(config in config(true), history in history(true)) {
        compare(config, history)?;
    }

    /// The index is much smaller than the queue, and the leader reads envelopes only now and then.
    #[test]
    fn small_index_keeps_order_and_loses_nothing(
        ordered in any::<bool>(),
        grouped_max in 1..6_u32,
        groups in prop::collection::vec((0..4_u64, 0..6_u32, any::<bool>()), 1..60),
    ) {
        let order = if ordered { DeliveryOrder::Ordered } else { DeliveryOrder::Standard };
        let mut queue = Queue::new(CursorConfig { order, grouped_max, ..CursorConfig::default() });
        let mut settled = BTreeSet::new();
        let now = Timestamp(0);
        for (group, takes, reads) in &groups {
            let group = (ordered || *group > 0).then_some(GroupHash(*group));
            let envelope = Envelope { group, ..Envelope::default() };
            queue.apply(now, &Command::Enqueue(Enqueue { append: append(), envelope, origin: None })).expect("room");
            if *reads {
                queue.admit(now);
            }
            take(&mut queue, *takes, *takes % 2 == 0, &mut settled)?;
        }
        loop {
            let admitted = queue.admit(now);
            if !take(&mut queue, 7, true, &mut settled)? && !admitted {
                break;
            }
        }
        prop_assert_eq!(settled.len(), groups.len(), "every record was delivered and settled");
        let counts = queue.broker.queue_counts(STREAM).expect("a queue");
        prop_assert_eq!((counts.ready, counts.leased, counts.settled), (0, 0, groups.len() as u64));
        prop_assert_eq!(queue.broker.queue_floor(STREAM), Some(Offset(groups.len() as u64)));
    }
}

/// Takes up to `count_max` records and settles or releases them all; false if there were none.
fn take(
    queue: &mut Queue,
    count_max: u32,
    accept: bool,
    settled: &mut BTreeSet<Offset>,
) -> Result<bool, TestCaseError> {
    let now = Timestamp(0);
    let wish = Acquire { stream: STREAM, count_max, lease: Millis(9), holder: None, attempt: None };
    let Ok(Outcome::Acquired(acquired)) = queue.apply(now, &Command::Acquire(wish)) else {
        return Err(TestCaseError::fail("an acquire was refused"));
    };
    let ordered = queue.broker.queue(STREAM).expect("a queue").order == DeliveryOrder::Ordered;
    let mut seen = settled.clone();
    for lease in &acquired.leases {
        let group = queue.log[lease.key.offset.0 as usize].0.group;
        let mut earlier = (0..lease.key.offset.0).filter(|offset| queue.log[*offset as usize].0.group == group);
        prop_assert!(!ordered || earlier.all(|offset| seen.contains(&Offset(offset))), "{:?} overtakes", lease.key);
        prop_assert!(seen.insert(lease.key.offset), "{:?} is delivered twice", lease.key);
    }
    let how = Settlement::Release { delay: Millis(0), delivery: Delivery::Counts };
    let how = if accept { Settlement::Accept } else { how };
    let settlements = acquired.leases.iter().map(|lease| (lease.key, how)).collect();
    queue.apply(now, &Command::Settle { stream: STREAM, settlements }).expect("a settlement is answered");
    if accept {
        settled.extend(acquired.leases.iter().map(|lease| lease.key.offset));
    }
    Ok(!acquired.leases.is_empty())
}

/// How much a queue remembers says how much there is to look through.
#[test]
fn backlog_beyond_the_index_takes_no_memory() {
    let remembered = |order, backlog: u64| {
        let config = CursorConfig { order, grouped_max: 500, ..CursorConfig::default() };
        let mut broker = Broker::new(BrokerLimits::default());
        broker.apply(Timestamp(0), &Command::ConfigureCursor { stream: STREAM, config }).expect("a new stream");
        for offset in 0..backlog {
            let group = (order == DeliveryOrder::Ordered).then_some(GroupHash(offset % 100));
            let envelope = Envelope { group, ..Envelope::default() };
            let enqueue = Enqueue { append: append(), envelope, origin: None };
            broker.apply(Timestamp(0), &Command::Enqueue(enqueue)).expect("room");
        }
        broker.encode().len()
    };
    for order in [DeliveryOrder::Standard, DeliveryOrder::Ordered] {
        let (small, large) = (remembered(order, 1_000), remembered(order, 50_000));
        assert!(large <= small + 8, "{order:?}: {small} bytes, then {large}");
    }
}
