//! The lease cursors of one data shard, by stream.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use omnibus_model::batch::StreamBounds;
use omnibus_model::command::{Append, Enqueue, FanOut};
use omnibus_model::outcome::{Appended, Applied};
use omnibus_model::queue::{CursorConfig, Origin, QueueLimits};
use omnibus_model::{Command, Offset, Outcome, Refusal, StreamId};
use serde::{Deserialize, Serialize};

use crate::agenda::{Agenda, Due};
use crate::cursor::{Cursor, OVERFLOW_AT_ONCE};
use crate::moment::Moment;
use crate::streams::{Stream, Streams};

/// Every queue of a shard.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Queues {
    /// Boxed, because a tree is half full.
    by_stream: BTreeMap<StreamId, Box<Cursor>>,
}

impl Queues {
    pub(crate) fn get(&self, stream: StreamId) -> Option<&Cursor> {
        self.by_stream.get(&stream).map(|cursor| &**cursor)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamId, &Cursor)> {
        self.by_stream.iter().map(|(stream, cursor)| (*stream, &**cursor))
    }

    /// Puts a cursor over a stream; what is there already is ready.
    pub(crate) fn configure(
        &mut self,
        agenda: &mut Agenda,
        streams: &Streams,
        (stream, config): (StreamId, CursorConfig),
    ) -> Result<Applied, Refusal> {
        streams.check_not_dropped(stream)?;
        match self.by_stream.entry(stream) {
            Entry::Vacant(place) => {
                place.insert(Box::new(Cursor::new(config, bounds_of(streams, stream))));
            }
            Entry::Occupied(cursor) if *cursor.get().config() == config => {
                return Ok(Applied::unchanged(Outcome::CursorConfigured));
            }
            Entry::Occupied(mut cursor) => {
                cursor.get_mut().configure(config)?;
                // A shorter delay may be over already.
                cursor.get_mut().keep_appointment(agenda, stream);
            }
        }
        Ok(Applied::changed(Outcome::CursorConfigured))
    }

    /// Says how much a queue takes and for how long it keeps it.
    pub(crate) fn limit(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (stream, limits): (StreamId, QueueLimits),
    ) -> Result<Applied, Refusal> {
        let cursor = self.known(stream)?;
        let applied = cursor.limit(at.now, limits);
        let changed = cursor.overflow(at.now, OVERFLOW_AT_ONCE) > 0 || applied.changed;
        cursor.keep_appointment(agenda, stream);
        Ok(Applied { changed, ..applied })
    }

    /// Appends records for those who know nothing of queues.
    pub(crate) fn append(
        &mut self,
        at: Moment<'_>,
        (agenda, streams): (&mut Agenda, &mut Streams),
        append: &Append,
    ) -> Result<Applied, Refusal> {
        let mut cursor = self.by_stream.get_mut(&append.stream);
        if let Some(cursor) = &cursor {
            cursor.check_append(append)?;
        }
        let applied = streams.append(at, agenda, append)?;
        if let (true, Outcome::Appended(appended), Some(cursor)) = (applied.changed, &applied.outcome, &mut cursor) {
            cursor.appended(at.now, appended.base, (append.batch.count, append.batch.bytes));
            cursor.overflow(at.now, OVERFLOW_AT_ONCE);
            cursor.keep_appointment(agenda, append.stream);
        }
        Ok(applied)
    }

    pub(crate) fn enqueue(
        &mut self,
        at: Moment<'_>,
        (agenda, streams): (&mut Agenda, &mut Streams),
        enqueue: &Enqueue,
    ) -> Result<Applied, Refusal> {
        let stream = enqueue.append.stream;
        let cursor = self.known(stream)?;
        if let Some(base) = cursor.repeated(at.now, enqueue) {
            let start = bounds_of(streams, stream).start;
            return Ok(Applied::unchanged(Outcome::Enqueued(Appended { base, start, duplicate: true })));
        }
        cursor.check_enqueue(enqueue)?;
        let applied = streams.append(at, agenda, &enqueue.append)?;
        let Outcome::Appended(appended) = applied.outcome else {
            unreachable!("an append ended in {:?}", applied.outcome);
        };
        if applied.changed {
            cursor.enqueued(at.now, appended.base, enqueue);
            cursor.overflow(at.now, OVERFLOW_AT_ONCE);
            cursor.keep_appointment(agenda, stream);
        }
        Ok(Applied { outcome: Outcome::Enqueued(appended), changed: applied.changed })
    }

    /// Appends one record to many queues, each as if it came alone.
    pub(crate) fn fan_out(
        &mut self,
        at: Moment<'_>,
        (agenda, streams): (&mut Agenda, &mut Streams),
        fan_out: &FanOut,
    ) -> Applied {
        let FanOut { batch, leader_epoch, targets } = fan_out;
        let mut changed = false;
        let results = targets.iter().map(|target| {
            let append = Append { stream: target.stream, batch: *batch, leader_epoch: *leader_epoch };
            let enqueue = Enqueue { append, envelope: target.envelope, origin: None };
            let applied = self.enqueue(at, (&mut *agenda, &mut *streams), &enqueue)?;
            changed |= applied.changed;
            match applied.outcome {
                Outcome::Enqueued(appended) => Ok(appended),
                other => unreachable!("an enqueue ended in {other:?}"),
            }
        });
        let results = results.collect();
        Applied { outcome: Outcome::FannedOut { results }, changed }
    }

    /// Applies a command that speaks to one queue and no record's bytes.
    pub(crate) fn apply(
        &mut self,
        at: Moment<'_>,
        (agenda, streams): (&mut Agenda, &Streams),
        (stream, command): (StreamId, &Command),
    ) -> Result<Applied, Refusal> {
        let cursor = self.known(stream)?;
        let now = at.now;
        let applied = match command {
            Command::Acquire(acquire) => cursor.acquire(now, acquire)?,
            Command::Take { count_max, .. } => cursor.take_done(now, *count_max),
            Command::Settle { settlements, .. } => cursor.settle(now, settlements),
            Command::Extend { leases, .. } => cursor.extend(now, leases),
            Command::ReleaseHolder { holder, .. } => cursor.release_holder(now, *holder),
            Command::Bury { offset, .. } => cursor.bury(*offset),
            Command::ForgetOrigin { origin, .. } => cursor.forget_origin(*origin),
            Command::StartMove { target, rate_max, .. } => cursor.start_move(now, *target, *rate_max)?,
            Command::CancelMove { task, .. } => cursor.cancel_move(*task)?,
            Command::AdvanceMove { task, count_max, .. } => cursor.advance_move(now, *task, *count_max)?,
            Command::Admit(admit) => cursor.admit(now, admit),
            Command::Purge { .. } => cursor.purge(),
            Command::Rewind { to, .. } => cursor.rewind(bounds_of(streams, stream), *to)?,
            Command::ExpireBefore { before, .. } => cursor.expire_before(now, *before),
            other => unreachable!("{other:?} does not speak to a queue alone"),
        };
        // What was rewound is looked at anew first: some of it may be delayed.
        let is_known = !matches!(command, Command::Rewind { .. }) || cursor.has_looked_at_all();
        let overflowed = is_known && cursor.overflow(now, OVERFLOW_AT_ONCE) > 0;
        cursor.keep_appointment(agenda, stream);
        Ok(Applied { changed: overflowed || applied.changed, ..applied })
    }

    /// Releases all that sessions hold.
    pub(crate) fn end_sessions(&mut self, at: Moment<'_>, agenda: &mut Agenda) -> Applied {
        let mut count = 0;
        for (stream, cursor) in &mut self.by_stream {
            let released = cursor.end_sessions(at.now);
            if released > 0 {
                cursor.overflow(at.now, OVERFLOW_AT_ONCE);
                cursor.keep_appointment(agenda, *stream);
            }
            count += released;
        }
        Applied { outcome: Outcome::SessionsEnded { count }, changed: count > 0 }
    }

    /// Notes that a stream begins later now.
    pub(crate) fn trimmed(&mut self, at: Moment<'_>, agenda: &mut Agenda, (stream, start): (StreamId, Offset)) {
        if let Some(cursor) = self.by_stream.get_mut(&stream) {
            cursor.trimmed(at.now, start);
            // What was behind a record of its group is next now, and may be too much.
            cursor.overflow(at.now, OVERFLOW_AT_ONCE);
            cursor.keep_appointment(agenda, stream);
        }
    }

    /// Forgets a stream's cursor.
    pub(crate) fn drop_stream(&mut self, agenda: &mut Agenda, stream: StreamId) {
        if let Some(mut cursor) = self.by_stream.remove(&stream) {
            cursor.cancel_appointment(agenda, stream);
        }
    }

    /// Lets up to `items_max` things happen in a queue; returns how many did.
    pub(crate) fn tick(&mut self, at: Moment<'_>, agenda: &mut Agenda, (stream, items_max): (StreamId, u32)) -> u32 {
        let Some(cursor) = self.by_stream.get_mut(&stream) else {
            return 0;
        };
        cursor.woken();
        let done = cursor.tick(at.now, items_max);
        cursor.keep_appointment(agenda, stream);
        done
    }

    pub(crate) fn origins(&self, stream: StreamId) -> impl Iterator<Item = Origin> {
        self.get(stream).into_iter().flat_map(Cursor::origins)
    }

    /// Checks every cursor, and that the agenda knows when to look at it.
    pub(crate) fn audit(&self, agenda: &Agenda, streams: &Streams) {
        for (stream, cursor) in self.iter() {
            cursor.audit(bounds_of(streams, stream));
            if let Some(deadline) = cursor.next_deadline() {
                assert!(agenda.has_by(deadline, &Due::Queue(stream)), "the queue of {stream} will be looked at");
            }
        }
    }

    fn known(&mut self, stream: StreamId) -> Result<&mut Cursor, Refusal> {
        let cursor = self.by_stream.get_mut(&stream);
        cursor.map(|cursor| &mut **cursor).ok_or(Refusal::UnknownQueue { stream })
    }
}

fn bounds_of(streams: &Streams, stream: StreamId) -> StreamBounds {
    streams.get(stream).map(Stream::bounds).unwrap_or_default()
}
