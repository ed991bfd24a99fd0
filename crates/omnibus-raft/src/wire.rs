//! What nodes say to each other about a shard, as bytes: `docs/formats/consensus.md`.
//!
//! A message is written as pieces, so that payloads go out from where they lie, and read from one
//! buffer, of which the payloads are parts.

use std::sync::Arc;

use bytes::Bytes;
use omnibus_log::{Entry, EntryBatch, EntryId, EntryKind, Rest, Vote};
use omnibus_model::{LogIndex, Offset, ShardId, StreamId, Term, Timestamp};

mod filling;
mod put;
mod reader;
#[cfg(test)]
mod tests;

use put::{put_id, put_length, put_start, put_u64, put_vote};
use reader::Reader;

pub(crate) use filling::{Fill, Install, Part, Session};
use filling::{put_fill, put_install, read_fill, read_install};

/// The pieces of a message, in order.
pub type Pieces = Vec<Bytes>;

/// What is asked of another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Append(Append),
    Vote(Candidacy),
    /// Whether a vote would be given.
    PreVote(Candidacy),
    Transfer(Transfer),
    /// Whoever has nothing, and whose log has this name, is a new replica here.
    Welcome {
        log: u64,
    },
    Fill(Fill),
    Install(Install),
}

/// Entries for a follower; none of them is a sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Append {
    pub vote: Vote,
    /// The entry before the first.
    pub previous: EntryId,
    pub committed: EntryId,
    /// All replicas have everything up to here, so nobody has to keep it for others.
    pub settled: LogIndex,
    pub entries: Vec<Entry>,
}

/// A node that wants to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidacy {
    pub vote: Vote,
    pub last: EntryId,
    /// The leader wants it too.
    pub transfer: bool,
}

/// A leader that wants to be followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub leader: Vote,
    pub to: u64,
    pub last: EntryId,
}

/// What a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Appended,
    AppendedUpTo(EntryId),
    /// The entry before the first is another one here.
    Conflict,
    /// Somebody else may lead.
    HigherVote(Vote),
    Voted {
        vote: Vote,
        granted: bool,
        last: EntryId,
    },
    TransferTaken,
    VoteChanged {
        expected: Vote,
        actual: Vote,
    },
    NotFlushed {
        expected: EntryId,
        actual: EntryId,
    },
    /// The node takes no part in this shard, or not any more.
    Ended,
    /// The node has nothing of the shard, and was not told that this is as it should be; the name of its log.
    Hollow {
        log: u64,
    },
    Welcomed,
    /// All parts before `next` are there.
    Filled {
        next: u32,
    },
    /// The part belongs to nothing that goes on here.
    NotFilled,
    /// Another part is being taken.
    Filling,
    /// What was sent counts, unless the vote is another leader's.
    Installed(Vote),
}

const REQUEST_APPEND: u8 = 1;
const REQUEST_VOTE: u8 = 2;
const REQUEST_PRE_VOTE: u8 = 3;
const REQUEST_TRANSFER: u8 = 4;
const REQUEST_WELCOME: u8 = 5;
const REQUEST_FILL: u8 = 6;
const REQUEST_INSTALL: u8 = 7;

const ANSWER_APPENDED: u8 = 129;
const ANSWER_APPENDED_UP_TO: u8 = 130;
const ANSWER_CONFLICT: u8 = 131;
const ANSWER_HIGHER_VOTE: u8 = 132;
const ANSWER_VOTED: u8 = 133;
const ANSWER_TRANSFER_TAKEN: u8 = 134;
const ANSWER_VOTE_CHANGED: u8 = 135;
const ANSWER_NOT_FLUSHED: u8 = 136;
const ANSWER_ENDED: u8 = 137;
const ANSWER_HOLLOW: u8 = 138;
const ANSWER_WELCOMED: u8 = 139;
const ANSWER_FILLED: u8 = 140;
const ANSWER_NOT_FILLED: u8 = 141;
const ANSWER_FILLING: u8 = 142;
const ANSWER_INSTALLED: u8 = 143;

const KIND_COMMANDS: u8 = 0;
const KIND_BLANK: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

const REST_OWN: u8 = 0;
const REST_SHARED: u8 = 1;

/// The bytes of an entry's fields, and of one of its batches'.
const ENTRY_BYTES: usize = 29;
const BATCH_BYTES: usize = 37;

/// Writes a request about a shard.
#[must_use]
pub(crate) fn encode_request(shard: ShardId, request: &Request) -> Pieces {
    let mut head = Vec::with_capacity(96);
    match request {
        Request::Append(append) => {
            put_start(&mut head, REQUEST_APPEND, shard);
            put_vote(&mut head, append.vote);
            put_id(&mut head, append.previous);
            put_id(&mut head, append.committed);
            put_u64(&mut head, append.settled.0);
            put_length(&mut head, append.entries.len());
            append.entries.iter().for_each(|entry| put_entry(&mut head, entry));
            let mut pieces = vec![Bytes::from(head)];
            append.entries.iter().for_each(|entry| put_payloads(&mut pieces, entry));
            return pieces;
        }
        Request::Vote(candidacy) => put_candidacy(&mut head, REQUEST_VOTE, shard, *candidacy),
        Request::PreVote(candidacy) => put_candidacy(&mut head, REQUEST_PRE_VOTE, shard, *candidacy),
        Request::Transfer(Transfer { leader, to, last }) => {
            put_start(&mut head, REQUEST_TRANSFER, shard);
            put_vote(&mut head, *leader);
            put_u64(&mut head, *to);
            put_id(&mut head, *last);
        }
        Request::Welcome { log } => {
            put_start(&mut head, REQUEST_WELCOME, shard);
            put_u64(&mut head, *log);
        }
        Request::Fill(fill) => {
            let mut payloads = Vec::new();
            put_start(&mut head, REQUEST_FILL, shard);
            put_fill(&mut head, &mut payloads, fill);
            return std::iter::once(Bytes::from(head)).chain(payloads).collect();
        }
        Request::Install(install) => {
            put_start(&mut head, REQUEST_INSTALL, shard);
            put_install(&mut head, install);
        }
    }
    vec![Bytes::from(head)]
}

/// Reads a request; none if the bytes are not one.
#[must_use]
pub(crate) fn decode_request(bytes: &Bytes) -> Option<(ShardId, Request)> {
    let mut reader = Reader::new(bytes);
    let kind = reader.u8()?;
    let shard = ShardId(reader.u16()?);
    let request = match kind {
        REQUEST_APPEND => Request::Append(append(&mut reader, shard)?),
        REQUEST_VOTE => Request::Vote(candidacy(&mut reader)?),
        REQUEST_PRE_VOTE => Request::PreVote(candidacy(&mut reader)?),
        REQUEST_TRANSFER => {
            Request::Transfer(Transfer { leader: reader.vote()?, to: reader.u64()?, last: reader.id()? })
        }
        REQUEST_WELCOME => Request::Welcome { log: reader.u64()? },
        REQUEST_FILL => Request::Fill(read_fill(&mut reader)?),
        REQUEST_INSTALL => Request::Install(read_install(&mut reader)?),
        _ => return None,
    };
    reader.is_at_end().then_some((shard, request))
}

/// Writes an answer.
#[must_use]
pub(crate) fn encode_answer(answer: Answer) -> Bytes {
    let mut head = Vec::with_capacity(40);
    match answer {
        Answer::Appended => head.push(ANSWER_APPENDED),
        Answer::AppendedUpTo(id) => {
            head.push(ANSWER_APPENDED_UP_TO);
            put_id(&mut head, id);
        }
        Answer::Conflict => head.push(ANSWER_CONFLICT),
        Answer::HigherVote(vote) => {
            head.push(ANSWER_HIGHER_VOTE);
            put_vote(&mut head, vote);
        }
        Answer::Voted { vote, granted, last } => {
            head.push(ANSWER_VOTED);
            put_vote(&mut head, vote);
            head.push(u8::from(granted));
            put_id(&mut head, last);
        }
        Answer::TransferTaken => head.push(ANSWER_TRANSFER_TAKEN),
        Answer::VoteChanged { expected, actual } => {
            head.push(ANSWER_VOTE_CHANGED);
            put_vote(&mut head, expected);
            put_vote(&mut head, actual);
        }
        Answer::NotFlushed { expected, actual } => {
            head.push(ANSWER_NOT_FLUSHED);
            put_id(&mut head, expected);
            put_id(&mut head, actual);
        }
        Answer::Ended => head.push(ANSWER_ENDED),
        Answer::Hollow { log } => {
            head.push(ANSWER_HOLLOW);
            put_u64(&mut head, log);
        }
        Answer::Welcomed => head.push(ANSWER_WELCOMED),
        Answer::Filled { next } => {
            head.push(ANSWER_FILLED);
            head.extend_from_slice(&next.to_le_bytes());
        }
        Answer::NotFilled => head.push(ANSWER_NOT_FILLED),
        Answer::Filling => head.push(ANSWER_FILLING),
        Answer::Installed(vote) => {
            head.push(ANSWER_INSTALLED);
            put_vote(&mut head, vote);
        }
    }
    Bytes::from(head)
}

/// Reads an answer; none if the bytes are not one.
#[must_use]
pub(crate) fn decode_answer(bytes: &Bytes) -> Option<Answer> {
    let mut reader = Reader::new(bytes);
    let answer = match reader.u8()? {
        ANSWER_APPENDED => Answer::Appended,
        ANSWER_APPENDED_UP_TO => Answer::AppendedUpTo(reader.id()?),
        ANSWER_CONFLICT => Answer::Conflict,
        ANSWER_HIGHER_VOTE => Answer::HigherVote(reader.vote()?),
        ANSWER_VOTED => Answer::Voted { vote: reader.vote()?, granted: reader.bool()?, last: reader.id()? },
        ANSWER_TRANSFER_TAKEN => Answer::TransferTaken,
        ANSWER_VOTE_CHANGED => Answer::VoteChanged { expected: reader.vote()?, actual: reader.vote()? },
        ANSWER_NOT_FLUSHED => Answer::NotFlushed { expected: reader.id()?, actual: reader.id()? },
        ANSWER_ENDED => Answer::Ended,
        ANSWER_HOLLOW => Answer::Hollow { log: reader.u64()? },
        ANSWER_WELCOMED => Answer::Welcomed,
        ANSWER_FILLED => Answer::Filled { next: reader.u32()? },
        ANSWER_NOT_FILLED => Answer::NotFilled,
        ANSWER_FILLING => Answer::Filling,
        ANSWER_INSTALLED => Answer::Installed(reader.vote()?),
        _ => return None,
    };
    reader.is_at_end().then_some(answer)
}

fn put_candidacy(head: &mut Vec<u8>, kind: u8, shard: ShardId, candidacy: Candidacy) {
    put_start(head, kind, shard);
    put_vote(head, candidacy.vote);
    put_id(head, candidacy.last);
    head.push(u8::from(candidacy.transfer));
}

fn put_entry(head: &mut Vec<u8>, entry: &Entry) {
    head.push(match entry.kind {
        EntryKind::Commands => KIND_COMMANDS,
        EntryKind::Blank => KIND_BLANK,
        EntryKind::Membership => KIND_MEMBERSHIP,
    });
    put_id(head, EntryId { term: entry.term, index: entry.index });
    put_length(head, entry.head.len());
    put_length(head, entry.bodies.len());
    put_length(head, entry.batches.len());
    entry.bodies.iter().for_each(|body| put_length(head, body.len()));
    for batch in entry.batches.iter() {
        head.extend_from_slice(&batch.stream.0.to_le_bytes());
        head.extend_from_slice(&batch.base.0.to_le_bytes());
        head.extend_from_slice(&batch.count.to_le_bytes());
        head.extend_from_slice(&batch.timestamp_max.0.to_le_bytes());
        put_length(head, batch.prefix.len());
        let (kind, rest) = match &batch.rest {
            Rest::Own(rest) => (REST_OWN, rest.len()),
            Rest::Shared(body) => (REST_SHARED, *body),
        };
        head.push(kind);
        put_length(head, rest);
    }
}

fn put_payloads(pieces: &mut Pieces, entry: &Entry) {
    let mut put = |piece: &Bytes| {
        if !piece.is_empty() {
            pieces.push(piece.clone());
        }
    };
    put(&entry.head);
    entry.bodies.iter().for_each(&mut put);
    for batch in entry.batches.iter() {
        put(&batch.prefix);
        if let Rest::Own(rest) = &batch.rest {
            put(rest);
        }
    }
}

fn candidacy(reader: &mut Reader<'_>) -> Option<Candidacy> {
    Some(Candidacy { vote: reader.vote()?, last: reader.id()?, transfer: reader.bool()? })
}

fn append(reader: &mut Reader<'_>, shard: ShardId) -> Option<Append> {
    let (vote, previous, committed) = (reader.vote()?, reader.id()?, reader.id()?);
    let settled = LogIndex(reader.u64()?);
    let count = reader.count(ENTRY_BYTES)?;
    let mut outlines = Vec::with_capacity(count);
    for _ in 0..count {
        outlines.push(outline(reader)?);
    }
    let entries = outlines.into_iter().map(|outline| outline.fill(reader, shard)).collect::<Option<Vec<_>>>()?;
    let mut next = previous.index;
    for entry in &entries {
        next = LogIndex(next.0.checked_add(1)?);
        if entry.index != next {
            return None;
        }
    }
    Some(Append { vote, previous, committed, settled, entries })
}

/// An entry whose payloads are yet to come.
struct Outline {
    kind: EntryKind,
    id: EntryId,
    head: usize,
    bodies: Vec<usize>,
    batches: Vec<BatchOutline>,
}

struct BatchOutline {
    stream: StreamId,
    base: Offset,
    count: u32,
    timestamp_max: Timestamp,
    prefix: usize,
    rest: RestOutline,
}

enum RestOutline {
    Own { bytes: usize },
    Shared { body: usize },
}

fn outline(reader: &mut Reader<'_>) -> Option<Outline> {
    let kind = match reader.u8()? {
        KIND_COMMANDS => EntryKind::Commands,
        KIND_BLANK => EntryKind::Blank,
        KIND_MEMBERSHIP => EntryKind::Membership,
        _ => return None,
    };
    let (id, head) = (reader.id()?, reader.length()?);
    let bodies = reader.count(4)?;
    let batches = reader.count(BATCH_BYTES)?;
    let bodies: Vec<usize> = (0..bodies).map(|_| reader.length()).collect::<Option<_>>()?;
    let batches = (0..batches).map(|_| batch_outline(reader, bodies.len())).collect::<Option<Vec<_>>>()?;
    if kind != EntryKind::Commands && !(bodies.is_empty() && batches.is_empty()) {
        return None;
    }
    Some(Outline { kind, id, head, bodies, batches })
}

fn batch_outline(reader: &mut Reader<'_>, bodies: usize) -> Option<BatchOutline> {
    let (stream, base, count) = (StreamId(reader.u64()?), Offset(reader.u64()?), reader.u32()?);
    let timestamp_max = Timestamp(reader.i64()?);
    let (prefix, kind, rest) = (reader.length()?, reader.u8()?, reader.length()?);
    let rest = match kind {
        REST_OWN => RestOutline::Own { bytes: rest },
        REST_SHARED if rest < bodies => RestOutline::Shared { body: rest },
        _ => return None,
    };
    Some(BatchOutline { stream, base, count, timestamp_max, prefix, rest })
}

impl Outline {
    fn fill(self, reader: &mut Reader<'_>, shard: ShardId) -> Option<Entry> {
        let Self { kind, id, head, bodies, batches } = self;
        let head = reader.part(head)?;
        let bodies = bodies.into_iter().map(|bytes| reader.part(bytes)).collect::<Option<Vec<_>>>()?;
        let batches = batches.into_iter().map(|batch| batch.fill(reader)).collect::<Option<Vec<_>>>()?;
        let EntryId { term, index } = id;
        let (bodies, batches) = (Arc::new(bodies), Arc::new(batches));
        Some(Entry { shard, term: Term(term.0), index, kind, head, bodies, batches })
    }
}

impl BatchOutline {
    fn fill(self, reader: &mut Reader<'_>) -> Option<EntryBatch> {
        let Self { stream, base, count, timestamp_max, prefix, rest } = self;
        let prefix = reader.part(prefix)?;
        let rest = match rest {
            RestOutline::Own { bytes } => Rest::Own(reader.part(bytes)?),
            RestOutline::Shared { body } => Rest::Shared(body),
        };
        Some(EntryBatch { stream, base, count, timestamp_max, prefix, rest })
    }
}
