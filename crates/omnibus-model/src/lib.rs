//! The vocabulary of Omnibus: names, numbers, records, commands, outcomes and refusals.
//!
//! Every crate speaks these words and no protocol's own. Reading order: what is asked
//! (`command`), what is answered (`outcome`, `refusal`), then the things they speak of.
//!
//! **Never:** clock, I/O, async, wire types of any protocol.

pub mod command;
pub mod outcome;
pub mod refusal;
pub mod group;
pub mod config;
pub mod exchange;
pub mod topic;
pub mod queue;
pub mod batch;
pub mod name;
pub mod node;
pub mod secret;
pub mod time;
pub mod number;
pub mod planted;

pub use batch::{BatchInfo, ProducerStamp, RecordFormat};
pub use command::Command;
pub use name::{ExchangeName, GroupName, InstanceId, MemberId, NameError, TopicName};
pub use number::{
    AttemptHash, DedupHash, DeletionNumber, GroupHash, HolderId, LeaderEpoch, LeaseEpoch, LogIndex, MoveId, NodeId,
    Offset, PartitionIndex, ProducerEpoch, ProducerId, ShardId, StreamId, Term, TopicId,
};
pub use outcome::Outcome;
pub use planted::{Bug, planted};
pub use refusal::Refusal;
pub use secret::ClusterSecret;
pub use time::{Millis, Timestamp};
