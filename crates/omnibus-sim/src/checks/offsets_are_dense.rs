//! I3: every batch begins where the one before it ended; only compaction leaves gaps.

use omnibus_model::{Offset, StreamId};

use super::Check;
use crate::fact::{Fact, Reading};
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct OffsetsAreDense;

impl Check for OffsetsAreDense {
    fn rule(&self) -> &'static str {
        "offsets are dense"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::Read(reading) => dense(reading, oracle),
            Fact::Audited(reading) => {
                dense(reading, oracle)?;
                let last = reading.batches.last().map(|batch| batch.end);
                let damaged = reading.damaged.iter().map(|(_, to, _)| *to).max();
                let reached = last.max(damaged).unwrap_or(reading.bounds.start);
                no_gap(reading, oracle, (reached, reading.bounds.end))
            }
            _ => Ok(()),
        }
    }
}

fn dense(reading: &Reading, oracle: &Oracle) -> Result<(), String> {
    for pair in reading.batches.windows(2) {
        if pair[1].base < pair[0].end {
            return Err(format!("stream {}: {} follows {}", reading.stream, pair[1].base, pair[0].end));
        }
        no_gap(reading, oracle, (pair[0].end, pair[1].base))?;
    }
    Ok(())
}

/// Complains about offsets that nobody has and that nothing excuses.
fn no_gap(reading: &Reading, oracle: &Oracle, (from, to): (Offset, Offset)) -> Result<(), String> {
    let damaged = reading.damaged.iter().any(|(start, end, _)| start < &to && &from < end);
    if from >= to || damaged || is_compacted(reading.stream, oracle, (from, to)) {
        return Ok(());
    }
    Err(format!("stream {}: nothing has the offsets {from} to {to}", reading.stream))
}

/// Whether compaction may have taken a batch with offsets between these.
fn is_compacted(stream: StreamId, oracle: &Oracle, (from, to): (Offset, Offset)) -> bool {
    let Some(expected) = oracle.streams.get(&stream) else { return false };
    expected.compacting.range(..to).next_back().is_some_and(|base| {
        let message = expected.placed.get(base);
        message.is_some_and(|message| from < base.plus(u64::from(oracle.message(*message).batch.count)))
    })
}
