//! The broker: a state machine that takes commands and says what has become of them.
//!
//! [`Broker::apply`] is the only way in. It remembers topics, streams, producers, groups, offsets
//! and leases, and never sees a record. The replicas of a shard apply the same commands in the
//! same order and so remember the same; [`Broker::digest`] tells whether they do.
//!
//! **Never:** clock, I/O, randomness, async, payloads, the words of one protocol, or a collection
//! whose order is not its content's.

mod addressee;
mod broker;
mod checkpoint;
mod groups;
mod group;
mod classic;
mod consumer;
mod offsets;
mod topics;
mod exchanges;
mod configs;
mod nodes;
mod queues;
mod together;
mod cursor;
mod runs;
mod streams;
mod producers;
mod epochs;
mod agenda;
mod moment;
mod limits;

pub use addressee::{group_of, queues_of};
pub use broker::Broker;
pub use checkpoint::DecodeError;
pub use limits::BrokerLimits;
pub use producers::{Producer, RECENT_BATCHES, RecentBatch};
pub use streams::Stream;
