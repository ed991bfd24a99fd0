//! One push binding: leases from its queue, pushes, settles.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use omnibus_model::command::Acquire;
use omnibus_model::config::ConfigChange;
use omnibus_model::queue::{CursorConfig, DeadLetters, Delivery, Lease, QueueConfig, Settlement};
use omnibus_model::topic::{Partition, SharedTopic};
use omnibus_model::{HolderId, Millis};
use tokio::sync::{SemaphorePermit, watch};
use tokio::task::JoinSet;

use super::{Assignment, Push, PushPlan, Shared, Verdict};
use crate::counters::Count;
use crate::error::{ReadError, SubmitError};
use crate::forward::{Errand, Take};
use crate::receivers::Received;

/// How long a lease is held; it is extended while the push waits for its turn.
const LEASE: Duration = Duration::from_secs(120);
const EXTEND_EVERY: Duration = Duration::from_secs(40);

/// A push that takes longer has failed; what is left of the lease must be longer.
const PUSH_TIME_MAX: Duration = Duration::from_secs(60);

/// Who takes longer than this is slow.
const QUICK: Duration = Duration::from_secs(1);

/// How long one wait for records lasts.
const WAIT: Duration = Duration::from_secs(3_600);

/// How soon a target that could not be served is tried again at first, and at last.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Nobody but this task leases from a push binding's queue, so one holder is enough, and who comes
/// after a restart knows what the one before held.
const HOLDER: HolderId = HolderId(1);

/// Why a target cannot be served now.
#[derive(Debug, thiserror::Error)]
enum TargetError {
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error("its queue has no partition")]
    NoPartition,
}

/// How a target answered last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manners {
    /// Not at all yet.
    Unknown,
    Quick,
    Slow,
    Failing,
}

/// Serves a binding until it is aborted or the engine closes.
pub(super) async fn run(shared: Arc<Shared>, mut assigned: watch::Receiver<Assignment>) {
    let mut failures = 0_u32;
    loop {
        let error = match serve(&shared, &mut assigned, &mut failures).await {
            Ok(()) | Err(TargetError::Submit(SubmitError::Closing | SubmitError::Broken)) => return,
            // Another node serves it as soon as this one knows.
            Err(TargetError::Submit(SubmitError::NotLeader { .. })) => {
                tokio::time::sleep(RETRY_MIN).await;
                continue;
            }
            Err(error) => error,
        };
        let wait = RETRY_MIN.saturating_mul(1 << failures.min(6)).min(RETRY_MAX);
        failures += 1;
        let binding = assigned.borrow().binding.id;
        tracing::warn!(?binding, %error, ?wait, "a push binding is not served");
        tokio::time::sleep(wait).await;
    }
}

async fn serve(
    shared: &Arc<Shared>,
    assigned: &mut watch::Receiver<Assignment>,
    failures: &mut u32,
) -> Result<(), TargetError> {
    let assignment = assigned.borrow_and_update().clone();
    let queue = prepare(shared, &assignment).await?;
    if !shared.engine.leads(queue.shard) {
        return Err(SubmitError::NotLeader { leader: shared.engine.leader(queue.shard) }.into());
    }
    // What was held when the process ended was not settled.
    shared.engine.release_holder(queue, HOLDER).await?;
    *failures = 0;
    let mut target = Target {
        shared: Arc::clone(shared),
        queue,
        manners: Manners::Unknown,
        pushes: JoinSet::new(),
        receiving: None,
        next_at: Duration::ZERO,
    };
    loop {
        let assignment = assigned.borrow().clone();
        tokio::select! {
            changed = assigned.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let assignment = assigned.borrow_and_update().clone();
                prepare(shared, &assignment).await?;
            }
            event = target.next(&assignment) => target.take(event, &assignment)?,
        }
    }
}

/// Finds or makes the binding's queue, and tells it what the plan says.
async fn prepare(shared: &Shared, assignment: &Assignment) -> Result<Partition, TargetError> {
    let (engine, name) = (&shared.engine, assignment.binding.id.push_queue());
    let topic = match engine.queue(&name) {
        Ok(topic) => topic,
        Err(_) => {
            engine.create_push_queue(name.clone()).await?;
            engine.queue(&name).map_err(SubmitError::Refused)?
        }
    };
    let wanted = queue_config(&assignment.plan);
    if let Some(before) = topic.queue.as_ref().map(|queue| &queue.config).filter(|config| **config != wanted) {
        let change = ConfigChange { before: before.clone(), after: wanted };
        engine.alter_queue(name, change).await?;
    }
    first_partition(&topic)
}

fn first_partition(topic: &SharedTopic) -> Result<Partition, TargetError> {
    topic.partitions.first().copied().ok_or(TargetError::NoPartition)
}

fn queue_config(plan: &PushPlan) -> QueueConfig {
    let dead_letters = if plan.dead_letters_to.is_some() { DeadLetters::Moved } else { DeadLetters::Dropped };
    let deliveries_max = Some(plan.schedule.attempts_max());
    QueueConfig {
        cursor: CursorConfig { deliveries_max, dead_letters, ..CursorConfig::default() },
        dead_letters_to: plan.dead_letters_to.clone(),
        ..QueueConfig::default()
    }
}

type Receiving = Pin<Box<dyn Future<Output = Result<Received, SubmitError>> + Send>>;

/// What is under way for one binding.
struct Target {
    shared: Arc<Shared>,
    queue: Partition,
    manners: Manners,
    pushes: JoinSet<Option<Manners>>,
    /// Kept until it ends: who hangs up may leave leases behind.
    receiving: Option<Receiving>,
    /// When the rate lets the next push begin.
    next_at: Duration,
}

enum Event {
    Received(Result<Received, SubmitError>),
    Pushed(Option<Manners>),
    /// The rate lets more begin.
    Time,
}

impl Target {
    /// Waits for the next thing that happens. Nothing is lost if nobody waits for it to the end.
    async fn next(&mut self, assignment: &Assignment) -> Event {
        let now = self.shared.engine.clock().elapsed();
        let free = self.free(&assignment.plan);
        if self.receiving.is_none() && free > 0 && self.next_at <= now {
            self.receive(free, &assignment.plan);
        }
        let is_waiting = self.receiving.is_none() && free > 0;
        let receiving = async {
            match &mut self.receiving {
                Some(receiving) => receiving.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = receiving => Event::Received(received),
            Some(pushed) = self.pushes.join_next() => Event::Pushed(pushed.unwrap_or_default()),
            () = tokio::time::sleep(self.next_at.saturating_sub(now)), if is_waiting => Event::Time,
        }
    }

    fn take(&mut self, event: Event, assignment: &Assignment) -> Result<(), TargetError> {
        match event {
            Event::Received(received) => {
                self.receiving = None;
                for lease in received?.leases() {
                    self.begin(lease, assignment);
                }
            }
            Event::Pushed(manners) => self.manners = manners.unwrap_or(self.manners),
            Event::Time => {}
        }
        Ok(())
    }

    /// How many more pushes may begin.
    fn free(&self, plan: &PushPlan) -> u32 {
        let most = match self.manners {
            Manners::Unknown | Manners::Failing => 1,
            Manners::Quick | Manners::Slow => plan.at_once_max.max(1),
        };
        most.saturating_sub(u32::try_from(self.pushes.len()).unwrap_or(u32::MAX))
    }

    fn receive(&mut self, free: u32, plan: &PushPlan) {
        // At a rate one by one, so that the pauses between them are even.
        let count_max = if plan.rate_max.is_some() { 1 } else { free };
        let Partition { stream, .. } = self.queue;
        let acquire = Acquire { stream, count_max, lease: millis(LEASE), holder: Some(HOLDER), attempt: None };
        let (engine, queue) = (self.shared.engine.clone(), self.queue);
        // Of this node only: where it does not lead, another one pushes.
        let take = Take { queue: queue.into(), acquire, wait: WAIT };
        self.receiving = Some(Box::pin(async move { take.here(&engine, queue.shard).await }));
    }

    fn begin(&mut self, lease: Lease, assignment: &Assignment) {
        if let Some(rate) = assignment.plan.rate_max {
            let now = self.shared.engine.clock().elapsed();
            self.next_at = self.next_at.max(now) + Duration::from_secs(1) / rate.max(1);
        }
        let (shared, queue, manners) = (Arc::clone(&self.shared), self.queue, self.manners);
        let assignment = assignment.clone();
        self.pushes.spawn(async move { push(&shared, queue, lease, manners, &assignment).await });
    }
}

/// Pushes one record and settles it; tells how it was answered, if it was pushed at all.
async fn push(
    shared: &Shared,
    queue: Partition,
    lease: Lease,
    manners: Manners,
    assignment: &Assignment,
) -> Option<Manners> {
    let engine = &shared.engine;
    let turn = turn(shared, queue, lease, manners).await?;
    let found = engine.deliveries(queue.stream, &[lease]).await;
    let (verdict, manners) = match found {
        // It was given up meanwhile.
        Ok(found) if found.is_empty() => return None,
        Ok(mut found) => {
            let message = found.swap_remove(0).message;
            let (exchange, binding) = (assignment.exchange.clone(), Arc::clone(&assignment.binding));
            carry(shared, turn, Push { exchange, binding, message, attempt: lease.delivery_count }).await
        }
        Err(error) => {
            tell_unreadable(assignment, lease, &error);
            (Verdict::Failed, manners)
        }
    };
    let settlement = match verdict {
        Verdict::Accepted => Settlement::Accept,
        Verdict::Refused => Settlement::Reject,
        Verdict::Failed => {
            // Without another attempt it is worn out as soon as it is looked at again.
            let delay = assignment.plan.schedule.delay_after(lease.delivery_count).unwrap_or_default();
            Settlement::Release { delay: millis(delay), delivery: Delivery::Counts }
        }
    };
    match engine.settle(queue, vec![(lease.key, settlement)]).await {
        Ok(_) | Err(SubmitError::Closing) => {}
        Err(error) => {
            tracing::warn!(binding = ?assignment.binding.id, %error, "a push was not settled and comes again");
        }
    }
    Some(manners)
}

/// Hands a record over, and takes note of how that went.
async fn carry(shared: &Shared, turn: SemaphorePermit<'_>, push: Push) -> (Verdict, Manners) {
    let counters = shared.engine.counters();
    counters.pushes_begun.add(1);
    let mut ending = Ending(&counters.pushes_failed);
    let mut answer = pin!(tokio::time::timeout(PUSH_TIME_MAX, shared.pusher.push(push)));
    let (answer, answered) = match tokio::time::timeout(QUICK, &mut answer).await {
        Ok(answer) => (answer, Manners::Quick),
        Err(_) => (slowly(shared, turn, answer).await, Manners::Slow),
    };
    let verdict = answer.unwrap_or(Verdict::Failed);
    let (count, manners) = match verdict {
        Verdict::Accepted => (&counters.pushes_accepted, answered),
        Verdict::Failed => (&counters.pushes_failed, Manners::Failing),
        Verdict::Refused => (&counters.pushes_refused, answered),
    };
    ending.0 = count;
    (verdict, manners)
}

/// Counts how a push ended, however it did: who is not waited for any more has failed.
struct Ending<'a>(&'a Count);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.add(1);
    }
}

/// Waits for a slow answer; gives the turn to those who are quick as soon as there is one among the slow.
async fn slowly<T>(shared: &Shared, turn: SemaphorePermit<'_>, mut answer: impl Future<Output = T> + Unpin) -> T {
    let among_slow = tokio::select! {
        answer = &mut answer => return answer,
        among_slow = shared.slow.acquire() => among_slow,
    };
    drop(turn);
    let answer = answer.await;
    drop(among_slow);
    answer
}

/// Waits for a push's turn, and keeps the lease meanwhile; `None` if that is lost.
async fn turn(shared: &Shared, queue: Partition, lease: Lease, manners: Manners) -> Option<SemaphorePermit<'_>> {
    let turns = match manners {
        Manners::Unknown | Manners::Quick => &shared.quick,
        Manners::Slow | Manners::Failing => &shared.slow,
    };
    loop {
        if let Ok(turn) = tokio::time::timeout(EXTEND_EVERY, turns.acquire()).await {
            return turn.ok();
        }
        let extended = shared.engine.extend(queue, vec![(lease.key, millis(LEASE))]).await.ok()?;
        if extended.iter().any(Result::is_err) {
            return None;
        }
    }
}

fn tell_unreadable(assignment: &Assignment, lease: Lease, error: &ReadError) {
    let (binding, offset) = (assignment.binding.id, lease.key.offset);
    tracing::warn!(?binding, %offset, %error, "a record that is to be pushed cannot be read");
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
