//! Records that come in.

use omnibus_model::command::{Append, Enqueue};
use omnibus_model::queue::Envelope;
use omnibus_model::refusal::Limited;
use omnibus_model::{Bug, DedupHash, Offset, Refusal, Timestamp, planted};

use super::delays::Soon;
use super::{Cursor, Record};

/// The most deduplication ids that one queue remembers.
const SENT_MAX: usize = 5_000_000;
/// The most moved records whose origins one queue remembers.
const ORIGINS_MAX: usize = 100_000;
/// The most runs of records that may lie aside before the queue stops to look further.
const ASIDE_RUNS_MAX: usize = 100_000;
/// The most runs of records that are looked at before their turn.
const AHEAD_RUNS_MAX: usize = 10_000;

impl Cursor {
    /// Says whether a record may be enqueued, before anything has changed.
    pub(crate) fn check_enqueue(&self, enqueue: &Enqueue) -> Result<(), Refusal> {
        self.check_room(enqueue.append.stream, (1, enqueue.append.batch.bytes))?;
        let invalid = |reason: &str| Err(Refusal::RequestInvalid { reason: reason.to_owned() });
        let envelope = &enqueue.envelope;
        if enqueue.append.batch.count != 1 {
            return invalid("a queue takes one record at a time");
        }
        if self.is_ordered() {
            if envelope.group.is_none() {
                return Err(Refusal::RecordGroupMissing);
            }
            if envelope.deliver_at.is_some() {
                return invalid("an ordered queue delays all its records alike");
            }
        }
        let full = |what, len: usize, max: usize| match len < max {
            true => Ok(()),
            false => Err(Refusal::LimitReached { what, max: max as u64 }),
        };
        full(Limited::DeduplicationIds, self.repeats.sent_len() * usize::from(envelope.dedup.is_some()), SENT_MAX)?;
        full(Limited::Origins, self.repeats.origins_len() * usize::from(enqueue.origin.is_some()), ORIGINS_MAX)
    }

    /// Says whether records may be appended that have no envelope.
    pub(crate) fn check_append(&self, append: &Append) -> Result<(), Refusal> {
        if self.is_ordered() {
            return Err(Refusal::RecordGroupMissing);
        }
        self.check_room(append.stream, (append.batch.count, append.batch.bytes))
    }

    /// Returns where the record is if it is here already.
    pub(crate) fn repeated(&self, now: Timestamp, enqueue: &Enqueue) -> Option<Offset> {
        let moved = enqueue.origin.and_then(|origin| self.repeats.from(origin));
        moved.or_else(|| self.repeats.sent(now, enqueue.envelope.dedup?))
    }

    /// Returns where the record is that was sent with an id, while that is remembered.
    pub(crate) fn sent(&self, now: Timestamp, id: DedupHash) -> Option<Offset> {
        self.repeats.sent(now, id)
    }

    /// Notes records without envelopes.
    pub(crate) fn appended(&mut self, now: Timestamp, base: Offset, (count, bytes): (u32, u32)) {
        if self.grow(now, base, (count, bytes)) {
            self.horizon = self.end;
        }
    }

    /// Notes a record that was just appended.
    pub(crate) fn enqueued(&mut self, now: Timestamp, offset: Offset, enqueue: &Enqueue) {
        let open = self.grow(now, offset, (1, enqueue.append.batch.bytes));
        let envelope = &enqueue.envelope;
        if let Some(id) = envelope.dedup
            && (open || !planted(Bug::DedupBehindHorizon))
        {
            self.repeats.note_sent(id, offset, now.plus(self.config.dedup_window));
        }
        if let Some(origin) = enqueue.origin {
            self.repeats.note_origin(origin, offset);
        }
        let plain = envelope.is_plain() && !self.is_ordered();
        if !plain {
            let first = self.special.map_or(offset, |(first, _)| first);
            self.special = Some((first, offset));
        }
        match (open, plain) {
            (true, true) => self.horizon = self.end,
            (true, false) if !self.is_full() => {
                self.horizon = self.end;
                self.look_at(now, offset, envelope, now);
            }
            // From here on the queue looks no further, unless somebody would wait unfairly long.
            _ => self.look_ahead(now, offset, envelope),
        }
    }

    /// Whether the queue remembers as much of single records as it may.
    pub(super) fn is_full(&self) -> bool {
        self.grouped >= u64::from(self.config.grouped_max) || self.aside.run_count() >= ASIDE_RUNS_MAX
    }

    /// Puts a record where its envelope says. It lies below the horizon, or ahead of it.
    pub(super) fn look_at(&mut self, now: Timestamp, offset: Offset, envelope: &Envelope, enqueued_at: Timestamp) {
        self.grouped += u64::from(envelope.group.is_some());
        if let Some(expires_at) = envelope.expires_at {
            self.expiries.add(offset, expires_at);
        }
        let until = envelope.deliver_at.filter(|at| *at > now);
        // Also once the delay is gone, nobody overtakes those that it still holds back.
        let matures = enqueued_at.plus(self.config.delay) > now || !self.maturing.is_empty();
        match (until, envelope.group) {
            (Some(until), group) if self.delays.is_soon(now, until) => {
                self.set_aside(offset);
                self.delays.add(offset, Soon { until, group });
            }
            (Some(until), group) => {
                // Its envelope is read again when its time comes.
                self.set_aside(offset);
                self.forget(offset, group);
                self.delays.add_later(offset, until);
            }
            (None, Some(group)) if self.is_ordered() && matures => {
                self.set_aside(offset);
                self.maturing.push_back((enqueued_at, offset, group));
            }
            (None, Some(group)) => {
                self.set_aside(offset);
                self.groups.push(group, offset, self.leased);
            }
            (None, None) if offset >= self.horizon => {
                self.set_aside(offset);
                self.put_ready(offset, Record::fresh(offset, None));
            }
            (None, None) => {}
        }
    }

    /// Looks at a record before its turn, if that is fair: behind the backlog of a busy tenant all
    /// others would wait. The order within a group of an ordered queue forbids it.
    fn look_ahead(&mut self, now: Timestamp, offset: Offset, envelope: &Envelope) {
        let max = self.config.grouped_max;
        let room = self.ahead.run_count() < AHEAD_RUNS_MAX && self.ahead.len() < u64::from(max);
        let share = max.div_ceil(1_000) as usize;
        let modest = envelope.group.is_none_or(|group| self.groups.len_of(group) < share);
        if room && modest && !self.is_ordered() {
            self.look_at(now, offset, envelope, now);
        }
    }

    /// Notes that the stream has grown; returns whether the queue looks at all that comes.
    fn grow(&mut self, now: Timestamp, base: Offset, (count, bytes): (u32, u32)) -> bool {
        assert_eq!(base, self.end, "a queue sees all of its stream");
        let open = self.horizon == self.end;
        self.end = base.plus(count.into());
        self.tallies.enqueued += u64::from(count);
        self.note_limited(now, base, (count, bytes));
        open
    }
}
