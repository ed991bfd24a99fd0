//! Topics, their partitions and their configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::queue::Queue;
use crate::{Millis, NodeId, ShardId, StreamId, Timestamp, TopicId, TopicName};

/// A named set of partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    pub name: TopicName,
    pub id: TopicId,
    /// In partition order.
    pub partitions: Vec<Partition>,
    pub config: TopicConfig,
    pub created_at: Timestamp,
    /// Of a queue: a topic of one partition with a lease cursor, or of one for each priority.
    pub queue: Option<Box<Queue>>,
    /// Of partitions that were placed by hand, the nodes as they were named; of others nothing, or less of these than
    /// there are partitions.
    pub placed: Vec<Vec<NodeId>>,
}

/// Where a client wants partitions to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// For each partition its nodes; the first is to lead it.
    pub nodes: Vec<Vec<NodeId>>,
    /// The shards that each of the first is to lead, by what whoever placed them knew.
    pub shards: BTreeMap<NodeId, Vec<ShardId>>,
}

impl Topic {
    /// Where the records of a queue are; `None` of a topic that is none.
    #[must_use]
    pub fn queue_place(&self) -> Option<QueuePlace> {
        let lowest = *self.partitions.first().filter(|_| self.queue.is_some())?;
        let highest = u8::try_from(self.partitions.len() - 1).expect("a queue has at most 256 partitions");
        Some(QueuePlace { lowest, highest })
    }
}

/// Where a partition's records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    pub stream: StreamId,
    pub shard: ShardId,
}

/// Where a queue's records are: a partition for each priority, one after the other in one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePlace {
    /// The partition of priority 0, after which the queue is called.
    pub lowest: Partition,
    /// The highest priority; 0 of a queue without priorities.
    pub highest: u8,
}

impl QueuePlace {
    #[must_use]
    pub const fn shard(self) -> ShardId {
        self.lowest.shard
    }

    #[must_use]
    pub const fn has_priorities(self) -> bool {
        self.highest > 0
    }

    /// The partition of a priority. One above the highest counts as the highest.
    #[must_use]
    pub fn of_priority(self, priority: u8) -> Partition {
        let above = u64::from(priority.min(self.highest));
        Partition { stream: StreamId(self.lowest.stream.0 + above), ..self.lowest }
    }

    /// All partitions, the one of the highest priority first.
    pub fn partitions(self) -> impl Iterator<Item = Partition> {
        (0..=self.highest).rev().map(move |priority| self.of_priority(priority))
    }

    /// The streams of all partitions, the one of the highest priority first.
    pub fn streams(self) -> impl Iterator<Item = StreamId> {
        self.partitions().map(|partition| partition.stream)
    }

    /// The priority that the records of a stream have; `None` if it is not of this queue.
    #[must_use]
    pub fn priority_of(self, stream: StreamId) -> Option<u8> {
        let above = stream.0.checked_sub(self.lowest.stream.0)?;
        u8::try_from(above).ok().filter(|priority| *priority <= self.highest)
    }
}

/// One partition by itself is a queue without priorities.
impl From<Partition> for QueuePlace {
    fn from(lowest: Partition) -> Self {
        Self { lowest, highest: 0 }
    }
}

/// A topic that many readers share.
pub type SharedTopic = Arc<Topic>;

/// What a topic's creator chose; `None` inherits the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicConfig {
    pub cleanup: Option<Cleanup>,
    pub retention_time: Option<Limit>,
    /// In bytes per partition.
    pub retention_bytes: Option<Limit>,
    pub batch_bytes_max: Option<u32>,
    pub timestamps: Option<TimestampSource>,
    pub in_sync_replicas_min: Option<u32>,
    /// How far before the broker's clock a record's timestamp may lie, in ms.
    pub timestamp_before_max: Option<Limit>,
    /// How far after the broker's clock a record's timestamp may lie, in ms.
    pub timestamp_after_max: Option<Limit>,
    /// How long a tombstone stays after compaction reached it.
    pub tombstone_retention: Option<Millis>,
    /// How long a record stays uncompacted at least.
    pub compaction_lag_min: Option<Millis>,
    /// How long a record stays uncompacted at most.
    pub compaction_lag_max: Option<Millis>,
    /// The share of superseded bytes that starts a compaction, in thousandths.
    pub dirty_ratio_min: Option<u32>,
    /// How the broker keeps batches compressed.
    pub compression: Option<Compression>,
    /// How hard the broker compresses with gzip, 1 to 9; -1 is gzip's own choice.
    pub gzip_level: Option<i32>,
    /// How hard the broker compresses with zstd, up to 22.
    pub zstd_level: Option<i32>,
    /// What was asked for that holds for every topic, under the asking protocol's names. Kept so
    /// that it can be shown again.
    pub notes: BTreeMap<String, String>,
}

/// A limit that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    Unlimited,
    /// In the unit of the field: milliseconds or bytes.
    AtMost(u64),
}

/// How old records leave a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cleanup {
    /// By age and size.
    Delete,
    /// The last record of each key stays.
    Compact,
    /// Both.
    CompactAndDelete,
    /// Not at all.
    Keep,
}

/// Whose clock a record's timestamp is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimestampSource {
    Producer,
    Broker,
}

/// How batches are compressed that come compressed in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// They stay as they came.
    Producer,
    /// They are not compressed.
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Cleanup {
    #[must_use]
    pub const fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::CompactAndDelete)
    }

    #[must_use]
    pub const fn compacts(self) -> bool {
        matches!(self, Self::Compact | Self::CompactAndDelete)
    }
}

/// A topic's configuration with every default filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectiveConfig {
    pub cleanup: Cleanup,
    pub retention_time: Limit,
    pub retention_bytes: Limit,
    pub batch_bytes_max: u32,
    pub timestamps: TimestampSource,
    pub in_sync_replicas_min: u32,
    pub timestamp_before_max: Limit,
    pub timestamp_after_max: Limit,
    pub tombstone_retention: Millis,
    pub compaction_lag_min: Millis,
    pub compaction_lag_max: Millis,
    pub dirty_ratio_min: u32,
    pub compression: Compression,
    pub gzip_level: i32,
    pub zstd_level: i32,
}

const HOUR: u64 = 3_600_000;

impl Default for EffectiveConfig {
    /// Kafka's defaults, which clients of a topic assume.
    fn default() -> Self {
        Self {
            cleanup: Cleanup::Delete,
            retention_time: Limit::AtMost(7 * 24 * HOUR),
            retention_bytes: Limit::Unlimited,
            batch_bytes_max: 1_048_588,
            timestamps: TimestampSource::Producer,
            in_sync_replicas_min: 1,
            timestamp_before_max: Limit::Unlimited,
            timestamp_after_max: Limit::AtMost(HOUR),
            tombstone_retention: Millis(24 * HOUR),
            compaction_lag_min: Millis(0),
            compaction_lag_max: Millis(i64::MAX as u64),
            dirty_ratio_min: 500,
            compression: Compression::Producer,
            gzip_level: -1,
            zstd_level: 3,
        }
    }
}

impl TopicConfig {
    /// Fills in `defaults` where the creator chose nothing.
    #[must_use]
    pub fn effective(&self, defaults: &EffectiveConfig) -> EffectiveConfig {
        EffectiveConfig {
            cleanup: self.cleanup.unwrap_or(defaults.cleanup),
            retention_time: self.retention_time.unwrap_or(defaults.retention_time),
            retention_bytes: self.retention_bytes.unwrap_or(defaults.retention_bytes),
            batch_bytes_max: self.batch_bytes_max.unwrap_or(defaults.batch_bytes_max),
            timestamps: self.timestamps.unwrap_or(defaults.timestamps),
            in_sync_replicas_min: self.in_sync_replicas_min.unwrap_or(defaults.in_sync_replicas_min),
            timestamp_before_max: self.timestamp_before_max.unwrap_or(defaults.timestamp_before_max),
            timestamp_after_max: self.timestamp_after_max.unwrap_or(defaults.timestamp_after_max),
            tombstone_retention: self.tombstone_retention.unwrap_or(defaults.tombstone_retention),
            compaction_lag_min: self.compaction_lag_min.unwrap_or(defaults.compaction_lag_min),
            compaction_lag_max: self.compaction_lag_max.unwrap_or(defaults.compaction_lag_max),
            dirty_ratio_min: self.dirty_ratio_min.unwrap_or(defaults.dirty_ratio_min),
            compression: self.compression.unwrap_or(defaults.compression),
            gzip_level: self.gzip_level.unwrap_or(defaults.gzip_level),
            zstd_level: self.zstd_level.unwrap_or(defaults.zstd_level),
        }
    }
}
