//! A queue without an order hands out its lowest record first, also if that came back: nothing goes
//! out while a plain record before it is there for sure.

use omnibus_model::Outcome;
use omnibus_model::queue::LeaseKey;

use super::Check;
use crate::deed::Deed;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct LowestGoesFirst;

impl Check for LowestGoesFirst {
    fn rule(&self) -> &'static str {
        "the lowest goes first"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let Fact::Done(Deed { stream, outcome: Outcome::Acquired(acquired), .. }) = fact else { return Ok(()) };
        let Some(memory) = oracle.queues.by_stream.get(stream).filter(|memory| !memory.is_ordered()) else {
            return Ok(());
        };
        // What a repeated receive gets went out before.
        let is_new =
            |key: &LeaseKey| memory.records.get(&key.offset).is_some_and(|known| !known.epochs.contains(&key.epoch));
        let keys = acquired.leases.iter().map(|lease| lease.key);
        let Some(highest) = keys.filter(is_new).map(|key| key.offset).max() else {
            return Ok(());
        };
        let goes = |offset| acquired.leases.iter().any(|lease| lease.key.offset == offset);
        let mut before = memory.records.range(..highest);
        let left = before.find(|(offset, known)| {
            known.in_line && memory.is_here(known) && !memory.dying.contains(offset) && !goes(**offset)
        });
        match left {
            Some((offset, known)) => {
                Err(format!("record {highest} of stream {stream} goes before {offset}, which is ready: {known:?}"))
            }
            None => Ok(()),
        }
    }
}
