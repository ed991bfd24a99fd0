//! Questions about a queue, and its audit.

use omnibus_model::Offset;
use omnibus_model::batch::StreamBounds;
use omnibus_model::queue::{Lease, LeaseKey, QueueCounts, RecordState};

use super::{Cursor, NEVER, Place};

impl Cursor {
    /// Counts the records by where they are.
    pub(crate) fn counts(&self) -> QueueCounts {
        QueueCounts {
            ready: self.ready.len() as u64 + (self.end.0 - self.next.0),
            leased: self.leased,
            delayed: self.delayed,
            enqueued: self.tallies.enqueued,
            settled: self.tallies.settled,
            dropped: self.tallies.dropped,
            ..QueueCounts::default()
        }
    }

    /// The first record that is not gone; all before it may be forgotten.
    pub(crate) fn floor(&self) -> Offset {
        self.records.keys().next().map_or(self.next, |first| self.next.min(*first))
    }

    /// Whether an acquire would find something.
    pub(crate) fn has_ready(&self) -> bool {
        self.leased < u64::from(self.config.leases_max) && (self.next < self.end || !self.ready.is_empty())
    }

    /// What is known of one record.
    pub(crate) fn state_of(&self, offset: Offset) -> RecordState {
        let Some(record) = self.records.get(&offset) else {
            let ready = self.next <= offset && offset < self.end;
            return if ready { RecordState::Ready { delivery_count: 0 } } else { RecordState::Absent };
        };
        let delivery_count = record.delivery_count;
        match record.place {
            Place::Leased { until, .. } => RecordState::Leased(Lease {
                key: LeaseKey { offset, epoch: record.epoch },
                delivery_count,
                first_delivered_at: record.first_delivered_at,
                deadline: until,
            }),
            Place::Ready { .. } => RecordState::Ready { delivery_count },
            Place::Delayed { until } => RecordState::Delayed { until, delivery_count },
        }
    }

    /// Checks that every record is in one place, counted, and will be looked at in time.
    pub(crate) fn audit(&self, bounds: StreamBounds) {
        assert_eq!(self.end, bounds.end, "a queue sees all of its stream");
        assert!(self.next <= self.end, "nothing is handed out before it comes");
        let (mut leased, mut delayed, mut ready, mut timers) = (0, 0, 0, 0);
        for (offset, record) in &self.records {
            assert!(*offset < self.next, "{offset} was looked at");
            match record.place {
                Place::Leased { until, .. } => {
                    leased += 1;
                    timers += u64::from(until < NEVER);
                    assert!(until == NEVER || self.timers.contains(&(until, *offset)), "the lease of {offset} ends");
                }
                Place::Delayed { until } => {
                    delayed += 1;
                    timers += 1;
                    assert!(self.timers.contains(&(until, *offset)), "the delay of {offset} ends");
                }
                Place::Ready { rank } => {
                    ready += 1;
                    assert!(self.ready.contains(&(rank, *offset)), "{offset} can be taken");
                }
            }
        }
        assert_eq!((leased, delayed), (self.leased, self.delayed), "records are counted");
        assert_eq!(timers, self.timers.len() as u64, "no timer is left over");
        assert_eq!(ready, self.ready.len(), "what can be taken is there");
        assert!(self.counts().add_up(), "no record got lost: {:?}", self.counts());
    }
}
