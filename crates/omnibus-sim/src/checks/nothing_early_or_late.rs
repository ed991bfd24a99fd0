//! No record is delivered before its delay is over, nor when its own time is.

use omnibus_model::Outcome;

use super::Check;
use crate::deed::Deed;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct NothingEarlyOrLate;

impl Check for NothingEarlyOrLate {
    fn rule(&self) -> &'static str {
        "nothing early or late"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let Fact::Done(Deed { now, stream, outcome: Outcome::Acquired(acquired), .. }) = fact else {
            return Ok(());
        };
        let Some(memory) = oracle.queues.by_stream.get(stream) else { return Ok(()) };
        for lease in &acquired.leases {
            let Some(known) = memory.records.get(&lease.key.offset) else { continue };
            if known.epochs.contains(&lease.key.epoch) {
                continue;
            }
            let (offset, not_before) = (lease.key.offset, known.not_before);
            if *now < not_before {
                return Err(format!("record {offset} of stream {stream} was delivered at {now}, before {not_before}"));
            }
            if let Some(over) = known.envelope.expires_at.filter(|over| over <= now) {
                return Err(format!(
                    "record {offset} of stream {stream} was delivered at {now}, it was over at {over}"
                ));
            }
        }
        Ok(())
    }
}
