//! The index at the end of a sealed file: rows sorted by stream and offset, a directory of
//! the runs they form, and a trailer on the file's last page. See `docs/formats/footer.md`.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use omnibus_io::{DiskFile, Durability};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Timestamp};

use crate::buffer::{AlignedBuffer, PAGE_BYTES, pages_of};
use crate::cursor::Cursor;
use crate::file::{FileFacts, FileKind, FooterPlace, LogFile, read_pages};
use crate::row::{ROW_BYTES, Row};

const MAGIC: u32 = u32::from_le_bytes(*b"OmFt");
const VERSION: u16 = 2;
const PAGE_HEADER_BYTES: usize = 32;
/// How many rows a page holds.
pub(crate) const ROWS_PER_PAGE: u32 = 127;
const RUN_BYTES: usize = 48;
const SHARD_BYTES: usize = 24;
const TRAILER_BYTES: usize = 88;
/// More shards than a log ever has; keeps the room for them bounded.
const SHARDS_MAX: usize = 1024;

/// A run as the directory tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FooterRun {
    pub(crate) stream: StreamId,
    pub(crate) shard: ShardId,
    pub(crate) base: Offset,
    pub(crate) end: Offset,
    pub(crate) timestamp_max: Timestamp,
    pub(crate) bytes: u32,
    /// The first of its rows in the file, and how many there are.
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// What a sealed file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) data_end: u64,
    pub(crate) bodies_bytes: u64,
    pub(crate) last_block: Option<(u64, u32)>,
    pub(crate) place: FooterPlace,
    /// Sorted by stream and offset.
    pub(crate) runs: Vec<FooterRun>,
    pub(crate) shards: BTreeMap<ShardId, (LogIndex, LogIndex)>,
}

/// What is found where a footer should be.
#[derive(Debug)]
pub(crate) enum FooterFound {
    Sound(Footer),
    /// The file was not sealed.
    Absent,
    /// There is a trailer, but what it points to is not sound.
    Damaged {
        position: u64,
    },
}

/// A file whose footer is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FooterOf {
    pub(crate) log: u64,
    pub(crate) kind: FileKind,
    pub(crate) number: u64,
}

impl FooterOf {
    pub(crate) fn of(log: u64, file: &LogFile) -> Self {
        Self { log, kind: file.kind, number: file.number }
    }

    fn kind_code(self) -> u16 {
        match self.kind {
            FileKind::Segment => 1,
            FileKind::Pack => 2,
        }
    }
}

/// Returns how long a footer of so many rows can get.
pub(crate) fn footer_bytes_max(rows: usize) -> u64 {
    let directory = rows * RUN_BYTES + SHARDS_MAX * SHARD_BYTES;
    row_pages(rows as u64) * PAGE_BYTES as u64 + pages_of(directory as u64) + PAGE_BYTES as u64
}

fn row_pages(rows: u64) -> u64 {
    rows.div_ceil(u64::from(ROWS_PER_PAGE))
}

/// Writes a footer behind the data of a file; durable on return. `rows` are those of
/// `runs`, one after the other.
pub(crate) fn write_footer(
    handle: &dyn DiskFile,
    of: FooterOf,
    facts: &FileFacts,
    runs: Vec<FooterRun>,
    rows: &[Row],
) -> io::Result<Footer> {
    let rows_position = pages_of(facts.data_end);
    let row_count = u32::try_from(rows.len()).map_err(io::Error::other)?;
    let place = FooterPlace { rows_position, row_count };
    let FileFacts { data_end, bodies_bytes, last_block, .. } = *facts;
    let footer = Footer { data_end, bodies_bytes, last_block, place, runs, shards: facts.shards.clone() };
    let directory = footer.encode_directory();
    let directory_position = rows_position + row_pages(rows.len() as u64) * PAGE_BYTES as u64;
    let end = directory_position + pages_of(directory.len() as u64) + PAGE_BYTES as u64;
    let file_bytes = handle.size()?.max(end);
    let mut buffer = AlignedBuffer::with_capacity(usize::try_from(end - rows_position).map_err(io::Error::other)?);
    for (page, rows) in (0u32..).zip(rows.chunks(ROWS_PER_PAGE as usize)) {
        buffer.push(&encode_row_page(of, page, rows));
        buffer.pad();
    }
    buffer.push(&directory);
    buffer.pad();
    handle.write_at(buffer.as_ref(), rows_position, Durability::Deferred)?;
    handle.sync()?;
    // The trailer says that all the rest is there.
    let mut trailer = AlignedBuffer::with_capacity(PAGE_BYTES);
    trailer.push(&footer.encode_trailer(of, directory_position, &directory));
    trailer.pad();
    handle.write_at(trailer.as_ref(), file_bytes - PAGE_BYTES as u64, Durability::Durable)?;
    Ok(footer)
}

/// Reads the footer of a file, without its rows.
pub(crate) fn load_footer(handle: &dyn DiskFile, of: FooterOf) -> io::Result<FooterFound> {
    let Some(position) = handle.size()?.checked_sub(PAGE_BYTES as u64) else { return Ok(FooterFound::Absent) };
    if !position.is_multiple_of(PAGE_BYTES as u64) {
        return Ok(FooterFound::Absent);
    }
    let page = read_pages(handle, position, PAGE_BYTES as u64)?;
    let Some(trailer) = Trailer::decode(&page, of) else { return Ok(FooterFound::Absent) };
    let damaged = FooterFound::Damaged { position: trailer.directory_position };
    if !trailer.is_consistent(position) {
        return Ok(damaged);
    }
    let directory = read_pages(handle, trailer.directory_position, u64::from(trailer.directory_bytes))?;
    let directory = directory.get(..trailer.directory_bytes as usize);
    let sound = directory.filter(|directory| crc32c::crc32c(directory) == trailer.directory_crc);
    Ok(sound.and_then(|directory| trailer.footer(directory)).map_or(damaged, FooterFound::Sound))
}

#[derive(Debug)]
struct Trailer {
    data_end: u64,
    rows_position: u64,
    directory_position: u64,
    directory_bytes: u32,
    directory_crc: u32,
    row_count: u32,
    run_count: u32,
    shard_count: u32,
    last_crc: u32,
    bodies_bytes: u32,
    /// 0 for a file without blocks.
    last_seq: u64,
}

impl Trailer {
    fn decode(page: &[u8], of: FooterOf) -> Option<Self> {
        let page = page.get(..TRAILER_BYTES)?;
        let mut cursor = Cursor::new(page);
        let (magic, version, kind) = (cursor.u32()?, cursor.u16()?, cursor.u16()?);
        let (log, number) = (cursor.u64()?, cursor.u64()?);
        let (data_end, rows_position, directory_position) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let last_seq = cursor.u64()?;
        let (directory_bytes, directory_crc) = (cursor.u32()?, cursor.u32()?);
        let (row_count, run_count, shard_count) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        let (last_crc, bodies_bytes, crc) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        let named = (magic, version, kind) == (MAGIC, VERSION, of.kind_code()) && (log, number) == (of.log, of.number);
        (named && crc == crc32c::crc32c(&page[..TRAILER_BYTES - 4])).then_some(Self {
            data_end,
            rows_position,
            directory_position,
            directory_bytes,
            directory_crc,
            row_count,
            run_count,
            shard_count,
            last_crc,
            bodies_bytes,
            last_seq,
        })
    }

    fn is_consistent(&self, position: u64) -> bool {
        let directory = self.rows_position.checked_add(row_pages(u64::from(self.row_count)) * PAGE_BYTES as u64);
        let end = self.directory_position.checked_add(pages_of(u64::from(self.directory_bytes)));
        self.rows_position == pages_of(self.data_end)
            && directory == Some(self.directory_position)
            && end.is_some_and(|end| end <= position)
    }

    fn footer(&self, directory: &[u8]) -> Option<Footer> {
        let mut cursor = Cursor::new(directory);
        let runs = (0..self.run_count).map(|_| decode_run(&mut cursor)).collect::<Option<Vec<_>>>()?;
        let shards = (0..self.shard_count).map(|_| decode_shard(&mut cursor)).collect::<Option<BTreeMap<_, _>>>()?;
        let ascending = runs.windows(2).all(|pair| {
            (pair[0].stream, pair[0].end) <= (pair[1].stream, pair[1].base) || pair[0].stream < pair[1].stream
        });
        let inside = |run: &FooterRun| {
            run.base < run.end && run.first.checked_add(run.count).is_some_and(|end| end <= self.row_count)
        };
        let last_block = (self.last_seq > 0).then_some((self.last_seq, self.last_crc));
        let place = FooterPlace { rows_position: self.rows_position, row_count: self.row_count };
        let bodies_bytes = u64::from(self.bodies_bytes);
        let footer = Footer { data_end: self.data_end, bodies_bytes, last_block, place, runs, shards };
        (ascending && footer.runs.iter().all(inside)).then_some(footer)
    }
}

impl Footer {
    fn encode_directory(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.runs.len() * RUN_BYTES + self.shards.len() * SHARD_BYTES);
        for run in &self.runs {
            bytes.extend_from_slice(&run.stream.0.to_le_bytes());
            bytes.extend_from_slice(&u32::from(run.shard.0).to_le_bytes());
            bytes.extend_from_slice(&run.first.to_le_bytes());
            bytes.extend_from_slice(&run.count.to_le_bytes());
            bytes.extend_from_slice(&run.bytes.to_le_bytes());
            bytes.extend_from_slice(&run.base.0.to_le_bytes());
            bytes.extend_from_slice(&run.end.0.to_le_bytes());
            bytes.extend_from_slice(&run.timestamp_max.0.to_le_bytes());
        }
        for (shard, (first, last)) in &self.shards {
            bytes.extend_from_slice(&u64::from(shard.0).to_le_bytes());
            bytes.extend_from_slice(&first.0.to_le_bytes());
            bytes.extend_from_slice(&last.0.to_le_bytes());
        }
        bytes
    }

    fn encode_trailer(&self, of: FooterOf, directory_position: u64, directory: &[u8]) -> Vec<u8> {
        let (last_seq, last_crc) = self.last_block.unwrap_or_default();
        let count = |length: usize| u32::try_from(length).expect("a footer is shorter than 4 GiB");
        let mut bytes = Vec::with_capacity(TRAILER_BYTES);
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&of.kind_code().to_le_bytes());
        let positions = [self.data_end, self.place.rows_position, directory_position, last_seq];
        for field in [of.log, of.number].into_iter().chain(positions) {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        let sizes = [count(directory.len()), crc32c::crc32c(directory), self.place.row_count];
        let bodies_bytes = u32::try_from(self.bodies_bytes).expect("a file is shorter than 4 GiB");
        let counts = [count(self.runs.len()), count(self.shards.len()), last_crc, bodies_bytes];
        for field in sizes.into_iter().chain(counts) {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }
}

fn decode_run(cursor: &mut Cursor<'_>) -> Option<FooterRun> {
    let stream = StreamId(cursor.u64()?);
    let shard = ShardId(u16::try_from(cursor.u32()?).ok()?);
    let (first, count, bytes) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    let (base, end, timestamp_max) = (Offset(cursor.u64()?), Offset(cursor.u64()?), Timestamp(cursor.i64()?));
    Some(FooterRun { stream, shard, base, end, timestamp_max, bytes, first, count })
}

fn decode_shard(cursor: &mut Cursor<'_>) -> Option<(ShardId, (LogIndex, LogIndex))> {
    let shard = ShardId(u16::try_from(cursor.u64()?).ok()?);
    Some((shard, (LogIndex(cursor.u64()?), LogIndex(cursor.u64()?))))
}

fn encode_row_page(of: FooterOf, page: u32, rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PAGE_BYTES);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&page.to_le_bytes());
    bytes.extend_from_slice(&of.log.to_le_bytes());
    bytes.extend_from_slice(&of.number.to_le_bytes());
    bytes.extend_from_slice(&u32::from(of.kind_code()).to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(rows.len()).expect("a page is small").to_le_bytes());
    rows.iter().for_each(|row| bytes.extend_from_slice(&row.encode()));
    bytes.resize(PAGE_BYTES, 0);
    let crc = crc32c::crc32c(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A page of rows that is what it should be. Its rows are read one at a time: who looks for one
/// needs few of them.
#[derive(Debug)]
pub(crate) struct RowPage {
    rows: Bytes,
    count: u32,
}

impl RowPage {
    /// Checks a page; `None` if it is not that page.
    pub(crate) fn open(of: FooterOf, page: u32, bytes: &Bytes) -> Option<Self> {
        let page_bytes = bytes.get(..PAGE_BYTES)?;
        let mut cursor = Cursor::new(page_bytes);
        let (crc, number) = (cursor.u32()?, cursor.u32()?);
        let names = (cursor.u64()?, cursor.u64()?, cursor.u32()?);
        let count = cursor.u32()?;
        let named = number == page && names == (of.log, of.number, u32::from(of.kind_code()));
        let sound = named && count <= ROWS_PER_PAGE && crc == crc32c::crc32c(&page_bytes[4..]);
        sound.then(|| Self { rows: bytes.slice(PAGE_HEADER_BYTES..PAGE_BYTES), count })
    }

    /// How many rows it has.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// Reads one row; `None` if there is no such row, or it says what no row can.
    pub(crate) fn row(&self, place: u32) -> Option<Row> {
        let at = place as usize * ROW_BYTES;
        let row = self.rows.get(at..at + ROW_BYTES).filter(|_| place < self.count)?;
        Row::decode(&mut Cursor::new(row))
    }

    /// Reads all rows; `None` if one says what no row can.
    pub(crate) fn rows(&self) -> Option<Vec<Row>> {
        (0..self.count).map(|place| self.row(place)).collect()
    }
}

const _: () = assert!(PAGE_HEADER_BYTES + ROWS_PER_PAGE as usize * ROW_BYTES <= PAGE_BYTES, "a page of rows fits");
