//! Compresses the records of a batch in another way than their producer did.

use std::io::{self, Write};

use bytes::Bytes;

use crate::batch::{BatchView, HEADER_BYTES};
use crate::codec::Target;
use crate::compress;
use crate::error::InvalidBatch;

/// Returns the batch with the same records compressed as `target` says. In its header only the
/// codec, the length and the checksum change.
///
/// # Errors
/// If the records cannot be decompressed, or the batch would take more than `bytes_max`.
pub fn recompress(batch: &[u8], target: Target, bytes_max: usize) -> Result<Bytes, InvalidBatch> {
    let view = BatchView::of(batch)?;
    let mut header = view.header;
    let codec = header.codec()?;
    let undecodable = |error: io::Error| compress::undecodable(codec, &error);
    let mut from = compress::reader(codec, view.records).map_err(undecodable)?;
    let mut out = Bounded { bytes: Vec::new(), left: bytes_max.saturating_sub(HEADER_BYTES), full: false };
    let compressed = compress::compress_into(target, &mut from, &mut out);
    if out.full {
        return Err(InvalidBatch::RecompressedTooLong { codec: target.codec, max: bytes_max });
    }
    compressed.map_err(undecodable)?;
    header.set_codec(target.codec);
    Ok(header.seal(&out.bytes))
}

/// Bytes that may become only so many.
struct Bounded {
    bytes: Vec<u8>,
    left: usize,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.left = left;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
