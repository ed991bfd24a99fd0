//! The door: every front end asks here, and knows nothing behind it.
//!
//! The engine owns one [`shard`] actor per shard. An actor applies a command to its broker
//! when it proposes it, keeps the answer back until the log has committed it, and then lets
//! readers see it (ADR 0003). Reading order: how it opens (`opening`), what it does by itself
//! (`housekeeping`), what can be asked of it (`engine` and above), the actors behind it (`actor`,
//! `shard`), and what they share.
//!
//! **Never:** protocol types, sockets, protocol error codes.

pub mod by_hand;
pub mod opening;
pub mod push;
mod mender;
mod housekeeping;
mod scrubber;
mod compaction;
mod queue_upkeep;
mod retention;
mod mover;
mod admitter;
pub mod consuming;
mod moving;
mod settling;
pub mod queues;
mod limiting;
pub mod fan_out;
mod topics;
mod deletions;
mod nodes;
mod exchanges;
pub mod questions;
mod reading;
mod forward;
pub mod line;
pub mod engine;
pub mod peers;
mod ahead;
pub mod recovery;
mod actor;
mod lanes;
mod events;
pub mod shard;
pub mod rebuild;
mod applying;
pub mod waiting;
pub mod receivers;
mod couriers;
mod baskets;
pub mod consumers;
mod outbox;
mod sessions;
pub mod departing;
pub mod dead_letters;
pub mod parcels;
mod setbacks;
mod pending;
mod group_commit;
pub mod watch;
pub mod reached;
pub mod vacancies;
mod silences;
pub mod chores;
pub mod catalog;
pub mod configs;
pub mod counters;
mod scrubbing;
mod health;
mod blocking;
pub mod error;

pub use engine::{Commit, Engine, EngineConfig, Fetched, Payload};
pub use error::{EngineError, Fate, ReadError, SubmitError};
pub use health::Health;
pub use opening::{Opening, Recover, Running, Seams};
pub use scrubbing::{Pass, ScrubConfig, ScrubStatus};

/// What a fuzzer feeds.
#[doc(hidden)]
pub mod testing {
    pub use crate::forward::read_errand;
}
