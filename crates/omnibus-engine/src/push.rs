//! Pushes records to those who are told of each: the push bindings of exchanges.
//!
//! Each push binding has a queue of its own, which no client sees. A task per binding leases from
//! it, hands each record to the [`Pusher`], and settles the lease: what was taken is done, what
//! failed is there again when the binding's schedule says so, what was given up is a dead letter,
//! which the mover carries. All that must survive is in the queue: a start goes on where the end
//! came. See ADR 0007.

pub mod schedule;
mod target;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use omnibus_model::TopicName;
use omnibus_model::exchange::{Binding, BindingId, BindingTarget, ExchangeKey, SharedExchange};
use omnibus_record::Message;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::error::SubmitError;
use schedule::RetrySchedule;

/// Pushes at a time to those who answered the last one soon and well, and as many to all others: who
/// is slow or dead holds up only those like it.
const AT_ONCE: usize = 256;

/// Many changes that follow each other are looked at once.
const SYNC_PAUSE: Duration = Duration::from_millis(20);

/// Carries records to whoever a binding names, by the rules of its protocol.
pub trait Pusher: Debug + Send + Sync {
    /// How a binding is to be served; `None` if it is not to be served now.
    fn plan(&self, exchange: &SharedExchange, binding: &Binding) -> Option<PushPlan>;

    /// Hands a record over. Ends within a minute, or counts as failed.
    fn push(&self, push: Push) -> Pin<Box<dyn Future<Output = Verdict> + Send>>;
}

/// How a binding wants to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushPlan {
    pub schedule: RetrySchedule,
    /// The most pushes per second.
    pub rate_max: Option<u32>,
    /// The most pushes at a time; one while the last one failed.
    pub at_once_max: u32,
    /// Where records go that are given up; without it they are dropped.
    pub dead_letters_to: Option<TopicName>,
}

impl Default for PushPlan {
    fn default() -> Self {
        Self { schedule: RetrySchedule::default(), rate_max: None, at_once_max: 16, dead_letters_to: None }
    }
}

/// A record to hand over.
#[derive(Clone, Debug)]
pub struct Push {
    pub exchange: SharedExchange,
    pub binding: Arc<Binding>,
    pub message: Message,
    /// From 1.
    pub attempt: u32,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// Another time it may be accepted.
    Failed,
    /// It never will be.
    Refused,
}

/// What all targets share.
#[derive(Debug)]
struct Shared {
    engine: Engine,
    pusher: Arc<dyn Pusher>,
    quick: Semaphore,
    slow: Semaphore,
}

/// A binding and how it is served.
#[derive(Clone, Debug)]
struct Assignment {
    exchange: SharedExchange,
    binding: Arc<Binding>,
    plan: PushPlan,
}

/// The task that pushes, and all of its targets.
#[derive(Debug)]
pub struct Pushing {
    task: JoinHandle<()>,
}

impl Pushing {
    /// Begins to push. Queues of bindings that are gone, or never came to be, are deleted before this
    /// returns; nobody may bind meanwhile.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn start(engine: Engine, pusher: Arc<dyn Pusher>) -> Result<Self, SubmitError> {
        delete_orphans(&engine).await?;
        let (quick, slow) = (Semaphore::new(AT_ONCE), Semaphore::new(AT_ONCE));
        let shared = Arc::new(Shared { engine, pusher, quick, slow });
        Ok(Self { task: tokio::spawn(Targets { shared, by_binding: BTreeMap::new(), seen: BTreeMap::new() }.run()) })
    }

    /// Ends all pushing. What was not settled yet is pushed again after the next start.
    pub async fn stop(self) {
        self.task.abort();
        if let Err(error) = self.task.await
            && error.is_panic()
        {
            tracing::error!(%error, "pushing did not end well");
        }
    }
}

async fn delete_orphans(engine: &Engine) -> Result<(), SubmitError> {
    let exchanges = engine.catalog().all_exchanges();
    for topic in engine.catalog().topics() {
        let Some(binding) = BindingId::of_push_queue(&topic.name) else { continue };
        if !exchanges.iter().any(|exchange| exchange.bindings.contains_key(&binding)) {
            engine.delete_topic(topic.name.clone()).await?;
        }
    }
    Ok(())
}

/// The push bindings that are there, each with its task.
struct Targets {
    shared: Arc<Shared>,
    by_binding: BTreeMap<BindingId, Target>,
    /// The exchanges as they were looked at.
    seen: BTreeMap<ExchangeKey, SharedExchange>,
}

struct Target {
    exchange: ExchangeKey,
    /// `None` while it is not to be served.
    serving: Option<Serving>,
}

/// A task that ends with its owner.
struct Serving {
    assignment: watch::Sender<Assignment>,
    task: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Targets {
    async fn run(mut self) {
        let mut changes = self.shared.engine.catalog().watch_exchanges();
        loop {
            changes.borrow_and_update();
            self.sync();
            if changes.changed().await.is_err() {
                return;
            }
            tokio::time::sleep(SYNC_PAUSE).await;
        }
    }

    fn sync(&mut self) {
        let exchanges = self.shared.engine.catalog().all_exchanges();
        let now: BTreeMap<ExchangeKey, SharedExchange> =
            exchanges.into_iter().map(|exchange| (exchange.key.clone(), exchange)).collect();
        let before = std::mem::replace(&mut self.seen, now);
        let is_known =
            |exchange: &SharedExchange| before.get(&exchange.key).is_some_and(|before| Arc::ptr_eq(before, exchange));
        let changed: Vec<SharedExchange> = self.seen.values().filter(|it| !is_known(it)).cloned().collect();
        self.forget_gone();
        for exchange in changed {
            for binding in exchange.bindings.values() {
                if matches!(binding.target, BindingTarget::Push { .. }) {
                    self.assign(&exchange, binding);
                }
            }
        }
    }

    /// Ends what serves bindings that are gone, and deletes their queues.
    fn forget_gone(&mut self) {
        let (seen, engine) = (&self.seen, &self.shared.engine);
        self.by_binding.retain(|id, target| {
            let is_there = seen.get(&target.exchange).is_some_and(|exchange| exchange.bindings.contains_key(id));
            if !is_there {
                drop(target.serving.take());
                tokio::spawn(delete_queue(engine.clone(), *id));
            }
            is_there
        });
    }

    fn assign(&mut self, exchange: &SharedExchange, binding: &Arc<Binding>) {
        let target = self
            .by_binding
            .entry(binding.id)
            .or_insert_with(|| Target { exchange: exchange.key.clone(), serving: None });
        let Some(plan) = self.shared.pusher.plan(exchange, binding) else {
            target.serving = None;
            return;
        };
        let assignment = Assignment { exchange: exchange.clone(), binding: Arc::clone(binding), plan };
        match &target.serving {
            Some(serving) => drop(serving.assignment.send_replace(assignment)),
            None => {
                let (assignment, assigned) = watch::channel(assignment);
                let task = tokio::spawn(target::run(Arc::clone(&self.shared), assigned));
                target.serving = Some(Serving { assignment, task });
            }
        }
    }
}

async fn delete_queue(engine: Engine, binding: BindingId) {
    match engine.delete_topic(binding.push_queue()).await {
        // Refused: it is not there. Otherwise the next start deletes it.
        Ok(()) | Err(SubmitError::Refused(_) | SubmitError::Closing) => {}
        Err(error) => tracing::warn!(?binding, %error, "the queue of a binding that is gone could not be deleted"),
    }
}
