//! The commit group that is being filled: commands, and the payloads beside them.
//!
//! Its head is what `docs/formats/command.md` describes: a version byte, then for each
//! command the time it happened at and the command itself.

use bytes::Bytes;
use omnibus_log::{ENTRY_BESIDE_BYTES, ENTRY_BESIDE_BYTES_PER_BATCH, EntryBatch, Rest};
use omnibus_model::{BatchInfo, Command, LeaderEpoch, Offset, StreamId, Timestamp};
use omnibus_record::Encoded;

/// The head's layout; raised when it changes.
const HEAD_VERSION: u8 = 1;

/// A commit group closes at this size of payload; a larger payload is a group of its own.
pub(crate) const GROUP_BYTES_MAX: usize = 1 << 20;

/// The least that an append adds to a head.
const APPEND_BYTES_MIN: usize = 9;

/// What a group may take in the log beside its longest part, a command or a payload: what was in
/// it before, what the log adds, and the short commands that a shard makes itself.
pub(crate) const BESIDE_PART_BYTES: usize = 8 << 20;

const _: () = {
    let batches_max = GROUP_BYTES_MAX / APPEND_BYTES_MIN + 1;
    let log_adds = ENTRY_BESIDE_BYTES + batches_max * ENTRY_BESIDE_BYTES_PER_BATCH;
    assert!(GROUP_BYTES_MAX + log_adds + GROUP_BYTES_MAX <= BESIDE_PART_BYTES);
};

/// A log whose entries are shorter is of no use: a part may be as long as a whole group.
pub(crate) const ENTRY_BYTES_MIN: u64 = (BESIDE_PART_BYTES + GROUP_BYTES_MAX) as u64;

/// How long a command or a payload may be, in a log whose entries may have `entry_bytes_max`.
pub(crate) fn part_bytes_max(entry_bytes_max: u64) -> usize {
    let bytes = entry_bytes_max.saturating_sub(BESIDE_PART_BYTES as u64);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Where a command begins in the open head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    head_bytes: usize,
}

/// Commands that will become one entry of the log.
#[derive(Debug, Default)]
pub(crate) struct GroupCommit {
    head: Vec<u8>,
    bodies: Vec<Bytes>,
    batches: Vec<EntryBatch>,
    payload_bytes: usize,
}

/// A group that is ready to be proposed.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) head: Bytes,
    /// What batches share.
    pub(crate) bodies: Vec<Bytes>,
    /// Sorted by stream, so that a stream's batches lie side by side on disk.
    pub(crate) batches: Vec<EntryBatch>,
}

impl GroupCommit {
    pub(crate) const fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Says whether a payload of `bytes` may still join.
    pub(crate) const fn takes(&self, bytes: usize) -> bool {
        self.is_empty() || self.payload_bytes + self.head.len() + bytes <= GROUP_BYTES_MAX
    }

    /// Adds a command; it can be taken back until something else is added.
    pub(crate) fn push(&mut self, now: Timestamp, command: &Command) -> Mark {
        let mark = Mark { head_bytes: self.head.len() };
        if self.head.is_empty() {
            self.head.push(HEAD_VERSION);
        }
        let head = std::mem::take(&mut self.head);
        self.head = postcard::to_extend(&(now, command), head).expect("a command always encodes into memory");
        mark
    }

    /// How much was added since.
    pub(crate) const fn bytes_since(&self, mark: Mark) -> usize {
        self.head.len() - mark.head_bytes
    }

    /// Takes back what was added since.
    pub(crate) fn take_back(&mut self, mark: Mark) {
        self.head.truncate(mark.head_bytes);
        if mark.head_bytes == 0 {
            // A long command must not keep its room.
            self.head = Vec::new();
        }
    }

    pub(crate) fn push_batch(&mut self, batch: EntryBatch) {
        let rest = if let Rest::Own(rest) = &batch.rest { rest.len() } else { 0 };
        self.payload_bytes += batch.prefix.len() + rest;
        self.batches.push(batch);
    }

    /// Adds what the batches that are added next share.
    pub(crate) fn push_body(&mut self, body: Bytes) -> Rest {
        self.payload_bytes += body.len();
        self.bodies.push(body);
        Rest::Shared(self.bodies.len() - 1)
    }

    /// Gives up all that is in it.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Ends the group.
    pub(crate) fn close(&mut self) -> Closed {
        let Self { head, bodies, mut batches, .. } = std::mem::take(self);
        batches.sort_by_key(|batch| batch.stream);
        Closed { head: head.into(), bodies, batches }
    }
}

/// Puts the batch's place into its header, which its checksum does not cover.
pub(crate) fn stamped(
    stream: StreamId,
    batch: BatchInfo,
    base: Offset,
    epoch: LeaderEpoch,
    payload: Bytes,
) -> EntryBatch {
    let (prefix, rest) = omnibus_record::stamp(batch.format, payload, base, epoch);
    let rest = Rest::Own(rest);
    EntryBatch { stream, base, count: batch.count, timestamp_max: batch.timestamp_max, prefix, rest }
}

/// Puts a message's place into its header.
pub(crate) fn stamped_message(stream: StreamId, message: &Encoded, base: Offset, epoch: LeaderEpoch) -> EntryBatch {
    let BatchInfo { count, timestamp_max, .. } = message.batch();
    let (prefix, rest) = omnibus_record::stamp_message(message, base, epoch);
    let rest = Rest::Own(rest);
    EntryBatch { stream, base, count, timestamp_max, prefix, rest }
}

/// Reads a head back: each command with its time.
///
/// # Errors
/// What is wrong with it, for the operator.
pub(crate) fn decode_head(head: &[u8]) -> Result<Vec<(Timestamp, Command)>, String> {
    let (version, mut rest) = head.split_first().ok_or("the head is empty")?;
    if *version != HEAD_VERSION {
        return Err(format!("its version is {version}, this program knows {HEAD_VERSION}"));
    }
    let mut commands = Vec::new();
    while !rest.is_empty() {
        let (stamped, left) = postcard::take_from_bytes(rest).map_err(|error| error.to_string())?;
        commands.push(stamped);
        rest = left;
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use omnibus_model::RecordFormat;
    use omnibus_model::command::Append;

    use super::*;

    #[test]
    fn head_reads_back() {
        let mut group = GroupCommit::default();
        let trim = Command::Trim { stream: StreamId(7), before: Offset(9) };
        group.push(Timestamp(5), &Command::Tick);
        group.push(Timestamp(6), &trim);
        let head = group.close().head;
        let commands = decode_head(&head).unwrap();
        assert_eq!(commands, [(Timestamp(5), Command::Tick), (Timestamp(6), trim)]);
        assert!(group.is_empty());
    }

    #[test]
    fn command_is_taken_back() {
        let mut group = GroupCommit::default();
        let mark = group.push(Timestamp(5), &Command::Tick);
        assert_eq!(group.bytes_since(mark), 3);
        group.take_back(mark);
        assert!(group.is_empty());
        group.push(Timestamp(5), &Command::Tick);
        let mark = group.push(Timestamp(6), &Command::AllocateProducer);
        group.take_back(mark);
        let head = group.close().head;
        assert_eq!(decode_head(&head).unwrap(), [(Timestamp(5), Command::Tick)]);
    }

    #[test]
    fn no_append_is_shorter_than_assumed() {
        let batch = BatchInfo {
            format: RecordFormat::KafkaBatch,
            count: 0,
            bytes: 0,
            timestamp_max: Timestamp(0),
            producer: None,
        };
        let append = Command::Append(Append { stream: StreamId(0), batch, leader_epoch: LeaderEpoch(0) });
        let mut group = GroupCommit::default();
        group.push(Timestamp(0), &Command::Tick);
        let mark = group.push(Timestamp(0), &append);
        assert_eq!(group.bytes_since(mark), APPEND_BYTES_MIN);
    }

    #[test]
    fn damaged_head_is_told() {
        assert!(decode_head(&[]).is_err());
        assert!(decode_head(&[9, 0]).is_err());
        assert!(decode_head(&[HEAD_VERSION, 0xff, 0xff, 0xff]).is_err());
    }
}
