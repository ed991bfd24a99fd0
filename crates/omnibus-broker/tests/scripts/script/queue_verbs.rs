//! What the verbs of queues mean, and how their answers are told.
//!
//! A lease is told as `offset/epoch`, with `xN` if it is not the first delivery.

use omnibus_model::command::{Acquire, Admit, Append, CreateQueue, Enqueue};
use omnibus_model::config::ConfigChange;
use omnibus_model::outcome::{Acquired, Appended, MoveAdvanced};
use omnibus_model::queue::{
    Admission, CursorConfig, DeadLetterCause, DeadLetters, Delivery, DeliveryOrder, Dying, Envelope, History,
    LateHolders, Lease, LeaseKey, LeaseRefusal, Move, Origin, Overflow, QueueConfig, QueueLimits, QueueTraffic,
    RecordState, Settlement,
};
use omnibus_model::topic::TopicConfig;
use omnibus_model::{
    AttemptHash, BatchInfo, Command, DedupHash, GroupHash, HolderId, LeaderEpoch, LeaseEpoch, Millis, MoveId, Offset,
    Outcome, RecordFormat, StreamId, Term, Timestamp,
};

use super::Script;
use super::line::{Line, parse, span, topic};

impl Script {
    /// Answers a question about queues; `None` if the line is a command.
    pub(super) fn ask_queue(&self, line: &Line<'_>) -> Option<String> {
        Some(match line.verb {
            "counts" => self.describe_counts(line),
            "traffic" => self.describe_traffic(line),
            "floor" => self.broker.queue_floor(line.stream()).map_or("unknown".to_owned(), |floor| floor.to_string()),
            "has-ready" => self.broker.has_ready(line.stream()).to_string(),
            "dying" => told(self.broker.dying(line.stream(), Offset::ZERO, 10).iter().map(describe_dying)),
            "moves" => told(self.broker.moves(line.stream()).iter().map(describe_move)),
            "origins" => told(self.broker.origins(line.stream()).map(|it| format!("s{}/{}", it.stream, it.offset))),
            "holdings" => {
                let holdings = self.broker.holdings(line.stream());
                told(holdings.iter().map(|holding| format!("{} has {}", holding.holder, holding.leases)))
            }
            "peek" => {
                let records = self.broker.peek(line.stream(), line.offset(1), 10);
                told(records.iter().map(|(offset, state)| format!("{offset} {}", describe_state(*state))))
            }
            "wants" => {
                let wanted = self.broker.wants_admission(line.stream());
                wanted.map_or("nothing".to_owned(), |wanted| format!("{} to {}", wanted.start, wanted.end))
            }
            "record" => describe_state(self.broker.record_state(line.stream(), line.offset(1))),
            _ => return None,
        })
    }

    /// The command that a line about queues means, if it is one.
    pub(super) fn queue_command(&self, line: &Line<'_>) -> Option<Command> {
        let stream = || line.stream();
        let task = || MoveId(line.number(1));
        Some(match line.verb {
            "create-queue" => Command::CreateQueue(Box::new(CreateQueue {
                name: topic(line.word(0)),
                id: self.topic_id(line.word(0)),
                config: TopicConfig::default(),
                queue: queue_config(line, "lease"),
            })),
            "create-priority-queue" => Command::CreatePriorityQueue {
                create: Box::new(CreateQueue {
                    name: topic(line.word(0)),
                    id: self.topic_id(line.word(0)),
                    config: TopicConfig::default(),
                    queue: queue_config(line, "lease"),
                }),
                priorities: line.number(1),
            },
            "create-limited-queue" => Command::CreateLimitedQueue {
                create: Box::new(CreateQueue {
                    name: topic(line.word(0)),
                    id: self.topic_id(line.word(0)),
                    config: TopicConfig::default(),
                    queue: queue_config(line, "lease"),
                }),
                priorities: line.number(1),
                limits: limits(line),
            },
            "alter-queue" => Command::AlterQueue {
                topic: topic(line.word(0)),
                change: Box::new(ConfigChange { before: queue_config(line, "from"), after: queue_config(line, "to") }),
            },
            "limit-queue" => {
                let records = |name| QueueLimits { records_max: line.number_option(name), ..QueueLimits::default() };
                let change = ConfigChange { before: records("from"), after: records("to") };
                Command::LimitQueue { topic: topic(line.word(0)), change }
            }
            "queue" => Command::ConfigureCursor { stream: stream(), config: cursor_config(line) },
            "limit" => Command::LimitCursor { stream: stream(), limits: limits(line) },
            "limit-together" => {
                Command::LimitCursors { lowest: stream(), highest: line.number(1), limits: limits(line) }
            }
            "enqueue" => Command::Enqueue(enqueue(line)),
            "acquire" => Command::Acquire(acquire(line)),
            "accept" => settle(line, Settlement::Accept),
            "reject" => settle(line, Settlement::Reject),
            "release" => settle(line, release(line)),
            "extend" => {
                let last = line.span_option("for").expect("for=…");
                Command::Extend { stream: stream(), leases: keys(line).map(|key| (key, last)).collect() }
            }
            "release-holder" => Command::ReleaseHolder { stream: stream(), holder: HolderId(line.number(1)) },
            "release-session" => Command::ReleaseHolder { stream: stream(), holder: session(line.number(1)) },
            "end-sessions" => Command::EndSessions,
            "take" => Command::Take { stream: stream(), count_max: line.number(1) },
            "bury" => Command::Bury { stream: stream(), offset: line.offset(1) },
            "forget-origin" => Command::ForgetOrigin { stream: stream(), origin: origin(line.word(1)) },
            "move" => Command::StartMove {
                stream: stream(),
                target: line.option("to").map(|to| StreamId(parse(to.trim_start_matches('s')))),
                rate_max: line.number_option("rate"),
            },
            "cancel-move" => Command::CancelMove { stream: stream(), task: task() },
            "advance-move" => Command::AdvanceMove { stream: stream(), task: task(), count_max: line.number(2) },
            "admit" => Command::Admit(Box::new(admit(line))),
            "purge" => Command::Purge { stream: stream() },
            "rewind" => Command::Rewind { stream: stream(), to: line.offset(1) },
            "expire-before" => Command::ExpireBefore { stream: stream(), before: line.offset(1) },
            _ => return None,
        })
    }

    fn describe_traffic(&self, line: &Line<'_>) -> String {
        let stream = line.stream();
        let known = self.broker.queue_traffic().find(|(of, _)| *of == stream);
        let Some((_, traffic)) = known else { return "unknown".to_owned() };
        let QueueTraffic { enqueued, leased, taken, redelivered, accepted } = traffic;
        format!("{enqueued} came, {leased} leased, {taken} taken, {redelivered} again, {accepted} accepted")
    }

    fn describe_counts(&self, line: &Line<'_>) -> String {
        let Some(counts) = self.broker.queue_counts(line.stream()) else {
            return "unknown".to_owned();
        };
        let named = [
            ("ready", counts.ready),
            ("leased", counts.leased),
            ("delayed", counts.delayed),
            ("dying", counts.dying),
            ("rewound", counts.rewound),
            ("settled", counts.settled),
            ("expired", counts.expired),
            ("dropped", counts.dropped),
            ("dead-lettered", counts.dead_lettered),
            ("moved", counts.moved),
            ("purged", counts.purged),
        ];
        let there = named.iter().filter(|(_, count)| *count > 0);
        let there: Vec<String> = there.map(|(name, count)| format!("{count} {name}")).collect();
        format!("{} of {}", there.join(", "), counts.enqueued)
    }
}

fn queue_config(line: &Line<'_>, lease: &str) -> QueueConfig {
    QueueConfig {
        cursor: cursor_config(line),
        lease: line.span_option(lease).unwrap_or(Millis(30_000)),
        ..QueueConfig::default()
    }
}

fn cursor_config(line: &Line<'_>) -> CursorConfig {
    let defaults = CursorConfig::default();
    let fate = |word| if line.has(word) { DeadLetters::Moved } else { DeadLetters::Dropped };
    CursorConfig {
        order: if line.has("ordered") { DeliveryOrder::Ordered } else { DeliveryOrder::Standard },
        leases_max: line.number_option("leases").unwrap_or(defaults.leases_max),
        deliveries_max: line.number_option("deliveries"),
        back_after: line.number_option("back-after"),
        dead_letters: fate("dead-letters"),
        expired: fate("expired-letters"),
        late: if line.has("late") { LateHolders::Heard } else { LateHolders::Refused },
        delay: line.span_option("delay").unwrap_or(Millis(0)),
        dedup_window: line.span_option("dedup").unwrap_or(defaults.dedup_window),
        grouped_max: line.number_option("grouped").unwrap_or(defaults.grouped_max),
        history: if line.has("history") { History::Kept } else { History::Trimmed },
    }
}

/// `limit s1 records=3 bytes=500 ttl=10s refuse`
fn limits(line: &Line<'_>) -> QueueLimits {
    QueueLimits {
        records_max: line.number_option("records"),
        bytes_max: line.number_option("bytes"),
        overflow: if line.has("refuse") { Overflow::RefuseNewest } else { Overflow::DropOldest },
        ttl: line.span_option("ttl"),
    }
}

/// `enqueue s1 delay=5s ttl=1h group=a dedup=b origin=s7/3`
fn enqueue(line: &Line<'_>) -> Enqueue {
    Enqueue {
        append: Append {
            stream: line.stream(),
            batch: BatchInfo {
                format: RecordFormat::Message,
                count: 1,
                bytes: line.number_option("bytes").unwrap_or(100),
                timestamp_max: line.time,
                producer: None,
            },
            leader_epoch: LeaderEpoch(1),
        },
        envelope: Envelope {
            deliver_at: line.span_option("delay").map(|delay| line.time.plus(delay)),
            expires_at: line.span_option("ttl").map(|ttl| line.time.plus(ttl)),
            group: line.option("group").map(group),
            dedup: line.option("dedup").map(|id| DedupHash(hash(id).into())),
            priority: line.number_option("priority").unwrap_or(0),
        },
        origin: line.option("origin").map(origin),
    }
}

fn session(number: u64) -> HolderId {
    HolderId::of_session(Term(1), number)
}

/// `acquire s1 10 for=30s holder=1 attempt=x`
fn acquire(line: &Line<'_>) -> Acquire {
    Acquire {
        stream: line.stream(),
        count_max: if line.words().len() > 1 { line.number(1) } else { 1 },
        lease: line.span_option("for").unwrap_or(Millis(u64::MAX)),
        holder: line.number_option("holder").map(HolderId).or(line.number_option("session").map(session)),
        attempt: line.option("attempt").map(|attempt| AttemptHash(hash(attempt).into())),
    }
}

fn settle(line: &Line<'_>, settlement: Settlement) -> Command {
    Command::Settle { stream: line.stream(), settlements: keys(line).map(|key| (key, settlement)).collect() }
}

fn release(line: &Line<'_>) -> Settlement {
    let delivery = if line.has("uncounted") { Delivery::DidNotHappen } else { Delivery::Counts };
    Settlement::Release { delay: line.span_option("delay").unwrap_or(Millis(0)), delivery }
}

/// `admit s1 3 6 4=a@10s 5=-@11s`: the records from 3 to before 6, of which 4 is of group a and
/// 5 of none, and both are to be delivered later.
fn admit(line: &Line<'_>) -> Admit {
    let record = |(offset, envelope): &(&str, &str)| {
        let (name, later) = envelope.split_once('@').map_or((*envelope, None), |(name, at)| (name, Some(at)));
        let deliver_at = later.map(|at| Timestamp(i64::try_from(span(at).0).expect("a time")));
        let group = (name != "-").then(|| group(name));
        let envelope = Envelope { deliver_at, group, ..Envelope::default() };
        Admission { offset: Offset(parse(offset)), envelope, enqueued_at: Timestamp(0) }
    };
    Admit {
        stream: line.stream(),
        from: line.offset(1),
        to: line.offset(2),
        records: line.options().iter().map(record).collect(),
    }
}

fn keys<'a>(line: &'a Line<'_>) -> impl Iterator<Item = LeaseKey> + 'a {
    let keys = line.words()[1..].iter().filter(|word| word.contains('/'));
    keys.map(|word| {
        let (offset, epoch) = word.split_once('/').expect("offset/epoch");
        LeaseKey { offset: Offset(parse(offset)), epoch: LeaseEpoch(parse(epoch)) }
    })
}

fn origin(text: &str) -> Origin {
    let (stream, offset) = text.split_once('/').expect("stream/offset");
    Origin { stream: StreamId(parse(stream.trim_start_matches('s'))), offset: Offset(parse(offset)) }
}

fn group(name: &str) -> GroupHash {
    GroupHash(hash(name))
}

/// Groups sort as their names do.
fn hash(name: &str) -> u64 {
    name.bytes().chain([0; 8]).take(8).fold(0, |hash, byte| hash << 8 | u64::from(byte))
}

/// Tells what has become of a command to a queue.
pub(super) fn describe_queue(outcome: &Outcome) -> String {
    let dying = |dying: bool| if dying { ", some dying" } else { "" };
    match outcome {
        Outcome::Enqueued(Appended { base, duplicate, .. }) => {
            format!("offset {base}{}", if *duplicate { ", again" } else { "" })
        }
        Outcome::Acquired(acquired) => describe_acquired(acquired),
        Outcome::Settled { results, dying: some } => {
            let told: Vec<&str> = results.iter().map(|result| result.map_or_else(told_refusal, |()| "ok")).collect();
            format!("{}{}", told.join(", "), dying(*some))
        }
        Outcome::Extended { results } => {
            let told = |result: &Result<Timestamp, LeaseRefusal>| {
                result.map_or_else(
                    |refusal| told_refusal(refusal).to_owned(),
                    |until| format!("until {}", seconds(until)),
                )
            };
            results.iter().map(told).collect::<Vec<_>>().join(", ")
        }
        Outcome::HolderReleased { count }
        | Outcome::SessionsEnded { count }
        | Outcome::Purged { count }
        | Outcome::Rewound { count } => {
            format!("{count} records")
        }
        Outcome::MoveStarted { task } => format!("task {task}"),
        Outcome::MoveCancelled { moved } => format!("{moved} moved"),
        Outcome::MoveAdvanced(MoveAdvanced { taken, next_at }) => {
            format!("{taken} taken, {}", next_at.map_or("no more".to_owned(), |at| format!("more at {}", seconds(at))))
        }
        Outcome::Admitted { horizon } => format!("looked up to {horizon}"),
        Outcome::Expired { before, dying: some } => format!("up to {before}{}", dying(*some)),
        Outcome::CursorConfigured | Outcome::Buried | Outcome::OriginForgotten => "done".to_owned(),
        other => panic!("{other:?} is told elsewhere"),
    }
}

fn describe_acquired(acquired: &Acquired) -> String {
    let mut told: Vec<String> = acquired.leases.iter().map(describe_lease).collect();
    if told.is_empty() {
        told.push("nothing".to_owned());
    }
    if acquired.dying {
        told.push("some dying".to_owned());
    }
    told.join(", ")
}

fn describe_lease(lease: &Lease) -> String {
    let again = if lease.delivery_count > 1 { format!(" x{}", lease.delivery_count) } else { String::new() };
    format!("{}/{}{again}", lease.key.offset, lease.key.epoch)
}

fn told_refusal(refusal: LeaseRefusal) -> &'static str {
    match refusal {
        LeaseRefusal::Lost { current: None } => "lost",
        LeaseRefusal::Lost { current: Some(_) } => "lost to another",
        LeaseRefusal::AlreadySettled => "gone",
        LeaseRefusal::Unknown => "unknown",
    }
}

fn describe_state(state: RecordState) -> String {
    match state {
        RecordState::Ready { delivery_count } => format!("ready after {delivery_count}"),
        RecordState::Leased(lease) if lease.deadline.0 == i64::MAX => {
            format!("leased {} for ever", describe_lease(&lease))
        }
        RecordState::Leased(lease) => format!("leased {} until {}", describe_lease(&lease), seconds(lease.deadline)),
        RecordState::Delayed { until, delivery_count } => {
            format!("delayed until {} after {delivery_count}", seconds(until))
        }
        RecordState::Dying(dying) => describe_dying(&dying),
        RecordState::Absent => "absent".to_owned(),
    }
}

fn told(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

fn describe_move(task: &Move) -> String {
    let Move { id, state, planned, taken, moved, .. } = task;
    format!("{id} {state:?}: {moved} of {taken} of {planned}")
}

fn describe_dying(dying: &Dying) -> String {
    let cause = match dying.cause {
        DeadLetterCause::Rejected => "rejected".to_owned(),
        DeadLetterCause::Exhausted => "exhausted".to_owned(),
        DeadLetterCause::Expired => "expired".to_owned(),
        DeadLetterCause::Moved(task) => format!("moved by {task}"),
        DeadLetterCause::Overflow => "overflowed".to_owned(),
    };
    format!("{} {cause} at {} after {}", dying.offset, seconds(dying.died_at), dying.delivery_count)
}

fn seconds(at: Timestamp) -> String {
    if at.0 % 1_000 == 0 { format!("{}s", at.0 / 1_000) } else { at.to_string() }
}
