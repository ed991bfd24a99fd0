//! Reads an entry of a replicated shard back, as it was handed over.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

use bytes::Bytes;
use omnibus_model::{LogIndex, Offset, ShardId, StreamId};

use crate::block::{BlockHeader, Frame, HEADER_BYTES, decode_meta};
use crate::entry::{Entry, EntryBatch, EntryKind, Rest};
use crate::error::ReadError;
use crate::file::LogFile;
use crate::kept::Place;
use crate::row::{OwnPart, Row};
use crate::rows::{Miss, Patience, Reader};
use crate::shared::Shared;

/// Reads the entry `index` of a shard, if it is kept.
pub(crate) fn read_back(shared: &Shared, shard: ShardId, index: LogIndex) -> Result<Option<Entry>, ReadError> {
    let Some((place, file)) = find(shared, shard, index) else { return Ok(None) };
    let reader = Reader { shared, patience: Patience::Disk };
    let block = Block { reader, file: &file, place };
    block.entry(shard, index).map(Some)
}

/// Reads where the batches of the entry `index` begin, if it is kept; not the batches.
pub(crate) fn bases_of(
    shared: &Shared,
    shard: ShardId,
    index: LogIndex,
) -> Result<Option<Vec<(StreamId, Offset)>>, ReadError> {
    let Some((place, file)) = find(shared, shard, index) else { return Ok(None) };
    let reader = Reader { shared, patience: Patience::Disk };
    let block = Block { reader, file: &file, place };
    block.bases(shard, index).map(Some)
}

/// The file is held as long as somebody reads: it is not recycled meanwhile.
fn find(shared: &Shared, shard: ShardId, index: LogIndex) -> Option<(Place, Arc<LogFile>)> {
    let kept = shared.kept.lock();
    let place = kept.place(shard, index)?;
    let file = shared.files.lock().segments.get(&place.segment).map(Arc::clone);
    Some((place, file.expect("a segment with an entry that is kept is there")))
}

/// The block of an entry.
struct Block<'a> {
    reader: Reader<'a>,
    file: &'a LogFile,
    place: Place,
}

impl Block<'_> {
    /// What the block says of itself and its entries.
    fn head(&self) -> Result<(BlockHeader, Bytes), ReadError> {
        let header = self.bytes(self.place.block, HEADER_BYTES as u64)?;
        let (header, _) = BlockHeader::decode(&header).ok_or_else(|| self.corrupt())?;
        let meta = self.bytes(self.place.block + HEADER_BYTES as u64, header.meta_bytes.into())?;
        Ok((header, meta))
    }

    fn bases(&self, shard: ShardId, index: LogIndex) -> Result<Vec<(StreamId, Offset)>, ReadError> {
        let (header, meta) = self.head()?;
        let frames = decode_meta(&header, &meta).ok_or_else(|| self.corrupt())?;
        let is_it = |frame: &&Frame<'_>| {
            (frame.shard, frame.index, frame.term) == (shard, index, self.place.term) && frame.entry_kind().is_some()
        };
        let frame = frames.iter().find(is_it).ok_or_else(|| self.corrupt())?;
        Ok(frame.rows.iter().map(|(stream, row)| (*stream, row.base)).collect())
    }

    fn entry(&self, shard: ShardId, index: LogIndex) -> Result<Entry, ReadError> {
        let (header, meta) = self.head()?;
        let frames = decode_meta(&header, &meta).ok_or_else(|| self.corrupt())?;
        let mut payload = self.place.block + header.payload_start();
        for frame in frames {
            let bytes = payload_bytes(&frame);
            // Of two of the same term and index in a block either will do: they are the same.
            let is_it = (frame.shard, frame.index, frame.term) == (shard, index, self.place.term);
            if let (true, Some(kind)) = (is_it, frame.entry_kind()) {
                let payloads = self.bytes(payload, bytes)?;
                return self.rebuild(&frame, kind, (payload, payloads));
            }
            payload += bytes;
        }
        Err(self.corrupt())
    }

    fn rebuild(&self, frame: &Frame<'_>, kind: EntryKind, payloads: (u64, Bytes)) -> Result<Entry, ReadError> {
        let Frame { shard, term, index, .. } = *frame;
        let bodies = bodies(frame, &payloads).ok_or_else(|| self.corrupt())?;
        let batch = |row: &(StreamId, Row)| batch(row, &payloads, &bodies).ok_or_else(|| self.corrupt());
        let batches = frame.rows.iter().map(batch).collect::<Result<Vec<_>, _>>()?;
        let head = Bytes::copy_from_slice(frame.head);
        Ok(Entry {
            shard,
            term,
            index,
            kind,
            head,
            bodies: Arc::new(bodies.into_values().collect()),
            batches: Arc::new(batches),
        })
    }

    fn bytes(&self, position: u64, bytes: u64) -> Result<Bytes, ReadError> {
        let (found, _) = self.reader.payload(self.file, position, bytes).map_err(Miss::into_error)?;
        if found.len() as u64 == bytes { Ok(found) } else { Err(self.corrupt()) }
    }

    fn corrupt(&self) -> ReadError {
        ReadError::CorruptEntry { file: self.file.path.clone(), position: self.place.block }
    }
}

/// The bodies that rows share, by their positions in the file.
fn bodies(frame: &Frame<'_>, payloads: &(u64, Bytes)) -> Option<BTreeMap<u32, Bytes>> {
    let mut bodies = BTreeMap::new();
    for (_, row) in frame.rows.iter().filter(|(_, row)| row.shares().is_some()) {
        let own = OwnPart::of(row, &part(payloads, row.position, row.stored_bytes())?)?;
        if let btree_map::Entry::Vacant(vacant) = bodies.entry(own.body) {
            let body = part(payloads, own.body, own.body_bytes)?;
            if crc32c::crc32c(&body) != own.body_crc {
                return None;
            }
            vacant.insert(body);
        }
    }
    Some(bodies)
}

fn batch(
    (stream, row): &(StreamId, Row),
    payloads: &(u64, Bytes),
    bodies: &BTreeMap<u32, Bytes>,
) -> Option<EntryBatch> {
    let stored = part(payloads, row.position, row.stored_bytes()).filter(|stored| row.is_sound(stored))?;
    let (prefix, rest) = match OwnPart::of(row, &stored) {
        None => (stored, Rest::Own(Bytes::new())),
        Some(own) => {
            let number = bodies.keys().position(|position| *position == own.body)?;
            (own.prefix, Rest::Shared(number))
        }
    };
    let (base, count, timestamp_max) = (row.base, row.count(), row.timestamp_max);
    Some(EntryBatch { stream: *stream, base, count, timestamp_max, prefix, rest })
}

/// A part of an entry's payloads, by its place in the file.
fn part((start, payloads): &(u64, Bytes), position: u32, bytes: u32) -> Option<Bytes> {
    let from = usize::try_from(u64::from(position).checked_sub(*start)?).ok()?;
    let to = from.checked_add(bytes as usize)?;
    (to <= payloads.len()).then(|| payloads.slice(from..to))
}

fn payload_bytes(frame: &Frame<'_>) -> u64 {
    frame.bodies_bytes + frame.rows.iter().map(|(_, row)| u64::from(row.stored_bytes())).sum::<u64>()
}
