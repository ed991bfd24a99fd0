//! Carries records from queue to queue: dead letters to where their queue sends them, and what a
//! move task takes.
//!
//! A record is read, appended to its target under its origin, buried in its source, and its origin
//! is forgotten. The target takes an origin once until it is told to forget it, and the source
//! tells who is dying until it is buried, so a move that ends anywhere between begins again at the
//! next start and moves nothing twice.

mod carry;
mod plan;

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_model::outcome::MoveAdvanced;
use omnibus_model::queue::{Move, MoveState};
use omnibus_model::topic::Partition;
use omnibus_model::{Command, Outcome, Refusal, StreamId, TopicName};
use omnibus_record::InvalidBatch;

use crate::engine::Engine;
use crate::error::{ReadError, SubmitError};

/// Records moved at a time.
const AT_ONCE: u32 = 100;

/// How soon a move that failed is tried again at first, and at last.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Why records could not be moved.
#[derive(Debug, thiserror::Error)]
enum MoveError {
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Record(#[from] InvalidBatch),
    #[error("stream {stream} belongs to no queue")]
    SourceGone { stream: StreamId },
    #[error("the queue says of no other where its dead letters go")]
    TargetUnnamed,
    #[error("{target}, where the dead letters go, is not a queue that is there")]
    TargetMissing { target: TopicName },
}

/// When to look at a queue again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// As soon as others have had their turn.
    Soon,
    After(Duration),
    /// When it asks.
    Never,
}

/// A queue that is worked on.
#[derive(Clone, Copy, Debug)]
struct Work {
    queue: Partition,
    due: Duration,
    /// In a row.
    failures: u32,
}

/// Runs until the engine ends.
pub(crate) async fn run(engine: Engine) {
    let mut mover = Mover::default();
    mover.begin(&engine).await;
    loop {
        let now = engine.clock().elapsed();
        match mover.turn(&engine).await {
            Some(due) if due <= now => {}
            Some(due) => {
                tokio::select! {
                    () = engine.inner.chores.departures.filled() => {}
                    () = tokio::time::sleep(due.saturating_sub(now)) => {}
                }
            }
            None => engine.inner.chores.departures.filled().await,
        }
    }
}

/// The queues that records are to leave.
#[derive(Debug, Default)]
pub struct Mover {
    work: BTreeMap<StreamId, Work>,
}

impl Mover {
    /// Finishes what the last end cut short.
    pub async fn begin(&self, engine: &Engine) {
        carry::forget_origins(engine).await;
    }

    /// Takes what shards ask for, and does one step for the queue that waits longest, if it is
    /// due; returns when the next is.
    pub async fn turn(&mut self, engine: &Engine) -> Option<Duration> {
        let now = engine.clock().elapsed();
        for queue in engine.inner.chores.departures.take() {
            let known = self.work.entry(queue.stream).or_insert(Work { queue, due: now, failures: 0 });
            // Who has failed waits, whoever asks.
            known.due = if known.failures == 0 { now } else { known.due };
        }
        if let Some(next) = self.next().filter(|next| next.due <= now) {
            self.work.remove(&next.queue.stream);
            self.work.extend(work_on(engine, next).await.map(|next| (next.queue.stream, next)));
        }
        self.next().map(|work| work.due)
    }

    fn next(&self) -> Option<Work> {
        self.work.values().min_by_key(|work| work.due).copied()
    }
}

/// Does one step for a queue; returns what is left to do.
async fn work_on(engine: &Engine, work: Work) -> Option<Work> {
    let done = step(engine, work.queue).await;
    let now = engine.clock().elapsed();
    match done {
        Ok(Next::Never) => None,
        Ok(Next::Soon) => Some(Work { due: now, failures: 0, ..work }),
        Ok(Next::After(wait)) => Some(Work { due: now.saturating_add(wait), failures: 0, ..work }),
        Err(MoveError::SourceGone { .. } | MoveError::Submit(SubmitError::Closing | SubmitError::Broken)) => None,
        Err(error) => {
            let wait = RETRY_MIN.saturating_mul(1 << work.failures.min(6)).min(RETRY_MAX);
            tracing::warn!(stream = %work.queue.stream, %error, ?wait, "records cannot leave their queue");
            Some(Work { due: now.saturating_add(wait), failures: work.failures + 1, ..work })
        }
    }
}

async fn step(engine: &Engine, queue: Partition) -> Result<Next, MoveError> {
    let stream = queue.stream;
    let look =
        move |broker: &omnibus_broker::Broker| (broker.dying(stream, AT_ONCE as usize), broker.moves(stream).to_vec());
    let (dying, moves) = engine.ask(queue.shard, look).await?;
    if !dying.is_empty() {
        carry::carry(engine, queue, (&dying, &moves)).await?;
        return Ok(Next::Soon);
    }
    let is_there = |target: StreamId| engine.catalog().queue(target).is_some();
    match moves.iter().find(|task| task.state == MoveState::Running) {
        Some(task) if task.target.is_none_or(is_there) => advance(engine, queue, task).await,
        Some(task) => give_up(engine, queue, task).await,
        None => Ok(Next::Never),
    }
}

/// Ends a task whose target was deleted. What it has taken stays in the source.
async fn give_up(engine: &Engine, queue: Partition, task: &Move) -> Result<Next, MoveError> {
    tracing::warn!(stream = %queue.stream, task = %task.id, "a move ends, as the queue that it goes to was deleted");
    let cancel = Command::CancelMove { stream: queue.stream, task: task.id };
    match engine.submit(queue.shard, cancel).await {
        // Somebody was faster.
        Ok(_) | Err(SubmitError::Refused(Refusal::UnknownMove { .. })) => Ok(Next::Soon),
        Err(error) => Err(error.into()),
    }
}

/// Takes more records out of a queue that a task moves.
async fn advance(engine: &Engine, queue: Partition, task: &Move) -> Result<Next, MoveError> {
    let advance = Command::AdvanceMove { stream: queue.stream, task: task.id, count_max: AT_ONCE };
    match engine.submit(queue.shard, advance).await {
        Ok(Outcome::MoveAdvanced(MoveAdvanced { taken: 0, next_at: Some(at) })) => {
            // At a rate of many per millisecond the next may be due already.
            Ok(Next::After(Duration::from_millis(at.since(engine.now()).0.max(1))))
        }
        Ok(Outcome::MoveAdvanced(_)) => Ok(Next::Soon),
        // Somebody cancelled it.
        Err(SubmitError::Refused(Refusal::UnknownMove { .. })) => Ok(Next::Soon),
        Ok(other) => unreachable!("advancing a move ended in {other:?}"),
        Err(error) => Err(error.into()),
    }
}
