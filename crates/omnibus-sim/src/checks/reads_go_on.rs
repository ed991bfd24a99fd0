//! A read that finds nothing has reached the end: whatever its size, it steps over the gaps
//! that compaction leaves.

use super::Check;
use crate::fact::{Fact, Reading};
use crate::oracle::{Drop, Expected, Oracle};

#[derive(Debug)]
pub(super) struct ReadsGoOn;

impl Check for ReadsGoOn {
    fn rule(&self) -> &'static str {
        "reads go on"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let Fact::Read(reading) = fact else { return Ok(()) };
        if !reading.batches.is_empty() || !reading.damaged.is_empty() || reading.unreadable.is_some() {
            return Ok(());
        }
        let expected = oracle.streams.get(&reading.stream).filter(|expected| expected.drop == Drop::No);
        match expected.and_then(|expected| next(reading, expected, oracle)) {
            Some(base) => {
                let (stream, from) = (reading.stream, reading.from);
                Err(format!("stream {stream}: a read from {from} finds nothing, but there is a batch at {base}"))
            }
            None => Ok(()),
        }
    }
}

/// The first batch that the reader should have found.
fn next(reading: &Reading, expected: &Expected, oracle: &Oracle) -> Option<omnibus_model::Offset> {
    let there = expected.placed.iter().find(|(base, message)| {
        let end = base.plus(u64::from(oracle.message(**message).batch.count));
        reading.from < end && end <= reading.bounds.end && !expected.compacting.contains(base)
    });
    there.map(|(base, _)| *base)
}
