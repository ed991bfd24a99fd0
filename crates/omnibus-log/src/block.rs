//! A block: the unit of one device write, holding entries of any shards.
//!
//! `header | meta | payloads | zeros`. The meta area has each entry's commands and rows;
//! a row has its payload's checksum, so one pass over every byte covers them all. Before an
//! entry's payloads lie the bodies that they share.
//! See `docs/formats/segment.md`.

use bytes::Bytes;
use omnibus_model::{LogIndex, ShardId, StreamId, Term};

use crate::buffer::{AlignedBuffer, PAGE_BYTES};
use crate::cursor::Cursor;
use crate::entry::{Entry, EntryBatch, REFERENCE_BYTES, Rest};
use crate::row::{ROW_BYTES, Reference, Row, Sharing};

const MAGIC: u32 = u32::from_le_bytes(*b"OmBk");
const VERSION: u8 = 2;
pub(crate) const HEADER_BYTES: usize = 64;
const FRAME_BYTES: usize = 40;
const BATCH_BYTES: usize = 8 + ROW_BYTES;
const KIND_ENTRY: u8 = 1;

/// What a block of one entry takes beside head, payloads and batches, at most.
pub const ENTRY_BESIDE_BYTES: usize = HEADER_BYTES + FRAME_BYTES + PAGE_BYTES;
/// What it takes for each batch beside its payload, at most.
pub const ENTRY_BESIDE_BYTES_PER_BATCH: usize = BATCH_BYTES + REFERENCE_BYTES;

/// What a block says of itself and of the blocks before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
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
        bytes[4] = VERSION;
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
        if cursor.u32()? != MAGIC || cursor.u8()? != VERSION || cursor.u8()? != 0 {
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
        let header = Self { frames, block_bytes, meta_bytes, payload_bytes, link, meta_crc };
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
    pub(crate) header_crc: u32,
    pub(crate) payload_bytes: u64,
    /// What of them are bodies that rows share.
    pub(crate) bodies_bytes: u64,
    pub(crate) entries: Vec<ComposedEntry>,
}

/// What the index learns of one entry.
#[derive(Debug)]
pub(crate) struct ComposedEntry {
    pub(crate) shard: ShardId,
    pub(crate) index: LogIndex,
    pub(crate) rows: Vec<(StreamId, Row)>,
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
        Self {
            meta: FRAME_BYTES + entry.head.len() + entry.batches.len() * BATCH_BYTES,
            payload: payload_bytes(entry),
            rows: entry.batches.len(),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { meta: self.meta + other.meta, payload: self.payload + other.payload, rows: self.rows + other.rows }
    }

    pub(crate) fn block_bytes(self) -> usize {
        (HEADER_BYTES + self.meta + self.payload).next_multiple_of(PAGE_BYTES)
    }
}

/// Builds the block that will be written at `position`, copying each payload once.
pub(crate) fn compose(entries: &[Entry], link: BlockLink, position: u64) -> ComposedBlock {
    let size = entries.iter().map(BlockSize::of).fold(BlockSize::default(), BlockSize::plus);
    let mut buffer = AlignedBuffer::with_capacity(size.block_bytes());
    buffer.push(&[0; HEADER_BYTES]);
    let mut payload_position = position + (HEADER_BYTES + size.meta) as u64;
    let mut composed = Vec::with_capacity(entries.len());
    let mut bodies = Vec::with_capacity(entries.len());
    for entry in entries {
        let of_entry = place_bodies(entry, &mut payload_position);
        let rows = rows_of(entry, &of_entry, &mut payload_position);
        push_frame(&mut buffer, entry, &rows);
        composed.push(ComposedEntry { shard: entry.shard, index: entry.index, rows });
        bodies.push(of_entry);
    }
    for ((entry, composed), bodies) in entries.iter().zip(&composed).zip(&bodies) {
        push_payloads(&mut buffer, entry, &composed.rows, bodies);
    }
    buffer.pad();
    let header = BlockHeader {
        frames: u16::try_from(entries.len()).expect("the queue is bounded"),
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
    ComposedBlock { bytes: buffer.freeze(), header_crc, payload_bytes, bodies_bytes, entries: composed }
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
        for batch in &entry.batches {
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

fn payload_bytes(entry: &Entry) -> usize {
    let bodies: usize = entry.bodies.iter().map(Bytes::len).sum();
    bodies + entry.batches.iter().map(EntryBatch::stored_bytes).sum::<usize>()
}

fn push_frame(buffer: &mut AlignedBuffer, entry: &Entry, rows: &[(StreamId, Row)]) {
    let start = buffer.len();
    let frame_bytes = FRAME_BYTES + entry.head.len() + rows.len() * BATCH_BYTES;
    buffer.push(&[0; 4]);
    buffer.push(&length(frame_bytes).to_le_bytes());
    buffer.push(&[KIND_ENTRY, 0]);
    buffer.push(&entry.shard.0.to_le_bytes());
    buffer.push(&entry.term.0.to_le_bytes());
    buffer.push(&entry.index.0.to_le_bytes());
    buffer.push(&length(entry.head.len()).to_le_bytes());
    buffer.push(&length(rows.len()).to_le_bytes());
    buffer.push(&length(payload_bytes(entry)).to_le_bytes());
    buffer.push(&entry.head);
    for (stream, row) in rows {
        buffer.push(&stream.0.to_le_bytes());
        buffer.push(&row.encode());
    }
    // Replicas compare this: through the rows it covers the payloads too. Positions are
    // a node's own and are left out of it.
    let crc = frame_crc(&buffer.as_ref()[start..start + FRAME_BYTES], &entry.head, rows);
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

/// One entry as its frame tells it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'meta> {
    pub(crate) shard: ShardId,
    pub(crate) term: Term,
    pub(crate) index: LogIndex,
    pub(crate) head: &'meta [u8],
    /// What lies before the payloads.
    pub(crate) bodies_bytes: u64,
    pub(crate) rows: Vec<(StreamId, Row)>,
}

/// Reads the meta area of a block; `None` if it is not what the header says.
pub(crate) fn decode_meta<'meta>(header: &BlockHeader, meta: &'meta [u8]) -> Option<Vec<Frame<'meta>>> {
    if meta.len() as u64 != u64::from(header.meta_bytes) || crc32c::crc32c(meta) != header.meta_crc {
        return None;
    }
    let mut cursor = Cursor::new(meta);
    (0..header.frames).map(|_| decode_frame(&mut cursor)).collect()
}

fn decode_frame<'meta>(cursor: &mut Cursor<'meta>) -> Option<Frame<'meta>> {
    let frame = cursor.take(FRAME_BYTES)?;
    let mut fields = Cursor::new(frame);
    let (crc, frame_bytes) = (fields.u32()?, fields.u32()?);
    let (kind, reserved) = (fields.u8()?, fields.u8()?);
    let (shard, term, index) = (ShardId(fields.u16()?), Term(fields.u64()?), LogIndex(fields.u64()?));
    let (head_bytes, row_count, payload_bytes) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let body = (frame_bytes as usize).checked_sub(FRAME_BYTES)?;
    let mut body = Cursor::new(cursor.take(body)?);
    let head = body.take(head_bytes as usize)?;
    let rows = (0..row_count).map(|_| Some((StreamId(body.u64()?), Row::decode(&mut body)?)));
    let rows = rows.collect::<Option<Vec<_>>>()?;
    let stored: u64 = rows.iter().map(|(_, row)| u64::from(row.stored_bytes())).sum();
    let bodies_bytes = u64::from(payload_bytes).checked_sub(stored)?;
    let sound = kind == KIND_ENTRY && reserved == 0;
    (sound && crc == frame_crc(frame, head, &rows)).then_some(Frame { shard, term, index, head, bodies_bytes, rows })
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("an entry is shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
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
        let batches = payloads.iter().enumerate().map(batch).collect();
        let (head, bodies) = (Bytes::from_static(b"head"), Vec::new());
        Entry { shard: ShardId(3), term: Term(1), index: LogIndex(index), head, bodies, batches }
    }

    const LINK: BlockLink = BlockLink { log: 9, epoch: 1, seq: 7, durable_seq: 5, previous_crc: 4 };

    #[test]
    fn a_block_tells_its_entries() {
        let entries = [entry(1, &[b"one", b"two"]), entry(2, &[]), entry(3, &[b"three"])];
        let block = compose(&entries, LINK, 8192);
        let (header, crc) = BlockHeader::decode(&block.bytes).unwrap();
        assert_eq!((header.link, crc), (LINK, block.header_crc));
        let meta_end = usize::try_from(header.payload_start()).unwrap();
        let frames = decode_meta(&header, &block.bytes[HEADER_BYTES..meta_end]).unwrap();
        assert_eq!(frames.len(), 3);
        for (frame, (entry, composed)) in frames.iter().zip(entries.iter().zip(&block.entries)) {
            assert_eq!((frame.head, frame.index, &frame.rows), (&entry.head[..], entry.index, &composed.rows));
        }
        let (_, row) = frames[2].rows[0];
        let start = row.position as usize - 8192;
        assert_eq!(&block.bytes[start..start + 5], b"three");
        assert_eq!(row.crc, crc32c::crc32c(b"three"));
    }

    #[test]
    fn any_flipped_bit_of_header_or_meta_is_seen() {
        let block = compose(&[entry(1, &[b"payload"])], LINK, 0);
        let meta_end = HEADER_BYTES + FRAME_BYTES + 4 + BATCH_BYTES;
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
