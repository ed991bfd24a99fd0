//! A member of a consumer group, whose broker shares out the partitions (KIP-848).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use omnibus_io::{Clock, Entropy, SystemClock, SystemEntropy};
use omnibus_kafka::client::{ClientError, Connection, check};
use omnibus_kafka::wire::messages::consumer_group_heartbeat_request::{ConsumerGroupHeartbeatRequest, TopicPartitions};
use omnibus_kafka::wire::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use omnibus_kafka::wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use omnibus_kafka::wire::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use omnibus_kafka::wire::{ApiKey, ErrorCode};

use super::{FETCH_BYTES, From, WAIT_MS, start};
use crate::brokers::{Brokers, Fetched, Reader, TopicAt, patiently};

/// Between two looks for partitions to read.
const IDLE: Duration = Duration::from_millis(200);

/// How long giving up a partition may take.
const REBALANCE_TIMEOUT_MS: i32 = 30_000;

/// The epoch of a member that leaves.
const LEAVING: i32 = -1;

/// One member.
pub(super) struct Member {
    cluster: Brokers,
    coordinator: Connection,
    topic: TopicAt,
    group: String,
    id: String,
    epoch: i32,
    /// What the broker has given.
    assigned: BTreeSet<i32>,
    /// One per leader.
    readers: BTreeMap<i32, Reader>,
    /// What was read and is not committed yet.
    uncommitted: BTreeMap<i32, i64>,
    clock: SystemClock,
    next_heartbeat: Duration,
}

impl Member {
    /// Becomes a member.
    pub(super) async fn join(mut cluster: Brokers, topic: TopicAt, group: &str) -> Result<Self> {
        let coordinator = cluster.coordinator(group).await?;
        let id = format!("{:032x}", SystemEntropy::open()?.random());
        let mut member = Self {
            cluster,
            coordinator,
            topic,
            group: group.to_owned(),
            id,
            epoch: 0,
            assigned: BTreeSet::new(),
            readers: BTreeMap::new(),
            uncommitted: BTreeMap::new(),
            clock: SystemClock::default(),
            next_heartbeat: Duration::ZERO,
        };
        let request = ConsumerGroupHeartbeatRequest {
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            subscribed_topic_names: Some(vec![member.topic.name.clone()]),
            topic_partitions: Some(Vec::new()),
            ..member.heartbeat()
        };
        let joined = patiently(async || {
            member.coordinator = member.cluster.coordinator_now(&member.group).await?;
            member.exchange(&request).await
        });
        match joined.await {
            // So a group is refused whose members speak the other protocol.
            Err(error @ ClientError::Refused { code: ErrorCode::GroupIdNotFound, .. }) => Err(anyhow!(error).context(format!(
                "group {} has members of the classic protocol; `omnibus group describe` names them: end them first, or \
                 choose another name",
                member.group
            ))),
            joined => joined.map(|()| member).map_err(anyhow::Error::from),
        }
    }

    /// Tells the broker that this member lives, and takes or gives up partitions.
    pub(super) async fn keep_up(&mut self, from: From) -> Result<()> {
        let before = self.reading();
        if before != self.assigned {
            self.take_assignment(from).await?;
        }
        if self.clock.elapsed() >= self.next_heartbeat || before != self.assigned {
            let partitions = self.reading().into_iter().collect();
            let owned = TopicPartitions { topic_id: self.topic.id, partitions };
            let request = ConsumerGroupHeartbeatRequest { topic_partitions: Some(vec![owned]), ..self.heartbeat() };
            self.exchange(&request).await?;
        }
        Ok(())
    }

    /// Reads what is new in this member's partitions.
    pub(super) async fn fetch(&mut self) -> Result<Vec<Fetched>> {
        let mut fetched = Vec::new();
        if self.readers.is_empty() {
            tokio::time::sleep(IDLE).await;
        }
        for reader in self.readers.values_mut() {
            fetched.extend(reader.fetch(WAIT_MS).await?);
        }
        Ok(fetched)
    }

    /// Remembers what to commit.
    pub(super) fn has_read(&mut self, partition: i32, next: i64) {
        self.uncommitted.insert(partition, next);
    }

    /// Commits what was read.
    pub(super) async fn commit(&mut self) -> Result<()> {
        if self.uncommitted.is_empty() {
            return Ok(());
        }
        let partition = |(partition, offset): (&i32, &i64)| OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: *offset,
            committed_leader_epoch: -1,
            committed_metadata: None,
        };
        let request = OffsetCommitRequest {
            group_id: self.group.as_str().into(),
            generation_id_or_member_epoch: self.epoch,
            member_id: self.id.as_str().into(),
            group_instance_id: None,
            retention_time_ms: -1,
            topics: vec![OffsetCommitRequestTopic {
                name: self.topic.name.clone(),
                topic_id: self.topic.id,
                partitions: self.uncommitted.iter().map(partition).collect(),
            }],
        };
        let response = self.coordinator.call(&request).await?;
        for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
            check(ApiKey::OffsetCommit, partition.error_code)?;
        }
        self.uncommitted.clear();
        Ok(())
    }

    /// Commits and leaves, so that others need not wait for the session to lapse.
    pub(super) async fn leave(mut self) -> Result<()> {
        self.commit().await?;
        let request = ConsumerGroupHeartbeatRequest { member_epoch: LEAVING, ..self.heartbeat() };
        self.coordinator.call(&request).await?;
        Ok(())
    }

    fn heartbeat(&self) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            group_id: self.group.as_str().into(),
            member_id: self.id.as_str().into(),
            member_epoch: self.epoch,
            rebalance_timeout_ms: -1,
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    async fn exchange(&mut self, request: &ConsumerGroupHeartbeatRequest) -> Result<(), ClientError> {
        let response: ConsumerGroupHeartbeatResponse = self.coordinator.call(request).await?;
        check(ApiKey::ConsumerGroupHeartbeat, response.error_code)?;
        self.epoch = response.member_epoch;
        let pause = u64::try_from(response.heartbeat_interval_ms).unwrap_or_default();
        self.next_heartbeat = self.clock.elapsed() + Duration::from_millis(pause);
        if let Some(assignment) = response.assignment {
            let ours = assignment.topic_partitions.into_iter().filter(|topic| topic.topic_id == self.topic.id);
            self.assigned = ours.flat_map(|topic| topic.partitions).collect();
        }
        Ok(())
    }

    /// The partitions that are read now.
    fn reading(&self) -> BTreeSet<i32> {
        self.readers.values().flat_map(|reader| reader.positions().keys().copied()).collect()
    }

    /// Goes on with what stays, begins what is new, drops what is gone.
    async fn take_assignment(&mut self, from: From) -> Result<()> {
        self.commit().await?;
        let positions: BTreeMap<i32, i64> =
            self.readers.values().flat_map(|reader| reader.positions().clone()).collect();
        self.readers.clear();
        let committed = self.committed().await?;
        for partition in self.assigned.clone() {
            let known = positions.get(&partition).or_else(|| committed.get(&partition)).copied();
            let offset = match known {
                Some(offset) => offset,
                None => start(&mut self.cluster, &self.topic, partition, from).await?,
            };
            let leader = self.topic.partitions.iter().find(|(number, _)| *number == partition);
            let (_, leader) = *leader.context("the group was given a partition that the topic has not")?;
            let connection = self.cluster.leader(&self.topic, partition).await?;
            let reader = || Reader::new(connection, self.topic.clone(), FETCH_BYTES);
            self.readers.entry(leader).or_insert_with(reader).add(partition, offset);
        }
        Ok(())
    }

    /// What the group has read of the partitions that this member was given.
    async fn committed(&self) -> Result<BTreeMap<i32, i64>> {
        let topic = OffsetFetchRequestTopics {
            name: self.topic.name.clone(),
            topic_id: self.topic.id,
            partition_indexes: self.assigned.iter().copied().collect(),
        };
        let group = OffsetFetchRequestGroup {
            group_id: self.group.as_str().into(),
            member_id: Some(self.id.as_str().into()),
            member_epoch: self.epoch,
            topics: Some(vec![topic]),
        };
        let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
        let response = self.coordinator.call(&request).await?;
        let mut committed = BTreeMap::new();
        for group in response.groups {
            check(ApiKey::OffsetFetch, group.error_code)?;
            for partition in group.topics.into_iter().flat_map(|topic| topic.partitions) {
                check(ApiKey::OffsetFetch, partition.error_code)?;
                if partition.committed_offset >= 0 {
                    committed.insert(partition.partition_index, partition.committed_offset);
                }
            }
        }
        Ok(committed)
    }
}
