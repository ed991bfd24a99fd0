//! A replicated log over openraft: one consensus group per shard, and one log of the disk for all.
//!
//! `store` is openraft's storage over `omnibus-log`, `machine` tells what is committed, and
//! `openraft_log` puts both behind `ReplicatedLog`. Groups have one voter, this node: a log that
//! knows of other voters is refused.
//!
//! **Never:** what an entry says, a consensus protocol of our own, a clock or chance beside the
//! runtime's and the seed.

mod openraft_log;
mod settings;
mod alone;
mod machine;
mod store;
mod shard_state;
mod types;
mod membership;

pub use openraft_log::{Consensus, OpenraftLog};

/// What openraft's own tests of a storage need.
#[doc(hidden)]
pub mod testing {
    pub use crate::shard_state::{Bell, ShardState};
    pub use crate::store::ShardStore;
    pub use crate::types::{Group, Types};
}
