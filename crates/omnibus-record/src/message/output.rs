//! Writes the parts of a message.

use bytes::BufMut;
use bytestring::ByteString;

use crate::varint;

const LENGTH_BYTES: usize = size_of::<u32>();

/// Writes a section behind its length.
pub(super) fn section(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.put_u32(0);
    write(out);
    let length = out.len().saturating_sub(at).saturating_sub(LENGTH_BYTES);
    // A section that is too long makes the message too long, which is refused as a whole.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(at..at.saturating_add(LENGTH_BYTES)) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

pub(super) fn text(out: &mut Vec<u8>, text: &ByteString) {
    optional(out, Some(text.as_bytes()));
}

/// Writes bytes behind their length, −1 for none.
pub(super) fn optional(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::put(out, bytes.map_or(-1, |bytes| length(bytes.len())));
    out.extend_from_slice(bytes.unwrap_or_default());
}

pub(super) fn length(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
