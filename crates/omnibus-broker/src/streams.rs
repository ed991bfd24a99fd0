//! The streams of one data shard: where each begins and ends, and who wrote to it.
//!
//! A stream comes to be with its first append, so idle partitions cost nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use omnibus_model::batch::StreamBounds;
use omnibus_model::command::Append;
use omnibus_model::outcome::{Appended, Applied};
use omnibus_model::refusal::Limited;
use omnibus_model::{LeaderEpoch, Offset, Outcome, ProducerId, Refusal, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::agenda::{Agenda, Due};
use crate::epochs::LeaderEpochs;
use crate::limits::BrokerLimits;
use crate::moment::Moment;
use crate::producers::{Judgement, Producer, Producers};

/// A dense, ordered sequence of records, as the broker knows it: by its numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    bounds: StreamBounds,
    epochs: LeaderEpochs,
    /// Boxed, because most streams have no idempotent producer.
    producers: Option<Box<Producers>>,
}

/// Every stream of a shard.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Streams {
    live: BTreeMap<StreamId, Stream>,
    /// Dropped streams, remembered until appends that were under way have come to nothing.
    tombstones: BTreeMap<StreamId, Timestamp>,
    /// How many producers all streams remember together.
    producers: u64,
}

impl Stream {
    const fn new(leader: LeaderEpoch) -> Self {
        let bounds = StreamBounds { start: Offset::ZERO, end: Offset::ZERO };
        Self { bounds, epochs: LeaderEpochs::new(leader, Offset::ZERO), producers: None }
    }

    /// Returns the first offset that can be read.
    #[must_use]
    pub const fn start(&self) -> Offset {
        self.bounds.start
    }

    /// Returns the offset that the next record will take.
    #[must_use]
    pub const fn end(&self) -> Offset {
        self.bounds.end
    }

    /// Returns both ends.
    #[must_use]
    pub const fn bounds(&self) -> StreamBounds {
        self.bounds
    }

    /// Returns the leader that wrote last.
    #[must_use]
    pub const fn leader_epoch(&self) -> LeaderEpoch {
        self.epochs.latest()
    }

    /// Returns the greatest epoch not after `wanted`, and the offset its records end at. An epoch
    /// before all that the stream knows ends where the stream begins.
    #[must_use]
    pub fn epoch_end(&self, wanted: LeaderEpoch) -> (LeaderEpoch, Offset) {
        self.epochs.end_of(wanted, self.bounds.end)
    }

    /// Returns the idempotent producers that are remembered.
    pub fn producers(&self) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.producers.iter().flat_map(|producers| producers.iter())
    }

    /// Returns what is remembered of an idempotent producer.
    #[must_use]
    pub fn producer(&self, id: ProducerId) -> Option<&Producer> {
        self.producers.as_ref()?.get(id)
    }

    fn judge(&self, append: &Append) -> Result<Judgement, Refusal> {
        match (append.batch.producer, &self.producers) {
            (Some(stamp), Some(producers)) => producers.judge(stamp, append.batch.count),
            (Some(_), None) => Ok(Judgement::WriteFirst),
            (None, _) => Ok(Judgement::Write),
        }
    }

    fn write(&mut self, now: Timestamp, append: &Append) -> Offset {
        let base = self.bounds.end;
        self.epochs.advance(append.leader_epoch, base);
        self.bounds.end = base.plus(u64::from(append.batch.count));
        if let Some(stamp) = append.batch.producer {
            self.producers.get_or_insert_default().record(now, stamp, &append.batch, base);
        }
        base
    }

    const fn appended(&self, base: Offset) -> Appended {
        Appended { base, start: self.bounds.start, duplicate: false }
    }
}

impl Streams {
    pub(crate) fn get(&self, stream: StreamId) -> Option<&Stream> {
        self.live.get(&stream)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamId, &Stream)> {
        self.live.iter().map(|(id, stream)| (*id, stream))
    }

    pub(crate) fn append(&mut self, at: Moment<'_>, agenda: &mut Agenda, append: &Append) -> Result<Applied, Refusal> {
        check_batch(append)?;
        let room = self.producers < at.limits.producers_max;
        let stream = match self.live.entry(append.stream) {
            Entry::Occupied(live) => live.into_mut(),
            Entry::Vacant(_) if self.tombstones.contains_key(&append.stream) => {
                return Err(Refusal::StreamDropped { stream: append.stream });
            }
            Entry::Vacant(_) if append.batch.producer.is_some() && !room => return Err(too_many_producers(at)),
            Entry::Vacant(place) => place.insert(Stream::new(append.leader_epoch)),
        };
        match (stream.judge(append)?, append.batch.producer) {
            (Judgement::Duplicate(base), _) => {
                let appended = Appended { duplicate: true, ..stream.appended(base) };
                return Ok(Applied::unchanged(Outcome::Appended(appended)));
            }
            (Judgement::WriteFirst, _) if !room => return Err(too_many_producers(at)),
            (Judgement::WriteFirst, Some(stamp)) => {
                self.producers += 1;
                let deadline = at.now.plus(at.limits.producer_expiry);
                agenda.add(deadline, Due::Producer(append.stream, stamp.id));
            }
            (Judgement::WriteFirst | Judgement::Write, _) => {}
        }
        let base = stream.write(at.now, append);
        Ok(Applied::changed(Outcome::Appended(stream.appended(base))))
    }

    pub(crate) fn trim(&mut self, stream: StreamId, before: Offset) -> Result<Applied, Refusal> {
        self.check_not_dropped(stream)?;
        let bounds = self.get(stream).map_or_else(StreamBounds::default, Stream::bounds);
        if before > bounds.end {
            return Err(Refusal::OffsetOutOfRange { offset: before, start: bounds.start, end: bounds.end });
        }
        match self.live.get_mut(&stream) {
            Some(live) if before > bounds.start => {
                live.bounds.start = before;
                live.epochs.trim(before);
                Ok(Applied::changed(Outcome::Trimmed { start: before }))
            }
            _ => Ok(Applied::unchanged(Outcome::Trimmed { start: bounds.start })),
        }
    }

    pub(crate) fn drop_stream(&mut self, at: Moment<'_>, agenda: &mut Agenda, stream: StreamId) -> Applied {
        if self.tombstones.contains_key(&stream) {
            return Applied::unchanged(Outcome::StreamDropped);
        }
        if let Some(dropped) = self.live.remove(&stream) {
            // The agenda's entries for its producers find nothing when they come up.
            self.producers -= dropped.producers.map_or(0, |producers| producers.len() as u64);
        }
        let until = at.now.plus(at.limits.tombstone_retention);
        self.tombstones.insert(stream, until);
        agenda.add(until, Due::Tombstone(stream));
        Applied::changed(Outcome::StreamDropped)
    }

    /// Forgets a producer that has been silent for too long, or looks again later.
    pub(crate) fn expire_producer(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (stream, producer): (StreamId, ProducerId),
    ) {
        let Some(producers) = self.live.get_mut(&stream).and_then(|live| live.producers.as_mut()) else {
            return;
        };
        let Some(known) = producers.get(producer) else {
            return;
        };
        let deadline = known.written_at().plus(at.limits.producer_expiry);
        if deadline > at.now {
            agenda.add(deadline, Due::Producer(stream, producer));
        } else {
            producers.forget(producer);
            self.producers -= 1;
        }
    }

    pub(crate) fn expire_tombstone(&mut self, stream: StreamId) {
        self.tombstones.remove(&stream);
    }

    /// Checks that numbers are in order, that producers are counted, and that the agenda knows
    /// all that can expire.
    pub(crate) fn audit(&self, agenda: &Agenda, limits: &BrokerLimits) {
        let mut producers = 0;
        for (id, stream) in self.iter() {
            assert!(stream.start() <= stream.end(), "{id} begins before it ends");
            assert!(!self.tombstones.contains_key(&id), "{id} is live or dropped");
            for (producer, known) in stream.producers() {
                producers += 1;
                let latest = known.written_at().plus(limits.producer_expiry);
                assert!(agenda.has_by(latest, &Due::Producer(id, producer)), "{producer} will be looked at");
            }
        }
        assert_eq!(producers, self.producers, "producers are counted");
        for (id, until) in &self.tombstones {
            assert!(agenda.has_by(*until, &Due::Tombstone(*id)), "the tombstone of {id} will be looked at");
        }
    }

    pub(crate) fn check_not_dropped(&self, stream: StreamId) -> Result<(), Refusal> {
        if self.tombstones.contains_key(&stream) {
            return Err(Refusal::StreamDropped { stream });
        }
        Ok(())
    }
}

const fn too_many_producers(at: Moment<'_>) -> Refusal {
    Refusal::LimitReached { what: Limited::Producers, max: at.limits.producers_max }
}

/// Refuses what no front end lets through, so that numbers stay dense whatever happens above.
fn check_batch(append: &Append) -> Result<(), Refusal> {
    let invalid = |reason: &str| Err(Refusal::RequestInvalid { reason: reason.to_owned() });
    if append.batch.count == 0 {
        return invalid("a batch has at least one record");
    }
    if append.batch.producer.is_some_and(|stamp| stamp.sequence_first > i32::MAX as u32) {
        return invalid("a sequence number is at most 2^31 - 1");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_takes_little_memory() {
        assert!(size_of::<(StreamId, Stream)>() <= 72, "a tree is half full: twice this per stream");
    }
}
