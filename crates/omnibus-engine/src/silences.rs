//! Shards of whose voters this node hears too few for anybody whom it could ask to lead them (ADR 0098).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use omnibus_model::ShardId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// How long too few may be heard until nobody waits for them any more: as long as a process takes to start again, or a busy
/// machine to answer.
const GRACE: Duration = Duration::from_secs(2);

/// By shard. Who looks now and then notes it, so that whoever asks for something need not look.
#[derive(Debug)]
pub(crate) struct Silences {
    shards: Vec<Silence>,
}

#[derive(Debug, Default)]
struct Silence {
    since: Mutex<Option<Duration>>,
    lasts: AtomicBool,
    bell: Notify,
}

impl Silences {
    /// For so many shards, of which all are heard.
    pub(crate) fn new(shards: usize) -> Self {
        Self { shards: (0..shards).map(|_| Silence::default()).collect() }
    }

    /// Notes whether enough voters of a shard are heard now.
    pub(crate) fn note(&self, shard: ShardId, is_heard: bool, now: Duration) {
        let silence = self.of(shard);
        let mut since = silence.since.lock();
        *since = if is_heard { None } else { Some(since.unwrap_or(now)) };
        let lasts = since.is_some_and(|since| now.saturating_sub(since) >= GRACE);
        if silence.lasts.swap(lasts, Ordering::SeqCst) != lasts && lasts {
            tracing::debug!(shard = shard.0, "too few voters of the shard are heard for this node to serve it");
            silence.bell.notify_waiters();
        }
    }

    /// Whether too few have been heard for long.
    pub(crate) fn lasts(&self, shard: ShardId) -> bool {
        self.of(shard).lasts.load(Ordering::SeqCst)
    }

    /// Waits until too few have been heard for long.
    pub(crate) async fn wait(&self, shard: ShardId) {
        loop {
            // The bell counts from here on, so nothing is missed between the look and the wait.
            let rung = self.of(shard).bell.notified();
            if self.lasts(shard) {
                return;
            }
            rung.await;
        }
    }

    fn of(&self, shard: ShardId) -> &Silence {
        &self.shards[usize::from(shard.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_silence_is_one_once_it_lasts_and_until_somebody_is_heard() {
        let (silences, [first, second]) = (Silences::new(2), [ShardId(0), ShardId(1)]);
        let note = |shard, is_heard, now| {
            silences.note(shard, is_heard, Duration::from_millis(now));
            silences.lasts(shard)
        };
        assert!(!note(first, true, 0) && !note(first, false, 500) && !note(first, false, 2_499));
        let waiting = silences.wait(first);
        assert!(note(first, false, 2_500));
        waiting.await;
        silences.wait(first).await;
        assert!(!note(second, false, 2_600));
        assert!(!note(first, true, 2_700) && !note(first, false, 2_800), "it begins anew");
        assert!(!note(first, false, 4_799) && note(first, false, 4_800));
    }
}
