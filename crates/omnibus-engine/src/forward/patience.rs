//! How long whoever leads is looked for, and waited for (ADR 0098): until one moment for all of it, and no longer when
//! this node hears too few of those who could answer.

use std::sync::Arc;
use std::time::Duration;

use omnibus_model::{NodeId, ShardId};
use omnibus_replication::Leadership;
use tokio::time::{sleep, timeout};

use crate::engine::Engine;
use crate::peers::Peers;

/// How long whoever asks waits in all, beside what it wants to wait for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How much of it is left to whoever is asked last.
const ANSWER: Duration = Duration::from_secs(2);

/// How often is looked who is heard.
const LOOK: Duration = Duration::from_millis(250);

/// Until when an operation is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    began: Duration,
    until: Duration,
}

impl Patience {
    /// From now on, for something that itself may take so long.
    pub(super) fn begin(engine: &Engine, wait: Duration) -> Self {
        let began = engine.clock().elapsed();
        Self { began, until: began.saturating_add(PATIENCE).saturating_add(wait) }
    }

    /// What has passed of it.
    pub(super) fn spent(&self, engine: &Engine) -> Duration {
        engine.clock().elapsed().saturating_sub(self.began)
    }

    pub(super) fn left(&self, engine: &Engine) -> Duration {
        self.until.saturating_sub(engine.clock().elapsed())
    }

    /// Whether a leader that is found now would have time to answer.
    pub(super) fn may_look(&self, engine: &Engine) -> bool {
        self.left(engine) > ANSWER
    }
}

impl Engine {
    /// Whether this node has for some time heard too few of a shard's voters to find anybody who could lead it.
    pub(super) fn is_cut_off(&self, shard: ShardId) -> bool {
        self.inner.silences.lasts(shard)
    }

    fn hears_enough(&self, peers: &Arc<dyn Peers>, shard: ShardId) -> bool {
        // Whom it hears is for that node to say.
        if let Leadership::Elsewhere { leader: Some(leader), .. } = self.leadership(shard)
            && peers.hears(leader)
        {
            return true;
        }
        let voters = self.inner.replicated.voters(shard);
        let is_heard = |voter: &&NodeId| **voter == self.node() || peers.hears(**voter);
        voters.is_empty() || voters.iter().filter(is_heard).count() * 2 > voters.len()
    }

    /// Waits for something that a shard's leader does; none if time is up, or nobody can lead it who is heard here. Whatever it
    /// was may be done nevertheless.
    pub(super) async fn patiently<T>(
        &self,
        shard: ShardId,
        patience: Patience,
        something: impl Future<Output = T>,
    ) -> Option<T> {
        timeout(patience.left(self), self.unless_cut_off(shard, something)).await.ok().flatten()
    }

    /// The same, for as long as it takes.
    pub(crate) async fn unless_cut_off<T>(&self, shard: ShardId, something: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = something => Some(done),
            () = self.inner.silences.wait(shard) => None,
        }
    }
}

/// Notes of which shards this node hears too few, for as long as it is not aborted.
pub(crate) async fn listen(engine: Engine) {
    loop {
        sleep(LOOK).await;
        let Some(peers) = engine.inner.peers.get() else { continue };
        let now = engine.clock().elapsed();
        for shard in std::iter::once(ShardId::METADATA).chain(engine.data_shards()) {
            engine.inner.silences.note(shard, engine.hears_enough(peers, shard), now);
        }
    }
}
