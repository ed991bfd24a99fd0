//! A queue with priorities hands out its highest first, also what came back: nothing goes out while a plain record
//! of a higher priority is there for sure.

use omnibus_model::Outcome;

use super::Check;
use crate::deed::Deed;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct HighestGoesFirst;

impl Check for HighestGoesFirst {
    fn rule(&self) -> &'static str {
        "the highest goes first"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let Fact::Done(Deed { stream, outcome: Outcome::Acquired(acquired), .. }) = fact else { return Ok(()) };
        let Some(queue) = oracle.queue_places.get(stream).filter(|_| !acquired.leases.is_empty()) else {
            return Ok(());
        };
        for higher in queue.streams().take_while(|higher| higher != stream) {
            let Some(memory) = oracle.queues.by_stream.get(&higher) else { continue };
            let mut records = memory.records.iter();
            let left = records
                .find(|(offset, known)| known.in_line && memory.is_here(known) && !memory.dying.contains(offset));
            if let Some((offset, known)) = left {
                return Err(format!(
                    "stream {stream} gives {:?} before record {offset} of stream {higher}, which is ready: {known:?}",
                    acquired.leases
                ));
            }
        }
        Ok(())
    }
}
