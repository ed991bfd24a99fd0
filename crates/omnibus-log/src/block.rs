//! A block: the unit of one device write, holding entries and marks of any shards.
//!
//! `header | meta | payloads | zeros`. The meta area has each mark, and each entry's commands and
//! rows; a row has its payload's checksum, so one pass over every byte covers them all. Before an
//! entry's payloads lie the bodies that they share.
//! See `docs/formats/segment.md`.

use bytes::Bytes;
use omnibus_model::{LogIndex, ShardId, StreamId, Term};

use crate::buffer::{AlignedBuffer, PAGE_BYTES};
use crate::cursor::Cursor;
use crate::entry::{Entry, EntryBatch, EntryKind, REFERENCE_BYTES, Rest};
use crate::mark::{EntryId, Mark, Vote};
use crate::row::{ROW_BYTES, Reference, Row, Sharing};

const MAGIC: u32 = u32::from_le_bytes(*b"OmBk");
const VERSION: u8 = 3;
/// Blocks of this version have entries of commands and nothing else.
const VERSION_WITHOUT_MARKS: u8 = 2;
pub(crate) const HEADER_BYTES: usize = 64;
const FRAME_BYTES: usize = 40;
const BATCH_BYTES: usize = 8 + ROW_BYTES;
const KIND_ENTRY: u8 = 1;
const KIND_VOTE: u8 = 2;
const KIND_TRUNCATED: u8 = 3;
const KIND_COMMITTED: u8 = 4;
const KIND_PURGED: u8 = 5;
const KIND_MEMBERSHIP: u8 = 6;

/// What a block of one entry takes beside head, payloads and batches, at most.
pub const ENTRY_BESIDE_BYTES: usize = HEADER_BYTES + FRAME_BYTES + PAGE_BYTES;
/// What it takes for each batch beside its payload, at most.
pub const ENTRY_BESIDE_BYTES_PER_BATCH: usize = BATCH_BYTES + REFERENCE_BYTES;

/// What a block says of itself and of the blocks before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) version: u8,
    pub(crate) frames: u16,
    pub(crate) block_bytes: u32,
    pub(crate) meta_bytes: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) link: BlockLink,
    pub(crate) meta_crc: u32,
}

/// A block's place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockLink {
    pub(crate) log: u64,
    /// The segment it was written for: what a recycled file held before is of another epoch.
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    /// The newest block that was durable when this one was made.
    pub(crate) durable_seq: u64,
    /// The header checksum of the block before.
    pub(crate) previous_crc: u32,
}

impl BlockHeader {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4] = self.version;
        bytes[6..8].copy_from_slice(&self.frames.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.block_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.meta_bytes.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.link.previous_crc.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.link.epoch.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.link.seq.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.link.durable_seq.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.link.log.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.meta_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header, if that is what the bytes are; returns its checksum beside it.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, u32)> {
        let mut cursor = Cursor::new(bytes.get(..HEADER_BYTES)?);
        let (magic, version, flags) = (cursor.u32()?, cursor.u8()?, cursor.u8()?);
        if magic != MAGIC || !(VERSION_WITHOUT_MARKS..=VERSION).contains(&version) || flags != 0 {
            return None;
        }
        let frames = cursor.u16()?;
        let (block_bytes, meta_bytes, payload_bytes) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        let previous_crc = cursor.u32()?;
        let (epoch, seq, durable_seq, log) = (cursor.u64()?, cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let (meta_crc, crc) = (cursor.u32()?, cursor.u32()?);
        let used = HEADER_BYTES as u64 + u64::from(meta_bytes) + u64::from(payload_bytes);
        let fits = used.next_multiple_of(PAGE_BYTES as u64) == u64::from(block_bytes);
        let link = BlockLink { log, epoch, seq, durable_seq, previous_crc };
        let header = Self { version, frames, block_bytes, meta_bytes, payload_bytes, link, meta_crc };
        (fits && durable_seq < seq && crc == crc32c::crc32c(&bytes[..60])).then_some((header, crc))
    }

    /// Returns where the payloads begin, counted from the block's first byte.
    pub(crate) fn payload_start(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.meta_bytes)
    }
}

/// A block ready to be written, and the rows that it will add to the index.
#[derive(Debug)]
pub(crate) struct ComposedBlock {
    pub(crate) bytes: Bytes,
    /// Without the zeros that fill up the last page.
    pub(crate) used_bytes: usize,
    pub(crate) header_crc: u32,
    pub(crate) payload_bytes: u64,
    /// What of them are bodies that rows share.
    pub(crate) bodies_bytes: u64,
    /// In the order of the block.
    pub(crate) frames: Vec<Composed>,
}

/// What is learned of a frame once it is durable.
#[derive(Debug)]
pub(crate) enum Composed {
    Entry(ComposedEntry),
    Mark(ShardId, Mark),
}

/// What the index learns of one entry.
#[derive(Debug)]
pub(crate) struct ComposedEntry {
    pub(crate) shard: ShardId,
    pub(crate) id: EntryId,
    pub(crate) kind: EntryKind,
    pub(crate) head: Bytes,
    pub(crate) rows: Vec<(StreamId, Row)>,
}

/// What a frame is made of.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    Entry(Entry),
    Mark(ShardId, Mark),
}

/// The lengths that a block of some entries will have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockSize {
    meta: usize,
    payload: usize,
    pub(crate) rows: usize,
}

impl BlockSize {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self::of_parts(&entry.head, &entry.bodies, &entry.batches)
    }

    pub(crate) fn of_parts(head: &Bytes, bodies: &[Bytes], batches: &[EntryBatch]) -> Self {
        Self {
            meta: FRAME_BYTES + head.len() + batches.len() * BATCH_BYTES,
            payload: payload_bytes(bodies, batches),
            rows: batches.len(),
        }
    }

    pub(crate) fn of_mark(mark: &Mark) -> Self {
        let head = if let Mark::Membership(_, membership) = mark { membership.len() } else { 0 };
        Self { meta: FRAME_BYTES + head, ..Self::default() }
    }

    /// Of some frames without rows, and the bytes of their heads.
    pub(crate) fn of_marks((frames, heads): (usize, usize)) -> Self {
        Self { meta: frames * FRAME_BYTES + heads, ..Self::default() }
    }

    pub(crate) fn of_record(record: &Record) -> Self {
        match record {
            Record::Entry(entry) => Self::of(entry),
            Record::Mark(_, mark) => Self::of_mark(mark),
        }
    }

    pub(crate) fn of_all<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        records.into_iter().map(Self::of_record).fold(Self::default(), Self::plus)
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { meta: self.meta + other.meta, payload: self.payload + other.payload, rows: self.rows + other.rows }
    }

    pub(crate) fn block_bytes(self) -> usize {
        (HEADER_BYTES + self.meta + self.payload).next_multiple_of(PAGE_BYTES)
    }
}

/// Builds the block that will be written at `position`, copying each payload once.
pub(crate) fn compose(records: &[Record], link: BlockLink, position: u64) -> ComposedBlock {
    let size = BlockSize::of_all(records);
    let mut buffer = AlignedBuffer::with_capacity(size.block_bytes());
    buffer.push(&[0; HEADER_BYTES]);
    let mut payload_position = position + (HEADER_BYTES + size.meta) as u64;
    let mut frames = Vec::with_capacity(records.len());
    let mut bodies = Vec::with_capacity(records.len());
    for record in records {
        let (frame, of_entry) = push_record(&mut buffer, record, &mut payload_position);
        frames.push(frame);
        bodies.push(of_entry);
    }
    for ((record, composed), bodies) in records.iter().zip(&frames).zip(&bodies) {
        if let (Record::Entry(entry), Composed::Entry(composed)) = (record, composed) {
            push_payloads(&mut buffer, entry, &composed.rows, bodies);
        }
    }
    let used_bytes = buffer.len();
    buffer.pad();
    let header = BlockHeader {
        version: VERSION,
        frames: u16::try_from(records.len()).expect("the queue is bounded"),
        block_bytes: length(buffer.len()),
        meta_bytes: length(size.meta),
        payload_bytes: length(size.payload),
        link,
        meta_crc: crc32c::crc32c(&buffer.as_ref()[HEADER_BYTES..HEADER_BYTES + size.meta]),
    };
    let header = header.encode();
    buffer.as_mut_slice()[..HEADER_BYTES].copy_from_slice(&header);
    let header_crc = u32::from_le_bytes([header[60], header[61], header[62], header[63]]);
    let bodies_bytes = bodies.iter().flatten().map(|body| u64::from(body.sharing.body_bytes)).sum();
    let payload_bytes = size.payload as u64;
    ComposedBlock { bytes: buffer.freeze(), used_bytes, header_crc, payload_bytes, bodies_bytes, frames }
}

/// Puts a record's frame into the meta area, and its payloads' places into the frame.
fn push_record(buffer: &mut AlignedBuffer, record: &Record, position: &mut u64) -> (Composed, Vec<PlacedBody>) {
    match record {
        Record::Entry(entry) => {
            let bodies = place_bodies(entry, position);
            let rows = rows_of(entry, &bodies, position);
            push_entry(buffer, entry, &rows);
            let Entry { shard, term, index, kind, .. } = *entry;
            let id = EntryId { term, index };
            (Composed::Entry(ComposedEntry { shard, id, kind, head: entry.head.clone(), rows }), bodies)
        }
        Record::Mark(shard, mark) => {
            push_mark(buffer, *shard, mark);
            (Composed::Mark(*shard, mark.clone()), Vec::new())
        }
    }
}

/// A body in the block that is being built.
#[derive(Debug)]
struct PlacedBody {
    position: u64,
    crc: u32,
    sharing: Sharing,
}

impl PlacedBody {
    fn reference_at(&self, position: u64) -> Reference {
        let distance = u32::try_from(position - self.position).expect("a segment is shorter than 4 GiB");
        Reference { distance, crc: self.crc }
    }
}

/// The bodies of an entry lie before its payloads.
fn place_bodies(entry: &Entry, position: &mut u64) -> Vec<PlacedBody> {
    let place = |body: &Bytes| {
        let sharing = Sharing { body_bytes: length(body.len()), sharers: 0 };
        let placed = PlacedBody { position: *position, crc: crc32c::crc32c(body), sharing };
        *position += body.len() as u64;
        placed
    };
    let mut bodies: Vec<PlacedBody> = entry.bodies.iter().map(place).collect();
    if !bodies.is_empty() {
        for batch in entry.batches.iter() {
            if let Rest::Shared(body) = batch.rest {
                bodies[body].sharing.sharers += 1;
            }
        }
    }
    bodies
}

fn rows_of(entry: &Entry, bodies: &[PlacedBody], position: &mut u64) -> Vec<(StreamId, Row)> {
    let row = |batch: &EntryBatch| {
        let prefix = &batch.prefix;
        let row = match &batch.rest {
            Rest::Own(rest) => {
                let crc = crc32c::crc32c_append(crc32c::crc32c(prefix), rest);
                Row::whole(batch.position(), length(prefix.len() + rest.len()), crc)
            }
            Rest::Shared(body) => {
                let body = &bodies[*body];
                let reference = body.reference_at(*position).encode();
                let crc = crc32c::crc32c_append(crc32c::crc32c(&reference), prefix);
                Row::sharing(batch.position(), batch.stored_bytes(), body.sharing, crc)
            }
        };
        let row = row.at(u32::try_from(*position).expect("a segment is shorter than 4 GiB"));
        *position += u64::from(row.stored_bytes());
        (batch.stream, row)
    };
    entry.batches.iter().map(row).collect()
}

fn push_payloads(buffer: &mut AlignedBuffer, entry: &Entry, rows: &[(StreamId, Row)], bodies: &[PlacedBody]) {
    entry.bodies.iter().for_each(|body| buffer.push(body));
    for (batch, (_, row)) in entry.batches.iter().zip(rows) {
        match &batch.rest {
            Rest::Own(rest) => {
                buffer.push(&batch.prefix);
                buffer.push(rest);
            }
            Rest::Shared(body) => {
                buffer.push(&bodies[*body].reference_at(row.position.into()).encode());
                buffer.push(&batch.prefix);
            }
        }
    }
}

fn payload_bytes(bodies: &[Bytes], batches: &[EntryBatch]) -> usize {
    let bodies: usize = bodies.iter().map(Bytes::len).sum();
    bodies + batches.iter().map(EntryBatch::stored_bytes).sum::<usize>()
}

fn push_entry(buffer: &mut AlignedBuffer, entry: &Entry, rows: &[(StreamId, Row)]) {
    let header = FrameHeader {
        kind: KIND_ENTRY,
        detail: match entry.kind {
            EntryKind::Commands => 0,
            EntryKind::Blank => 1,
            EntryKind::Membership => 2,
        },
        shard: entry.shard,
        id: EntryId { term: entry.term, index: entry.index },
        payload_bytes: length(payload_bytes(&entry.bodies, &entry.batches)),
    };
    push_frame(buffer, header, &entry.head, rows);
}

fn push_mark(buffer: &mut AlignedBuffer, shard: ShardId, mark: &Mark) {
    let (kind, detail, id, head) = match mark {
        Mark::Vote(Vote { term, node, granted }) => {
            (KIND_VOTE, u8::from(*granted), EntryId { term: *term, index: LogIndex(*node) }, &[][..])
        }
        Mark::Truncated { from } => (KIND_TRUNCATED, 0, EntryId { term: Term(0), index: *from }, &[][..]),
        Mark::Committed(id) => (KIND_COMMITTED, 0, *id, &[][..]),
        Mark::Purged(id) => (KIND_PURGED, 0, *id, &[][..]),
        Mark::Membership(id, membership) => (KIND_MEMBERSHIP, 0, *id, &membership[..]),
    };
    push_frame(buffer, FrameHeader { kind, detail, shard, id, payload_bytes: 0 }, head, &[]);
}

/// The first fields of a frame.
#[derive(Clone, Copy, Debug)]
struct FrameHeader {
    kind: u8,
    /// Which kind of entry, or whether a vote was granted.
    detail: u8,
    shard: ShardId,
    /// Of a vote: its term, and the number of the node.
    id: EntryId,
    payload_bytes: u32,
}

fn push_frame(buffer: &mut AlignedBuffer, header: FrameHeader, head: &[u8], rows: &[(StreamId, Row)]) {
    let start = buffer.len();
    let frame_bytes = FRAME_BYTES + head.len() + rows.len() * BATCH_BYTES;
    buffer.push(&[0; 4]);
    buffer.push(&length(frame_bytes).to_le_bytes());
    buffer.push(&[header.kind, header.detail]);
    buffer.push(&header.shard.0.to_le_bytes());
    buffer.push(&header.id.term.0.to_le_bytes());
    buffer.push(&header.id.index.0.to_le_bytes());
    buffer.push(&length(head.len()).to_le_bytes());
    buffer.push(&length(rows.len()).to_le_bytes());
    buffer.push(&header.payload_bytes.to_le_bytes());
    buffer.push(head);
    for (stream, row) in rows {
        buffer.push(&stream.0.to_le_bytes());
        buffer.push(&row.encode());
    }
    // Replicas compare this: through the rows it covers the payloads too. Positions are
    // a node's own and are left out of it.
    let crc = frame_crc(&buffer.as_ref()[start..start + FRAME_BYTES], head, rows);
    buffer.as_mut_slice()[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

fn frame_crc(frame: &[u8], head: &[u8], rows: &[(StreamId, Row)]) -> u32 {
    let mut crc = crc32c::crc32c_append(crc32c::crc32c(&frame[4..]), head);
    for (stream, row) in rows {
        crc = crc32c::crc32c_append(crc, &stream.0.to_le_bytes());
        crc = crc32c::crc32c_append(crc, &row.at(0).encode());
    }
    crc
}

/// One entry or mark as its frame tells it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'meta> {
    pub(crate) shard: ShardId,
    pub(crate) term: Term,
    pub(crate) index: LogIndex,
    pub(crate) what: FrameKind,
    pub(crate) head: &'meta [u8],
    /// What lies before the payloads.
    pub(crate) bodies_bytes: u64,
    pub(crate) rows: Vec<(StreamId, Row)>,
}

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Entry(EntryKind),
    Mark(Mark),
}

impl Frame<'_> {
    pub(crate) const fn id(&self) -> EntryId {
        EntryId { term: self.term, index: self.index }
    }

    pub(crate) const fn entry_kind(&self) -> Option<EntryKind> {
        match &self.what {
            FrameKind::Entry(kind) => Some(*kind),
            FrameKind::Mark(_) => None,
        }
    }
}

/// Reads the meta area of a block; `None` if it is not what the header says.
pub(crate) fn decode_meta<'meta>(header: &BlockHeader, meta: &'meta [u8]) -> Option<Vec<Frame<'meta>>> {
    if meta.len() as u64 != u64::from(header.meta_bytes) || crc32c::crc32c(meta) != header.meta_crc {
        return None;
    }
    let mut cursor = Cursor::new(meta);
    (0..header.frames).map(|_| decode_frame(header.version, &mut cursor)).collect()
}

fn decode_frame<'meta>(version: u8, cursor: &mut Cursor<'meta>) -> Option<Frame<'meta>> {
    let frame = cursor.take(FRAME_BYTES)?;
    let mut fields = Cursor::new(frame);
    let (crc, frame_bytes) = (fields.u32()?, fields.u32()?);
    let (kind, detail) = (fields.u8()?, fields.u8()?);
    let (shard, term, index) = (ShardId(fields.u16()?), Term(fields.u64()?), LogIndex(fields.u64()?));
    let (head_bytes, row_count, payload_bytes) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let body = (frame_bytes as usize).checked_sub(FRAME_BYTES)?;
    let mut body = Cursor::new(cursor.take(body)?);
    let head = body.take(head_bytes as usize)?;
    let rows = (0..row_count).map(|_| Some((StreamId(body.u64()?), Row::decode(&mut body)?)));
    let rows = rows.collect::<Option<Vec<_>>>()?;
    let stored: u64 = rows.iter().map(|(_, row)| u64::from(row.stored_bytes())).sum();
    let bodies_bytes = u64::from(payload_bytes).checked_sub(stored)?;
    let what = frame_kind((kind, detail), EntryId { term, index }, head)?;
    let fits = match what {
        FrameKind::Entry(kind) => version > VERSION_WITHOUT_MARKS || kind == EntryKind::Commands,
        FrameKind::Mark(_) => version > VERSION_WITHOUT_MARKS && payload_bytes == 0 && rows.is_empty(),
    };
    let sound = fits && crc == frame_crc(frame, head, &rows);
    sound.then_some(Frame { shard, term, index, what, head, bodies_bytes, rows })
}

fn frame_kind(codes: (u8, u8), id: EntryId, head: &[u8]) -> Option<FrameKind> {
    let mark = match codes {
        (KIND_ENTRY, 0) => return Some(FrameKind::Entry(EntryKind::Commands)),
        (KIND_ENTRY, 1) => return Some(FrameKind::Entry(EntryKind::Blank)),
        (KIND_ENTRY, 2) => return Some(FrameKind::Entry(EntryKind::Membership)),
        (KIND_VOTE, granted @ 0..=1) => Mark::Vote(Vote { term: id.term, node: id.index.0, granted: granted == 1 }),
        (KIND_TRUNCATED, 0) => Mark::Truncated { from: id.index },
        (KIND_COMMITTED, 0) => Mark::Committed(id),
        (KIND_PURGED, 0) => Mark::Purged(id),
        (KIND_MEMBERSHIP, 0) => return Some(FrameKind::Mark(Mark::Membership(id, Bytes::copy_from_slice(head)))),
        _ => return None,
    };
    head.is_empty().then_some(FrameKind::Mark(mark))
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("an entry is shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use omnibus_model::{Offset, Timestamp};

    use super::*;

    fn entry(index: u64, payloads: &[&'static [u8]]) -> Entry {
        let batch = |(number, payload): (usize, &&'static [u8])| EntryBatch {
            stream: StreamId(number as u64),
            base: Offset(index * 10),
            count: 10,
            timestamp_max: Timestamp(5),
            prefix: Bytes::from_static(&payload[..1]),
            rest: Rest::Own(Bytes::from_static(&payload[1..])),
        };
        let batches = Arc::new(payloads.iter().enumerate().map(batch).collect());
        let (head, bodies) = (Bytes::from_static(b"head"), Arc::default());
        let (index, kind) = (LogIndex(index), EntryKind::Commands);
        Entry { shard: ShardId(3), term: Term(1), index, kind, head, bodies, batches }
    }

    fn marks() -> Vec<Mark> {
        let id = EntryId { term: Term(7), index: LogIndex(9) };
        let membership = Mark::Membership(id, Bytes::from_static(b"who"));
        let vote = |granted| Mark::Vote(Vote { term: Term(7), node: 2, granted });
        let ids = [Mark::Committed(id), Mark::Purged(id), Mark::Truncated { from: LogIndex(4) }];
        [vote(true), vote(false), membership].into_iter().chain(ids).collect()
    }

    const LINK: BlockLink = BlockLink { log: 9, epoch: 1, seq: 7, durable_seq: 5, previous_crc: 4 };

    #[test]
    fn a_block_tells_its_entries() {
        let entries = [entry(1, &[b"one", b"two"]), entry(2, &[]), entry(3, &[b"three"])];
        let block = compose(&entries.clone().map(Record::Entry), LINK, 8192);
        let (header, crc) = BlockHeader::decode(&block.bytes).unwrap();
        assert_eq!((header.link, crc), (LINK, block.header_crc));
        let meta_end = usize::try_from(header.payload_start()).unwrap();
        let frames = decode_meta(&header, &block.bytes[HEADER_BYTES..meta_end]).unwrap();
        assert_eq!(frames.len(), 3);
        for (frame, (entry, composed)) in frames.iter().zip(entries.iter().zip(&block.frames)) {
            let Composed::Entry(composed) = composed else { panic!("not an entry: {composed:?}") };
            assert_eq!((frame.head, frame.index, &frame.rows), (&entry.head[..], entry.index, &composed.rows));
        }
        let (_, row) = frames[2].rows[0];
        let start = row.position as usize - 8192;
        assert_eq!(&block.bytes[start..start + 5], b"three");
        assert_eq!(row.crc, crc32c::crc32c(b"three"));
    }

    #[test]
    fn a_block_tells_its_marks_and_what_entries_are_for() {
        let blank = Entry { kind: EntryKind::Blank, ..entry(1, &[]) };
        let membership = Entry { kind: EntryKind::Membership, ..entry(2, &[]) };
        let marks = marks().into_iter().map(|mark| Record::Mark(ShardId(5), mark));
        let records: Vec<Record> = marks.chain([Record::Entry(blank), Record::Entry(membership)]).collect();
        let block = compose(&records, LINK, 0);
        let (header, _) = BlockHeader::decode(&block.bytes).unwrap();
        let meta_end = usize::try_from(header.payload_start()).unwrap();
        let frames = decode_meta(&header, &block.bytes[HEADER_BYTES..meta_end]).unwrap();
        for (frame, record) in frames.iter().zip(&records) {
            match record {
                Record::Entry(entry) => assert_eq!(frame.what, FrameKind::Entry(entry.kind)),
                Record::Mark(shard, mark) => {
                    assert_eq!((frame.shard, &frame.what), (*shard, &FrameKind::Mark(mark.clone())));
                }
            }
        }
        let old = BlockHeader { version: VERSION_WITHOUT_MARKS, ..header };
        assert_eq!(decode_meta(&old, &block.bytes[HEADER_BYTES..meta_end]), None, "a mark in a block of version 2");
    }

    #[test]
    fn any_flipped_bit_of_header_or_meta_is_seen() {
        let vote = Mark::Vote(Vote { term: Term(7), node: 2, granted: true });
        let block = compose(&[Record::Mark(ShardId(0), vote), Record::Entry(entry(1, &[b"payload"]))], LINK, 0);
        let meta_end = HEADER_BYTES + 2 * FRAME_BYTES + 4 + BATCH_BYTES;
        for bit in 0..meta_end * 8 {
            let mut bytes = block.bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let frames = BlockHeader::decode(&bytes).and_then(|(header, _)| {
                decode_meta(&header, &bytes[HEADER_BYTES..meta_end]).map(|frames| frames.len())
            });
            assert_eq!(frames, None, "bit {bit}");
        }
    }
}
