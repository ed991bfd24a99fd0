//! What has become of a command: the participles of history.

use serde::{Deserialize, Serialize};

use crate::config::{BrokerConfig, ConfigScope, GroupConfig};
use crate::exchange::SharedExchange;
use crate::group::TopicPartitions;
use crate::node::{NodeDuty, NodeInfo};
use crate::queue::{Lease, LeaseRefusal};
use crate::topic::SharedTopic;
use crate::{ClusterSecret, GroupName, InstanceId, MemberId, MoveId, NodeId, Offset, ProducerId, Refusal, Timestamp};

/// What a committed command has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    TopicCreated {
        topic: SharedTopic,
    },
    TopicDeleted {
        topic: SharedTopic,
    },
    TopicAltered {
        topic: SharedTopic,
    },
    ProducerAllocated {
        producer: ProducerId,
    },
    Appended(Appended),
    Trimmed {
        start: Offset,
    },
    StreamDropped,
    /// A new member learnt its id and must join again with it (KIP-394).
    MemberIdAssigned {
        member: MemberId,
    },
    /// The member waits for the round with this ticket to close.
    Joining {
        member: MemberId,
        ticket: JoinTicket,
    },
    /// The member waits for the leader's assignment of this generation, or has it already.
    Syncing {
        generation: i32,
    },
    /// For each leaver, in order.
    Left {
        members: Vec<(LeftMember, Result<(), Refusal>)>,
    },
    MembersExpired,
    OffsetsCommitted,
    GroupDeleted,
    OffsetsDeleted {
        partitions: Vec<Result<(), Refusal>>,
    },
    HeartbeatTaken(HeartbeatTaken),
    Ticked,
    TopicForgotten,

    CursorConfigured,
    /// A duplicate is one of a producer's sequence, a deduplication id or an origin.
    Enqueued(Appended),
    /// Of a [`crate::Command::Take`], the leases are over already.
    Acquired(Acquired),
    /// For each settlement, in order.
    Settled {
        results: Vec<Result<(), LeaseRefusal>>,
        /// Whether records are on their way out.
        dying: bool,
    },
    /// For each lease, in order, its new deadline.
    Extended {
        results: Vec<Result<Timestamp, LeaseRefusal>>,
    },
    HolderReleased {
        count: u64,
    },
    SessionsEnded {
        /// How many leases they held.
        count: u64,
    },
    Buried,
    OriginForgotten,
    MoveStarted {
        task: MoveId,
    },
    MoveCancelled {
        /// How many had arrived.
        moved: u64,
    },
    MoveAdvanced(MoveAdvanced),
    Admitted {
        /// Up to here the cursor has looked at all records.
        horizon: Offset,
    },
    Purged {
        count: u64,
    },
    Rewound {
        /// How many records are there again.
        count: u64,
    },
    Expired {
        /// How far it went: dead letters leave at a bounded rate.
        before: Offset,
        dying: bool,
    },

    BrokersAltered {
        scope: ConfigScope,
        config: Box<BrokerConfig>,
    },
    GroupAltered {
        group: GroupName,
        config: GroupConfig,
    },

    /// For each target, in order; a duplicate is one of a deduplication id.
    FannedOut {
        results: Vec<Result<Appended, Refusal>>,
    },

    /// There is one now, or it has changed; what is bound to it belongs to it.
    ExchangeChanged {
        exchange: SharedExchange,
    },
    ExchangeDeleted {
        exchange: SharedExchange,
    },

    /// The one that is kept, which need not be what was offered.
    SecretKept {
        secret: ClusterSecret,
    },

    NodeRegistered {
        node: NodeId,
        info: Box<NodeInfo>,
    },
    NodeForgotten {
        node: NodeId,
    },
    NodeAssigned {
        node: NodeId,
        duty: NodeDuty,
    },
    /// Whether a deleted topic had it or not.
    NameReleased,
}

/// What a receive got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acquired {
    /// In the order in which they shall be processed.
    pub leases: Vec<Lease>,
    /// When they were granted: earlier than now if the receive is one that is repeated.
    pub granted_at: Timestamp,
    /// Whether records are on their way out.
    pub dying: bool,
}

/// What a move task took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveAdvanced {
    pub taken: u32,
    /// When the task may take more; `None` if nothing is left to take.
    pub next_at: Option<Timestamp>,
}

/// Where a batch has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The offset of the batch's first record.
    pub base: Offset,
    /// The first offset that can be read.
    pub start: Offset,
    /// Whether the same producer's batch was there already; nothing was written again.
    pub duplicate: bool,
}

/// A place in a round of joining; answered when the group's generation reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JoinTicket(pub u64);

/// Who has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftMember {
    pub member: Option<MemberId>,
    pub instance: Option<InstanceId>,
}

/// The answer to a heartbeat of a consumer group's member (KIP-848).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatTaken {
    pub member: MemberId,
    pub member_epoch: i32,
    /// The partitions the member may own now; `None` if unchanged.
    pub assignment: Option<Vec<TopicPartitions>>,
}

/// What applying one command has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub outcome: Outcome,
    /// Whether the broker's memory has changed; what changed nothing need not be logged.
    pub changed: bool,
}

impl Applied {
    #[must_use]
    pub const fn changed(outcome: Outcome) -> Self {
        Self { outcome, changed: true }
    }

    #[must_use]
    pub const fn unchanged(outcome: Outcome) -> Self {
        Self { outcome, changed: false }
    }
}
