//! What front ends may ask of the brokers' memory.

use futures_util::future::try_join_all;
use omnibus_model::group::{CommittedOffset, ConsumerSubscription, GroupListing, GroupView, TopicPartition};
use omnibus_model::queue::QueueTraffic;
use omnibus_model::{
    GroupName, LeaderEpoch, LogIndex, MemberId, Offset, ProducerEpoch, ProducerId, Refusal, ShardId, StreamId,
    Timestamp,
};

use crate::engine::Engine;
use crate::error::{ReadError, SubmitError};

/// Queues, of whichever shard.
impl Engine {
    /// What has passed through the queues that this node keeps, by their streams: as far as it has heard.
    pub async fn queue_traffic(&self) -> Vec<(StreamId, QueueTraffic)> {
        let mut all = Vec::new();
        for shard in self.data_shards() {
            let traffic = self.ask_here(shard, |broker| broker.queue_traffic().collect::<Vec<_>>());
            // One that is being filled tells nothing now.
            all.extend(traffic.await.into_iter().flatten());
        }
        all
    }
}

/// Which committed offsets of a group.
#[derive(Clone, Debug)]
pub struct OffsetsWanted {
    pub group: GroupName,
    /// A member that claims this epoch, if it says so (KIP-848).
    pub member: Option<(MemberId, i32)>,
    /// `None` for all that the group has.
    pub partitions: Option<Vec<TopicPartition>>,
}

/// A place in a stream that was looked up by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOffset {
    pub offset: Offset,
    pub timestamp: Timestamp,
}

/// An idempotent producer that a stream remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerView {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
    /// The sequence number of its newest record.
    pub sequence_last: u32,
    pub written_at: Timestamp,
}

impl Engine {
    /// The offsets that a group has committed; what it never committed is absent.
    ///
    /// # Errors
    /// [`SubmitError`]; a stale member is refused.
    pub async fn committed_offsets(
        &self,
        wanted: OffsetsWanted,
    ) -> Result<Vec<(TopicPartition, CommittedOffset)>, SubmitError> {
        let shard = self.group_shard(&wanted.group);
        let OffsetsWanted { group, member, partitions } = wanted;
        let found = self.ask(shard, move |broker| {
            if let Some((member, epoch)) = &member {
                broker.check_offset_reader(&group, Some(member), *epoch)?;
            }
            Ok(match &partitions {
                None => {
                    broker.committed_offsets(&group).map(|(partition, offset)| (partition, offset.clone())).collect()
                }
                Some(partitions) => partitions
                    .iter()
                    .filter_map(|partition| {
                        let offset = broker.committed_offset(&group, partition).cloned();
                        offset.map(|offset| (partition.clone(), offset))
                    })
                    .collect(),
            })
        });
        found.await?.map_err(|refusal: Refusal| refusal.into())
    }

    /// A group as it is now.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn group(&self, group: GroupName) -> Result<Option<GroupView>, SubmitError> {
        self.ask(self.group_shard(&group), move |broker| broker.group(&group)).await
    }

    /// All groups of this node's shards, by name.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn groups(&self) -> Result<Vec<GroupListing>, SubmitError> {
        let asked = self.data_shards().map(|shard| self.ask(shard, omnibus_broker::Broker::groups));
        let mut groups: Vec<GroupListing> = try_join_all(asked).await?.into_iter().flatten().collect();
        groups.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(groups)
    }

    /// What a member of a consumer group reads; `None` if there is no such member.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn consumer_subscription(
        &self,
        group: GroupName,
        member: MemberId,
    ) -> Result<Option<ConsumerSubscription>, SubmitError> {
        self.ask(self.group_shard(&group), move |broker| broker.subscription(&group, &member)).await
    }

    /// The idempotent producers that a stream remembers, by id.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn producers(&self, shard: ShardId, stream: StreamId) -> Result<Vec<ProducerView>, SubmitError> {
        self.ask(shard, move |broker| {
            let producers = broker.stream(stream).into_iter().flat_map(|stream| stream.producers());
            let view = |(id, producer): (ProducerId, &omnibus_broker::Producer)| ProducerView {
                id,
                epoch: producer.epoch(),
                sequence_last: producer.sequence_last(),
                written_at: producer.written_at(),
            };
            producers.map(view).collect()
        })
        .await
    }

    /// The end of an epoch of a stream's leaders: the newest epoch not above `epoch`, and the
    /// offset at which the next one began (KIP-101).
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn epoch_end(
        &self,
        shard: ShardId,
        stream: StreamId,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, SubmitError> {
        self.ask(shard, move |broker| broker.stream(stream).map(|stream| stream.epoch_end(epoch))).await
    }

    /// The newest entry of a shard's log that is committed, or was when this was asked.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn committed(&self, shard: ShardId) -> Result<LogIndex, SubmitError> {
        let newest = self.inner.replicated.newest(shard);
        // Whatever is answered rests on all that was proposed before.
        self.ask(shard, |_| ()).await.map(|()| newest)
    }

    /// The bytes that the disk has in all, if it says so.
    #[must_use]
    pub fn disk_bytes(&self) -> Option<u64> {
        self.inner.log.disk_bytes()
    }

    /// The bytes that a stream takes on disk.
    #[must_use]
    pub fn stream_bytes(&self, stream: StreamId) -> u64 {
        self.inner.log.stream_bytes(stream)
    }

    /// The first record at or after a time, if there is one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn offset_at(&self, stream: StreamId, time: Timestamp) -> Result<Option<TimedOffset>, ReadError> {
        let Some(position) = self.inner.log.find_timestamp(stream, time) else { return Ok(None) };
        self.record_at(stream, position.base, time).await
    }

    /// The first of the newest records (KIP-734).
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn newest(&self, stream: StreamId) -> Result<Option<TimedOffset>, ReadError> {
        let Some(position) = self.inner.log.newest_timestamp(stream) else { return Ok(None) };
        self.record_at(stream, position.base, position.timestamp_max).await
    }

    /// Looks into the batch at `base` for its first record at or after `time`.
    async fn record_at(
        &self,
        stream: StreamId,
        base: Offset,
        time: Timestamp,
    ) -> Result<Option<TimedOffset>, ReadError> {
        let start = self.bounds(stream).start;
        let fetched = self.read(stream, base.max(start), 1).await?;
        let batch = fetched.pieces.into_iter().next().unwrap_or_default();
        let found = omnibus_record::find_timestamp(&batch, time, start);
        let found = found.map_err(|error| ReadError::Disk { reason: error.to_string() })?;
        Ok(found.map(|(offset, timestamp)| TimedOffset { offset, timestamp }))
    }
}
