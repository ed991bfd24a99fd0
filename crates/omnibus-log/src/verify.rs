//! Reads everything and checks every checksum, changing nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_io::{Access, Caching, Disk, OpenMode};
use omnibus_model::{Offset, StreamId};

use crate::block::BlockHeader;
use crate::buffer::PAGE_BYTES;
use crate::checkpoint::CheckpointName;
use crate::error::{Action, Affected, Damage, Gravity, LogError};
use crate::file::{FileFacts, FileKey, FileKind, LogFile, read_pages};
use crate::footer::{Footer, FooterFound, FooterOf, ROWS_PER_PAGE, RowPage, load_footer};
use crate::manifest::{BegunSegment, FileList, Manifest};
use crate::pack::header_is_sound;
use crate::row::{Reference, Row};
use crate::scan::{Expected, Scanner, frames_of};
use crate::superblock::Superblock;

const PAGE: u64 = PAGE_BYTES as u64;

/// What was read, and what of it is damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    pub segments: u64,
    pub packs: u64,
    pub checkpoints: u64,
    pub blocks: u64,
    pub batches: u64,
    pub bytes: u64,
    pub damage: Vec<Damage>,
}

impl VerifyReport {
    /// Whether nothing that was acknowledged is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.iter().all(|damage| damage.gravity != Gravity::Acknowledged)
    }
}

/// Checks a log that nobody has open.
///
/// # Errors
/// If the disk cannot be read, or holds another version. Damage is told in the report.
pub fn verify(disk: &Arc<dyn Disk>) -> Result<VerifyReport, LogError> {
    examine(disk.as_ref())
}

/// Checks everything below the root page.
pub(crate) fn examine(disk: &dyn Disk) -> Result<VerifyReport, LogError> {
    let mut report = VerifyReport::default();
    let copies = Superblock::load(disk)?;
    for path in &copies.damaged {
        let gravity = if copies.newest.is_some() { Gravity::Redundant } else { Gravity::Acknowledged };
        report.damage.push(damage(path, 0, "a copy of the root page", gravity));
    }
    let Some(root) = copies.newest else {
        if copies.damaged.is_empty() {
            report.damage.push(damage("SUPER.a", 0, "no log is here", Gravity::Redundant));
        }
        return Ok(report);
    };
    let list = match Manifest::open(disk, root.log, root.manifest, Access::Read) {
        Ok(manifest) => manifest.list,
        Err(LogError::Damaged(found)) => {
            report.damage.push(*found);
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    let from_beginning = list.begun().first().is_some_and(|segment| segment.first == 1);
    let mut examination = Examination {
        disk,
        root,
        report,
        ends: BTreeMap::new(),
        from_beginning,
        gap: None,
        bodies_seen: BTreeMap::new(),
    };
    examination.checkpoints(&list)?;
    examination.segments(&list)?;
    for &number in &list.packs {
        examination.pack(number)?;
    }
    Ok(examination.report)
}

struct Examination<'disk> {
    disk: &'disk dyn Disk,
    root: Superblock,
    report: VerifyReport,
    /// Where each stream ends in the blocks seen so far.
    ends: BTreeMap<StreamId, Offset>,
    /// No segment was recycled yet.
    from_beginning: bool,
    /// The damage that what is missing from now on is blamed on, and which streams were
    /// looked at since.
    gap: Option<(usize, BTreeSet<StreamId>)>,
    /// Shared bodies that were looked at in the file at hand, and whether they are sound.
    bodies_seen: BTreeMap<BodySeen, bool>,
}

/// The file of a shared body, and its position, length and checksum there.
type BodySeen = (FileKey, u32, u32, u32);

/// A stretch of a segment that is not sound.
#[derive(Debug)]
struct Unsound {
    seq: u64,
    from: u64,
    /// Where the next block begins, and what it must be.
    next: Option<(u64, Expected)>,
    gravity: Gravity,
}

impl Examination<'_> {
    fn checkpoints(&mut self, list: &FileList) -> Result<(), LogError> {
        for (&shard, &(term, index)) in &list.checkpoints {
            self.report.checkpoints += 1;
            let name = CheckpointName { log: self.root.log, shard, term, index };
            match name.load(self.disk) {
                Ok(_) => {}
                Err(LogError::Damaged(found)) => self.report.damage.push(*found),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn segments(&mut self, list: &FileList) -> Result<(), LogError> {
        list.begun().iter().try_for_each(|segment| self.segment(segment))
    }

    fn segment(&mut self, segment: &BegunSegment) -> Result<(), LogError> {
        let Some(file) = self.open(FileKind::Segment, segment.number)? else { return Ok(()) };
        self.report.segments += 1;
        let footer = self.footer(&file)?;
        let rows = match &footer {
            Some(footer) => self.footer_rows(&file, footer, Gravity::Redundant)?,
            None => Vec::new(),
        };
        let durable_seq = segment.last.unwrap_or(self.root.durable_seq);
        let (log, epoch) = (self.root.log, segment.number);
        let mut expected = Expected { log, epoch, seq: segment.first, previous_crc: None };
        let mut scanner = Scanner::new(file.handle.as_ref());
        let mut position = 0;
        loop {
            let seen = scanner.visit(position, &mut expected, |block| {
                self.report.blocks += 1;
                self.report.bytes += u64::from(block.header.block_bytes);
                let rows = block.frames.iter().flat_map(|frame| &frame.rows);
                rows.for_each(|(stream, row)| self.see(*stream, row));
            });
            position = seen.map_err(|source| unreadable(&file, source))?;
            let unsound = beyond(&mut scanner, position, &expected, durable_seq);
            let Some(unsound) = unsound.map_err(|source| unreadable(&file, source))? else { return Ok(()) };
            self.describe(&file, &unsound, &rows)?;
            match unsound.next {
                Some((next, next_expected)) => (position, expected) = (next, next_expected),
                None => return Ok(()),
            }
        }
    }

    /// Takes a sound batch into account, and finds out what is missing before it.
    fn see(&mut self, stream: StreamId, row: &Row) {
        self.report.batches += 1;
        // A log of which nothing was recycled has every stream from 0 on.
        let beginning = self.from_beginning.then_some(Offset::ZERO);
        let end = self.ends.insert(stream, row.end()).or(beginning);
        if let (Some((blamed, looked_at)), Some(end)) = (&mut self.gap, end)
            && looked_at.insert(stream)
            && end < row.base
        {
            self.report.damage[*blamed].affected.push(Affected { stream, from: end, to: row.base });
        }
    }

    /// Adds an unsound stretch to the report, with the records in it as far as can be told.
    fn describe(&mut self, file: &LogFile, unsound: &Unsound, rows: &[(StreamId, Row)]) -> Result<(), LogError> {
        let mut found = damage(&file.path, unsound.from, "a block is not sound", unsound.gravity);
        found.block_seq = Some(unsound.seq);
        let mut known: Vec<(StreamId, Row)> = rows.to_vec();
        if let Some(of_block) = self.rows_of_block(file, unsound)? {
            known = of_block;
        }
        let to = unsound.next.map_or(u64::MAX, |(next, _)| next);
        let inside = known.iter().filter(|(_, row)| (unsound.from..to).contains(&u64::from(row.position)));
        for (stream, row) in inside {
            if !self.payload_on_disk_is_sound(file, row)? {
                found.affected.push(Affected { stream: *stream, from: row.base, to: row.end() });
            }
            self.ends.insert(*stream, row.end());
        }
        found.affected = merged(found.affected);
        self.gap = Some((self.report.damage.len(), BTreeSet::new()));
        self.report.damage.push(found);
        Ok(())
    }

    /// Returns the rows of the unsound block, if that part of it is sound.
    fn rows_of_block(&self, file: &LogFile, unsound: &Unsound) -> Result<Option<Vec<(StreamId, Row)>>, LogError> {
        let read = |bytes| read_pages(file.handle.as_ref(), unsound.from, bytes);
        let first = read(PAGE).map_err(|source| unreadable(file, source))?;
        let Some((header, _)) = BlockHeader::decode(&first) else { return Ok(None) };
        let bytes = read(header.payload_start()).map_err(|source| unreadable(file, source))?;
        let frames = (header.link.seq == unsound.seq).then(|| frames_of(&header, &bytes)).flatten();
        Ok(frames.map(|frames| frames.into_iter().flat_map(|frame| frame.rows).collect()))
    }

    fn payload_on_disk_is_sound(&mut self, file: &LogFile, row: &Row) -> Result<bool, LogError> {
        let stored = read(file, row.position, row.stored_bytes())?;
        if !row.is_sound(&stored) {
            return Ok(false);
        }
        let Some(sharing) = row.shares() else { return Ok(true) };
        let reference = Reference::decode(&stored);
        let Some((reference, body)) = reference.and_then(|reference| Some((reference, reference.body_of(row)?))) else {
            return Ok(false);
        };
        // A body is looked at once, however many share it.
        let key = (file.key(), body, sharing.body_bytes, reference.crc);
        if let Some(is_sound) = self.bodies_seen.get(&key) {
            return Ok(*is_sound);
        }
        let is_sound = crc32c::crc32c(&read(file, body, sharing.body_bytes)?) == reference.crc;
        self.bodies_seen.insert(key, is_sound);
        Ok(is_sound)
    }

    fn pack(&mut self, number: u64) -> Result<(), LogError> {
        let Some(file) = self.open(FileKind::Pack, number)? else { return Ok(()) };
        self.report.packs += 1;
        self.bodies_seen.clear();
        let first = read_pages(file.handle.as_ref(), 0, PAGE).map_err(|source| unreadable(&file, source))?;
        if !header_is_sound(&first, self.root.log, number) {
            self.report.damage.push(damage(&file.path, 0, "the first page of a pack", Gravity::Redundant));
        }
        let Some(footer) = self.footer(&file)? else {
            self.report.damage.push(damage(&file.path, 0, "the index of a pack", Gravity::Acknowledged));
            return Ok(());
        };
        self.report.bytes += footer.data_end;
        for (stream, row) in self.footer_rows(&file, &footer, Gravity::Acknowledged)? {
            self.report.batches += 1;
            if !self.payload_on_disk_is_sound(&file, &row)? {
                let mut found = damage(&file.path, row.position.into(), "a batch", Gravity::Acknowledged);
                found.affected.push(Affected { stream, from: row.base, to: row.end() });
                self.report.damage.push(found);
            }
        }
        Ok(())
    }

    fn footer(&mut self, file: &LogFile) -> Result<Option<Footer>, LogError> {
        let found = load_footer(file.handle.as_ref(), FooterOf::of(self.root.log, file));
        match found.map_err(|source| unreadable(file, source))? {
            FooterFound::Sound(footer) => Ok(Some(footer)),
            FooterFound::Absent => Ok(None),
            FooterFound::Damaged { position } => {
                let found = damage(&file.path, position, "the index of a sealed file", Gravity::Redundant);
                self.report.damage.push(found);
                Ok(None)
            }
        }
    }

    /// Reads all rows of a footer, and reports the pages that are not sound.
    fn footer_rows(
        &mut self,
        file: &LogFile,
        footer: &Footer,
        gravity: Gravity,
    ) -> Result<Vec<(StreamId, Row)>, LogError> {
        let mut pages = BTreeMap::new();
        for page in 0..footer.place.row_count.div_ceil(ROWS_PER_PAGE) {
            let position = footer.place.rows_position + u64::from(page) * PAGE;
            let bytes = read_pages(file.handle.as_ref(), position, PAGE).map_err(|source| unreadable(file, source))?;
            let sound = RowPage::open(FooterOf::of(self.root.log, file), page, &bytes);
            if let Some(rows) = sound.and_then(|page| page.rows()) {
                pages.insert(page, rows);
                continue;
            }
            let mut found = damage(&file.path, position, "a page of the index", gravity);
            let on_page = footer.runs.iter().filter(|run| {
                run.count > 0
                    && (run.first / ROWS_PER_PAGE..=(run.first + run.count - 1) / ROWS_PER_PAGE).contains(&page)
            });
            found.affected = on_page.map(|run| Affected { stream: run.stream, from: run.base, to: run.end }).collect();
            self.report.damage.push(found);
        }
        let mut rows = Vec::new();
        for run in &footer.runs {
            let numbers = run.first..run.first + run.count;
            let of_run = numbers.filter_map(|number| {
                let page = pages.get(&(number / ROWS_PER_PAGE))?;
                page.get((number % ROWS_PER_PAGE) as usize)
            });
            rows.extend(of_run.map(|row| (run.stream, *row)));
        }
        Ok(rows)
    }

    fn open(&mut self, kind: FileKind, number: u64) -> Result<Option<Arc<LogFile>>, LogError> {
        let path = kind.path(number);
        match self.disk.open(&path, OpenMode { access: Access::Read, caching: Caching::Kernel }) {
            Ok(handle) => Ok(Some(LogFile::new(kind, number, handle, FileFacts::default()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.report.damage.push(damage(&path, 0, "a file is missing", Gravity::Acknowledged));
                Ok(None)
            }
            Err(source) => Err(LogError::io(Action::Open, &path, source)),
        }
    }
}

/// Reads a part of a file, less where the file ends.
fn read(file: &LogFile, position: u32, bytes: u32) -> Result<Bytes, LogError> {
    let start = u64::from(position) / PAGE * PAGE;
    let skipped = u64::from(position) - start;
    let pages = read_pages(file.handle.as_ref(), start, skipped + u64::from(bytes));
    let pages = pages.map_err(|source| unreadable(file, source))?;
    let place = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).min(pages.len());
    Ok(pages.slice(place(skipped)..place(skipped + u64::from(bytes))))
}

/// Finds out about the stretch that begins where sound blocks end; `None` if the segment
/// simply ends there.
fn beyond(
    scanner: &mut Scanner<'_>,
    position: u64,
    expected: &Expected,
    durable_seq: u64,
) -> io::Result<Option<Unsound>> {
    let headers = scanner.headers_beyond(position, expected, |_| false)?;
    let announced = headers.iter().map(|found| found.header.link.durable_seq).max().unwrap_or(0);
    if headers.is_empty() && durable_seq < expected.seq {
        return Ok(None);
    }
    let gravity = if announced.max(durable_seq) >= expected.seq { Gravity::Acknowledged } else { Gravity::TornTail };
    let (seq, from) = (expected.seq, position);
    if gravity == Gravity::TornTail {
        return Ok(Some(Unsound { seq, from, next: None, gravity }));
    }
    let at = |position, seq| (position, Expected { seq, previous_crc: None, ..*expected });
    let own = headers.iter().find(|found| found.position == position && found.header.link.seq == seq);
    let next = match own {
        Some(own) => Some(at(own.end(), seq + 1)),
        None => headers
            .iter()
            .find(|found| found.header.link.seq > seq)
            .map(|found| at(found.position, found.header.link.seq)),
    };
    Ok(Some(Unsound { seq, from, next, gravity }))
}

/// Joins ranges that touch.
fn merged(mut ranges: Vec<Affected>) -> Vec<Affected> {
    ranges.sort_unstable();
    let mut joined: Vec<Affected> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.stream == range.stream && last.to >= range.from => last.to = last.to.max(range.to),
            _ => joined.push(range),
        }
    }
    joined
}

fn damage(file: &str, position: u64, what: &'static str, gravity: Gravity) -> Damage {
    Damage { file: file.to_owned(), position, block_seq: None, what, affected: Vec::new(), gravity }
}

fn unreadable(file: &LogFile, source: io::Error) -> LogError {
    LogError::io(Action::Read, &file.path, source)
}
