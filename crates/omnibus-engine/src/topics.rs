//! Topics: what takes more than one shard.

use omnibus_model::command::CreateTopic;
use omnibus_model::config::{BrokerConfig, ConfigChange, ConfigScope, GroupConfig};
use omnibus_model::topic::{Placement, SharedTopic, TopicConfig};
use omnibus_model::{
    ClusterSecret, Command, GroupName, Offset, Outcome, ProducerId, Refusal, ShardId, StreamId, TopicName,
};

use crate::engine::Engine;
use crate::error::SubmitError;

impl Engine {
    /// Creates a topic; it is in the catalog when this returns.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn create_topic(&self, command: CreateTopic) -> Result<SharedTopic, SubmitError> {
        self.change_topic(Command::CreateTopic(command)).await
    }

    /// Creates a topic whose partitions are placed by hand; it is in the catalog when this returns.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn create_placed_topic(
        &self,
        command: CreateTopic,
        placement: Placement,
    ) -> Result<SharedTopic, SubmitError> {
        self.change_topic(Command::CreatePlacedTopic { create: Box::new(command), placement }).await
    }

    /// Grows a topic to `total` partitions.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn add_partitions(&self, topic: TopicName, total: u32) -> Result<SharedTopic, SubmitError> {
        self.change_topic(Command::AddPartitions { topic, total }).await
    }

    /// Grows a topic to `total` partitions, of which the new ones are placed by hand.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn add_placed_partitions(
        &self,
        topic: TopicName,
        total: u32,
        placement: Placement,
    ) -> Result<SharedTopic, SubmitError> {
        self.change_topic(Command::AddPlacedPartitions { topic, total, placement }).await
    }

    /// Changes a topic's configuration.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn alter_topic(
        &self,
        topic: TopicName,
        change: ConfigChange<TopicConfig>,
    ) -> Result<SharedTopic, SubmitError> {
        self.change_topic(Command::AlterTopic { topic, change: Box::new(change) }).await
    }

    /// Changes what is set for brokers; it counts when this returns.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn alter_brokers(
        &self,
        scope: ConfigScope,
        change: ConfigChange<BrokerConfig>,
    ) -> Result<(), SubmitError> {
        let command = Command::AlterBrokers { scope, change: Box::new(change) };
        self.submit(ShardId::METADATA, command).await.map(drop)
    }

    /// Changes what is set for a consumer group; it counts from its members' next heartbeats on.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn alter_group(&self, group: GroupName, change: ConfigChange<GroupConfig>) -> Result<(), SubmitError> {
        self.submit(ShardId::METADATA, Command::AlterGroup { group, change }).await.map(drop)
    }

    /// Deletes a topic, its records, and the offsets that groups committed for it; its name is
    /// free when this returns. Goes on if nobody waits for it any more.
    ///
    /// # Errors
    /// [`SubmitError`]. A topic that is gone from the catalog stays gone; what is left of
    /// it goes later, and its name is free then.
    pub async fn delete_topic(&self, topic: TopicName) -> Result<(), SubmitError> {
        let engine = self.clone();
        let deletion = tokio::spawn(async move { engine.delete_and_forget(topic).await });
        deletion.await.unwrap_or(Err(SubmitError::Closing))
    }

    pub(crate) async fn delete_and_forget(&self, topic: TopicName) -> Result<(), SubmitError> {
        let deleted = self.change_topic(Command::DeleteTopic { topic }).await?;
        self.finish_deletion(deleted.id).await
    }

    /// Forgets a stream's records before `before`; returns the new first offset.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn trim(&self, shard: ShardId, stream: StreamId, before: Offset) -> Result<Offset, SubmitError> {
        match self.submit(shard, Command::Trim { stream, before }).await? {
            Outcome::Trimmed { start } => Ok(start),
            other => unreachable!("a trim ended in {other:?}"),
        }
    }

    /// Hands out a producer id that was never used before.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn allocate_producer(&self) -> Result<ProducerId, SubmitError> {
        match self.submit(ShardId::METADATA, Command::AllocateProducer).await? {
            Outcome::ProducerAllocated { producer } => Ok(producer),
            other => unreachable!("allocating a producer ended in {other:?}"),
        }
    }

    /// What the cluster's keys are derived from, the same on every node for ever; drawn when it is
    /// first asked for.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn cluster_secret(&self) -> Result<ClusterSecret, SubmitError> {
        let mut offer = [0; 32];
        offer[..16].copy_from_slice(&self.random().to_le_bytes());
        offer[16..].copy_from_slice(&self.random().to_le_bytes());
        match self.submit(ShardId::METADATA, Command::KeepSecret { offer: ClusterSecret(offer) }).await? {
            Outcome::SecretKept { secret } => Ok(secret),
            other => unreachable!("keeping a secret ended in {other:?}"),
        }
    }

    /// Finds a topic by name.
    ///
    /// # Errors
    /// [`Refusal::UnknownTopic`].
    pub fn topic(&self, name: &TopicName) -> Result<SharedTopic, Refusal> {
        self.catalog().topic(name.as_str()).ok_or_else(|| Refusal::UnknownTopic { topic: name.clone() })
    }

    pub(crate) async fn change_topic(&self, command: Command) -> Result<SharedTopic, SubmitError> {
        match self.submit(ShardId::METADATA, command).await? {
            Outcome::TopicCreated { topic } | Outcome::TopicAltered { topic } | Outcome::TopicDeleted { topic } => {
                Ok(topic)
            }
            other => unreachable!("changing a topic ended in {other:?}"),
        }
    }
}
