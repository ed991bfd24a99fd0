//! What is left of deleted topics, in all shards, and whoever finishes a deletion that was cut short (ADR 0046).

use std::time::Duration;

use futures_util::future::try_join_all;
use omnibus_model::topic::SharedTopic;
use omnibus_model::{Command, DeletionNumber, ShardId, TopicId, TopicName};

use crate::engine::Engine;
use crate::error::SubmitError;

/// Deleted topics that are forgotten at once.
const TOPICS_AT_ONCE: usize = 256;

/// How soon it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Finishes what nobody else will, while this node leads the shard of names: whoever deleted a topic may have gone.
pub(crate) async fn finish_now_and_then(engine: Engine, interval: Duration) {
    let mut led = engine.inner.chores.watch_led();
    let mut pause = interval;
    loop {
        tokio::select! {
            biased;
            changed = led.changed() => match changed {
                Err(_) => return,
                // A start has finished what was left.
                Ok(()) if !engine.has_peers() => continue,
                Ok(()) => {}
            },
            () = tokio::time::sleep(pause) => {}
        }
        pause = interval;
        let leads = led.borrow_and_update().contains(&ShardId::METADATA);
        if leads && let Err(error) = engine.finish_deletions(None).await {
            tracing::debug!(%error, "deleted topics are forgotten later");
            pause = RETRY.min(interval);
        }
    }
}

impl Engine {
    /// Waits until all shards have forgotten a deleted topic and its name is free.
    ///
    /// # Errors
    /// [`SubmitError`]; what is left goes later.
    pub(crate) async fn finish_deletion(&self, topic: TopicId) -> Result<(), SubmitError> {
        self.inner.deleting.want(topic);
        let finished = self.finish_deletions(Some(topic)).await;
        self.inner.deleting.done(topic);
        finished
    }

    /// Has deleted topics forgotten, oldest first, until `wanted` is, or all are. Others may do the same at once: each step
    /// can be done again, and comes to nothing if it comes late.
    pub(crate) async fn finish_deletions(&self, wanted: Option<TopicId>) -> Result<(), SubmitError> {
        // Those who delete many topics at once have them forgotten together.
        let _turn = self.inner.deleting.turn.lock().await;
        let finished = self.finish_in_turn(wanted).await;
        if let Err(error) = &finished {
            self.inner.deleting.failed(error);
        }
        finished
    }

    async fn finish_in_turn(&self, wanted: Option<TopicId>) -> Result<(), SubmitError> {
        let deleting = &self.inner.deleting;
        while wanted.map_or(Ok(true), |wanted| deleting.wants(wanted))? {
            let departing = self.ask(ShardId::METADATA, move |broker| departing(broker, wanted)).await?;
            if departing.is_empty() {
                break;
            }
            let shards = self.data_shards().map(|shard| self.forget(shard, &departing));
            try_join_all(shards).await?;
            let release = |(_, topic): &(DeletionNumber, SharedTopic)| Command::ReleaseName {
                topic: topic.name.clone(),
                id: topic.id,
            };
            for released in self.submit_all(ShardId::METADATA, departing.iter().map(release).collect()).await? {
                released?;
            }
            departing.iter().for_each(|(_, topic)| deleting.done(topic.id));
        }
        Ok(())
    }

    /// Drops what a shard has of deleted topics. They are all that were deleted up to the last of them, but for those whose
    /// names are free.
    async fn forget(&self, shard: ShardId, departing: &[(DeletionNumber, SharedTopic)]) -> Result<(), SubmitError> {
        let Some((deletion, _)) = departing.last() else { return Ok(()) };
        let partitions = departing.iter().flat_map(|(_, topic)| &topic.partitions);
        let dropped = partitions.filter(|partition| partition.shard == shard);
        let mut commands: Vec<Command> =
            dropped.map(|partition| Command::DropStream { stream: partition.stream }).collect();
        let topics: Vec<(TopicName, TopicId)> =
            departing.iter().map(|(_, topic)| (topic.name.clone(), topic.id)).collect();
        commands.push(Command::ForgetTopics { topics, deletion: *deletion });
        for done in self.submit_all(shard, commands).await? {
            done?;
        }
        Ok(())
    }
}

/// The oldest deleted topics whose names are not free; none if the one that is wanted is not among them.
fn departing(broker: &omnibus_broker::Broker, wanted: Option<TopicId>) -> Vec<(DeletionNumber, SharedTopic)> {
    let mut departing = broker.departing_topics();
    if wanted.is_some_and(|wanted| departing.iter().all(|(_, topic)| topic.id != wanted)) {
        departing.clear();
    }
    departing.truncate(TOPICS_AT_ONCE);
    departing
}
