//! A queue's records are counted: what was sent is ready, leased, delayed, on its way out, or gone
//! for a reason, and the reasons are those that history tells.

use omnibus_model::queue::QueueCounts;

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;
use crate::queue_memory::{Fate, QueueMemory};

#[derive(Debug)]
pub(super) struct CountsAddUp;

impl Check for CountsAddUp {
    fn rule(&self) -> &'static str {
        "counts add up"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let Fact::Counted { stream, counts } = fact else { return Ok(()) };
        let Some(memory) = oracle.queues.by_stream.get(stream) else { return Ok(()) };
        if !counts.add_up() {
            return Err(format!("the queue of stream {stream}: {counts:?}"));
        }
        let here = memory.records.values().filter(|known| memory.is_here(known)).count() as u64;
        let gone = memory.records.values().filter(|known| known.fate == Fate::Gone).count() as u64;
        let present = counts.ready + counts.leased + counts.delayed + counts.dying;
        let known = memory.records.len() as u64;
        if present < here || present + gone > known {
            return Err(format!("the queue of stream {stream} has {present} of {known}, {gone} gone: {counts:?}"));
        }
        totals(counts, memory).map_err(|detail| format!("the queue of stream {stream}: {detail}, {counts:?}"))
    }
}

fn totals(counts: &QueueCounts, memory: &QueueMemory) -> Result<(), String> {
    let totals = memory.totals;
    let pairs = [
        ("sent", counts.enqueued, totals.enqueued),
        ("rewound", counts.rewound, totals.rewound),
        ("settled", counts.settled, totals.settled),
        ("purged", counts.purged, totals.purged),
        ("carried away", counts.dead_lettered + counts.moved, totals.buried),
    ];
    match pairs.into_iter().find(|(_, counted, happened)| counted != happened) {
        Some((what, counted, happened)) => Err(format!("{counted} were {what}, but it happened to {happened}")),
        None => Ok(()),
    }
}
