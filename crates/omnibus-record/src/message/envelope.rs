//! What the broker acts on, whatever the protocol.

use bytes::BufMut;
use omnibus_model::queue::Envelope;
use omnibus_model::{DedupHash, GroupHash, Timestamp};

use super::input::Input;
use crate::error::InvalidBatch;

const DELIVER_AT: u8 = 1;
const EXPIRES_AT: u8 = 1 << 1;
const GROUP: u8 = 1 << 2;
const DEDUP: u8 = 1 << 3;
const PRIORITY: u8 = 1 << 4;
/// Whether a history follows the native section.
pub(super) const HISTORY: u8 = 1 << 5;
const KNOWN: u8 = DELIVER_AT | EXPIRES_AT | GROUP | DEDUP | PRIORITY | HISTORY;

const PART: &str = "envelope";

/// Says which fields an envelope has; what is not set takes no bytes.
pub(super) fn flags(envelope: &Envelope) -> u8 {
    let fields = [
        (envelope.deliver_at.is_some(), DELIVER_AT),
        (envelope.expires_at.is_some(), EXPIRES_AT),
        (envelope.group.is_some(), GROUP),
        (envelope.dedup.is_some(), DEDUP),
        (envelope.priority != 0, PRIORITY),
    ];
    fields.iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag)
}

/// How many bytes it takes.
pub(super) fn bytes(envelope: &Envelope) -> usize {
    let fields = [
        (envelope.deliver_at.is_some(), size_of::<i64>()),
        (envelope.expires_at.is_some(), size_of::<i64>()),
        (envelope.group.is_some(), size_of::<u64>()),
        (envelope.dedup.is_some(), size_of::<u128>()),
        (envelope.priority != 0, size_of::<u8>()),
    ];
    fields.iter().filter(|(is_set, _)| *is_set).map(|(_, bytes)| bytes).sum()
}

pub(super) fn write(envelope: &Envelope, out: &mut Vec<u8>) {
    if let Some(time) = envelope.deliver_at {
        out.put_i64(time.0);
    }
    if let Some(time) = envelope.expires_at {
        out.put_i64(time.0);
    }
    if let Some(group) = envelope.group {
        out.put_u64(group.0);
    }
    if let Some(dedup) = envelope.dedup {
        out.put_u128(dedup.0);
    }
    if envelope.priority != 0 {
        out.put_u8(envelope.priority);
    }
}

pub(super) fn read(input: &mut Input, flags: u8) -> Result<Envelope, InvalidBatch> {
    if flags & !KNOWN != 0 {
        return Err(InvalidBatch::MessageMalformed { part: "flags" });
    }
    let has = |flag: u8| flags & flag != 0;
    Ok(Envelope {
        deliver_at: has(DELIVER_AT).then(|| input.i64(PART).map(Timestamp)).transpose()?,
        expires_at: has(EXPIRES_AT).then(|| input.i64(PART).map(Timestamp)).transpose()?,
        group: has(GROUP).then(|| input.u64(PART).map(GroupHash)).transpose()?,
        dedup: has(DEDUP).then(|| input.u128(PART).map(DedupHash)).transpose()?,
        priority: if has(PRIORITY) { input.u8(PART)? } else { 0 },
    })
}
