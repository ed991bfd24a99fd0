//! Queues that go when nobody has used them for as long as their creators said (`x-expires`).

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_model::TopicId;
use tokio::sync::watch;

use crate::arguments::{EXPIRES, Nature};
use crate::connection::told_to_stop;
use crate::door::Door;
use crate::queues::Queue;

/// How often is looked whether a queue is due.
const TICK: Duration = Duration::from_millis(100);

/// How soon a queue is looked at again that another node looks after now.
const ELSEWHERE: Duration = Duration::from_secs(1);

/// A queue that expires.
#[derive(Debug)]
struct Candidate {
    queue: Queue,
    expires: Duration,
    /// When it can be due at the earliest.
    look_at: Duration,
}

/// The queues that expire, as this node knows them.
#[derive(Debug, Default)]
struct Candidates {
    /// Of the names that they were taken from.
    version: Option<u64>,
    by_id: BTreeMap<TopicId, Candidate>,
}

impl Door {
    /// Deletes queues that nobody uses any more, of the shards that this node leads, until told to stop.
    pub(crate) async fn expire_queues(&self, mut shutdown: watch::Receiver<bool>) {
        let mut candidates = Candidates::default();
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => candidates.look(self).await,
                () = told_to_stop(&mut shutdown) => return,
            }
        }
    }
}

impl Candidates {
    async fn look(&mut self, door: &Door) {
        self.learn(door);
        let now = door.engine.clock().elapsed();
        for candidate in self.by_id.values_mut().filter(|candidate| candidate.look_at <= now) {
            let wait = match door.engine.idle_time(candidate.queue.place).await {
                Ok(idle) if idle >= candidate.expires => {
                    expire(door, &candidate.queue).await;
                    // If it is still there, once more.
                    ELSEWHERE
                }
                Ok(idle) => candidate.expires.saturating_sub(idle),
                Err(_) => ELSEWHERE,
            };
            candidate.look_at = now.saturating_add(wait);
        }
    }

    /// Takes up queues that are new, and forgets those that are gone.
    fn learn(&mut self, door: &Door) {
        let version = door.engine.catalog().version();
        if self.version == Some(version) {
            return;
        }
        self.version = Some(version);
        let mut before = std::mem::take(&mut self.by_id);
        for topic in door.engine.catalog().topics() {
            let nature = topic.queue.as_deref().map(|queue| Nature::of(&queue.config));
            let Some(expires) = nature.and_then(|nature| nature.number(EXPIRES)) else { continue };
            let expires = Duration::from_millis(expires);
            // A policy may say something else now.
            let known = before.remove(&topic.id).filter(|known| known.expires == expires);
            let new = |queue| Candidate { queue, expires, look_at: Duration::ZERO };
            let id = topic.id;
            self.by_id.extend(known.or_else(|| door.queue(topic).map(new)).map(|candidate| (id, candidate)));
        }
    }
}

async fn expire(door: &Door, queue: &Queue) {
    if door.find(queue.name()).is_none_or(|present| present.topic.id != queue.topic.id) {
        return;
    }
    tracing::debug!(queue = queue.name(), "a queue that nobody uses any more is deleted");
    if let Err(fault) = door.delete(queue).await {
        tracing::warn!(queue = queue.name(), %fault, "a queue that nobody uses was not deleted");
    }
}
