//! The lease cursors of one data shard, by stream.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use omnibus_model::batch::StreamBounds;
use omnibus_model::command::{Append, Enqueue, FanOut};
use omnibus_model::outcome::{Appended, Applied};
use omnibus_model::queue::{CursorConfig, Origin, Overflow, QueueLimits};
use omnibus_model::{Command, Offset, Outcome, Refusal, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::agenda::{Agenda, Due};
use crate::cursor::{Bounds, Cursor, Load, OVERFLOW_AT_ONCE};
use crate::moment::Moment;
use crate::streams::{Stream, Streams};
use crate::together::{Together, streams};

/// Every queue of a shard.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Queues {
    /// Boxed, because a tree is half full.
    by_stream: BTreeMap<StreamId, Box<Cursor>>,
    /// Which of them have bounds together.
    together: Together,
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
        self.keep_appointment(agenda, stream);
        Ok(Applied::changed(Outcome::CursorConfigured))
    }

    /// Says how much a queue takes and for how long it keeps it.
    pub(crate) fn limit(&mut self, at: Moment<'_>, agenda: &mut Agenda, command: &Command) -> Result<Applied, Refusal> {
        match command {
            Command::LimitCursor { stream, limits } => self.limit_alone(at, agenda, (*stream, *limits)),
            Command::LimitCursors { lowest, highest, limits } => {
                self.limit_together(at, agenda, (*lowest, *highest, *limits))
            }
            other => unreachable!("{other:?} does not limit a queue"),
        }
    }

    fn limit_alone(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (stream, limits): (StreamId, QueueLimits),
    ) -> Result<Applied, Refusal> {
        self.known(stream)?;
        let parted = self.part(agenda, stream);
        let cursor = self.known(stream)?;
        let applied = cursor.limit(at.now, (limits, Bounds::Own));
        let overflowed = cursor.overflow(at.now, OVERFLOW_AT_ONCE) > 0;
        cursor.keep_appointment(agenda, stream);
        Ok(Applied { changed: parted || overflowed || applied.changed, ..applied })
    }

    /// Appends records for those who know nothing of queues.
    pub(crate) fn append(
        &mut self,
        at: Moment<'_>,
        (agenda, streams): (&mut Agenda, &mut Streams),
        append: &Append,
    ) -> Result<Applied, Refusal> {
        let coming = (append.batch.count, append.batch.bytes);
        self.check_room(append.stream, coming)?;
        let mut cursor = self.by_stream.get_mut(&append.stream);
        if let Some(cursor) = &cursor {
            cursor.check_append(append)?;
        }
        let applied = streams.append(at, agenda, append)?;
        if let (true, Outcome::Appended(appended), Some(cursor)) = (applied.changed, &applied.outcome, &mut cursor) {
            cursor.appended(at.now, appended.base, coming);
            cursor.overflow(at.now, OVERFLOW_AT_ONCE);
            cursor.keep_appointment(agenda, append.stream);
            self.relieve(at.now, agenda, (append.stream, OVERFLOW_AT_ONCE));
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
        let room = self.check_room(stream, (1, enqueue.append.batch.bytes));
        let cursor = self.known(stream)?;
        if let Some(base) = cursor.repeated(at.now, enqueue) {
            let start = bounds_of(streams, stream).start;
            return Ok(Applied::unchanged(Outcome::Enqueued(Appended { base, start, duplicate: true })));
        }
        room?;
        cursor.check_enqueue(enqueue)?;
        let applied = streams.append(at, agenda, &enqueue.append)?;
        let Outcome::Appended(appended) = applied.outcome else {
            unreachable!("an append ended in {:?}", applied.outcome);
        };
        if applied.changed {
            cursor.enqueued(at.now, appended.base, enqueue);
            cursor.overflow(at.now, OVERFLOW_AT_ONCE);
            cursor.keep_appointment(agenda, stream);
            self.relieve(at.now, agenda, (stream, OVERFLOW_AT_ONCE));
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
        let count_max = if is_known { OVERFLOW_AT_ONCE } else { 0 };
        let overflowed = cursor.overflow(now, count_max);
        cursor.keep_appointment(agenda, stream);
        let overflowed = overflowed + self.relieve(now, agenda, (stream, count_max));
        Ok(Applied { changed: overflowed > 0 || applied.changed, ..applied })
    }

    /// Releases all that sessions hold.
    pub(crate) fn end_sessions(&mut self, at: Moment<'_>, agenda: &mut Agenda) -> Applied {
        let (mut count, mut together) = (0, BTreeSet::new());
        for (stream, cursor) in &mut self.by_stream {
            let released = cursor.end_sessions(at.now);
            if released > 0 {
                cursor.overflow(at.now, OVERFLOW_AT_ONCE);
                cursor.keep_appointment(agenda, *stream);
                together.extend(self.together.of(*stream).map(|streams| *streams.start()));
            }
            count += released;
        }
        for stream in together {
            self.relieve(at.now, agenda, (stream, OVERFLOW_AT_ONCE));
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
            self.relieve(at.now, agenda, (stream, OVERFLOW_AT_ONCE));
        }
    }

    /// Forgets a stream's cursor.
    pub(crate) fn drop_stream(&mut self, agenda: &mut Agenda, stream: StreamId) {
        self.part(agenda, stream);
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
        done + self.relieve(at.now, agenda, (stream, items_max - done))
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
            let is_together = self.together.of(stream).is_some();
            assert_eq!(is_together, cursor.bounds() == Bounds::Together, "{stream} is counted once");
        }
        self.together.audit(agenda);
        for streams in self.together.iter() {
            let lowest = *streams.start();
            let limits = self.get(lowest).map(Cursor::limits);
            for (_, cursor) in self.by_stream.range(streams.clone()) {
                assert_eq!(Some(cursor.limits()), limits, "all partitions of {lowest} have its bounds");
            }
            let is_due = agenda.has_by(Timestamp(0), &Due::Overflow(lowest));
            assert!(is_due || !self.overflows(&streams), "the queue of {lowest} will be looked at");
        }
    }

    fn known(&mut self, stream: StreamId) -> Result<&mut Cursor, Refusal> {
        let cursor = self.by_stream.get_mut(&stream);
        cursor.map(|cursor| &mut **cursor).ok_or(Refusal::UnknownQueue { stream })
    }
}

/// Queues with priorities, whose bounds hold for all partitions together.
impl Queues {
    /// Says how much a queue with so many priorities above 0 takes in all its partitions, and for how long it keeps it.
    fn limit_together(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (lowest, highest, limits): (StreamId, u8, QueueLimits),
    ) -> Result<Applied, Refusal> {
        let all = streams(lowest, highest);
        let each = || (all.start().0..=all.end().0).map(StreamId);
        if let Some(stream) = each().find(|stream| !self.by_stream.contains_key(stream)) {
            return Err(Refusal::UnknownQueue { stream });
        }
        let bounds = if limits.are_bounds() { Bounds::Together } else { Bounds::Own };
        let mut changed = false;
        if bounds == Bounds::Own || self.together.of(lowest).as_ref() != Some(&all) {
            each().for_each(|stream| changed |= self.part(agenda, stream));
        }
        if bounds == Bounds::Together && self.together.of(lowest).is_none() {
            self.together.join(lowest, highest);
            changed = true;
        }
        for (stream, cursor) in self.by_stream.range_mut(all) {
            changed |= cursor.limit(at.now, (limits, bounds)).changed;
            cursor.keep_appointment(agenda, *stream);
        }
        changed |= self.relieve(at.now, agenda, (lowest, OVERFLOW_AT_ONCE)) > 0;
        Ok(Applied { outcome: Outcome::CursorConfigured, changed })
    }

    /// Goes on with a queue that has too much, up to so many records; returns how many it gave up.
    pub(crate) fn tick_overflow(
        &mut self,
        at: Moment<'_>,
        agenda: &mut Agenda,
        (lowest, items_max): (StreamId, u32),
    ) -> u32 {
        self.together.woken(lowest);
        self.relieve(at.now, agenda, (lowest, items_max))
    }

    /// The streams that the bounds of a stream's queue hold for: itself, unless its queue has priorities.
    pub(crate) fn bounded_with(&self, stream: StreamId) -> RangeInclusive<StreamId> {
        self.together.of(stream).unwrap_or(stream..=stream)
    }

    /// Whether a queue would have more than it may with so many more records and bytes.
    pub(crate) fn lacks_room(&self, stream: StreamId, coming: (u32, u32)) -> bool {
        let Some(limits) = self.get(stream).map(Cursor::limits).filter(|limits| limits.are_bounds()) else {
            return false;
        };
        self.load(self.bounded_with(stream)).with(coming).exceeds(limits)
    }

    /// Says whether there is room for so many more records and bytes, if what comes is refused otherwise.
    fn check_room(&self, stream: StreamId, coming: (u32, u32)) -> Result<(), Refusal> {
        let refuses = |streams: &RangeInclusive<StreamId>| {
            self.get(*streams.start()).is_some_and(|cursor| cursor.limits().overflow == Overflow::RefuseNewest)
        };
        let is_full = self.together.of(stream).is_some_and(|it| refuses(&it)) && self.lacks_room(stream, coming);
        if is_full { Err(Refusal::QueueFull { stream }) } else { Ok(()) }
    }

    /// Gives up what a queue with priorities has too much of, what would be handed out next first, and up to so many
    /// records; returns how many it was. A tick goes on with the others.
    fn relieve(&mut self, now: Timestamp, agenda: &mut Agenda, (stream, count_max): (StreamId, u32)) -> u32 {
        let Some(streams) = self.together.of(stream) else { return 0 };
        let mut load = self.load(streams.clone());
        let (mut count, mut is_too_much) = (0, false);
        for (stream, cursor) in self.by_stream.range_mut(streams).rev() {
            let before = count;
            while count < count_max && cursor.is_too_much(load) {
                let others = load.minus(cursor.load());
                if !cursor.give_up(now) {
                    break;
                }
                load = others.plus(cursor.load());
                count += 1;
            }
            if count > before {
                cursor.keep_appointment(agenda, *stream);
            }
            is_too_much |= cursor.is_too_much(load);
        }
        if is_too_much {
            self.keep_appointment(agenda, stream);
        }
        count
    }

    /// Sees to it that a tick goes on with a queue with priorities that has too much.
    fn keep_appointment(&mut self, agenda: &mut Agenda, stream: StreamId) {
        if let Some(streams) = self.together.of(stream).filter(|streams| self.overflows(streams)) {
            self.together.keep_appointment(agenda, *streams.start());
        }
    }

    /// Whether a queue with priorities has something to give up.
    fn overflows(&self, streams: &RangeInclusive<StreamId>) -> bool {
        let load = self.load(streams.clone());
        self.by_stream.range(streams.clone()).any(|(_, cursor)| cursor.is_too_much(load) && cursor.has_turn())
    }

    /// What the partitions of a queue have in all.
    fn load(&self, streams: RangeInclusive<StreamId>) -> Load {
        self.by_stream.range(streams).map(|(_, cursor)| cursor.load()).fold(Load::default(), Load::plus)
    }

    /// Lets all partitions of a stream's queue count by themselves; false if they did.
    fn part(&mut self, agenda: &mut Agenda, stream: StreamId) -> bool {
        let Some(streams) = self.together.of(stream) else { return false };
        self.together.part(agenda, *streams.start());
        for (stream, cursor) in self.by_stream.range_mut(streams) {
            cursor.part();
            cursor.keep_appointment(agenda, *stream);
        }
        true
    }
}

fn bounds_of(streams: &Streams, stream: StreamId) -> StreamBounds {
    streams.get(stream).map(Stream::bounds).unwrap_or_default()
}
