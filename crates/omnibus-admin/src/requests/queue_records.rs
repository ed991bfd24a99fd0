//! Records of a queue, looked at without touching them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use memchr::memmem::Finder;
use omnibus_admin_api::queue::{MovedView, QueuePeek, QueuePeeked, QueuedRecord};
use omnibus_admin_api::{Code, Problem};
use omnibus_engine::{Engine, ReadError};
use omnibus_model::Offset;
use omnibus_model::queue::{DeadLetterCause, RecordState};
use omnibus_model::topic::QueuePlace;
use omnibus_record::{DECOMPRESSED_BYTES_MAX, History, Message, Messages, Record};

use super::{queues, records};
use crate::errors::{Answer, Failure};
use crate::node::SharedNode;

/// An answer ends once its bodies have as many bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// How much one request looks through: the next goes on behind it.
const SEARCH_BYTES_MAX: usize = 64 << 20;

/// What is read at a time.
const READ_BYTES: usize = 1 << 20;

/// A text that is looked for is not longer.
const TEXT_BYTES_MAX: usize = 1 << 10;

/// What the answer holds so far.
#[derive(Default)]
struct Answering {
    records: Vec<QueuedRecord>,
    bytes: usize,
}

/// A look through a queue, from priority to priority.
struct Looking<'node> {
    engine: &'node Engine,
    queue: QueuePlace,
    /// The most records of the answer.
    count: usize,
    answering: Answering,
    /// Bytes that were searched.
    searched: usize,
}

pub(crate) async fn peek(
    State(node): State<SharedNode>,
    Path(name): Path<String>,
    query: Result<Query<QueuePeek>, QueryRejection>,
) -> Answer<QueuePeeked> {
    let Query(peek) = query?;
    let (_, queue) = queues::find(&node.engine, &name)?;
    let count = usize::try_from(records::count(peek.count)?).unwrap_or(usize::MAX);
    let first = peek.priority.unwrap_or(queue.highest);
    if first > queue.highest {
        let message = format!("{name} has no priority {first}");
        return Err(Problem::new(Code::Invalid, message).next(format!("its highest is {}", queue.highest)).into());
    }
    let mut looking = Looking { engine: &node.engine, queue, count, answering: Answering::default(), searched: 0 };
    let finder = peek.matching.as_deref().map(finder).transpose()?;
    let mut from = Offset(peek.from.unwrap_or(0));
    for priority in (0..=first).rev() {
        let next = match &finder {
            Some(finder) => looking.search(priority, from, finder).await?,
            None => looking.list(priority, from).await?,
        };
        if let Some(next) = next {
            return Ok(Json(looking.answer(Some((priority, next)))));
        }
        if looking.is_enough() {
            // A search may find more in those below.
            let below = priority.checked_sub(1).filter(|_| finder.is_some());
            return Ok(Json(looking.answer(below.map(|priority| (priority, Offset::ZERO)))));
        }
        from = Offset::ZERO;
    }
    Ok(Json(looking.answer(None)))
}

impl Answering {
    fn take(&mut self, priority: u8, message: &Message, record: &Record, state: &RecordState) {
        self.bytes += message.body.len();
        let (state, deliveries, until) = told(state);
        self.records.push(QueuedRecord {
            state: state.to_owned(),
            deliveries,
            until,
            moved: message.history.as_ref().map(moved),
            record: records::view(u32::from(priority), record),
        });
    }

    const fn is_full(&self) -> bool {
        self.bytes >= ANSWER_BYTES_MAX
    }
}

impl Looking<'_> {
    fn is_enough(&self) -> bool {
        self.answering.records.len() >= self.count || self.answering.is_full()
    }

    fn answer(self, next: Option<(u8, Offset)>) -> QueuePeeked {
        QueuePeeked {
            truncated: next.is_none() && self.answering.is_full(),
            records: self.answering.records,
            next: next.map(|(_, offset)| offset.0),
            next_priority: next.map(|(priority, _)| priority).filter(|_| self.queue.has_priorities()),
        }
    }

    /// Takes the first records of a priority that are not gone. Nobody is told where it would go on.
    async fn list(&mut self, priority: u8, from: Offset) -> Result<Option<Offset>, Failure> {
        let queue = self.queue.of_priority(priority);
        let left = self.count.saturating_sub(self.answering.records.len());
        let mut known = self.engine.peek_queue(queue, from, left).await?.into_iter();
        while !self.answering.is_full()
            && let Some((offset, state)) = known.next()
        {
            // One by one: a thousand bodies at once may be too much to hold.
            let message = self.engine.messages(queue.stream, vec![offset]).await?.remove(&offset);
            if let Some(message) = message {
                self.answering.take(priority, &message, &message.to_record(), &state);
            }
        }
        Ok(None)
    }

    /// Reads on until enough records that are not gone hold the text; returns where it goes on.
    async fn search(&mut self, priority: u8, from: Offset, finder: &Finder<'_>) -> Result<Option<Offset>, Failure> {
        let (engine, queue) = (self.engine, self.queue.of_priority(priority));
        let floor = engine.queue_view(queue).await?.map(|view| view.floor);
        let mut next = from.max(engine.bounds(queue.stream).start).max(floor.unwrap_or_default());
        while next < engine.bounds(queue.stream).end {
            if self.is_enough() || self.searched >= SEARCH_BYTES_MAX {
                return Ok(Some(next));
            }
            let fetched = match engine.read(queue.stream, next, READ_BYTES).await {
                // Trimmed meanwhile.
                Err(ReadError::OutOfRange { start, .. }) if next < start => {
                    next = start;
                    continue;
                }
                fetched => fetched?,
            };
            let read_from = next;
            let mut matching = Vec::new();
            for batch in fetched.pieces.into_iter().flat_map(omnibus_record::batches) {
                self.searched += batch.len();
                for message in Messages::of(&batch, DECOMPRESSED_BYTES_MAX).map_err(records::unreadable)? {
                    let message = message.map_err(records::unreadable)?;
                    if message.offset < next {
                        continue;
                    }
                    next = message.offset.plus(1);
                    let record = message.to_record();
                    if holds(&record, finder) {
                        matching.push((message, record));
                    }
                }
            }
            // What compaction or a control batch has left empty.
            next = if next == read_from { next.plus(1) } else { next };
            next = self.take_present(priority, matching, next).await?;
        }
        Ok(None)
    }

    /// Takes the records that are not gone into the answer; returns where the search goes on.
    async fn take_present(
        &mut self,
        priority: u8,
        matching: Vec<(Message, Record)>,
        next: Offset,
    ) -> Result<Offset, Failure> {
        let offsets = matching.iter().map(|(message, _)| message.offset).collect();
        let states = self.engine.record_states(self.queue.of_priority(priority), offsets).await?;
        for ((message, record), state) in matching.iter().zip(states) {
            if state == RecordState::Absent {
                continue;
            }
            if self.is_enough() {
                return Ok(message.offset);
            }
            self.answering.take(priority, message, record, &state);
        }
        Ok(next)
    }
}

/// What finds a text.
fn finder(text: &str) -> Result<Finder<'_>, Failure> {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        let message = format!("matching has {} bytes: must be 1 to {TEXT_BYTES_MAX}", text.len());
        return Err(Problem::new(Code::Invalid, message).into());
    }
    Ok(Finder::new(text))
}

fn holds(record: &Record, finder: &Finder<'_>) -> bool {
    let within = |part: &Option<Bytes>| part.as_ref().is_some_and(|bytes| finder.find(bytes).is_some());
    within(&record.value)
        || within(&record.key)
        || record.headers.iter().any(|header| finder.find(&header.key).is_some() || within(&header.value))
}

/// A state in a word, with its deliveries and its end.
fn told(state: &RecordState) -> (&'static str, u32, Option<i64>) {
    match state {
        RecordState::Ready { delivery_count } => ("ready", *delivery_count, None),
        RecordState::Leased(lease) => ("leased", lease.delivery_count, Some(lease.deadline.0)),
        RecordState::Delayed { until, delivery_count } => ("delayed", *delivery_count, Some(until.0)),
        RecordState::Dying(dying) => ("dying", dying.delivery_count, None),
        RecordState::Absent => ("gone", 0, None),
    }
}

fn moved(history: &History) -> MovedView {
    let last = &history.last;
    let cause = match last.cause {
        DeadLetterCause::Rejected => "rejected",
        DeadLetterCause::Exhausted => "exhausted",
        DeadLetterCause::Expired => "expired",
        DeadLetterCause::Moved(_) => "moved",
        DeadLetterCause::Overflow => "overflow",
    };
    MovedView {
        queue: last.queue.to_string(),
        offset: last.from.offset.0,
        cause: cause.to_owned(),
        deliveries: last.deliveries,
        first_delivered_at: last.first_delivered_at.map(|time| time.0),
        at: last.at.0,
        deaths: history.deaths,
    }
}
