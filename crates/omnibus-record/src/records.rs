//! The records of a batch, one after the other.

use std::io::Read;

use bytes::Bytes;
use omnibus_model::{Offset, RecordFormat, Timestamp};

use crate::batch::{AnyHeader, BatchHeader, BatchView, HEADER_BYTES};
use crate::codec::Codec;
use crate::compress;
use crate::convert;
use crate::error::InvalidBatch;
use crate::message::Message;
use crate::record::{Header, Record};
use crate::varint;

/// Iterates over the records of a batch. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Records {
    header: BatchHeader,
    /// What is left of the records, uncompressed.
    rest: Bytes,
    index: u32,
    count: u32,
    /// What a message looks like as a record.
    converted: Option<Record>,
}

impl Records {
    /// Opens a batch, and decompresses its records if they are compressed. A message is one
    /// record, as the table of conversions has it.
    ///
    /// # Errors
    /// If `batch` is neither one batch nor one message, or its records take more than
    /// `decompressed_max` bytes.
    pub fn of(batch: &Bytes, decompressed_max: u64) -> Result<Self, InvalidBatch> {
        if let Ok(AnyHeader { format: RecordFormat::Message, header }) = AnyHeader::read(batch) {
            let converted = Some(convert::record(&Message::decode(batch)?));
            return Ok(Self { header, rest: Bytes::new(), index: 0, count: 1, converted });
        }
        let view = BatchView::of(batch)?;
        let rest = match view.header.codec()? {
            Codec::None => batch.slice(HEADER_BYTES..),
            codec => decompress(codec, view.records, decompressed_max)?,
        };
        let count = u32::try_from(view.header.count).unwrap_or(0);
        Ok(Self { header: view.header, rest, index: 0, count, converted: None })
    }

    fn read(&mut self) -> Option<Record> {
        let mut body = take_bytes(&mut self.rest)??;
        // One byte of attributes that mean nothing yet.
        drop(take(&mut body, 1)?);
        let timestamp = self.header.timestamp(take_varint(&mut body)?);
        let offset = self.header.base_offset.wrapping_add(take_varint(&mut body)?);
        let key = take_bytes(&mut body)?;
        let value = take_bytes(&mut body)?;
        let headers = take_headers(&mut body)?;
        let offset = Offset(u64::try_from(offset).ok()?);
        body.is_empty().then_some(Record { offset, timestamp: Timestamp(timestamp), key, value, headers })
    }
}

impl Iterator for Records {
    type Item = Result<Record, InvalidBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.index;
        if index >= self.count {
            return None;
        }
        let record = self.converted.take().or_else(|| self.read());
        self.index = if record.is_some() { index.saturating_add(1) } else { self.count };
        Some(record.ok_or(InvalidBatch::RecordMalformed { index }))
    }
}

fn decompress(codec: Codec, bytes: &[u8], max: u64) -> Result<Bytes, InvalidBatch> {
    let reader = compress::reader(codec, bytes).map_err(|error| compress::undecodable(codec, &error))?;
    let mut out = Vec::new();
    let read = reader.take(max.saturating_add(1)).read_to_end(&mut out);
    read.map_err(|error| compress::undecodable(codec, &error))?;
    if out.len() as u64 > max {
        return Err(InvalidBatch::DecompressedTooLong { max });
    }
    Ok(out.into())
}

fn take(from: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= from.len()).then(|| from.split_to(length))
}

fn take_varint(from: &mut Bytes) -> Option<i64> {
    let mut rest: &[u8] = from;
    let value = varint::take(&mut rest)?;
    let read = from.len().checked_sub(rest.len())?;
    take(from, read).map(|_| value)
}

/// Takes bytes behind their length; the inner `None` stands for null.
fn take_bytes(from: &mut Bytes) -> Option<Option<Bytes>> {
    match usize::try_from(take_varint(from)?) {
        Ok(length) => take(from, length).map(Some),
        Err(_) => Some(None),
    }
}

fn take_headers(from: &mut Bytes) -> Option<Vec<Header>> {
    let count = usize::try_from(take_varint(from)?).ok()?;
    // Each takes at least two bytes.
    if count > from.len() / 2 {
        return None;
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        headers.push(Header { key: take_bytes(from)??, value: take_bytes(from)? });
    }
    Some(headers)
}
