//! Walks over the records of a batch without keeping them.
//!
//! One parser, two sources: a slice, and a decompressor with a small window. Keys and values
//! are stepped over, so a batch that inflates without end costs time up to a limit and no memory.

use std::io::{ErrorKind, Read};

use crate::batch::BatchView;
use crate::codec::Codec;
use crate::compress;
use crate::error::InvalidBatch;
use crate::varint::{self, VARINT_BYTES_MAX};

const WINDOW_BYTES: usize = 64 * 1024;

/// What is known of a record that was stepped over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) index: u32,
    pub(crate) offset_delta: i64,
    pub(crate) timestamp: i64,
    pub(crate) has_key: bool,
}

/// Visits every record until `visit` returns false; makes sure that nothing follows the last.
/// Returns how many bytes the records take uncompressed.
pub(crate) fn scan(
    batch: &BatchView<'_>,
    decompressed_max: u64,
    mut visit: impl FnMut(Seen) -> Result<bool, InvalidBatch>,
) -> Result<u64, InvalidBatch> {
    match batch.header.codec()? {
        Codec::None => {
            let mut source = Slice { rest: batch.records };
            walk(batch, &mut source, &mut visit)?;
            Ok(batch.records.len() as u64)
        }
        codec => {
            let reader =
                compress::reader(codec, batch.records).map_err(|error| compress::undecodable(codec, &error))?;
            let mut source = Stream {
                codec,
                reader,
                window: vec![0; WINDOW_BYTES],
                from: 0,
                to: 0,
                ended: false,
                total: 0,
                total_max: decompressed_max,
            };
            walk(batch, &mut source, &mut visit)?;
            Ok(source.total)
        }
    }
}

fn walk<S: Source>(
    batch: &BatchView<'_>,
    source: &mut S,
    visit: &mut impl FnMut(Seen) -> Result<bool, InvalidBatch>,
) -> Result<(), InvalidBatch> {
    let count = u32::try_from(batch.header.count).unwrap_or(0);
    for index in 0..count {
        let fields = fields(source).map_err(|fault| fault.at(index))?;
        let seen = Seen {
            index,
            offset_delta: fields.offset_delta,
            timestamp: batch.header.timestamp(fields.timestamp_delta),
            has_key: fields.has_key,
        };
        if !visit(seen)? {
            return Ok(());
        }
    }
    if source.is_at_end()? { Ok(()) } else { Err(InvalidBatch::TrailingBytes) }
}

struct Fields {
    timestamp_delta: i64,
    offset_delta: i64,
    has_key: bool,
}

/// Steps over one record.
#[inline]
fn fields<S: Source>(source: &mut S) -> Result<Fields, Fault> {
    let length = u64::try_from(source.varint()?).map_err(|_| Fault::Malformed)?;
    let end = source.position().checked_add(length).ok_or(Fault::Malformed)?;
    source.skip(1)?;
    let timestamp_delta = source.varint()?;
    let offset_delta = source.varint()?;
    let has_key = skip_bytes(source)?;
    skip_bytes(source)?;
    let headers = source.varint()?;
    if headers != 0 {
        skip_headers(source, headers)?;
    }
    if source.position() != end {
        return Err(Fault::Malformed);
    }
    Ok(Fields { timestamp_delta, offset_delta, has_key })
}

/// Steps over bytes behind their length; returns whether they are there at all.
#[inline]
fn skip_bytes<S: Source>(source: &mut S) -> Result<bool, Fault> {
    match u64::try_from(source.varint()?) {
        Ok(length) => source.skip(length).map(|()| true),
        Err(_) => Ok(false),
    }
}

fn skip_headers<S: Source>(source: &mut S, count: i64) -> Result<(), Fault> {
    let count = u32::try_from(count).map_err(|_| Fault::Malformed)?;
    for _ in 0..count {
        if !skip_bytes(source)? {
            return Err(Fault::Malformed);
        }
        skip_bytes(source)?;
    }
    Ok(())
}

enum Fault {
    Malformed,
    Batch(InvalidBatch),
}

impl Fault {
    fn at(self, index: u32) -> InvalidBatch {
        match self {
            Self::Malformed => InvalidBatch::RecordMalformed { index },
            Self::Batch(invalid) => invalid,
        }
    }
}

/// Uncompressed records, read from front to back.
trait Source {
    fn varint(&mut self) -> Result<i64, Fault>;
    fn skip(&mut self, bytes: u64) -> Result<(), Fault>;
    /// A number that grows by the bytes that are read.
    fn position(&self) -> u64;
    fn is_at_end(&mut self) -> Result<bool, InvalidBatch>;
}

struct Slice<'a> {
    rest: &'a [u8],
}

impl Source for Slice<'_> {
    #[inline]
    fn varint(&mut self) -> Result<i64, Fault> {
        varint::take(&mut self.rest).ok_or(Fault::Malformed)
    }

    #[inline]
    fn skip(&mut self, bytes: u64) -> Result<(), Fault> {
        let bytes = usize::try_from(bytes).map_err(|_| Fault::Malformed)?;
        self.rest = self.rest.get(bytes..).ok_or(Fault::Malformed)?;
        Ok(())
    }

    #[inline]
    fn position(&self) -> u64 {
        // Only differences count, and that no record ends after the last byte.
        !(self.rest.len() as u64)
    }

    fn is_at_end(&mut self) -> Result<bool, InvalidBatch> {
        Ok(self.rest.is_empty())
    }
}

/// A decompressor, and the part of its output that has not been read.
struct Stream<'a> {
    codec: Codec,
    reader: Box<dyn Read + 'a>,
    window: Vec<u8>,
    from: usize,
    to: usize,
    ended: bool,
    /// How many bytes have come out.
    total: u64,
    total_max: u64,
}

impl Stream<'_> {
    fn unread(&self) -> &[u8] {
        self.window.get(self.from..self.to).unwrap_or_default()
    }

    /// Adds to the window; returns false at the end.
    fn fill(&mut self) -> Result<bool, InvalidBatch> {
        if self.ended {
            return Ok(false);
        }
        self.window.copy_within(self.from..self.to, 0);
        self.to = self.to.saturating_sub(self.from);
        self.from = 0;
        let room = self.window.get_mut(self.to..).unwrap_or_default();
        let read = loop {
            match self.reader.read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result.map_err(|error| compress::undecodable(self.codec, &error))?,
            }
        };
        self.to = self.to.saturating_add(read);
        self.total = self.total.saturating_add(read as u64);
        if self.total > self.total_max {
            return Err(InvalidBatch::DecompressedTooLong { max: self.total_max });
        }
        self.ended = read == 0;
        Ok(!self.ended)
    }
}

impl Source for Stream<'_> {
    fn varint(&mut self) -> Result<i64, Fault> {
        while self.unread().len() < VARINT_BYTES_MAX && self.fill().map_err(Fault::Batch)? {}
        let mut rest = self.unread();
        let value = varint::take(&mut rest).ok_or(Fault::Malformed)?;
        self.from = self.to.saturating_sub(rest.len());
        Ok(value)
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), Fault> {
        loop {
            let step = self.unread().len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.from = self.from.saturating_add(step);
            bytes = bytes.saturating_sub(step as u64);
            if bytes == 0 {
                return Ok(());
            }
            if !self.fill().map_err(Fault::Batch)? {
                return Err(Fault::Malformed);
            }
        }
    }

    fn position(&self) -> u64 {
        self.total.saturating_sub(self.unread().len() as u64)
    }

    fn is_at_end(&mut self) -> Result<bool, InvalidBatch> {
        Ok(self.unread().is_empty() && !self.fill()?)
    }
}
