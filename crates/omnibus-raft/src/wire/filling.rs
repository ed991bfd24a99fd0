//! What a leader sends to a replica that lacks what was purged: records and state in parts, then
//! the word that this was all.

use bytes::Bytes;
use omnibus_log::{EntryId, Replacement, Stretch, Vote};
use omnibus_model::batch::StreamBounds;
use omnibus_model::{Offset, StreamId, Term, Timestamp};

use super::put::{put_bytes, put_id, put_length, put_u64, put_vote};
use super::reader::Reader;

/// Which attempt of which leader; a later one is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Session {
    pub term: Term,
    pub node: u64,
    pub attempt: u64,
}

/// One part of what a replica lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fill {
    pub session: Session,
    /// The last entry whose effect is in the state.
    pub last: EntryId,
    /// Parts are numbered from 0 without gaps.
    pub number: u32,
    pub part: Part,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The next bytes of the state.
    State(Bytes),
    Records(Vec<Stretch>),
}

/// All parts have been sent: the state counts from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Install {
    pub session: Session,
    /// How many parts there were.
    pub parts: u32,
    pub vote: Vote,
    /// The last entry whose effect is in the state.
    pub last: EntryId,
    /// The entry that said who replicates the shard, and what it said.
    pub membership: (EntryId, Bytes),
    pub streams: Vec<(StreamId, StreamBounds)>,
}

const PART_STATE: u8 = 0;
const PART_RECORDS: u8 = 1;

const STRETCH_BYTES: usize = 28;
const BATCH_BYTES: usize = 24;
const STREAM_BYTES: usize = 24;

/// Writes a part; its payloads go behind all else.
pub(super) fn put_fill(head: &mut Vec<u8>, payloads: &mut Vec<Bytes>, fill: &Fill) {
    put_session(head, fill.session);
    put_id(head, fill.last);
    head.extend_from_slice(&fill.number.to_le_bytes());
    match &fill.part {
        Part::State(state) => {
            head.push(PART_STATE);
            put_length(head, state.len());
            payloads.push(state.clone());
        }
        Part::Records(stretches) => {
            head.push(PART_RECORDS);
            put_length(head, stretches.len());
            stretches.iter().for_each(|stretch| put_stretch(head, stretch));
            payloads.extend(stretches.iter().flat_map(|stretch| &stretch.batches).map(|batch| batch.bytes.clone()));
        }
    }
    payloads.retain(|payload| !payload.is_empty());
}

pub(super) fn read_fill(reader: &mut Reader<'_>) -> Option<Fill> {
    let (session, last, number) = (session(reader)?, reader.id()?, reader.u32()?);
    let part = match reader.u8()? {
        PART_STATE => {
            let length = reader.length()?;
            Part::State(reader.part(length)?)
        }
        PART_RECORDS => {
            let count = reader.count(STRETCH_BYTES)?;
            let outlines = (0..count).map(|_| outline(reader)).collect::<Option<Vec<_>>>()?;
            Part::Records(outlines.into_iter().map(|outline| outline.fill(reader)).collect::<Option<Vec<_>>>()?)
        }
        _ => return None,
    };
    Some(Fill { session, last, number, part })
}

pub(super) fn put_install(head: &mut Vec<u8>, install: &Install) {
    let Install { session, parts, vote, last, membership: (joined, membership), streams } = install;
    put_session(head, *session);
    head.extend_from_slice(&parts.to_le_bytes());
    put_vote(head, *vote);
    put_id(head, *last);
    put_id(head, *joined);
    put_bytes(head, membership);
    put_length(head, streams.len());
    for (stream, bounds) in streams {
        [stream.0, bounds.start.0, bounds.end.0].into_iter().for_each(|field| put_u64(head, field));
    }
}

pub(super) fn read_install(reader: &mut Reader<'_>) -> Option<Install> {
    let (session, parts, vote) = (session(reader)?, reader.u32()?, reader.vote()?);
    let (last, joined, length) = (reader.id()?, reader.id()?, reader.length()?);
    let membership = (joined, reader.part(length)?);
    let count = reader.count(STREAM_BYTES)?;
    let stream = |_| {
        let stream = StreamId(reader.u64()?);
        Some((stream, StreamBounds { start: Offset(reader.u64()?), end: Offset(reader.u64()?) }))
    };
    let streams = (0..count).map(stream).collect::<Option<Vec<_>>>()?;
    Some(Install { session, parts, vote, last, membership, streams })
}

fn put_session(head: &mut Vec<u8>, Session { term, node, attempt }: Session) {
    [term.0, node, attempt].into_iter().for_each(|field| put_u64(head, field));
}

fn session(reader: &mut Reader<'_>) -> Option<Session> {
    Some(Session { term: Term(reader.u64()?), node: reader.u64()?, attempt: reader.u64()? })
}

fn put_stretch(head: &mut Vec<u8>, Stretch { stream, from, to, batches }: &Stretch) {
    [stream.0, from.0, to.0].into_iter().for_each(|field| put_u64(head, field));
    put_length(head, batches.len());
    for Replacement { base, count, timestamp_max, bytes } in batches {
        put_u64(head, base.0);
        head.extend_from_slice(&count.to_le_bytes());
        head.extend_from_slice(&timestamp_max.0.to_le_bytes());
        put_length(head, bytes.len());
    }
}

/// A stretch whose payloads were not read yet, but for their lengths.
struct Outline {
    stretch: Stretch,
    lengths: Vec<usize>,
}

fn outline(reader: &mut Reader<'_>) -> Option<Outline> {
    let (stream, from, to) = (StreamId(reader.u64()?), Offset(reader.u64()?), Offset(reader.u64()?));
    let count = reader.count(BATCH_BYTES)?;
    let (mut batches, mut lengths) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for _ in 0..count {
        let (base, count, timestamp_max) = (Offset(reader.u64()?), reader.u32()?, Timestamp(reader.i64()?));
        batches.push(Replacement { base, count, timestamp_max, bytes: Bytes::new() });
        lengths.push(reader.length()?);
    }
    Some(Outline { stretch: Stretch { stream, from, to, batches }, lengths })
}

impl Outline {
    fn fill(self, reader: &mut Reader<'_>) -> Option<Stretch> {
        let Self { mut stretch, lengths } = self;
        for (batch, length) in stretch.batches.iter_mut().zip(lengths) {
            batch.bytes = reader.part(length)?;
        }
        Some(stretch)
    }
}
