//! Rebuilds the index: from footers, and from the blocks of every segment that has none or
//! that holds entries after a checkpoint.
//!
//! A block that is not sound is either the end of a write that was never acknowledged, and
//! is wiped, or it is rot: a later block, the next segment or the root page says that it was
//! durable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use omnibus_io::{Access, Caching, Disk, OpenMode};
use omnibus_model::{Bug, LogIndex, Offset, ShardId, StreamId, planted};

use crate::block::{Frame, FrameKind};
use crate::checkpoint::{CheckpointContent, CheckpointName};
use crate::device::FLIGHTS_MAX;
use crate::error::{Action, Damage, Gravity, LogError};
use crate::file::{FileFacts, FileKind, LogFile};
use crate::footer::{Footer, FooterFound, FooterOf, load_footer};
use crate::found::{Ends, Found};
use crate::index::Index;
use crate::kept::Place;
use crate::log_end::{renew, wipe};
use crate::loss::{lost, unreadable};
use crate::manifest::{BegunSegment, Blocks, FileList};
use crate::mark::Mark;
use crate::pending::{Pending, PendingEntry};
use crate::replay::{Replay, ReplayBlock, Window};
use crate::row::Row;
use crate::scan::{Expected, HeaderFound, Scanner, SoundBlock};
use crate::shared::{Files, ShardFacts};
use crate::superblock::Superblock;
use crate::writer::Tail;

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The log was made now.
    pub created: bool,
    pub segments: u64,
    pub packs: u64,
    pub blocks_scanned: u64,
    pub bytes_scanned: u64,
    /// The end of a write that was never acknowledged, now wiped.
    pub torn_tail: Option<Damage>,
    /// Damage that took nothing: it is kept elsewhere as well.
    pub redundant: Vec<Damage>,
}

/// A log being rebuilt.
#[derive(Debug)]
pub(crate) struct Recovery<'disk> {
    disk: &'disk dyn Disk,
    caching: Caching,
    log: u64,
    /// A block that must be there.
    durable_seq: u64,
    saved: BTreeMap<ShardId, LogIndex>,
    pub(crate) index: Index,
    pub(crate) pending: Pending,
    pub(crate) files: Files,
    pub(crate) shards: BTreeMap<ShardId, ShardFacts>,
    pub(crate) found: Found,
    /// What was purged of each replicated shard, at least.
    purged: BTreeMap<ShardId, LogIndex>,
    pub(crate) written_bytes: u64,
    pub(crate) report: RecoveryReport,
    /// What packs hold was committed, and so was all before it.
    packed_to: BTreeMap<StreamId, Offset>,
    /// A segment without a footer came before.
    behind_unsealed: bool,
    /// Where the last blocks of the segment begin: as many as may have been in flight.
    last_blocks: [u64; FLIGHTS_MAX],
    /// The newest segment with blocks that were not looked at: the marks may be in it.
    unscanned: Option<(Arc<LogFile>, BegunSegment)>,
    /// The segment that is read is sealed, whether or not its index is taken from its end.
    is_proof: bool,
    /// Streams with entries after their shard's checkpoint: not dropped, whatever it says.
    used_since: BTreeSet<StreamId>,
    replay: VecDeque<ReplayBlock>,
    pub(crate) seq_next: u64,
    previous_crc: u32,
    active: Option<(Arc<LogFile>, u64, usize)>,
}

impl<'disk> Recovery<'disk> {
    pub(crate) fn new(disk: &'disk dyn Disk, caching: Caching, root: &Superblock) -> Self {
        Self {
            disk,
            caching,
            log: root.log,
            durable_seq: root.durable_seq,
            saved: BTreeMap::new(),
            index: Index::default(),
            pending: Pending::default(),
            files: Files::default(),
            shards: BTreeMap::new(),
            found: Found::default(),
            purged: BTreeMap::new(),
            written_bytes: 0,
            report: RecoveryReport::default(),
            packed_to: BTreeMap::new(),
            behind_unsealed: false,
            last_blocks: [0; FLIGHTS_MAX],
            unscanned: None,
            is_proof: false,
            used_since: BTreeSet::new(),
            replay: VecDeque::new(),
            seq_next: 1,
            previous_crc: 0,
            active: None,
        }
    }

    /// Rebuilds everything that the manifest lists.
    pub(crate) fn rebuild(
        &mut self,
        list: &FileList,
        checkpoints: &[(CheckpointName, CheckpointContent)],
    ) -> Result<(), LogError> {
        for (name, _) in checkpoints {
            self.saved.insert(name.shard, name.index);
            self.shards.entry(name.shard).or_default().checkpoint = name.index;
        }
        let packs = list.packs.iter().map(|&number| self.open_pack(number)).collect::<Result<Vec<_>, _>>()?;
        // A checkpoint has the bounds of streams by when it was written down, which is later than its index.
        let bounds = checkpoints.iter().flat_map(|(_, content)| &content.streams);
        let packed = self.packed_to.iter().map(|(stream, end)| (*stream, *end));
        self.found.note_shown(packed.chain(bounds.map(|(stream, bounds)| (*stream, bounds.end))));
        self.read_purges(list)?;
        self.read_segments(list)?;
        // What replicas took back is known now; what packs speak for must be there before them.
        self.saved.iter().for_each(|(shard, saved)| self.pending.publish(*shard, *saved, &self.index));
        self.pending.publish_before(&self.packed_to, &self.index);
        // A later pack speaks before an earlier one, and any pack before the segments.
        for (file, footer) in packs {
            self.take_footer(&file, &footer);
            self.files.packs.insert(file.number, file);
        }
        self.settle_marks(checkpoints);
        self.apply_bounds(checkpoints);
        self.report.segments = list.segments.len() as u64;
        self.report.packs = list.packs.len() as u64;
        Ok(())
    }

    /// Learns from the first block of the newest segment that has one what replicas may still
    /// ask for: entries behind what was purged by then.
    fn read_purges(&mut self, list: &FileList) -> Result<(), LogError> {
        for segment in list.begun().into_iter().rev() {
            let file = self.open_file(FileKind::Segment, segment.number)?;
            let expected = Expected { log: self.log, epoch: file.number, seq: segment.first, previous_crc: None };
            let first = Scanner::new(file.handle.as_ref()).first(0, &expected, |block| {
                let marks = block.frames.iter().filter_map(|frame| match &frame.what {
                    FrameKind::Mark(Mark::Purged(id)) => Some((frame.shard, id.index)),
                    FrameKind::Mark(_) | FrameKind::Entry(_) => None,
                });
                marks.collect::<BTreeMap<_, _>>()
            });
            if let Some(purged) = first.map_err(|source| unreadable(&file, source))? {
                self.purged = purged;
                return Ok(());
            }
        }
        Ok(())
    }

    fn read_segments(&mut self, list: &FileList) -> Result<(), LogError> {
        for segment in list.begun() {
            let file = self.open_file(FileKind::Segment, segment.number)?;
            if self.seq_next != segment.first {
                // Segments before it were recycled.
                (self.seq_next, self.previous_crc) = (segment.first, 0);
            }
            self.read_segment(&file, &segment)?;
            self.files.segments.insert(segment.number, file);
        }
        for (&number, _) in list.segments.iter().filter(|(_, blocks)| **blocks == Blocks::None) {
            let file = self.open_file(FileKind::Segment, number)?;
            self.files.segments.insert(number, Arc::clone(&file));
            self.files.prepared.push_back(file);
        }
        self.read_newest_marks()?;
        if self.seq_next <= self.durable_seq && !planted(Bug::RotAsTornTail) {
            return Err(lost(FileKind::Segment.directory(), self.seq_next, "blocks are missing").into());
        }
        Ok(())
    }

    fn read_segment(&mut self, file: &Arc<LogFile>, segment: &BegunSegment) -> Result<(), LogError> {
        let footer = self.footer(file)?;
        self.is_proof = footer.is_some();
        // What replicas took back of entries that were read is only known from the marks between later blocks.
        let needed = footer.as_ref().is_none_or(|footer| self.has_new(footer) || self.has_kept(footer))
            || !self.found.kept.is_empty();
        // Behind entries that are kept back until they are published again, a footer would
        // put later batches into the index before them.
        let scans = needed || !self.found.marks.is_empty();
        let footer = footer.filter(|_| !(scans && self.behind_unsealed));
        self.behind_unsealed |= footer.is_none();
        if let Some(footer) = &footer {
            self.take_footer(file, footer);
            if !needed && let (Some((seq, crc)), Some(_)) = (footer.last_block, segment.last) {
                (self.seq_next, self.previous_crc) = (seq + 1, crc);
                self.written_bytes += footer.data_end;
                self.unscanned = Some((Arc::clone(file), *segment));
                return Ok(());
            }
        }
        let mut expected = Expected {
            log: self.log,
            epoch: file.number,
            seq: segment.first,
            previous_crc: (self.previous_crc != 0).then_some(self.previous_crc),
        };
        self.last_blocks = [0; FLIGHTS_MAX];
        let mut scanner = Scanner::new(file.handle.as_ref());
        let sealed = footer.is_some();
        let mut rows = 0;
        let end = scanner.visit(0, &mut expected, |block| rows += self.take_block(file, block, sealed));
        let end = end.map_err(|source| unreadable(file, source))?;
        (self.seq_next, self.previous_crc) = (expected.seq, expected.previous_crc.unwrap_or(0));
        self.report.bytes_scanned += end;
        match segment.last {
            Some(last) if expected.seq <= last => {
                return Err(lost(&file.path, expected.seq, "a block is not sound").at(end).into());
            }
            Some(_) => file.facts.lock().closed = true,
            None => self.end_of_log(file, &mut scanner, &expected, end, rows)?,
        }
        Ok(())
    }

    /// Decides about what lies beyond the last sound block, and wipes it if it was torn.
    fn end_of_log(
        &mut self,
        file: &Arc<LogFile>,
        scanner: &mut Scanner<'_>,
        expected: &Expected,
        end: u64,
        rows: usize,
    ) -> Result<(), LogError> {
        let announces = |found: &HeaderFound| found.header.link.durable_seq >= expected.seq;
        let beyond = scanner.headers_beyond(end, expected, announces);
        let beyond = beyond.map_err(|source| unreadable(file, source))?;
        let rotten = beyond.last().is_some_and(announces) || expected.seq <= self.durable_seq;
        if rotten && !planted(Bug::RotAsTornTail) {
            return Err(lost(&file.path, expected.seq, "a block is not sound").at(end).into());
        }
        if let Some(suspect_end) = beyond.iter().map(HeaderFound::end).max() {
            wipe(file, end, suspect_end).map_err(|source| LogError::Io {
                action: Action::Write,
                path: file.path.clone(),
                source,
            })?;
            let torn = Damage { gravity: Gravity::TornTail, ..lost(&file.path, expected.seq, "a block is not sound") };
            self.report.torn_tail = Some(torn.at(end));
        }
        if !planted(Bug::StartUnsynced) {
            let failed = |source| LogError::Io { action: Action::Write, path: file.path.clone(), source };
            renew(file, self.last_blocks[0], end).map_err(failed)?;
        }
        self.active = Some((Arc::clone(file), end, rows));
        Ok(())
    }

    /// Takes a sound block into account; returns how many rows it has.
    fn take_block(&mut self, file: &Arc<LogFile>, block: &SoundBlock<'_>, sealed: bool) -> usize {
        self.report.blocks_scanned += 1;
        self.last_blocks = [self.last_blocks[1], block.position];
        let length = u64::from(block.header.block_bytes);
        let (mut new, mut rows) = (false, 0);
        self.unscanned = None;
        for frame in &block.frames {
            if let FrameKind::Mark(mark) = &frame.what {
                if let (false, Mark::Truncated { .. }) = (sealed, mark) {
                    file.note_entry(frame.shard, self.shards.entry(frame.shard).or_default().newest);
                }
                self.take_mark(frame.shard, mark);
                continue;
            }
            rows += frame.rows.len();
            self.found.note_membership(frame);
            let is_new = self.is_new(frame.shard, frame.index);
            if is_new && (self.is_proof || self.found.was_shown(frame)) {
                self.found.prove(frame);
            }
            new |= is_new;
            self.shards.entry(frame.shard).or_default().written(frame.index, self.written_bytes);
            if is_new {
                self.used_since.extend(frame.rows.iter().map(|(stream, _)| *stream));
            }
            if is_new || self.is_kept(frame.shard, frame.index) {
                self.found.keep(frame, Place { term: frame.term, segment: file.number, block: block.position });
            }
            if sealed && (is_new || !self.found.is_replicated(frame.shard)) && !planted(Bug::EndForgotten) {
                self.learn_ends(frame);
            }
            if !sealed {
                file.note_entry(frame.shard, frame.index);
                self.take_rows(file, frame, is_new);
            }
        }
        if !sealed {
            let mut facts = file.facts.lock();
            facts.data_end = block.position + length;
            facts.last_block = Some((block.header.link.seq, block.header_crc));
            facts.bodies_bytes += block.frames.iter().map(|frame| frame.bodies_bytes).sum::<u64>();
        }
        if new {
            let bytes = block.header.payload_start();
            self.replay.push_back(ReplayBlock { file: Arc::clone(file), position: block.position, bytes });
        }
        self.written_bytes += length;
        rows
    }

    /// A footer does not tell of batches that were trimmed before it was written.
    fn learn_ends(&mut self, frame: &Frame<'_>) {
        let ends: Ends = frame.rows.iter().map(|(stream, row)| (*stream, row.end())).collect();
        if self.found.is_replicated(frame.shard) {
            self.found.unsettle(frame, ends);
        } else {
            self.take_ends(frame.shard, &ends);
        }
    }

    fn take_ends(&self, shard: ShardId, ends: &Ends) {
        for (stream, end) in ends {
            self.index.change_or_make(*stream, shard, |stream| stream.end = stream.end.max(*end));
        }
    }

    fn take_mark(&mut self, shard: ShardId, mark: &Mark) {
        let settled = self.found.take(shard, mark);
        settled.iter().for_each(|ends| self.take_ends(shard, ends));
        if let Mark::Truncated { from } = mark {
            self.pending.truncate(shard, *from);
            self.shards.entry(shard).or_default().truncated(*from);
        }
    }

    /// Draws what follows from the marks and the checkpoints.
    fn settle_marks(&mut self, checkpoints: &[(CheckpointName, CheckpointContent)]) {
        for (shard, ends) in self.found.settle() {
            self.take_ends(shard, &ends);
        }
        checkpoints.iter().for_each(|(name, _)| self.found.close_gap(name));
    }

    /// Reads the marks of the newest segment with blocks, if its entries were of no interest.
    fn read_newest_marks(&mut self) -> Result<(), LogError> {
        let Some((file, BegunSegment { first, last, .. })) = self.unscanned.take() else { return Ok(()) };
        let mut expected = Expected { log: self.log, epoch: file.number, seq: first, previous_crc: None };
        let visited = Scanner::new(file.handle.as_ref()).visit(0, &mut expected, |block| {
            for frame in &block.frames {
                match &frame.what {
                    FrameKind::Mark(mark) => self.take_mark(frame.shard, mark),
                    FrameKind::Entry(_) => self.found.note_membership(frame),
                }
            }
        });
        let end = visited.map_err(|source| unreadable(&file, source))?;
        let may_have_marks = expected.seq == first || !self.found.marks.is_empty();
        if may_have_marks && last.is_some_and(|last| expected.seq <= last) {
            // A vote may be in it or behind it, and a node must not vote twice.
            return Err(lost(&file.path, expected.seq, "a block is not sound").at(end).into());
        }
        Ok(())
    }

    /// Indexes the rows that are known to be committed and keeps the others back. Of a replica's old
    /// entries, too, some may be void.
    fn take_rows(&mut self, file: &Arc<LogFile>, frame: &Frame<'_>, is_new: bool) {
        if self.found.is_replicated(frame.shard) {
            let entry = PendingEntry { index: frame.index, file: Arc::clone(file), rows: frame.rows.clone() };
            return self.pending.push(frame.shard, entry);
        }
        let is_committed = |(stream, row): &(StreamId, Row)| {
            !is_new || self.packed_to.get(stream).is_some_and(|packed_to| row.base < *packed_to)
        };
        let (committed, rows) = frame.rows.iter().copied().partition(is_committed);
        let committed = PendingEntry { index: frame.index, file: Arc::clone(file), rows: committed };
        committed.publish(frame.shard, &self.index);
        if is_new {
            let entry = PendingEntry { index: frame.index, file: Arc::clone(file), rows };
            self.pending.push(frame.shard, entry);
        }
    }

    fn open_pack(&mut self, number: u64) -> Result<(Arc<LogFile>, Footer), LogError> {
        let file = self.open_file(FileKind::Pack, number)?;
        let Some(footer) = self.footer(&file)? else {
            return Err(lost(&file.path, 0, "the index of a pack").without_block().into());
        };
        for run in &footer.runs {
            let packed_to = self.packed_to.entry(run.stream).or_default();
            *packed_to = run.end.max(*packed_to);
        }
        Ok((file, footer))
    }

    fn footer(&mut self, file: &Arc<LogFile>) -> Result<Option<Footer>, LogError> {
        let found = load_footer(file.handle.as_ref(), FooterOf::of(self.log, file));
        match found.map_err(|source| unreadable(file, source))? {
            FooterFound::Sound(footer) => Ok(Some(footer)),
            FooterFound::Absent => Ok(None),
            FooterFound::Damaged { position } => {
                let damage = lost(&file.path, 0, "the index of a sealed file").without_block().at(position);
                self.report.redundant.push(Damage { gravity: Gravity::Redundant, ..damage });
                Ok(None)
            }
        }
    }

    fn take_footer(&mut self, file: &Arc<LogFile>, footer: &Footer) {
        *file.facts.lock() = FileFacts {
            data_end: footer.data_end,
            bodies_bytes: footer.bodies_bytes,
            closed: true,
            shards: footer.shards.clone(),
            last_block: footer.last_block,
            footer: Some(footer.place),
            ..FileFacts::default()
        };
        self.index.take_footer(file, footer);
    }

    /// Applies what the checkpoints know of streams: what was trimmed, and what dropped.
    fn apply_bounds(&mut self, checkpoints: &[(CheckpointName, CheckpointContent)]) {
        let mut known: BTreeSet<StreamId> = std::mem::take(&mut self.used_since);
        for (name, content) in checkpoints {
            for (stream, bounds) in &content.streams {
                known.insert(*stream);
                self.index.change_or_make(*stream, name.shard, |stream| {
                    stream.end = stream.end.max(bounds.end);
                    stream.trim(bounds.start);
                });
            }
        }
        for (name, _) in checkpoints {
            let of_shard = self.index.bounds_of_shard(name.shard);
            let dropped = of_shard.iter().filter(|(stream, _)| !known.contains(stream));
            dropped.for_each(|(stream, _)| self.index.remove(*stream));
        }
    }

    /// Hands over where the log goes on, and what must be applied again.
    pub(crate) fn tail_and_replay(&mut self) -> Result<(Option<Tail>, Replay), LogError> {
        let replay = Replay {
            blocks: std::mem::take(&mut self.replay),
            checkpoints: self.saved.clone(),
            valid: self.found.truncated.then(|| (self.found.marks.keys().copied().collect(), self.found.kept.clone())),
            ready: VecDeque::new(),
            window: Window::default(),
        };
        let Some((file, position, rows)) = self.active.take() else { return Ok((None, replay)) };
        let capacity = file.handle.size().map_err(|source| unreadable(&file, source))?;
        let tail = Tail {
            file,
            position,
            capacity,
            unwritten: false,
            rows,
            seq_next: self.seq_next,
            durable_seq: self.seq_next - 1,
            previous_crc: self.previous_crc,
        };
        Ok((Some(tail), replay))
    }

    fn has_new(&self, footer: &Footer) -> bool {
        footer.shards.iter().any(|(shard, (_, last))| self.is_new(*shard, *last))
    }

    fn has_kept(&self, footer: &Footer) -> bool {
        footer.shards.iter().any(|(shard, (_, last))| self.is_kept(*shard, *last))
    }

    /// Whether a replica may still ask for an entry. A shard without marks when the newest segment began purged nothing.
    fn is_kept(&self, shard: ShardId, index: LogIndex) -> bool {
        self.purged.get(&shard).map_or_else(|| self.found.is_replicated(shard), |purged| index > *purged)
    }

    fn is_new(&self, shard: ShardId, index: LogIndex) -> bool {
        self.saved.get(&shard).is_none_or(|saved| index > *saved)
    }

    fn open_file(&self, kind: FileKind, number: u64) -> Result<Arc<LogFile>, LogError> {
        let path = kind.path(number);
        match self.disk.open(&path, OpenMode { access: Access::Write, caching: self.caching }) {
            Ok(handle) => Ok(LogFile::new(kind, number, handle, FileFacts::default())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(lost(&path, 0, "a file is missing").without_block().into())
            }
            Err(source) => Err(LogError::Io { action: Action::Open, path, source }),
        }
    }
}
