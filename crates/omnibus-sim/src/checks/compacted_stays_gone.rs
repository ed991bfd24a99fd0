//! What compaction has taken for good never comes back.

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct CompactedStaysGone;

impl Check for CompactedStaysGone {
    fn rule(&self) -> &'static str {
        "compacted stays gone"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let (Fact::Read(reading) | Fact::Audited(reading)) = fact else { return Ok(()) };
        let Some(expected) = oracle.streams.get(&reading.stream) else { return Ok(()) };
        match reading.batches.iter().find(|batch| expected.compacted.contains(&batch.base)) {
            Some(batch) => Err(format!("stream {}: the batch at {} is there again", reading.stream, batch.base)),
            None => Ok(()),
        }
    }
}
