//! Topics: `/v1/topics` and `/v1/topics/{topic}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// All topics by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicList {
    pub topics: Vec<TopicLine>,
}

/// One line of the list of topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicLine {
    pub name: String,
    pub id: String,
    pub partitions: u32,
    /// Offsets from each partition's first to its end.
    pub records: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// A topic with all its partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicView {
    pub name: String,
    pub id: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    pub records: u64,
    pub bytes: u64,
    pub partitions: Vec<PartitionView>,
    pub config: Vec<ConfigValue>,
}

/// A partition as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionView {
    pub partition: u32,
    /// The shard that owns it.
    pub shard: u16,
    /// What its records are filed under; `omnibus verify` names it.
    pub stream: u64,
    /// The first offset that can be read.
    pub start: u64,
    /// The offset that the next record will take.
    pub end: u64,
    pub bytes: u64,
}

/// One setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigValue {
    pub key: String,
    pub value: String,
    pub source: ConfigSource,
}

/// Who chose a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigSource {
    Default,
    Topic,
}

/// `POST /v1/topics`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicCreate {
    pub name: String,
    /// The broker's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u32>,
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

/// `PATCH /v1/topics/{topic}`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicAlter {
    /// The new number of partitions; they are only ever added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u32>,
    /// `null` goes back to the default.
    #[serde(default)]
    pub config: BTreeMap<String, Option<String>>,
}
