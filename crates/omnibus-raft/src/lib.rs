//! A replicated log over openraft: one consensus group per shard, and one log of the disk for all.
//!
//! `openraft_log` is `ReplicatedLog`; below it `machine` tells what is committed, `store` is
//! openraft's storage over `omnibus-log`, `network` its way to other nodes over [`Peers`], and
//! `door` answers what those ask.
//!
//! **Never:** what an entry says, a consensus protocol of our own, a clock or chance beside the
//! runtime's and the seed.

mod switchboard;
mod openraft_log;
mod door;
mod member;
mod settings;
mod beginning;
mod network;
mod vessel;
mod backfill;
mod machine;
mod store;
mod office;
mod vacancy;
mod saved;
mod old_entries;
mod shard_state;
mod bell;
mod blocking;
mod types;
mod runtime;
mod watch;
mod membership;
mod peers;
mod wire;

pub use door::Door;
pub use member::{ChangeError, Replicas, Standing, VoteChange};
pub use openraft_log::{Consensus, OpenraftLog};
pub use peers::{Calling, PeerError, Peers};
pub use switchboard::Switchboard;
pub use wire::Pieces;

/// What openraft's own tests of a storage need.
#[doc(hidden)]
pub mod testing {
    pub use crate::bell::Bell;
    pub use crate::shard_state::ShardState;
    pub use crate::store::ShardStore;
    pub use crate::types::{Group, Types};

    use bytes::Bytes;

    use crate::wire::{decode_answer, decode_request, encode_answer, encode_request};

    /// Reads bytes as a request and as an answer. What can be read is written as it was.
    ///
    /// # Panics
    /// If it is not.
    pub fn read_and_write(bytes: &Bytes) {
        if let Some((shard, request)) = decode_request(bytes) {
            assert_eq!(encode_request(shard, &request).concat(), bytes[..]);
        }
        if let Some(answer) = decode_answer(bytes) {
            assert_eq!(encode_answer(answer), bytes);
        }
    }
}
