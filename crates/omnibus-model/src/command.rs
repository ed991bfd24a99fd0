//! What can be asked of the broker: the imperatives of its history.
//!
//! Commands are written to disk in this order of variants (see `docs/formats/command.md`):
//! add new ones at the end, never reorder, never change a variant's fields.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::{BrokerConfig, ConfigChange, ConfigScope, GroupConfig};
use crate::exchange::{BindingConfig, BindingId, BindingTarget, ExchangeConfig, ExchangeKey};
use crate::group::{
    ClientInfo, CommittedOffset, ProtocolOffer, Subscription, TopicPartition, TopicPartitions, TopicShape,
};
use crate::node::{NodeDuty, NodeInfo};
use crate::queue::{Admission, CursorConfig, Envelope, LeaseKey, Origin, QueueConfig, QueueLimits, Settlement};
use crate::topic::{Placement, QueuePlace, TopicConfig};
use crate::{
    AttemptHash, BatchInfo, ClusterSecret, DeletionNumber, GroupName, HolderId, InstanceId, LeaderEpoch, MemberId,
    Millis, MoveId, NodeId, Offset, StreamId, TopicId, TopicName,
};

/// One change of the broker's memory. The time it happens at is stamped beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    // Of the metadata shard.
    CreateTopic(CreateTopic),
    DeleteTopic {
        topic: TopicName,
    },
    /// Grows a topic to `total` partitions.
    AddPartitions {
        topic: TopicName,
        total: u32,
    },
    AlterTopic {
        topic: TopicName,
        change: Box<ConfigChange<TopicConfig>>,
    },
    /// Hands out a producer id that was never used before.
    AllocateProducer,

    // Of a data shard: streams.
    Append(Append),
    /// Forgets all records before an offset.
    Trim {
        stream: StreamId,
        before: Offset,
    },
    /// Forgets a stream for good.
    DropStream {
        stream: StreamId,
    },

    // Of a data shard: groups.
    JoinGroup(Box<JoinGroup>),
    SyncGroup(Box<SyncGroup>),
    LeaveGroup {
        group: GroupName,
        members: Vec<Leaver>,
    },
    /// Removes members whose sessions have lapsed.
    ExpireMembers {
        group: GroupName,
        members: Vec<MemberId>,
    },
    CommitOffsets(Box<CommitOffsets>),
    DeleteGroup {
        group: GroupName,
    },
    DeleteOffsets {
        group: GroupName,
        partitions: Vec<TopicPartition>,
    },
    ConsumerHeartbeat(Box<ConsumerHeartbeat>),

    /// Lets everything happen that is due by now.
    Tick,

    /// Tells a data shard that a topic is gone, so that its groups forget it.
    ForgetTopic {
        topic: TopicName,
        id: TopicId,
    },

    // Of the metadata shard: queues.
    /// Creates a topic of one partition that is a queue.
    CreateQueue(Box<CreateQueue>),
    AlterQueue {
        topic: TopicName,
        change: Box<ConfigChange<QueueConfig>>,
    },

    // Of a data shard: the lease cursors of queues.
    /// Puts a lease cursor over a stream, or changes the one that is there.
    ConfigureCursor {
        stream: StreamId,
        config: CursorConfig,
    },
    Enqueue(Enqueue),
    Acquire(Acquire),
    Settle {
        stream: StreamId,
        settlements: Vec<(LeaseKey, Settlement)>,
    },
    /// Lets each lease end so long after now.
    Extend {
        stream: StreamId,
        leases: Vec<(LeaseKey, Millis)>,
    },
    /// Releases all that somebody holds; the deliveries count.
    ReleaseHolder {
        stream: StreamId,
        holder: HolderId,
    },
    /// Says that a dying record has arrived where it goes.
    Bury {
        stream: StreamId,
        offset: Offset,
    },
    /// Says that nobody will bring the record of an origin again.
    ForgetOrigin {
        stream: StreamId,
        origin: Origin,
    },
    /// Starts to move away all records that are in the queue now.
    StartMove {
        stream: StreamId,
        target: Option<StreamId>,
        /// Records per second.
        rate_max: Option<u32>,
    },
    CancelMove {
        stream: StreamId,
        task: MoveId,
    },
    /// Takes up to `count_max` more records out of the queue, as far as the task's rate allows.
    AdvanceMove {
        stream: StreamId,
        task: MoveId,
        count_max: u32,
    },
    /// Tells a cursor what it did not look at yet: all records from `from` to before `to`, of
    /// which those that are not listed have plain envelopes.
    Admit(Box<Admit>),
    /// Gives up every record but the dying.
    Purge {
        stream: StreamId,
    },
    /// Makes every record from `to` on ready, as if it had never been looked at.
    Rewind {
        stream: StreamId,
        to: Offset,
    },
    /// Lets the records before an offset expire, as the queue's retention wants.
    ExpireBefore {
        stream: StreamId,
        before: Offset,
    },

    // Of the metadata shard.
    /// Changes what is set for brokers.
    AlterBrokers {
        scope: ConfigScope,
        change: Box<ConfigChange<BrokerConfig>>,
    },
    /// Changes what is set for a consumer group, whether or not there is one of that name.
    AlterGroup {
        group: GroupName,
        change: ConfigChange<GroupConfig>,
    },

    // Of a data shard.
    FanOut(Box<FanOut>),

    // Of the metadata shard: exchanges.
    CreateExchange(Box<CreateExchange>),
    /// Deletes an exchange with all that is bound to it.
    DeleteExchange {
        exchange: ExchangeKey,
    },
    AlterExchange {
        exchange: ExchangeKey,
        change: Box<ConfigChange<ExchangeConfig>>,
    },
    Bind(Box<Bind>),
    AlterBinding {
        exchange: ExchangeKey,
        binding: BindingId,
        change: Box<ConfigChange<BindingConfig>>,
    },
    Unbind {
        exchange: ExchangeKey,
        binding: BindingId,
    },

    // Of the metadata shard.
    /// Offers a secret to the cluster, which keeps the first.
    KeepSecret {
        offer: ClusterSecret,
    },

    // Of a data shard.
    /// Releases all that sessions hold, of whatever queue; the deliveries count. A new leader says so
    /// first: who was connected to another has gone.
    EndSessions,
    /// Hands out the next records as done: they are not leased.
    Take {
        stream: StreamId,
        count_max: u32,
    },

    // Of the metadata shard.
    /// Creates a queue with so many priorities above 0: a topic with a partition for each, the lowest
    /// first, all in one shard.
    CreatePriorityQueue {
        create: Box<CreateQueue>,
        priorities: u8,
    },

    /// A node says how it is reached.
    RegisterNode {
        node: NodeId,
        info: Box<NodeInfo>,
    },
    /// A node has left for good.
    ForgetNode {
        node: NodeId,
    },
    /// Says what a node is there for from now on.
    AssignNode {
        node: NodeId,
        duty: NodeDuty,
    },

    // Of a data shard.
    /// Tells that these topics are gone, so that groups forget them: the deleted ones up to a deletion, except for those whose
    /// names are free again. Changes nothing if the shard was told so before, whatever has these names by now.
    ForgetTopics {
        topics: Vec<(TopicName, TopicId)>,
        deletion: DeletionNumber,
    },

    // Of the metadata shard.
    /// All data shards have forgotten a deleted topic: its name is free.
    ReleaseName {
        topic: TopicName,
        id: TopicId,
    },
    /// Creates a queue with limits, and with so many priorities above 0; bounds hold for all of a queue.
    CreateLimitedQueue {
        create: Box<CreateQueue>,
        priorities: u8,
        limits: QueueLimits,
    },

    // Of a data shard.
    /// Says how much a queue takes and for how long it keeps it.
    LimitCursor {
        stream: StreamId,
        limits: QueueLimits,
    },

    // Of the metadata shard.
    /// Changes how much a queue takes and for how long it keeps it.
    LimitQueue {
        topic: TopicName,
        change: ConfigChange<QueueLimits>,
    },

    // Of a data shard.
    /// Says how much a queue with so many priorities above 0 takes in all its partitions together, and for how long it
    /// keeps it. Their streams follow the lowest one's.
    LimitCursors {
        lowest: StreamId,
        highest: u8,
        limits: QueueLimits,
    },

    // Of the metadata shard.
    /// Creates a topic whose partitions are placed by hand.
    CreatePlacedTopic {
        create: Box<CreateTopic>,
        placement: Placement,
    },
    /// Grows a topic to `total` partitions; those that are added are placed by hand.
    AddPlacedPartitions {
        topic: TopicName,
        total: u32,
        placement: Placement,
    },
}

impl Command {
    /// What a data shard is told of how much a queue takes.
    #[must_use]
    pub const fn limit(queue: QueuePlace, limits: QueueLimits) -> Self {
        let QueuePlace { lowest, highest } = queue;
        if queue.has_priorities() {
            Self::LimitCursors { lowest: lowest.stream, highest, limits }
        } else {
            Self::LimitCursor { stream: lowest.stream, limits }
        }
    }
}

/// Creates an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateExchange {
    pub key: ExchangeKey,
    pub config: ExchangeConfig,
}

/// Binds something to an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    pub exchange: ExchangeKey,
    /// Fresh and random.
    pub id: BindingId,
    pub label: String,
    pub target: BindingTarget,
    pub config: BindingConfig,
}

/// Creates a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateQueue {
    pub name: TopicName,
    pub id: TopicId,
    pub config: TopicConfig,
    pub queue: QueueConfig,
}

/// Appends one record to a queue's stream; the payload travels beside the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enqueue {
    /// A batch of one record.
    pub append: Append,
    pub envelope: Envelope,
    /// Where it was moved from.
    pub origin: Option<Origin>,
}

/// Appends one record to many queues; what they share of its payload travels once beside the
/// command. A queue that refuses it does not keep the others from getting it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FanOut {
    /// A batch of one record, as long as with a plain envelope.
    pub batch: BatchInfo,
    pub leader_epoch: LeaderEpoch,
    pub targets: Vec<Target>,
}

/// A queue that a record goes to, and what the queue acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub stream: StreamId,
    pub envelope: Envelope,
}

/// Takes leases of the next records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acquire {
    pub stream: StreamId,
    pub count_max: u32,
    /// How long they last; for ever if it reaches beyond the end of time.
    pub lease: Millis,
    pub holder: Option<HolderId>,
    /// A repetition of the same attempt gets the same leases, if nothing has happened to them.
    pub attempt: Option<AttemptHash>,
}

/// What the log says of records that a cursor did not look at yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admit {
    pub stream: StreamId,
    pub from: Offset,
    pub to: Offset,
    /// In order of offsets.
    pub records: Vec<Admission>,
}

/// Creates a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTopic {
    pub name: TopicName,
    pub id: TopicId,
    pub partitions: u32,
    pub config: TopicConfig,
}

/// Appends one batch to a stream; the payload travels beside the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    pub stream: StreamId,
    pub batch: BatchInfo,
    /// The leader that takes the batch.
    pub leader_epoch: LeaderEpoch,
}

/// Enters the next round of a classic group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinGroup {
    pub group: GroupName,
    /// `None` for a member that does not know its id yet.
    pub member: Option<MemberId>,
    /// The id that a new member gets; fresh and random.
    pub member_new: MemberId,
    pub instance: Option<InstanceId>,
    pub client: ClientInfo,
    pub session_timeout: Millis,
    pub rebalance_timeout: Millis,
    pub protocol_type: String,
    pub protocols: Vec<ProtocolOffer>,
    /// What the opaque subscriptions above say, as far as the front end can read them.
    pub subscription: Subscription,
    /// Whether a new member must first learn its id and join again (KIP-394).
    pub member_id_required: bool,
    /// Whether the member understands that it may skip the assignment (KIP-814).
    pub skip_assignment_supported: bool,
    pub reason: Option<String>,
}

/// Asks for a classic member's share; from the leader it carries everybody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncGroup {
    pub group: GroupName,
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// A member that leaves, by id, by instance or by both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaver {
    pub member: Option<MemberId>,
    pub instance: Option<InstanceId>,
    pub reason: Option<String>,
}

/// Records how far a group has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitOffsets {
    pub group: GroupName,
    /// `None` for a committer that is not a member.
    pub member: Option<MemberId>,
    pub instance: Option<InstanceId>,
    /// The generation of a classic member, the epoch of a consumer-group member, −1 for neither.
    pub generation: i32,
    /// Whether the request can name a stale epoch (KIP-848, OffsetCommit v9 on).
    pub stale_epoch_supported: bool,
    /// How long the offsets are kept, if the committer says so itself.
    pub retention: Option<Millis>,
    pub offsets: Vec<(TopicPartition, CommittedOffset)>,
}

/// A member of a consumer group says what it has and wants (KIP-848).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerHeartbeat {
    pub group: GroupName,
    pub member: MemberId,
    /// 0 joins, −1 leaves, −2 leaves for a while (static members).
    pub member_epoch: i32,
    pub instance: Option<InstanceId>,
    pub client: ClientInfo,
    pub rebalance_timeout: Option<Millis>,
    /// `None` means unchanged.
    pub subscribed: Option<Vec<TopicName>>,
    /// `None` means unchanged, an empty pattern none.
    pub subscribed_pattern: Option<String>,
    /// `None` means unchanged; the broker's choice if never named.
    pub assignor: Option<String>,
    /// What the member owns now; `None` means unchanged.
    pub owned: Option<Vec<TopicPartitions>>,
    /// The catalog's present view of every topic that the member's subscription, as it stands
    /// after this heartbeat, names or matches. The front end resolves it, so that the group's
    /// shard need not know the catalog; `None` if it is unchanged since the member's last view.
    pub topics: Option<Vec<TopicShape>>,
}
