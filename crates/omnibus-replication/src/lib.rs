//! Orders opaque entries and hands back the committed ones.
//!
//! An entry is a commit group: what the engine put into it is its own affair. There is one
//! upward arrow in the house, and it starts here: [`OnEvent`].
//!
//! **Never:** what a topic, a group or a queue is.

pub mod model;
pub mod local;
pub mod replicated;

pub use local::{LocalLog, Opened};
pub use replicated::{
    CommittedEntry, Confirming, Leadership, NotConfirmed, OnEvent, Proposal, ProposeError, ReplicatedLog,
    ReplicationError, ReplicationEvent,
};
