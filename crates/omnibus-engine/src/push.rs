//! Pushes records to those who are told of each: the push bindings of exchanges.
//!
//! Each push binding has a queue of its own, which no client sees. A task per binding leases from
//! it, hands each record to the [`Pusher`], and settles the lease: what was taken is done, what
//! failed is there again when the binding's schedule says so, what was given up is a dead letter,
//! which the mover carries. All that must survive is in the queue: a start goes on where the end
//! came, and a new leader of the queue's shard where the old one was. See ADR 0007.

pub mod schedule;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use omnibus_model::exchange::{Binding, BindingId, BindingTarget, ExchangeKey, SharedExchange};
use omnibus_model::{ShardId, TopicName};
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

/// How long a queue may be without its binding, which is made after it, where there are others who bind.
const BINDING_TIME: Duration = Duration::from_secs(60);

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

/// The tasks that push, and all of their targets.
#[derive(Debug)]
pub struct Pushing {
    tasks: Vec<JoinHandle<()>>,
}

impl Pushing {
    /// Begins to push: on each node what waits in the shards that it leads. Queues of bindings that are gone, or never
    /// came to be, are deleted: of a node without peers before this returns, and nobody may bind meanwhile.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn start(engine: Engine, pusher: Arc<dyn Pusher>) -> Result<Self, SubmitError> {
        let mut tasks = Vec::new();
        if engine.has_peers() {
            tasks.push(tokio::spawn(delete_orphans_when_in_office(engine.clone())));
        } else {
            delete_queues(&engine, orphans(&engine)).await?;
        }
        let (quick, slow) = (Semaphore::new(AT_ONCE), Semaphore::new(AT_ONCE));
        let shared = Arc::new(Shared { engine, pusher, quick, slow });
        tasks.push(tokio::spawn(Targets { shared, by_binding: BTreeMap::new(), seen: BTreeMap::new() }.run()));
        Ok(Self { tasks })
    }

    /// Ends all pushing. What was not settled yet is pushed again after the next start.
    pub async fn stop(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        for task in self.tasks {
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(%error, "pushing did not end well");
            }
        }
    }
}

/// Deletes what earlier leaders of the metadata shard have left, each time that this node begins to lead it.
async fn delete_orphans_when_in_office(engine: Engine) {
    let mut led = engine.inner.chores.watch_led();
    while led.wait_for(|led| led.contains(&ShardId::METADATA)).await.is_ok() {
        let before = orphans(&engine);
        tokio::time::sleep(BINDING_TIME).await;
        let now = orphans(&engine);
        if let Err(error) = delete_queues(&engine, before.intersection(&now).cloned().collect()).await {
            tracing::warn!(%error, "queues of bindings that are gone are left for the next leader");
        }
        if led.wait_for(|led| !led.contains(&ShardId::METADATA)).await.is_err() {
            return;
        }
    }
}

/// The queues of bindings that are not there.
fn orphans(engine: &Engine) -> BTreeSet<TopicName> {
    let exchanges = engine.catalog().all_exchanges();
    let is_there = |binding: &BindingId| exchanges.iter().any(|exchange| exchange.bindings.contains_key(binding));
    let topics = engine.catalog().topics().into_iter().map(|topic| topic.name.clone());
    topics.filter(|name| BindingId::of_push_queue(name).is_some_and(|binding| !is_there(&binding))).collect()
}

async fn delete_queues(engine: &Engine, queues: BTreeSet<TopicName>) -> Result<(), SubmitError> {
    for queue in queues {
        engine.delete_topic(queue).await?;
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
    assignment: Option<Assignment>,
    /// `None` while it is not to be served here.
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
        let mut led = self.shared.engine.inner.chores.watch_led();
        loop {
            changes.borrow_and_update();
            let leads = led.borrow_and_update().clone();
            self.sync();
            self.serve(&leads);
            let changed = tokio::select! {
                changed = changes.changed() => changed,
                changed = led.changed() => changed,
            };
            if changed.is_err() {
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

    /// Ends what serves bindings that are gone, and deletes their queues where the names are led.
    fn forget_gone(&mut self) {
        let (seen, engine) = (&self.seen, &self.shared.engine);
        let deletes = !engine.has_peers() || engine.leads(ShardId::METADATA);
        self.by_binding.retain(|id, target| {
            let is_there = seen.get(&target.exchange).is_some_and(|exchange| exchange.bindings.contains_key(id));
            if !is_there {
                drop(target.serving.take());
                if deletes {
                    tokio::spawn(delete_queue(engine.clone(), *id));
                }
            }
            is_there
        });
    }

    fn assign(&mut self, exchange: &SharedExchange, binding: &Arc<Binding>) {
        let target = self.by_binding.entry(binding.id).or_insert_with(|| Target::of(exchange.key.clone()));
        let plan = self.shared.pusher.plan(exchange, binding);
        let assignment = |plan| Assignment { exchange: exchange.clone(), binding: Arc::clone(binding), plan };
        target.assignment = plan.map(assignment);
        if let (Some(serving), Some(assignment)) = (&target.serving, &target.assignment) {
            serving.assignment.send_replace(assignment.clone());
        }
    }

    /// Serves what is to be served by this node: the bindings whose queues it leads, and those who have none yet if it
    /// leads the names.
    fn serve(&mut self, leads: &BTreeSet<ShardId>) {
        let engine = &self.shared.engine;
        let shard = |id: BindingId| Some(engine.queue(&id.push_queue()).ok()?.queue_place()?.shard());
        for (id, target) in &mut self.by_binding {
            let is_here = !engine.has_peers() || leads.contains(&shard(*id).unwrap_or(ShardId::METADATA));
            match (&target.assignment, &target.serving) {
                (Some(assignment), None) if is_here => {
                    let (assignment, assigned) = watch::channel(assignment.clone());
                    let task = tokio::spawn(target::run(Arc::clone(&self.shared), assigned));
                    target.serving = Some(Serving { assignment, task });
                }
                (Some(_), Some(_)) if is_here => {}
                _ => target.serving = None,
            }
        }
    }
}

impl Target {
    const fn of(exchange: ExchangeKey) -> Self {
        Self { exchange, assignment: None, serving: None }
    }
}

async fn delete_queue(engine: Engine, binding: BindingId) {
    match engine.delete_topic(binding.push_queue()).await {
        // Refused: it is not there. Otherwise the next start or leader deletes it.
        Ok(()) | Err(SubmitError::Refused(_) | SubmitError::Closing) => {}
        Err(error) => tracing::warn!(?binding, %error, "the queue of a binding that is gone could not be deleted"),
    }
}
