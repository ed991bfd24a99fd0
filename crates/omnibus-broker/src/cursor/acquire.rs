//! Taking leases.

use omnibus_model::command::Acquire;
use omnibus_model::outcome::{Acquired, Applied};
use omnibus_model::queue::Lease;
use omnibus_model::{LeaseEpoch, Offset, Outcome, Refusal, Timestamp};

use super::{Cursor, Place, Record};

impl Cursor {
    pub(crate) fn acquire(&mut self, now: Timestamp, acquire: &Acquire) -> Result<Applied, Refusal> {
        let max = self.config.leases_max;
        let room = u64::from(max).saturating_sub(self.leased);
        if room == 0 {
            return Err(Refusal::LeasesFull { max });
        }
        let count = room.min(u64::from(acquire.count_max));
        let mut leases = Vec::new();
        let mut changed = false;
        while (leases.len() as u64) < count {
            let Some((offset, record)) = self.take_next() else { break };
            changed = true;
            if self.is_worn_out(record) {
                self.tallies.dropped += 1;
            } else {
                leases.push(self.deliver(now, acquire, offset, record));
            }
        }
        let outcome = Outcome::Acquired(Acquired { leases, dying: false });
        Ok(Applied { outcome, changed })
    }

    /// Takes the record that is to be delivered next, and what is known of it.
    fn take_next(&mut self) -> Option<(Offset, Option<Record>)> {
        let fresh = (self.next < self.end).then_some(self.next);
        match self.ready.first() {
            Some((rank, offset)) if fresh.is_none_or(|fresh| *rank <= fresh) => {
                let offset = *offset;
                let record = self.take(offset);
                Some((offset, record))
            }
            _ => {
                let offset = fresh?;
                self.next = offset.plus(1);
                Some((offset, None))
            }
        }
    }

    fn is_worn_out(&self, record: Option<Record>) -> bool {
        let max = self.config.deliveries_max.unwrap_or(u32::MAX);
        record.is_some_and(|record| record.delivery_count >= max)
    }

    fn deliver(&mut self, now: Timestamp, acquire: &Acquire, offset: Offset, known: Option<Record>) -> Lease {
        let until = now.plus(acquire.lease);
        self.epoch_last = LeaseEpoch(self.epoch_last.0 + 1);
        let record = Record {
            delivery_count: known.map_or(0, |known| known.delivery_count).saturating_add(1),
            first_delivered_at: known
                .filter(|known| known.delivery_count > 0)
                .map_or(now, |known| known.first_delivered_at),
            epoch: self.epoch_last,
            place: Place::Leased { until, holder: acquire.holder },
        };
        let key = self.lease(offset, record, until);
        Lease {
            key,
            delivery_count: record.delivery_count,
            first_delivered_at: record.first_delivered_at,
            deadline: until,
        }
    }
}
