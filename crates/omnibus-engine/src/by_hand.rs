//! An engine without threads and tasks: somebody else moves its shards, its clock and its
//! futures, as the simulator does. What it does is the same code that [`crate::opening`] starts.

use std::sync::{Arc, OnceLock};

use omnibus_broker::BrokerLimits;
use omnibus_io::{Clock, Entropy};
use omnibus_model::TopicName;
use omnibus_model::topic::SharedTopic;
use tokio::sync::{mpsc, watch};

use crate::actor::REQUESTS_MAX;
use crate::ahead::Ahead;
use crate::baskets::Baskets;
use crate::couriers::Couriers;
use crate::departing::Deleting;
use crate::engine::{Engine, Inner, Loading};
use crate::error::SubmitError;
use crate::health::Health;
use crate::shard::{Request, Shared};
use crate::{admitter, queue_upkeep};

pub use crate::mover::Mover;

/// Makes an engine over shards that are somebody else's, and what is asked of each of them.
#[must_use]
pub fn engine(
    shared: &Shared,
    limits: BrokerLimits,
    (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
) -> (Engine, Vec<mpsc::Receiver<Request>>) {
    let shards = usize::from(limits.data_shards) + 1;
    let (senders, requests) = (0..shards).map(|_| mpsc::channel(REQUESTS_MAX)).unzip();
    let Shared { log, replicated, watches, catalog, counters, configs, chores, reached } = shared.clone();
    let inner = Inner {
        shards: senders,
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
        deleting: Deleting::default(),
        scrubbing: Arc::default(),
        baskets: Baskets::default(),
        couriers: Couriers::default(),
        router: OnceLock::new(),
        peers: OnceLock::new(),
    };
    (Engine { inner: Arc::new(inner) }, requests)
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
