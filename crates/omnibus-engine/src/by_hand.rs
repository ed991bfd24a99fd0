//! An engine without threads: somebody else moves its log, and its shards and its futures ([`engine`]) or the
//! runtime of one thread in which they are tasks ([`open`]), as the simulator does. What it does is the same code that
//! [`crate::opening`] starts.

use std::sync::{Arc, OnceLock};

use omnibus_broker::{Broker, BrokerLimits};
use omnibus_io::{Clock, Entropy};
use omnibus_log::{Log, RecoveryReport, Writer};
use omnibus_model::topic::SharedTopic;
use omnibus_model::{ShardId, TopicName};
use omnibus_replication::{Opened, ReplicatedLog};
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::task::{self, AbortHandle, JoinHandle};

use crate::ahead::Ahead;
use crate::baskets::Baskets;
use crate::couriers::Couriers;
use crate::departing::Deleting;
use crate::engine::{Engine, EngineConfig, Inner, Loading};
use crate::error::{EngineError, SubmitError};
use crate::health::Health;
use crate::housekeeping::begin_tasks;
use crate::lanes::lanes;
use crate::opening::{Assembled, Opening, Seams, assemble};
use crate::parcels::Carrying;
use crate::shard::Shared;
use crate::silences::Silences;
use crate::{admitter, mender, queue_upkeep};

pub use crate::lanes::Asked;
pub use crate::mover::Mover;
pub use crate::scrubber::Rereading;

/// Makes an engine over shards that are somebody else's, and what is asked of each of them.
#[must_use]
pub fn engine(
    shared: &Shared,
    limits: BrokerLimits,
    (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
) -> (Engine, Vec<Asked>) {
    let shards = usize::from(limits.data_shards) + 1;
    let (asking, asked) = (0..shards).map(|_| lanes()).unzip();
    let Shared { log, replicated, watches, catalog, counters, configs, chores, reached, vacancies } = shared.clone();
    let inner = Inner {
        shards: asking,
        log,
        replicated,
        catalog,
        configs,
        watches,
        counters,
        chores,
        clock,
        entropy,
        limits,
        health: watch::channel(Health::Well).1,
        closing: watch::channel(false).0,
        ahead: Ahead::default(),
        loading: Loading::Here,
        reached,
        vacancies,
        silences: Silences::new(shards),
        preferred: RwLock::default(),
        deleting: Deleting::default(),
        scrubbing: Arc::default(),
        baskets: Baskets::default(),
        couriers: Couriers::default(),
        router: OnceLock::new(),
        peers: OnceLock::new(),
        recipients: OnceLock::new(),
        carrying: Carrying::default(),
    };
    (Engine { inner: Arc::new(inner) }, asked)
}

/// An open engine in a runtime of one thread. Its tasks end when this is dropped, wherever they are, as in a process that is
/// killed.
#[derive(Debug)]
pub struct Tended {
    pub engine: Engine,
    pub log: Log,
    pub report: RecoveryReport,
    tasks: Vec<AbortHandle>,
}

impl Drop for Tended {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Opens an engine over the replicated log that `open` opens. Must be called within a runtime of one thread. Whoever
/// has the writer moves it, calls [`Log::maintain`] now and then, and has data at rest read again ([`Rereading`]).
///
/// # Errors
/// [`EngineError`] if what is on the disk cannot be trusted, or what `open` says.
pub fn open(
    seams: Seams,
    config: &EngineConfig,
    open: impl FnOnce(Opening<'_>) -> Result<Opened<Arc<dyn ReplicatedLog>>, EngineError>,
) -> Result<(Tended, Writer), EngineError> {
    let Assembled { engine, log, writer, actors, report, .. } = assemble(seams, config, Loading::Here, open)?;
    let tasks = actors.iter().map(JoinHandle::abort_handle);
    let mut kept = begin_tasks(&engine, config);
    kept.push(task::spawn(mender::run(engine.clone())));
    let tasks = tasks.chain(kept.iter().map(JoinHandle::abort_handle)).collect();
    Ok((Tended { engine, log, report, tasks }, writer))
}

/// A digest of what this node's broker of a shard remembers, once all is applied that was told, and all is committed that
/// was decided. A node that has neither says nothing.
///
/// # Errors
/// [`SubmitError`].
pub async fn digest(engine: &Engine, shard: ShardId) -> Result<u64, SubmitError> {
    if engine.leads(shard) {
        return engine.ask_leader(shard, Broker::digest).await;
    }
    engine.ask_here(shard, Broker::digest).await
}

/// Finishes deletions that nobody waits for.
///
/// # Errors
/// [`SubmitError`]; what is left goes with the next call.
pub async fn finish_deletions(engine: &Engine) -> Result<(), SubmitError> {
    engine.finish_deletions(None).await
}

/// Reads envelopes for all queues that ask for it.
pub async fn admit(engine: &Engine) {
    admitter::turn(engine).await;
}

/// Lets what a queue has kept too long expire, and forgets what is gone.
///
/// # Errors
/// [`SubmitError`].
pub async fn retain(engine: &Engine, topic: &SharedTopic) -> Result<(), SubmitError> {
    queue_upkeep::retain(engine, topic).await
}

/// Deletes a topic.
///
/// # Errors
/// [`SubmitError`].
pub async fn delete_topic(engine: &Engine, topic: TopicName) -> Result<(), SubmitError> {
    engine.delete_and_forget(topic).await
}
