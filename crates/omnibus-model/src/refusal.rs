//! The ways the broker says no. Deterministic: part of history, the same on every replica.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::exchange::{BindingId, ExchangeKey};
use crate::{
    GroupName, MemberId, MoveId, NodeId, Offset, PartitionIndex, ProducerEpoch, ProducerId, StreamId, TopicName,
};

/// Why a command was not carried out. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Refusal {
    #[error("there is no topic {topic}")]
    UnknownTopic { topic: TopicName },
    #[error("topic {topic} has no partition {partition}")]
    UnknownPartition { topic: TopicName, partition: PartitionIndex },
    #[error("topic {topic} already exists")]
    TopicExists { topic: TopicName },
    #[error("a topic has 1 to {max} partitions, not {partitions}")]
    PartitionCountInvalid { partitions: u32, max: u32 },
    #[error("topic {topic} has {present} partitions and cannot have {wanted}: partitions are only ever added")]
    PartitionsOnlyGrow { topic: TopicName, present: u32, wanted: u32 },
    #[error("the configuration of {topic} was changed by somebody else meanwhile")]
    ConfigChangedMeanwhile { topic: TopicName },
    #[error("this configuration was changed by somebody else meanwhile")]
    SettingsChangedMeanwhile,
    #[error("the broker holds {max} {what}, the most it may")]
    LimitReached { what: Limited, max: u64 },

    #[error("stream {stream} has been deleted")]
    StreamDropped { stream: StreamId },
    #[error("offset {offset} is not within {start} to {end}")]
    OffsetOutOfRange { offset: Offset, start: Offset, end: Offset },
    #[error("producer {producer} sent sequence {got}, expected {expected}")]
    SequenceOutOfOrder { producer: ProducerId, expected: u32, got: u32 },
    #[error("producer {producer} has been superseded: epoch {got} is older than {current}")]
    ProducerFenced { producer: ProducerId, current: ProducerEpoch, got: ProducerEpoch },

    #[error("there is no group {group}")]
    UnknownGroup { group: GroupName },
    #[error("{member} is not a member of group {group}")]
    UnknownMember { group: GroupName, member: MemberId },
    #[error("the request names no member of group {group}")]
    NotAMember { group: GroupName },
    #[error("generation {got} of the group is over, {current} is current")]
    IllegalGeneration { current: i32, got: i32 },
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    #[error("the member's protocols do not fit the group's")]
    InconsistentProtocol,
    #[error("another client has taken over this static member")]
    InstanceFenced,
    #[error("another client holds this static member")]
    InstanceUnreleased,
    #[error("a session timeout is {min} to {max}, not {got}")]
    SessionTimeoutInvalid { min: crate::Millis, max: crate::Millis, got: crate::Millis },
    #[error("group {group} has members")]
    GroupNotEmpty { group: GroupName },
    #[error("the group is subscribed to {topic}")]
    GroupSubscribed { topic: TopicName },
    #[error("the group is of the other kind")]
    GroupKindMismatch,
    #[error("the group has {max} members, the most it may")]
    GroupFull { max: u32 },
    #[error("member epoch {got} is not the current {current}")]
    MemberEpochFenced { current: i32, got: i32 },
    #[error("member epoch {got} does not suffice, {current} is current")]
    MemberEpochStale { current: i32, got: i32 },
    #[error("the broker has no assignor {assignor}")]
    UnsupportedAssignor { assignor: String },
    #[error("members of this kind of group must use a newer version of the request")]
    RequestTooOld,
    #[error("{reason}")]
    RequestInvalid { reason: String },

    #[error("topic {topic} is not a queue")]
    NotAQueue { topic: TopicName },
    #[error("topic {topic} is a queue, whose partitions are fixed")]
    TopicIsQueue { topic: TopicName },
    #[error("stream {stream} has no lease cursor")]
    UnknownQueue { stream: StreamId },
    #[error("the queue has {max} records out on lease, the most it may")]
    LeasesFull { max: u32 },
    #[error("a record of an ordered queue belongs to a group")]
    RecordGroupMissing,
    #[error("whether a queue is ordered is decided when it is created")]
    QueueOrderFixed,
    #[error("the queue keeps no history")]
    HistoryNotKept,
    #[error("the queue is being moved already")]
    MoveRunning { task: MoveId },
    #[error("the queue has no move task {task} that runs")]
    UnknownMove { task: MoveId },

    #[error("there is no exchange {exchange}")]
    UnknownExchange { exchange: ExchangeKey },
    #[error("exchange {exchange} already exists")]
    ExchangeExists { exchange: ExchangeKey },
    #[error("the exchange has no such binding")]
    UnknownBinding { binding: BindingId },
    #[error("the exchange has this binding already")]
    BindingExists { binding: BindingId },

    #[error("the cluster knows no node {node}")]
    UnknownNode { node: NodeId },
    #[error("node {node} was removed from the cluster, and its number is never used again")]
    NodeRemoved { node: NodeId },
    #[error("whoever is to hold records of stream {stream} is not connected to its leader")]
    UnknownHolder { stream: StreamId },
    #[error("the queue of stream {stream} has as much as it may")]
    QueueFull { stream: StreamId },
}

/// What there is only so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limited {
    Partitions,
    Groups,
    Producers,
    DeduplicationIds,
    Origins,
    GroupConfigs,
    Exchanges,
    Bindings,
    BindingsOfExchange,
    Nodes,
    Consumers,
}

impl std::fmt::Display for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Partitions => "partitions",
            Self::Groups => "groups",
            Self::Producers => "producers",
            Self::DeduplicationIds => "deduplication ids",
            Self::Origins => "moved records",
            Self::GroupConfigs => "configurations of groups",
            Self::Exchanges => "exchanges",
            Self::Bindings => "bindings",
            Self::BindingsOfExchange => "bindings of one exchange",
            Self::Nodes => "nodes",
            Self::Consumers => "consumers of one other node",
        })
    }
}
