//! Each delivery of a record is counted: the count goes up by one, and back only for a delivery
//! that did not happen, or a rewind.

use omnibus_model::Outcome;

use super::Check;
use crate::deed::Deed;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct DeliveriesAreCounted;

impl Check for DeliveriesAreCounted {
    fn rule(&self) -> &'static str {
        "deliveries are counted"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let Fact::Done(Deed { stream, outcome: Outcome::Acquired(acquired), .. }) = fact else {
            return Ok(());
        };
        let Some(memory) = oracle.queues.by_stream.get(stream) else { return Ok(()) };
        for lease in &acquired.leases {
            let Some(known) = memory.records.get(&lease.key.offset) else { continue };
            let again = known.epochs.contains(&lease.key.epoch);
            let expected = known.deliveries + u32::from(!again);
            if lease.delivery_count != expected {
                let (offset, count) = (lease.key.offset, lease.delivery_count);
                return Err(format!("delivery {expected} of record {offset} of stream {stream} is told as {count}"));
            }
        }
        Ok(())
    }
}
