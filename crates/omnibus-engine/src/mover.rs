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
use std::sync::Arc;
use std::time::Duration;

use omnibus_model::outcome::MoveAdvanced;
use omnibus_model::queue::{Move, MoveState};
use omnibus_model::topic::Partition;
use omnibus_model::{Command, Offset, Outcome, Refusal, StreamId, TopicName};
use omnibus_record::InvalidBatch;

use self::carry::Carried;
use crate::dead_letters::DeadLetterRouter;
use crate::engine::Engine;
use crate::error::{ReadError, SubmitError};

/// Records moved at a time.
const AT_ONCE: u32 = 100;

/// How soon a move that failed is tried again at first, and at last.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

impl Engine {
    /// From now on, dead letters whose queue names no other queue go where this front end says. Only the first that says
    /// so counts.
    pub fn route_dead_letters(&self, router: Arc<dyn DeadLetterRouter>) {
        if self.inner.router.set(router).is_err() {
            tracing::warn!("somebody says already where dead letters go");
        }
    }
}

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
    #[error("nobody can say yet where the dead letters go")]
    NotRouted,
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

/// What a step has led to.
#[derive(Debug)]
enum Step {
    /// Dying records were carried; behind them may be more.
    Carried(Carried),
    /// There were none.
    Through(Next),
}

/// A queue that is worked on, round by round through what is dying there.
#[derive(Debug)]
struct Work {
    queue: Partition,
    due: Duration,
    /// Where this round goes on. What is dying before it cannot go now.
    from: Offset,
    /// Why it cannot.
    stuck: Option<String>,
    /// Rounds in a row that something could not leave in.
    failures: u32,
}

/// Runs until the engine ends.
pub(crate) async fn run(engine: Engine) {
    let mut mover = Mover::default();
    loop {
        carry::finish_begun(&engine).await;
        let now = engine.clock().elapsed();
        match mover.turn(&engine).await {
            Some(due) if due <= now => {}
            Some(due) => {
                tokio::select! {
                    biased;
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
            let known = self.work.entry(queue.stream).or_insert_with(|| Work::at(queue, now));
            // Who has failed waits, whoever asks.
            known.due = if known.failures == 0 { now } else { known.due };
        }
        let due = self.next().filter(|next| next.due <= now).map(|next| next.queue.stream);
        if let Some(work) = due.and_then(|stream| self.work.remove(&stream)) {
            self.work.extend(work_on(engine, work).await.map(|work| (work.queue.stream, work)));
        }
        self.next().map(|work| work.due)
    }

    fn next(&self) -> Option<&Work> {
        self.work.values().min_by_key(|work| work.due)
    }
}

impl Work {
    const fn at(queue: Partition, due: Duration) -> Self {
        Self { queue, due, from: Offset::ZERO, stuck: None, failures: 0 }
    }

    /// Waits before another round, longer each time.
    fn retried(self, now: Duration, error: &dyn std::fmt::Display) -> Self {
        let wait = RETRY_MIN.saturating_mul(1 << self.failures.min(6)).min(RETRY_MAX);
        tracing::warn!(stream = %self.queue.stream, %error, ?wait, "records cannot leave their queue");
        Self { failures: self.failures + 1, ..Self::at(self.queue, now.saturating_add(wait)) }
    }
}

/// Does one step for a queue; returns what is left to do.
async fn work_on(engine: &Engine, work: Work) -> Option<Work> {
    let done = step(engine, &work).await;
    let now = engine.clock().elapsed();
    match (done, &work.stuck) {
        (Ok(Step::Carried(Carried { failure: None, .. })), _) => Some(Work { due: now, ..work }),
        (Ok(Step::Carried(Carried { to, failure: Some(error) })), _) => {
            Some(Work { due: now, from: to, stuck: Some(error.to_string()), ..work })
        }
        (Ok(Step::Through(Next::Soon)), _) => Some(Work::at(work.queue, now)),
        (Ok(Step::Through(Next::After(_) | Next::Never)), Some(error)) => {
            let error = error.clone();
            Some(work.retried(now, &error))
        }
        (Ok(Step::Through(Next::After(wait))), None) => Some(Work::at(work.queue, now.saturating_add(wait))),
        (Ok(Step::Through(Next::Never)), None) => None,
        (Err(MoveError::SourceGone { .. } | MoveError::Submit(SubmitError::Closing | SubmitError::Broken)), _) => None,
        // Who leads the queue's shard now has found out what is to be done.
        (Err(MoveError::Submit(SubmitError::NotLeader { .. })), _) if !engine.leads(work.queue.shard) => None,
        (Err(error), _) => Some(work.retried(now, &error)),
    }
}

async fn step(engine: &Engine, work: &Work) -> Result<Step, MoveError> {
    let Work { queue, from, .. } = *work;
    let stream = queue.stream;
    let look = move |broker: &omnibus_broker::Broker| {
        (broker.dying(stream, from, AT_ONCE as usize), broker.moves(stream).to_vec())
    };
    let (dying, moves) = engine.ask(queue.shard, look).await?;
    if !dying.is_empty() {
        return carry::carry(engine, queue, (&dying, &moves)).await.map(Step::Carried);
    }
    let is_there = |target: StreamId| engine.catalog().queue(target).is_some();
    let next = match moves.iter().find(|task| task.state == MoveState::Running) {
        Some(task) if task.target.is_none_or(is_there) => advance(engine, queue, task).await,
        Some(task) => give_up(engine, queue, task).await,
        None => Ok(Next::Never),
    };
    next.map(Step::Through)
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
