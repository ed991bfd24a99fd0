//! Consumer groups as those who share in them and those who administer them see them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    GroupName, InstanceId, LeaderEpoch, MemberId, Millis, Offset, PartitionIndex, Timestamp, TopicId, TopicName,
};

/// A group's state machine, by the names its clients print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GroupState {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    /// Assigning and reconciling occur only in groups of [`GroupKind::Consumer`].
    Assigning,
    Reconciling,
    Dead,
}

/// Who computes the assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GroupKind {
    /// A member that leads, by JoinGroup and SyncGroup.
    Classic,
    /// The broker, by heartbeats (KIP-848).
    Consumer,
}

/// Who a member is, for those who look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientInfo {
    pub id: String,
    pub host: String,
    pub rack: Option<String>,
}

/// One way of sharing that a classic member offers, with its opaque subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolOffer {
    pub name: String,
    pub metadata: Bytes,
}

/// What a classic member reads, as far as its front end can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subscription {
    /// The group shares something else than topics.
    #[default]
    NotTopics,
    /// Topics, but the front end could not read which.
    Unreadable,
    Topics(Vec<TopicName>),
}

/// What a classic member is told when the round of joining closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub generation: i32,
    pub protocol_type: String,
    pub protocol: String,
    pub leader: MemberId,
    pub member: MemberId,
    /// Whether the leader may keep the assignment it made before (KIP-814).
    pub skip_assignment: bool,
    /// All members for the leader, none for the others.
    pub members: Vec<JoinedMember>,
}

/// One member in the leader's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub metadata: Bytes,
}

/// What a classic member is told when the leader has shared out the partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: String,
    pub protocol: String,
    pub assignment: Bytes,
}

/// A partition by its topic's name, as groups remember it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    pub topic: TopicName,
    pub partition: PartitionIndex,
}

/// How far a group has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedOffset {
    pub offset: Offset,
    pub leader_epoch: Option<LeaderEpoch>,
    pub metadata: String,
    pub committed_at: Timestamp,
}

/// The partitions of one topic that a member owns (KIP-848).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicPartitions {
    pub topic: TopicId,
    pub partitions: Vec<PartitionIndex>,
}

/// A topic as an assignor needs it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicShape {
    pub topic: TopicId,
    pub name: TopicName,
    pub partitions: u32,
}

/// A group, for those who describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    pub group: GroupName,
    pub kind: GroupKind,
    pub state: GroupState,
    pub protocol_type: String,
    /// The classic protocol in use, or the assignor of a consumer group.
    pub protocol: String,
    /// The generation of a classic group, the group epoch of a consumer group.
    pub epoch: i32,
    /// The epoch of the target assignment of a consumer group.
    pub assignment_epoch: i32,
    pub members: Vec<MemberView>,
}

/// A member, for those who describe its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub client: ClientInfo,
    /// The opaque subscription of a classic member.
    pub metadata: Bytes,
    /// The opaque assignment of a classic member.
    pub assignment: Bytes,
    /// What only members of a consumer group have.
    pub consumer: Option<ConsumerMemberView>,
}

/// A member of a consumer group (KIP-848).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerMemberView {
    pub epoch: i32,
    pub subscribed: Vec<TopicName>,
    pub subscribed_pattern: Option<String>,
    pub owned: Vec<TopicPartitions>,
    pub target: Vec<TopicPartitions>,
}

/// One line of the list of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    pub group: GroupName,
    pub kind: GroupKind,
    pub state: GroupState,
    pub protocol_type: String,
}

/// How long a member may be silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSession {
    pub member: MemberId,
    pub timeout: Millis,
    /// Whether the member waits for an answer and so cannot lapse now.
    pub waiting: bool,
}

/// What a member of a consumer group reads, and the view of the catalog it was resolved by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSubscription {
    pub subscribed: Vec<TopicName>,
    pub subscribed_pattern: Option<String>,
    pub topics: Vec<TopicShape>,
}
