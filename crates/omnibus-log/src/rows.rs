//! Gets bytes and rows of files: from the cache, or from the disk if whoever asks may wait.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use omnibus_model::{Bug, Offset, StreamId, planted};

use crate::buffer::PAGE_BYTES;
use crate::cache::Origin;
use crate::error::ReadError;
use crate::file::{FooterPlace, LogFile, read_pages};
use crate::footer::{FooterOf, ROWS_PER_PAGE, RowPage};
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
        let part = range.position..range.position + range.bytes;
        let _reading = self.shared.underway.begin(file.key(), start..start + wanted, &part);
        // Somebody else may have read it meanwhile.
        if let Some(found) = self.shared.cache.get(file.key(), range.position, range.bytes) {
            return Ok(found);
        }
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
                let rows = FooterRows { reader: self, stream, run, numbers: *first..first + count };
                rows.visit_from(from, |row| !inside(row) || visit(*row))?;
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
    /// Those of the run among the file's.
    numbers: std::ops::Range<u32>,
}

/// A page of rows, of which some are meant.
struct Part {
    page: RowPage,
    number: u32,
    rows: std::ops::Range<u32>,
}

impl FooterRows<'_> {
    /// Calls `visit` with the first row that ends behind `from` and what follows, until it
    /// returns false.
    fn visit_from(&self, from: Offset, mut visit: impl FnMut(&Row) -> bool) -> Result<(), Miss> {
        let mut number = self.first_behind(from)?;
        while number < self.numbers.end {
            let part = self.part(number, &self.numbers)?;
            for place in number..part.rows.end {
                if !visit(&self.row(&part, place)?) {
                    return Ok(());
                }
            }
            number = part.rows.end;
        }
        Ok(())
    }

    /// Returns the number of the first row that ends behind an offset.
    fn first_behind(&self, from: Offset) -> Result<u32, Miss> {
        let mut left = self.numbers.clone();
        let mut guess = self.guess(from);
        let mut guesses = 0;
        while !left.is_empty() {
            let part = self.part(guess, &left)?;
            let found = self.search(&part, from)?;
            if found == part.rows.start && found > left.start {
                left.end = found;
            } else if found == part.rows.end && found < left.end {
                left.start = found;
            } else {
                return Ok(found);
            }
            guesses += 1;
            let middle = left.start + (left.end - left.start) / 2;
            guess = if guesses == 1 { self.guess_near(&part, from)? } else { middle };
            guess = guess.clamp(left.start, left.end.saturating_sub(1).max(left.start));
        }
        Ok(left.start)
    }

    /// Where an offset is if all rows of the run are of about the same length.
    fn guess(&self, from: Offset) -> u32 {
        let Run { base, end, .. } = self.run;
        let (part, whole) = (from.0.saturating_sub(base.0), (end.0 - base.0).max(1));
        let count = self.numbers.end - self.numbers.start;
        let place = u128::from(count) * u128::from(part) / u128::from(whole);
        let place = u32::try_from(place).unwrap_or(u32::MAX).min(count.saturating_sub(1));
        self.numbers.start + place
    }

    /// Where an offset is if all rows are of about the same length as those of this page. A run
    /// that was cut no longer says where its first row begins.
    fn guess_near(&self, part: &Part, from: Offset) -> Result<u32, Miss> {
        let (first, last) = (self.row(part, part.rows.start)?, self.row(part, part.rows.end - 1)?);
        let (rows, span) = (u64::from(part.rows.end - part.rows.start), (last.end().0 - first.base.0).max(1));
        let near = |distance: u64| u64::try_from(u128::from(distance) * u128::from(rows) / u128::from(span));
        let (start, distance) = (u64::from(part.rows.start), from.0.abs_diff(first.base.0));
        let steps = near(distance).unwrap_or(u64::MAX);
        let place = if from < first.base { start.saturating_sub(steps) } else { start.saturating_add(steps) };
        Ok(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// Returns the number of the first row of a page that ends behind an offset.
    fn search(&self, part: &Part, from: Offset) -> Result<u32, Miss> {
        let (mut low, mut high) = (part.rows.start, part.rows.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.row(part, middle)?.end() > from { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }

    fn row(&self, part: &Part, number: u32) -> Result<Row, Miss> {
        let row = part.page.row(number % ROWS_PER_PAGE);
        row.ok_or_else(|| self.corrupt(part.number).into())
    }

    /// Gets the page that a row is on, and those of the rows `among` that are there.
    fn part(&self, row: u32, among: &std::ops::Range<u32>) -> Result<Part, Miss> {
        let number = row / ROWS_PER_PAGE;
        let page = self.page(number)?;
        let first = number * ROWS_PER_PAGE;
        let rows = among.start.max(first)..among.end.min(first + page.count());
        if rows.contains(&row) { Ok(Part { page, number, rows }) } else { Err(self.corrupt(number).into()) }
    }

    fn page(&self, number: u32) -> Result<RowPage, Miss> {
        let file = &self.run.file;
        let FooterPlace { rows_position, row_count } = self.place();
        let end = rows_position + u64::from(row_count.div_ceil(ROWS_PER_PAGE)) * PAGE;
        let position = rows_position + u64::from(number) * PAGE;
        let range = Range { position, bytes: PAGE, ahead_bytes: ROWS_AHEAD_BYTES, end };
        let (bytes, _) = self.reader.range(file, range)?;
        let page = RowPage::open(FooterOf::of(self.reader.shared.identity, file), number, &bytes);
        page.ok_or_else(|| self.corrupt(number).into())
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
