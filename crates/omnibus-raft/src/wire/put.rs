//! Writes the parts of which messages are made.

use bytes::Bytes;
use omnibus_log::{EntryId, Vote};
use omnibus_model::ShardId;

pub(super) fn put_start(head: &mut Vec<u8>, kind: u8, shard: ShardId) {
    head.push(kind);
    head.extend_from_slice(&shard.0.to_le_bytes());
}

pub(super) fn put_vote(head: &mut Vec<u8>, vote: Vote) {
    put_u64(head, vote.term.0);
    put_u64(head, vote.node);
    head.push(u8::from(vote.granted));
}

pub(super) fn put_id(head: &mut Vec<u8>, id: EntryId) {
    put_u64(head, id.term.0);
    put_u64(head, id.index.0);
}

pub(super) fn put_u64(head: &mut Vec<u8>, value: u64) {
    head.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_length(head: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("what goes into a message is shorter than 4 GiB");
    head.extend_from_slice(&length.to_le_bytes());
}

/// Puts bytes with their length before them.
pub(super) fn put_bytes(head: &mut Vec<u8>, bytes: &Bytes) {
    put_length(head, bytes.len());
    head.extend_from_slice(bytes);
}
