//! The lease cursors of one data shard, by stream.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use omnibus_model::command::{Acquire, Enqueue};
use omnibus_model::outcome::Applied;
use omnibus_model::queue::{CursorConfig, LeaseKey, Settlement};
use omnibus_model::{Millis, Offset, Outcome, Refusal, StreamId};
use serde::{Deserialize, Serialize};

use crate::agenda::{Agenda, Due};
use crate::cursor::Cursor;
use crate::moment::Moment;
use crate::streams::Streams;

/// Every queue of a shard.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Queues {
    by_stream: BTreeMap<StreamId, Cursor>,
}

impl Queues {
    pub(crate) fn get(&self, stream: StreamId) -> Option<&Cursor> {
        self.by_stream.get(&stream)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamId, &Cursor)> {
        self.by_stream.iter().map(|(stream, cursor)| (*stream, cursor))
    }

    /// Puts a cursor over a stream; what is there already is ready.
    pub(crate) fn configure(
        &mut self,
        streams: &Streams,
        stream: StreamId,
        config: CursorConfig,
    ) -> Result<Applied, Refusal> {
        streams.check_not_dropped(stream)?;
        match self.by_stream.entry(stream) {
            Entry::Vacant(place) => {
                let bounds = streams.get(stream).map(super::streams::Stream::bounds).unwrap_or_default();
                place.insert(Cursor::new(config, bounds));
                Ok(Applied::changed(Outcome::CursorConfigured))
            }
            Entry::Occupied(cursor) if *cursor.get().config() == config => {
                Ok(Applied::unchanged(Outcome::CursorConfigured))
            }
            Entry::Occupied(mut cursor) => {
                cursor.get_mut().configure(config)?;
                Ok(Applied::changed(Outcome::CursorConfigured))
            }
        }
    }

    pub(crate) fn enqueue(
        &mut self,
        at: Moment<'_>,
        (agenda, streams): (&mut Agenda, &mut Streams),
        enqueue: &Enqueue,
    ) -> Result<Applied, Refusal> {
        let cursor = known(&mut self.by_stream, enqueue.append.stream)?;
        cursor.check_enqueue(enqueue)?;
        let applied = streams.append(at, agenda, &enqueue.append)?;
        let Outcome::Appended(appended) = applied.outcome else {
            unreachable!("an append ended in {:?}", applied.outcome);
        };
        if applied.changed {
            cursor.appended(appended.base, 1);
        }
        Ok(Applied { outcome: Outcome::Enqueued(appended), changed: applied.changed })
    }

    /// Notes records that were appended by somebody who knows nothing of queues.
    pub(crate) fn appended(&mut self, stream: StreamId, base: Offset, count: u32) {
        if let Some(cursor) = self.by_stream.get_mut(&stream) {
            cursor.appended(base, count);
        }
    }

    pub(crate) fn acquire(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        acquire: &Acquire,
    ) -> Result<Applied, Refusal> {
        let cursor = known(&mut self.by_stream, acquire.stream)?;
        let applied = cursor.acquire(at.now, acquire)?;
        cursor.keep_appointment(agenda, acquire.stream);
        Ok(applied)
    }

    pub(crate) fn settle(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (stream, settlements): (StreamId, &[(LeaseKey, Settlement)]),
    ) -> Result<Applied, Refusal> {
        let cursor = known(&mut self.by_stream, stream)?;
        let applied = cursor.settle(at.now, settlements);
        cursor.keep_appointment(agenda, stream);
        Ok(applied)
    }

    pub(crate) fn extend(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (stream, leases): (StreamId, &[(LeaseKey, Millis)]),
    ) -> Result<Applied, Refusal> {
        let cursor = known(&mut self.by_stream, stream)?;
        let applied = cursor.extend(at.now, leases);
        cursor.keep_appointment(agenda, stream);
        Ok(applied)
    }

    /// Forgets a stream's cursor. The agenda's entry finds nothing when it comes up.
    pub(crate) fn drop_stream(&mut self, stream: StreamId) {
        self.by_stream.remove(&stream);
    }

    /// Lets up to `items_max` things happen in a queue; returns how many did.
    pub(crate) fn tick(&mut self, at: Moment<'_>, agenda: &mut Agenda, stream: StreamId, items_max: u32) -> u32 {
        let Some(cursor) = self.by_stream.get_mut(&stream) else {
            return 0;
        };
        cursor.woken(at.now);
        let done = cursor.tick(at.now, items_max);
        cursor.keep_appointment(agenda, stream);
        done
    }

    /// Checks every cursor, and that the agenda knows when to look at it.
    pub(crate) fn audit(&self, agenda: &Agenda, streams: &Streams) {
        for (stream, cursor) in self.iter() {
            cursor.audit(streams.get(stream).map(super::streams::Stream::bounds).unwrap_or_default());
            if let Some(deadline) = cursor.next_deadline() {
                assert!(agenda.has_by(deadline, &Due::Queue(stream)), "the queue of {stream} will be looked at");
            }
        }
    }
}

fn known(queues: &mut BTreeMap<StreamId, Cursor>, stream: StreamId) -> Result<&mut Cursor, Refusal> {
    queues.get_mut(&stream).ok_or(Refusal::UnknownQueue { stream })
}
