//! Packs: immutable files of batches sorted by stream and offset, written by maintenance.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_io::{Access, DiskFile, Durability, OpenMode};
use omnibus_model::{Bug, Offset, ShardId, StreamId, Timestamp, planted};

use crate::buffer::{AlignedBuffer, PAGE_BYTES};
use crate::error::{Action, LogError};
use crate::file::{FileFacts, FileKey, FileKind, LogFile};
use crate::footer::{FooterOf, FooterRun, write_footer};
use crate::index::Run;
use crate::manifest::Edit;
use crate::row::{OwnPart, Reference, Row};
use crate::shared::Shared;

const MAGIC: u32 = u32::from_le_bytes(*b"OmPk");
const VERSION: u32 = 2;
const STAGE_BYTES: usize = 1 << 20;

/// A pack that is being written.
#[derive(Debug)]
pub(crate) struct PackWriter<'shared> {
    shared: &'shared Shared,
    number: u64,
    path: String,
    handle: Arc<dyn DiskFile>,
    stage: AlignedBuffer,
    /// Where the stage will go.
    stage_position: u64,
    runs: Vec<FooterRun>,
    rows: Vec<Row>,
    /// Bodies that rows share, by where they came from.
    bodies: BTreeMap<BodyKey, PackedBody>,
}

/// Where a shared body lay before.
pub(crate) type BodyKey = (FileKey, u32);

/// A shared body in the pack, and the numbers of the rows that share it.
#[derive(Debug)]
struct PackedBody {
    position: u32,
    bytes: u32,
    rows: Vec<usize>,
}

/// The range of a stream that the batches written next will speak for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cover {
    pub(crate) stream: StreamId,
    pub(crate) shard: ShardId,
    pub(crate) base: Offset,
    pub(crate) end: Offset,
}

impl<'shared> PackWriter<'shared> {
    pub(crate) fn create(shared: &'shared Shared) -> Result<Self, LogError> {
        let number = shared.manifest.lock().list.pack_next;
        let path = FileKind::Pack.path(number);
        let mode = OpenMode { access: Access::Create, caching: shared.caching };
        let handle = shared.disk.open(&path, mode).map_err(|source| LogError::io(Action::Name, &path, source))?;
        // An attempt that was given up may have left something.
        handle.set_len(0).map_err(|source| LogError::io(Action::Write, &path, source))?;
        let mut stage = AlignedBuffer::with_capacity(STAGE_BYTES);
        stage.push(&header(shared.identity, number));
        stage.pad();
        Ok(Self {
            shared,
            number,
            path,
            handle,
            stage,
            stage_position: 0,
            runs: Vec::new(),
            rows: Vec::new(),
            bodies: BTreeMap::new(),
        })
    }

    /// Returns the length so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.stage_position + self.stage.len() as u64
    }

    /// Begins the next run; runs come in the order of stream and offset.
    pub(crate) fn begin(&mut self, cover: Cover) {
        self.runs.push(FooterRun {
            stream: cover.stream,
            shard: cover.shard,
            base: cover.base,
            end: cover.end,
            timestamp_max: Timestamp(i64::MIN),
            bytes: 0,
            first: u32::try_from(self.rows.len()).expect("a pack has fewer rows"),
            count: 0,
        });
    }

    /// Adds a batch to the run; `row` says everything but where it lies.
    pub(crate) fn push(&mut self, row: Row, payload: &Bytes) -> Result<(), LogError> {
        let position = self.room_for(row.stored_bytes())?;
        self.push_row(row.at(position));
        self.write(payload)
    }

    /// Adds a batch that shares its body to the run. Within the pack it still does: `load` is
    /// asked for the body once.
    pub(crate) fn push_sharing(
        &mut self,
        row: Row,
        (key, own): (BodyKey, &OwnPart),
        load: impl FnOnce() -> Result<Bytes, LogError>,
    ) -> Result<(), LogError> {
        let sharing = row.shares().expect("a row that shares a body");
        if !self.bodies.contains_key(&key) {
            let position = self.room_for(sharing.body_bytes)?;
            self.write(&load()?)?;
            self.bodies.insert(key, PackedBody { position, bytes: sharing.body_bytes, rows: Vec::new() });
        }
        let position = self.room_for(row.stored_bytes())?;
        let body = self.bodies.get_mut(&key).expect("it was just put there");
        body.rows.push(self.rows.len());
        let mut distance = position - body.position;
        if planted(Bug::ReferenceNotRenewed) {
            distance = row.position - own.body;
        }
        let reference = Reference { distance, crc: own.body_crc }.encode();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&reference), &own.prefix);
        let stored_bytes = reference.len() + own.prefix.len();
        self.push_row(Row::sharing(row.batch_position(), stored_bytes, sharing, crc).at(position));
        self.write(&reference)?;
        self.write(&own.prefix)
    }

    /// Returns where the next bytes go, if a pack can be so long.
    fn room_for(&self, bytes: u32) -> Result<u32, LogError> {
        let position = u32::try_from(self.bytes()).ok().filter(|position| position.checked_add(bytes).is_some());
        position.ok_or_else(|| LogError::io(Action::Write, &self.path, io::ErrorKind::FileTooLarge.into()))
    }

    fn push_row(&mut self, row: Row) {
        let run = self.runs.last_mut().expect("a batch belongs to a run");
        run.timestamp_max = run.timestamp_max.max(row.timestamp_max);
        run.bytes += row.weight();
        run.count += 1;
        self.rows.push(row);
    }

    /// Tells the rows that share a body how many they are now.
    fn count_sharers(&mut self) {
        for body in self.bodies.values() {
            let sharers = u32::try_from(body.rows.len()).unwrap_or(u32::MAX);
            for row in &body.rows {
                self.rows[*row] = self.rows[*row].shared_by(sharers);
            }
        }
        if !self.bodies.is_empty() {
            for run in &mut self.runs {
                let rows = self.rows.iter().skip(run.first as usize).take(run.count as usize);
                run.bytes = rows.map(Row::weight).sum();
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), LogError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(STAGE_BYTES - self.stage.len()));
            self.stage.push(now);
            bytes = later;
            if self.stage.len() == STAGE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let written = self.handle.write_at(self.stage.as_ref(), self.stage_position, Durability::Deferred);
        written.map_err(|source| LogError::io(Action::Write, &self.path, source))?;
        self.stage_position += self.stage.len() as u64;
        self.stage.truncate(0);
        Ok(())
    }

    /// Makes the pack durable, tells the manifest, and lets its runs speak for their ranges.
    pub(crate) fn finish(mut self) -> Result<(), LogError> {
        let data_end = self.bytes();
        self.count_sharers();
        self.stage.pad();
        self.flush()?;
        let bodies_bytes = self.bodies.values().map(|body| u64::from(body.bytes)).sum();
        let facts = FileFacts { data_end, bodies_bytes, closed: true, ..FileFacts::default() };
        let file = LogFile::new(FileKind::Pack, self.number, Arc::clone(&self.handle), facts.clone());
        let of = FooterOf::of(self.shared.identity, &file);
        let footer = write_footer(self.handle.as_ref(), of, &facts, std::mem::take(&mut self.runs), &self.rows);
        let footer = footer.map_err(|source| LogError::io(Action::Write, &self.path, source))?;
        let named = self.shared.disk.sync_dir(FileKind::Pack.directory());
        named.map_err(|source| LogError::io(Action::Name, &self.path, source))?;
        self.shared.manifest.lock().append(&[Edit::AddPack(self.number)])?;
        file.facts.lock().footer = Some(footer.place);
        self.shared.files.lock().packs.insert(self.number, Arc::clone(&file));
        for run in footer.runs {
            self.install(&file, run);
        }
        Ok(())
    }

    fn install(&self, file: &Arc<LogFile>, run: FooterRun) {
        // The stream may have been trimmed or dropped meanwhile.
        self.shared.index.change(run.stream, |stream| {
            if run.end <= stream.start {
                return;
            }
            stream.replace(Run::of_footer(file, &run));
        });
    }

    /// Removes what was written; the manifest has not heard of it.
    pub(crate) fn abandon(self) {
        if let Err(error) = self.shared.disk.remove(&self.path) {
            tracing::debug!(path = self.path, %error, "an unfinished pack stays until the next opening");
        }
    }
}

/// The first page of a pack.
fn header(log: u64, number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
    bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
    bytes[8..16].copy_from_slice(&log.to_le_bytes());
    bytes[16..24].copy_from_slice(&number.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Checks the first page of a pack.
pub(crate) fn header_is_sound(page: &[u8], log: u64, number: u64) -> bool {
    page.len() >= PAGE_BYTES && page[..32] == header(log, number)
}
