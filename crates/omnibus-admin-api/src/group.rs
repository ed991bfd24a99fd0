//! Consumer groups: `/v1/groups` and `/v1/groups/{group}`.

use serde::{Deserialize, Serialize};

/// All groups by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupList {
    pub groups: Vec<GroupLine>,
}

/// One line of the list of groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLine {
    pub name: String,
    /// `classic` or `consumer`.
    pub kind: String,
    pub state: String,
    pub protocol_type: String,
}

/// A group with its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDetail {
    pub name: String,
    pub kind: String,
    pub state: String,
    pub protocol_type: String,
    /// The way in which its members share.
    pub protocol: String,
    pub epoch: i32,
    pub members: Vec<MemberDetail>,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberDetail {
    pub id: String,
    /// The name of a static member.
    pub instance: Option<String>,
    pub client: String,
    pub host: String,
    /// What it reads; absent if its protocol keeps that to itself.
    pub assigned: Option<Vec<Assigned>>,
}

/// The partitions of one topic that a member reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    pub topic: String,
    pub partitions: Vec<u32>,
}

/// `GET /v1/groups/{group}/lag`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLag {
    pub name: String,
    pub state: String,
    /// Records that are there and not read yet.
    pub total: u64,
    pub partitions: Vec<PartitionLag>,
}

/// How far a group is behind in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionLag {
    pub topic: String,
    pub partition: u32,
    /// The next offset that the group will read; absent if a member reads the partition and
    /// has committed nothing yet.
    pub committed: Option<u64>,
    pub start: u64,
    pub end: u64,
    /// Records that are there and lie behind what was committed.
    pub lag: u64,
    /// Milliseconds since 1970.
    pub committed_at: Option<i64>,
}

/// `POST /v1/groups/{group}/seek`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seek {
    pub to: SeekTo,
    /// All topics that the group has offsets for, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// All partitions of the topic, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    #[serde(default)]
    pub mode: SeekMode,
}

/// Where a group shall read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeekTo {
    Earliest,
    Latest,
    Offset(u64),
    /// The first record at or after this time, in milliseconds since 1970.
    Timestamp(i64),
    /// So many records back (negative) or forward.
    Shift(i64),
}

/// Whether a seek happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeekMode {
    #[default]
    Apply,
    /// Only says what would change.
    Preview,
}

/// Where a group reads on now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sought {
    pub name: String,
    pub mode: SeekMode,
    pub partitions: Vec<SoughtPartition>,
}

/// One partition's move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoughtPartition {
    pub topic: String,
    pub partition: u32,
    /// Absent if the group had not read it.
    pub before: Option<u64>,
    pub after: u64,
}
