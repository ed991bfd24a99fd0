//! What is known of a cluster from outside: what its nodes were told in which order, what clients were promised, and
//! what readers have seen. Each method holds something new against it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use omnibus_model::{LogIndex, NodeId, Offset, ShardId, StreamId, Term};

/// The bytes at a batch's beginning into which the broker writes its place.
const PLACE_BYTES: usize = 16;

/// A batch that somebody sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) stream: StreamId,
    pub(crate) count: u32,
    /// Of an idempotent producer, so that it is there at most once.
    pub(crate) is_idempotent: bool,
    pub(crate) fate: Fate,
}

/// What became of what was sent, as far as its sender can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Unknown,
    Placed(Offset),
    Refused,
}

/// A batch that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) end: Offset,
    /// Of all its bytes.
    hash: u64,
}

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    committed: BTreeMap<(ShardId, LogIndex), (Term, u64)>,
    leaders: BTreeMap<(ShardId, Term), NodeId>,
    states: BTreeMap<(ShardId, LogIndex), u64>,
    sent: Vec<Sent>,
    by_content: BTreeMap<u64, usize>,
    pub(crate) placed: BTreeMap<(StreamId, Offset), usize>,
    pub(crate) read: BTreeMap<StreamId, BTreeMap<Offset, Seen>>,
    /// Streams before these offsets may be gone.
    trimmed: BTreeMap<StreamId, Offset>,
    /// The newest offset that a group tried to commit, and that was acknowledged or seen.
    pub(crate) offset_tried: u64,
    pub(crate) offset_floor: u64,
    pub(crate) queues: Queues,
}

/// What is known of messages in queues, by number.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// The content of each.
    sent: Vec<u64>,
    refused: BTreeSet<u64>,
    acknowledged: BTreeSet<u64>,
    /// Somebody has tried to settle them.
    pub(crate) tried: BTreeSet<u64>,
    settled: BTreeSet<u64>,
    /// Where each was found.
    places: BTreeMap<u64, (StreamId, Offset)>,
    leases: BTreeSet<(StreamId, Offset, u64)>,
}

/// What nodes are told.
impl Ledger {
    /// An entry is told as committed.
    pub(crate) fn committed(
        &mut self,
        (shard, index): (ShardId, LogIndex),
        term: Term,
        head: &[u8],
    ) -> Result<(), String> {
        let said = (term, hash(head));
        match self.committed.insert((shard, index), said) {
            Some(before) if before != said => {
                Err(format!("entry {index} of shard {shard} is of term {term} here and was of {} elsewhere", before.0))
            }
            _ => Ok(()),
        }
    }

    /// A node is told that it leads.
    pub(crate) fn leads(&mut self, shard: ShardId, term: Term, node: NodeId) -> Result<(), String> {
        match self.leaders.insert((shard, term), node) {
            Some(before) if before != node => {
                Err(format!("nodes {before} and {node} both lead shard {shard} in term {term}"))
            }
            _ => Ok(()),
        }
    }

    /// The newest entry of a shard that anybody was told of.
    pub(crate) fn newest(&self, shard: ShardId) -> LogIndex {
        let told = self.committed.range((shard, LogIndex(0))..=(shard, LogIndex(u64::MAX))).next_back();
        told.map(|((_, index), _)| *index).unwrap_or_default()
    }

    /// A node has saved its state.
    pub(crate) fn saved(&mut self, (shard, index): (ShardId, LogIndex), digest: u64) -> Result<(), String> {
        match self.states.insert((shard, index), digest) {
            Some(before) if before != digest => {
                Err(format!("the states of shard {shard} after entry {index} are not the same on all nodes"))
            }
            _ => Ok(()),
        }
    }
}

/// What clients send and read.
impl Ledger {
    /// Somebody is about to send a batch; returns its number.
    pub(crate) fn send(&mut self, sent: Sent, payload: &[u8]) -> usize {
        self.sent.push(sent);
        self.by_content.insert(hash(&payload[PLACE_BYTES..]), self.sent.len() - 1);
        self.sent.len() - 1
    }

    pub(crate) fn refused(&mut self, number: usize) {
        self.sent[number].fate = Fate::Refused;
    }

    /// A batch was acknowledged.
    pub(crate) fn placed(&mut self, number: usize, base: Offset) -> Result<(), String> {
        let Sent { stream, fate, .. } = self.sent[number];
        if let Fate::Placed(before) = fate
            && before != base
        {
            return Err(format!("a batch of stream {stream} is at {before} and at {base}"));
        }
        self.sent[number].fate = Fate::Placed(base);
        match self.placed.insert((stream, base), number) {
            Some(before) if before != number => Err(format!("two batches have offset {base} of stream {stream}")),
            _ => Ok(()),
        }
    }

    /// Where a stream ends at least, by what was acknowledged and read.
    pub(crate) fn known_end(&self, stream: StreamId) -> Offset {
        let placed = self.placed.range((stream, Offset(0))..=(stream, Offset(u64::MAX))).next_back();
        let placed = placed.map_or(Offset(0), |((_, base), number)| base.plus(self.sent[*number].count.into()));
        let read = self.read.get(&stream).and_then(|read| read.last_key_value());
        placed.max(read.map_or(Offset(0), |(_, seen)| seen.end))
    }

    /// Somebody has read a batch.
    pub(crate) fn read(
        &mut self,
        stream: StreamId,
        (base, end): (Offset, Offset),
        batch: &Bytes,
    ) -> Result<(), String> {
        let seen = Seen { end, hash: hash(batch) };
        let number = self.by_content.get(&hash(&batch[PLACE_BYTES..])).copied();
        match number.map(|number| (number, self.sent[number].clone())) {
            None => return Err(format!("what is at {base} of stream {stream} was never sent")),
            Some((_, sent)) if sent.stream != stream => {
                return Err(format!("what is at {base} of stream {stream} was sent to stream {}", sent.stream));
            }
            Some((_, Sent { fate: Fate::Refused, .. })) => {
                return Err(format!("what is at {base} of stream {stream} was refused"));
            }
            Some((_, Sent { fate: Fate::Placed(placed), is_idempotent: true, .. })) if placed != base => {
                return Err(format!("what is at {placed} of stream {stream} is at {base}, too"));
            }
            Some((number, sent)) => {
                if sent.is_idempotent {
                    self.placed(number, base)?;
                }
            }
        }
        self.seen_at(stream, base, seen, number)
    }

    /// A part of a stream is held against what was read there before.
    fn seen_at(&mut self, stream: StreamId, base: Offset, seen: Seen, number: Option<usize>) -> Result<(), String> {
        if let Some(placed) = self.placed.get(&(stream, base))
            && Some(*placed) != number
        {
            return Err(format!("something else is at {base} of stream {stream} than was acknowledged"));
        }
        let read = self.read.entry(stream).or_default();
        match read.insert(base, seen) {
            Some(before) if before != seen => {
                Err(format!("something else is at {base} of stream {stream} than was read before"))
            }
            _ => Ok(()),
        }
    }

    /// An offset was acknowledged, or seen.
    pub(crate) const fn offset_known(&mut self, offset: u64) {
        if offset > self.offset_floor {
            self.offset_floor = offset;
        }
    }

    /// Somebody is about to have a stream begin later.
    pub(crate) fn trim(&mut self, stream: StreamId, before: Offset) {
        let trimmed = self.trimmed.entry(stream).or_default();
        *trimmed = before.max(*trimmed);
    }

    /// Where a stream may begin at most.
    pub(crate) fn start_max(&self, stream: StreamId) -> Offset {
        self.trimmed.get(&stream).copied().unwrap_or_default()
    }

    /// All of a stream was read that is there.
    pub(crate) fn read_all(&self, stream: StreamId, (start, end): (Offset, Offset)) -> Result<(), String> {
        if start > self.start_max(stream) {
            return Err(format!("stream {stream} begins at {start}, and was to begin at {}", self.start_max(stream)));
        }
        if end < self.known_end(stream) {
            return Err(format!("stream {stream} ends at {end}, and ended at {} before", self.known_end(stream)));
        }
        let nothing = BTreeMap::new();
        let read = self.read.get(&stream).unwrap_or(&nothing);
        // It may begin in the midst of a batch.
        let first = read.range(..=start).next_back().filter(|(_, seen)| seen.end > start);
        let mut next = first.map_or(start, |(base, _)| *base);
        for (base, seen) in read.range(next..) {
            if *base > next {
                return Err(format!("nothing is from {next} to {base} of stream {stream}"));
            }
            if *base < next {
                return Err(format!("batches of stream {stream} overlap at {base}"));
            }
            next = seen.end;
        }
        if next != end && start < end {
            return Err(format!("stream {stream} ends at {end}, and its batches end at {next}"));
        }
        let mut kept = self.placed.range((stream, start)..=(stream, Offset(u64::MAX)));
        match kept.find(|((_, base), _)| !read.contains_key(base)) {
            Some(((_, base), _)) => Err(format!("what was acknowledged at {base} of stream {stream} is gone")),
            None => Ok(()),
        }
    }
}

/// What clients of queues are promised.
impl Queues {
    /// Somebody is about to send a message; returns its number.
    pub(crate) fn send(&mut self, rest: &[u8]) -> u64 {
        self.sent.push(hash(rest));
        self.sent.len() as u64
    }

    pub(crate) fn acknowledged(&mut self, number: u64, place: (StreamId, Offset)) -> Result<(), String> {
        self.acknowledged.insert(number);
        self.is_at(number, place)
    }

    pub(crate) fn refused(&mut self, number: u64) {
        self.refused.insert(number);
    }

    /// A message is handed to somebody who began to ask when these were settled.
    pub(crate) fn delivered(
        &mut self,
        (number, rest): (u64, &[u8]),
        (place, epoch): ((StreamId, Offset), u64),
        settled_before: &BTreeSet<u64>,
    ) -> Result<(), String> {
        let place_of = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let sent = place_of.and_then(|place| self.sent.get(place)).copied();
        if sent.is_none() || self.refused.contains(&number) {
            return Err(format!("message {number} is delivered and was never taken"));
        }
        if sent != Some(hash(rest)) {
            return Err(format!("message {number} is delivered and was sent with other bytes"));
        }
        if settled_before.contains(&number) {
            return Err(format!("message {number} comes back that was settled"));
        }
        if !self.leases.insert((place.0, place.1, epoch)) {
            return Err(format!("message {number} has two holders by the same lease"));
        }
        self.is_at(number, place)
    }

    /// What is settled by now.
    pub(crate) fn settled_by_now(&self) -> BTreeSet<u64> {
        self.settled.clone()
    }

    pub(crate) fn settled(&mut self, number: u64) {
        self.settled.insert(number);
    }

    /// All queues are empty.
    pub(crate) fn drained(&self) -> Result<(), String> {
        match self.acknowledged.iter().find(|number| !self.tried.contains(number)) {
            Some(number) => Err(format!("message {number} was taken, and nobody ever got it")),
            None => Ok(()),
        }
    }

    fn is_at(&mut self, number: u64, place: (StreamId, Offset)) -> Result<(), String> {
        match self.places.insert(number, place) {
            Some(before) if before != place => Err(format!("message {number} is in its queue twice")),
            _ => Ok(()),
        }
    }
}

/// FNV-1a.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
