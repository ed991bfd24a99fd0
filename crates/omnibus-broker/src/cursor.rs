//! A lease cursor: what has become of a queue's records.
//!
//! A record is in one of these places. Only the three on the right cost memory.
//!
//! ```text
//!   from `next` on: ready, never looked at ----> leased <----> ready again
//!   below `next`, not known: gone       <--------'  '--------> delayed
//! ```

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::batch::StreamBounds;
use omnibus_model::command::Enqueue;
use omnibus_model::queue::{CursorConfig, DeliveryOrder, LeaseKey};
use omnibus_model::{HolderId, LeaseEpoch, Offset, Refusal, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

mod acquire;
mod settle;
mod time;
mod look;

use crate::agenda::{Agenda, Due};

/// The end of time: a lease until then never runs out.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// The memory of one queue.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    config: CursorConfig,
    /// Where the stream ends.
    end: Offset,
    /// The first record that was never handed out.
    next: Offset,
    /// What is known of single records below `next`.
    records: BTreeMap<Offset, Record>,
    /// Records that are ready again, by their place in the order.
    ready: BTreeSet<(Offset, Offset)>,
    /// When leases and delays end.
    timers: BTreeSet<(Timestamp, Offset)>,
    leased: u64,
    delayed: u64,
    tallies: Tallies,
    epoch_last: LeaseEpoch,
    /// When the agenda wakes the queue; may be early, never late.
    appointment: Option<Timestamp>,
}

/// A record that was looked at and is not gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    delivery_count: u32,
    first_delivered_at: Timestamp,
    /// Of its latest lease.
    epoch: LeaseEpoch,
    place: Place,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    Leased {
        until: Timestamp,
        holder: Option<HolderId>,
    },
    /// Ready again. Its rank is its offset, or that of the record before which it stands.
    Ready {
        rank: Offset,
    },
    Delayed {
        until: Timestamp,
    },
}

/// How many records came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tallies {
    enqueued: u64,
    settled: u64,
    dropped: u64,
}

impl Cursor {
    /// Begins with all records of a stream ready.
    pub(crate) fn new(config: CursorConfig, bounds: StreamBounds) -> Self {
        Self {
            config,
            end: bounds.end,
            next: bounds.start,
            records: BTreeMap::new(),
            ready: BTreeSet::new(),
            timers: BTreeSet::new(),
            leased: 0,
            delayed: 0,
            tallies: Tallies { enqueued: bounds.end.0 - bounds.start.0, ..Tallies::default() },
            epoch_last: LeaseEpoch(0),
            appointment: None,
        }
    }

    pub(crate) const fn config(&self) -> &CursorConfig {
        &self.config
    }

    pub(crate) fn configure(&mut self, config: CursorConfig) -> Result<(), Refusal> {
        if config.order != self.config.order {
            return Err(Refusal::QueueOrderFixed);
        }
        self.config = config;
        Ok(())
    }

    /// Says whether a record may be enqueued, before anything has changed.
    pub(crate) fn check_enqueue(&self, enqueue: &Enqueue) -> Result<(), Refusal> {
        let invalid = |reason: &str| Err(Refusal::RequestInvalid { reason: reason.to_owned() });
        if enqueue.append.batch.count != 1 {
            return invalid("a queue takes one record at a time");
        }
        if self.config.order == DeliveryOrder::Ordered || enqueue.envelope != omnibus_model::queue::Envelope::default()
        {
            return invalid("queues take plain records only, so far");
        }
        Ok(())
    }

    /// Notes that the stream has grown.
    pub(crate) fn appended(&mut self, base: Offset, count: u32) {
        assert_eq!(base, self.end, "a queue sees all of its stream");
        self.end = base.plus(u64::from(count));
        self.tallies.enqueued += u64::from(count);
    }

    /// Sees to it that the agenda wakes the queue in time.
    pub(crate) fn keep_appointment(&mut self, agenda: &mut Agenda, stream: StreamId) {
        let Some(deadline) = self.next_deadline() else { return };
        if self.appointment.is_none_or(|appointment| deadline < appointment) {
            if let Some(appointment) = self.appointment {
                agenda.remove(appointment, Due::Queue(stream));
            }
            agenda.add(deadline, Due::Queue(stream));
            self.appointment = Some(deadline);
        }
    }

    /// Notes that the agenda has woken the queue.
    pub(crate) fn woken(&mut self, now: Timestamp) {
        if self.appointment.is_some_and(|appointment| appointment <= now) {
            self.appointment = None;
        }
    }

    /// Returns when something happens by itself.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Starts a lease.
    fn lease(&mut self, offset: Offset, record: Record, until: Timestamp) -> LeaseKey {
        if until < NEVER {
            self.timers.insert((until, offset));
        }
        self.leased += 1;
        self.records.insert(offset, record);
        LeaseKey { offset, epoch: record.epoch }
    }

    /// Takes a record out of its place.
    fn take(&mut self, offset: Offset) -> Option<Record> {
        let record = self.records.remove(&offset)?;
        match record.place {
            Place::Leased { until, .. } => {
                self.leased -= 1;
                self.timers.remove(&(until, offset));
            }
            Place::Delayed { until } => {
                self.delayed -= 1;
                self.timers.remove(&(until, offset));
            }
            Place::Ready { rank } => {
                self.ready.remove(&(rank, offset));
            }
        }
        Some(record)
    }

    /// Makes a record ready again, at its place or behind all others.
    fn put_ready(&mut self, offset: Offset, record: Record) {
        let tired = self.config.back_after.is_some_and(|after| record.delivery_count >= after);
        let rank = if tired { self.end } else { offset };
        self.ready.insert((rank, offset));
        self.records.insert(offset, Record { place: Place::Ready { rank }, ..record });
    }

    fn put_delayed(&mut self, offset: Offset, record: Record, until: Timestamp) {
        self.delayed += 1;
        self.timers.insert((until, offset));
        self.records.insert(offset, Record { place: Place::Delayed { until }, ..record });
    }
}
