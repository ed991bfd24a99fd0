//! Gets bytes and rows of files: from the cache, or from the disk if whoever asks may wait.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use omnibus_model::{Bug, Offset, StreamId, planted};

use crate::buffer::PAGE_BYTES;
use crate::cache::Origin;
use crate::error::ReadError;
use crate::file::{FooterPlace, LogFile, read_pages};
use crate::footer::{FooterOf, ROWS_PER_PAGE, decode_row_page};
use crate::index::{Rows, Run};
use crate::row::{OwnPart, Row};
use crate::shared::Shared;

const PAGE: u64 = PAGE_BYTES as u64;
/// How much is read beyond what was asked for.
const PAYLOAD_AHEAD_BYTES: u64 = 256 << 10;
const ROWS_AHEAD_BYTES: u64 = 64 << 10;

/// Whether to go to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    CacheOnly,
    Disk,
}

/// Why something was not got.
#[derive(Debug)]
pub(crate) enum Miss {
    NotCached,
    Failed(ReadError),
}

impl Miss {
    /// The error of one who went to the disk.
    pub(crate) fn into_error(self) -> ReadError {
        match self {
            Self::Failed(error) => error,
            Self::NotCached => unreachable!("who goes to the disk needs no cache"),
        }
    }
}

impl From<ReadError> for Miss {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

impl Row {
    /// Checks what was read at its position.
    pub(crate) fn check(&self, stored: &[u8], stream: StreamId, file: &LogFile) -> Result<(), ReadError> {
        let planted = planted(Bug::RotServed) && stored.len() == self.stored_bytes() as usize;
        if self.is_sound(stored) || planted { Ok(()) } else { Err(self.corrupt(stream, file)) }
    }

    fn corrupt(&self, stream: StreamId, file: &LogFile) -> ReadError {
        ReadError::Corrupt {
            stream,
            from: self.base,
            to: self.end(),
            file: file.path.clone(),
            position: u64::from(self.position),
        }
    }
}

/// One who reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'shared> {
    pub(crate) shared: &'shared Shared,
    pub(crate) patience: Patience,
}

/// A range of a file, and where reading ahead must end.
#[derive(Clone, Copy, Debug)]
struct Range {
    position: u64,
    bytes: u64,
    ahead_bytes: u64,
    end: u64,
}

impl Reader<'_> {
    /// Gets payload bytes.
    pub(crate) fn payload(&self, file: &LogFile, position: u64, bytes: u64) -> Result<(Bytes, Origin), Miss> {
        let end = file.facts.lock().data_end;
        self.range(file, Range { position, bytes, ahead_bytes: PAYLOAD_AHEAD_BYTES, end })
    }

    /// Gets what a row that shares a body has of its own.
    pub(crate) fn own_part(&self, stream: StreamId, file: &LogFile, row: &Row) -> Result<OwnPart, Miss> {
        let (stored, origin) = self.payload(file, row.position.into(), row.stored_bytes().into())?;
        if origin == Origin::Read {
            row.check(&stored, stream, file)?;
        }
        OwnPart::of(row, &stored).ok_or_else(|| row.corrupt(stream, file).into())
    }

    /// Gets the body that a row shares.
    pub(crate) fn body(&self, stream: StreamId, (file, row): (&LogFile, &Row), own: &OwnPart) -> Result<Bytes, Miss> {
        let (body, origin) = self.payload(file, own.body.into(), own.body_bytes.into())?;
        let is_whole = body.len() == own.body_bytes as usize;
        let is_sound = origin == Origin::Written || crc32c::crc32c(&body) == own.body_crc || planted(Bug::RotServed);
        if is_whole && is_sound { Ok(body) } else { Err(row.corrupt(stream, file).into()) }
    }

    /// Gets the payload of a row that shares its body, put together.
    pub(crate) fn joined(&self, stream: StreamId, file: &LogFile, row: &Row) -> Result<Bytes, Miss> {
        let own = self.own_part(stream, file, row)?;
        let body = self.body(stream, (file, row), &own)?;
        let mut joined = BytesMut::with_capacity(own.prefix.len() + body.len());
        joined.extend_from_slice(&own.prefix);
        joined.extend_from_slice(&body);
        Ok(joined.freeze())
    }

    fn range(&self, file: &LogFile, range: Range) -> Result<(Bytes, Origin), Miss> {
        if let Some(found) = self.shared.cache.get(file.key(), range.position, range.bytes) {
            return Ok(found);
        }
        if self.patience == Patience::CacheOnly {
            return Err(Miss::NotCached);
        }
        let start = range.position / PAGE * PAGE;
        let skipped = range.position - start;
        let wanted = (skipped + range.bytes).max(range.ahead_bytes.min(range.end.saturating_sub(start)));
        self.shared.counters.cold_reads.fetch_add(1, Ordering::Relaxed);
        let span = read_pages(file.handle.as_ref(), start, wanted);
        let span = span.map_err(|source| ReadError::Io { file: file.path.clone(), source })?;
        self.shared.cache.insert(file.key(), start, span.clone(), Origin::Read);
        // A file that ends too early gives less than asked for; the checksum will not hold.
        let from = span.len().min(usize::try_from(skipped).unwrap_or(usize::MAX));
        let length = usize::try_from(range.bytes).unwrap_or(usize::MAX);
        let to = span.len().min(from.saturating_add(length));
        Ok((span.slice(from..to), Origin::Read))
    }

    /// Calls `visit` with the rows of a run that `from` and what follows needs, until it
    /// returns false.
    pub(crate) fn rows_from(
        &self,
        stream: StreamId,
        run: &Run,
        from: Offset,
        mut visit: impl FnMut(Row) -> bool,
    ) -> Result<(), Miss> {
        let inside = |row: &Row| run.base <= row.base && row.base < run.end;
        match &run.rows {
            Rows::Memory(rows) => {
                let first = rows.partition_point(|row| row.end() <= from);
                rows[first..].iter().filter(|row| inside(row)).all(|row| visit(*row));
            }
            Rows::Footer { first, count } => {
                let rows = FooterRows { reader: self, stream, run };
                let end = first + count;
                let mut number = rows.first_with(*first, end, |row| row.end() > from)?;
                while number < end {
                    let page = rows.page(number / ROWS_PER_PAGE)?;
                    let begin = (number % ROWS_PER_PAGE) as usize;
                    let stop = page.len().min(begin + (end - number) as usize);
                    let Some(part) = page.get(begin..stop).filter(|part| !part.is_empty()) else {
                        return Err(rows.corrupt(number / ROWS_PER_PAGE).into());
                    };
                    if !part.iter().filter(|row| inside(row)).all(|row| visit(*row)) {
                        return Ok(());
                    }
                    number += u32::try_from(part.len()).expect("a page is small");
                }
            }
        }
        Ok(())
    }
}

/// The rows of a run that are in its file's footer.
struct FooterRows<'run> {
    reader: &'run Reader<'run>,
    stream: StreamId,
    run: &'run Run,
}

impl FooterRows<'_> {
    /// Returns the number of the first row that fulfils a condition that all later ones do.
    fn first_with(&self, first: u32, end: u32, fulfils: impl Fn(&Row) -> bool) -> Result<u32, Miss> {
        let (mut low, mut high) = (first, end);
        while low < high {
            let middle = low + (high - low) / 2;
            let page = self.page(middle / ROWS_PER_PAGE)?;
            let row = page.get((middle % ROWS_PER_PAGE) as usize);
            let row = row.ok_or_else(|| self.corrupt(middle / ROWS_PER_PAGE))?;
            if fulfils(row) { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }

    fn page(&self, number: u32) -> Result<Vec<Row>, Miss> {
        let file = &self.run.file;
        let FooterPlace { rows_position, row_count } = self.place();
        let end = rows_position + u64::from(row_count.div_ceil(ROWS_PER_PAGE)) * PAGE;
        let position = rows_position + u64::from(number) * PAGE;
        let range = Range { position, bytes: PAGE, ahead_bytes: ROWS_AHEAD_BYTES, end };
        let (bytes, _) = self.reader.range(file, range)?;
        let rows = decode_row_page(FooterOf::of(self.reader.shared.identity, file), number, &bytes);
        rows.ok_or_else(|| self.corrupt(number).into())
    }

    fn corrupt(&self, page: u32) -> ReadError {
        ReadError::Corrupt {
            stream: self.stream,
            from: self.run.base,
            to: self.run.end,
            file: self.run.file.path.clone(),
            position: self.place().rows_position + u64::from(page) * PAGE,
        }
    }

    fn place(&self) -> FooterPlace {
        self.run.file.facts.lock().footer.expect("a run with rows in a footer is in a sealed file")
    }
}
