//! What the clients know: every message ever sent, its fate, and what streams must hold.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use omnibus_model::topic::QueuePlace;
use omnibus_model::{BatchInfo, Offset, ShardId, StreamId};

use crate::queue_memory::QueueMemories;

/// The bytes at a batch's beginning into which the broker writes its place.
pub(crate) const PLACE_BYTES: usize = 16;

/// One batch that a client wants to be in a stream once, however often it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) stream: StreamId,
    pub(crate) batch: BatchInfo,
    pub(crate) payload: Bytes,
    pub(crate) fate: Fate,
}

/// The name of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageId(pub(crate) usize);

/// What became of a message, as far as its sender can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// On its way; no answer yet.
    Sent,
    /// It is in its stream for good: somebody was told so, or saw it.
    Placed(Offset),
    /// It never got into its stream.
    Refused,
    /// The answer was lost.
    Unknown,
    /// The answer was lost, and after the restart the message was not there.
    Absent,
}

/// What a stream must be like.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) shard: ShardId,
    /// By their base offsets.
    pub(crate) placed: BTreeMap<Offset, MessageId>,
    /// It begins here or later.
    pub(crate) trim_done: Offset,
    /// It begins here or before.
    pub(crate) trim_asked: Offset,
    /// Bases of batches that compaction may have taken.
    pub(crate) compacting: BTreeSet<Offset>,
    /// Bases of batches that compaction has taken for good.
    pub(crate) compacted: BTreeSet<Offset>,
    pub(crate) drop: Drop,
}

/// Whether a stream is being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    No,
    Asked,
    Done,
}

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    messages: Vec<Message>,
    /// Every content that was ever written, as sent or as compaction thinned it out.
    by_content: BTreeMap<u64, Vec<(MessageId, Bytes)>>,
    pub(crate) streams: BTreeMap<StreamId, Expected>,
    /// The streams of queues, which are not in `streams`.
    pub(crate) queue_streams: BTreeSet<StreamId>,
    /// Which queue each of them is of.
    pub(crate) queue_places: BTreeMap<StreamId, QueuePlace>,
    pub(crate) queues: QueueMemories,
    /// What was sent to queues, by its number.
    pub(crate) bodies: Vec<Bytes>,
}

impl Expected {
    /// Where the last known batch ends.
    pub(crate) fn known_end(&self, oracle: &Oracle) -> Offset {
        let last = self.placed.last_key_value();
        last.map_or(Offset::ZERO, |(base, message)| base.plus(u64::from(oracle.message(*message).batch.count)))
    }
}

impl Oracle {
    pub(crate) fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.0]
    }

    pub(crate) fn add(&mut self, message: Message) -> MessageId {
        let id = MessageId(self.messages.len());
        let payload = message.payload.clone();
        self.messages.push(message);
        self.add_content(id, payload);
        id
    }

    /// Notes what compaction makes of a message.
    pub(crate) fn add_thinned(&mut self, id: MessageId, batch: &Bytes) {
        self.add_content(id, batch.clone());
    }

    fn add_content(&mut self, id: MessageId, content: Bytes) {
        self.by_content.entry(content_hash(&content)).or_default().push((id, content));
    }

    /// The message whose bytes these are, its place aside. What compaction emptied looks alike:
    /// then it is the one that is known to be at `base`.
    pub(crate) fn find(&self, batch: &[u8], stream: StreamId, base: Offset) -> Option<MessageId> {
        let alike = self.by_content.get(&content_hash(batch))?.iter();
        let mut alike = alike.filter(|(_, content)| content.get(PLACE_BYTES..) == batch.get(PLACE_BYTES..));
        let placed = self.streams.get(&stream).and_then(|expected| expected.placed.get(&base));
        let here = placed.filter(|placed| alike.clone().any(|(id, _)| id == *placed)).copied();
        here.or_else(|| alike.next().map(|(id, _)| *id))
    }

    pub(crate) fn set_fate(&mut self, id: MessageId, fate: Fate) {
        self.messages[id.0].fate = fate;
        if let Fate::Placed(base) = fate
            && let Some(expected) = self.streams.get_mut(&self.messages[id.0].stream)
        {
            expected.placed.insert(base, id);
        }
    }

    /// Notes that the answers to everything on its way were lost.
    pub(crate) fn lose_answers(&mut self) {
        for message in &mut self.messages {
            if message.fate == Fate::Sent {
                message.fate = Fate::Unknown;
            }
        }
    }

    /// The messages of a stream whose fate is unknown.
    pub(crate) fn unknown(&self, stream: StreamId) -> Vec<MessageId> {
        let messages = self.messages.iter().enumerate();
        let unknown = messages.filter(|(_, message)| message.stream == stream && message.fate == Fate::Unknown);
        unknown.map(|(number, _)| MessageId(number)).collect()
    }
}

/// FNV-1a over all that is not the batch's place.
fn content_hash(batch: &[u8]) -> u64 {
    let content = batch.get(PLACE_BYTES..).unwrap_or_default();
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
