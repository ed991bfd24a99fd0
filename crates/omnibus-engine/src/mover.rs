//! Carries records from queue to queue: dead letters to where their queue sends them, and what a
//! move task takes.
//!
//! A record is read, appended to its target under its origin, buried in its source, and its origin
//! is forgotten; those behind it wait only until it has arrived. The target takes an origin once until it is told to forget it, and the source
//! tells who is dying until it is buried, so a move that ends anywhere between begins again at the
//! next start and moves nothing twice.

mod carry;
mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use omnibus_model::outcome::MoveAdvanced;
use omnibus_model::queue::{Move, MoveState};
use omnibus_model::topic::Partition;
use omnibus_model::{Command, Offset, Outcome, Refusal, StreamId, TopicName};
use omnibus_record::InvalidBatch;

use self::carry::{Arrived, Carried};
use crate::dead_letters::DeadLetterRouter;
use crate::engine::Engine;
use crate::error::{ReadError, SubmitError};

/// Records moved at a time.
const AT_ONCE: u32 = 100;

/// How often that may have arrived without being buried and forgotten.
const FINISHING_MAX: usize = 16;

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
    /// What has arrived is buried and forgotten beside what is carried next.
    finishing: FuturesUnordered<Pin<Box<dyn Future<Output = Finished> + Send>>>,
    /// Records of which that is done now.
    arrived: BTreeMap<StreamId, BTreeSet<Offset>>,
}

/// Records that have arrived were buried and forgotten, or not.
#[derive(Debug)]
struct Finished {
    queue: Partition,
    offsets: Vec<Offset>,
    done: Result<(), SubmitError>,
}

impl Mover {
    /// Finishes what the last end cut short.
    pub async fn begin(&self, engine: &Engine) {
        carry::forget_origins(engine).await;
    }

    /// Takes what shards ask for, and does one step for the queue that waits longest, if it is due, or else for those whose
    /// records have arrived; returns when the next is.
    pub async fn turn(&mut self, engine: &Engine) -> Option<Duration> {
        while self.finishing.len() >= FINISHING_MAX {
            self.finish_one(engine).await;
        }
        let now = engine.clock().elapsed();
        for queue in engine.inner.chores.departures.take() {
            let known = self.work.entry(queue.stream).or_insert_with(|| Work::at(queue, now));
            // Who has failed waits, whoever asks.
            known.due = if known.failures == 0 { now } else { known.due };
        }
        let due = self.next().filter(|next| next.due <= now).map(|next| next.queue.stream);
        match due.and_then(|stream| self.work.remove(&stream)) {
            Some(work) => self.work_on(engine, work).await,
            None if self.finishing.is_empty() => {}
            None => {
                tokio::select! {
                    biased;
                    () = engine.inner.chores.departures.filled() => {}
                    () = self.finish_one(engine) => {}
                }
            }
        }
        // What has arrived is gone on with at once.
        if self.finishing.is_empty() { self.next().map(|work| work.due) } else { Some(now) }
    }

    /// Does a step for a queue, and goes on with what has arrived meanwhile.
    async fn work_on(&mut self, engine: &Engine, work: Work) {
        let queue = work.queue;
        let arrived = self.arrived.get(&queue.stream).cloned().unwrap_or_default();
        let mut step = pin!(work_on(engine, work, &arrived));
        let (left, arrived) = loop {
            tokio::select! {
                biased;
                stepped = &mut step => break stepped,
                () = self.finish_one(engine), if !self.finishing.is_empty() => {}
            }
        };
        self.work.extend(left.map(|work| (work.queue.stream, work)));
        if let Some(arrived) = arrived.filter(|arrived| !arrived.offsets.is_empty()) {
            self.arrived.entry(queue.stream).or_default().extend(&arrived.offsets);
            let engine = engine.clone();
            self.finishing.push(Box::pin(async move {
                let done = carry::finish(&engine, queue, &arrived).await;
                Finished { queue, offsets: arrived.offsets, done }
            }));
        }
    }

    /// Waits until one more that has arrived is buried and forgotten. Who stops waiting loses nothing.
    async fn finish_one(&mut self, engine: &Engine) {
        let Some(Finished { queue, offsets, done }) = self.finishing.next().await else { return };
        if let Some(arrived) = self.arrived.get_mut(&queue.stream) {
            arrived.retain(|offset| !offsets.contains(offset));
            if arrived.is_empty() {
                self.arrived.remove(&queue.stream);
            }
        }
        let now = engine.clock().elapsed();
        let work = self.work.remove(&queue.stream).unwrap_or_else(|| Work::at(queue, now));
        let work = match done {
            Ok(()) => Some(work),
            Err(error) => work.failed(engine, &error.into()),
        };
        self.work.extend(work.map(|work| (queue.stream, work)));
    }

    fn next(&self) -> Option<&Work> {
        self.work.values().min_by_key(|work| work.due)
    }
}

impl Work {
    const fn at(queue: Partition, due: Duration) -> Self {
        Self { queue, due, from: Offset::ZERO, stuck: None, failures: 0 }
    }

    /// What is left to do when something could not be done.
    fn failed(self, engine: &Engine, error: &MoveError) -> Option<Self> {
        match error {
            MoveError::SourceGone { .. } | MoveError::Submit(SubmitError::Closing | SubmitError::Broken) => None,
            // Who leads the queue's shard now has found out what is to be done.
            MoveError::Submit(SubmitError::NotLeader { .. }) if !engine.leads(self.queue.shard) => None,
            error => Some(self.retried(engine.clock().elapsed(), error)),
        }
    }

    /// Waits before another round, longer each time.
    fn retried(self, now: Duration, error: &dyn std::fmt::Display) -> Self {
        let wait = RETRY_MIN.saturating_mul(1 << self.failures.min(6)).min(RETRY_MAX);
        tracing::warn!(stream = %self.queue.stream, %error, ?wait, "records cannot leave their queue");
        Self { failures: self.failures + 1, ..Self::at(self.queue, now.saturating_add(wait)) }
    }
}

/// Does one step for a queue; returns what is left to do, and what has arrived.
async fn work_on(engine: &Engine, work: Work, arrived: &BTreeSet<Offset>) -> (Option<Work>, Option<Arrived>) {
    let done = step(engine, &work, arrived).await;
    let now = engine.clock().elapsed();
    let left = match (done, &work.stuck) {
        (Ok(Step::Carried(Carried { failure: None, arrived, .. })), _) => {
            return (Some(Work { due: now, ..work }), Some(arrived));
        }
        (Ok(Step::Carried(Carried { to, failure: Some(error), arrived })), _) => {
            let work = Work { due: now, from: to, stuck: Some(error.to_string()), ..work };
            return (Some(work), Some(arrived));
        }
        (Ok(Step::Through(Next::Soon)), _) => Some(Work::at(work.queue, now)),
        (Ok(Step::Through(Next::After(_) | Next::Never)), Some(error)) => {
            let error = error.clone();
            Some(work.retried(now, &error))
        }
        (Ok(Step::Through(Next::After(wait))), None) => Some(Work::at(work.queue, now.saturating_add(wait))),
        (Ok(Step::Through(Next::Never)), None) => None,
        (Err(error), _) => work.failed(engine, &error),
    };
    (left, None)
}

async fn step(engine: &Engine, work: &Work, arrived: &BTreeSet<Offset>) -> Result<Step, MoveError> {
    let Work { queue, from, .. } = *work;
    let stream = queue.stream;
    let count_max = AT_ONCE as usize + arrived.len();
    let look =
        move |broker: &omnibus_broker::Broker| (broker.dying(stream, from, count_max), broker.moves(stream).to_vec());
    let (mut dying, moves) = engine.ask(queue.shard, look).await?;
    dying.retain(|dying| !arrived.contains(&dying.offset));
    dying.truncate(AT_ONCE as usize);
    if dying.is_empty() && !arrived.is_empty() {
        // It is looked at again when they are buried.
        return Ok(Step::Through(Next::Never));
    }
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
