//! I1: what was acknowledged, or was once read, is in its stream until it is trimmed.

use std::collections::BTreeMap;

use super::Check;
use crate::fact::{Fact, Reading};
use crate::oracle::{Drop, Oracle};

#[derive(Debug)]
pub(super) struct AcknowledgedIsKept;

impl Check for AcknowledgedIsKept {
    fn rule(&self) -> &'static str {
        "acknowledged is kept"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::Audited(reading) => all_there(reading, oracle),
            Fact::Missing { stream } => {
                let lost = oracle.streams.get(stream).is_some_and(|expected| {
                    expected.drop == Drop::No && expected.known_end(oracle) > expected.trim_asked
                });
                if lost { Err(format!("stream {stream} is gone")) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

fn all_there(reading: &Reading, oracle: &Oracle) -> Result<(), String> {
    let Some(expected) = oracle.streams.get(&reading.stream) else { return Ok(()) };
    if expected.drop != Drop::No {
        return Ok(());
    }
    let stream = reading.stream;
    let known_end = expected.known_end(oracle);
    if reading.bounds.end < known_end {
        return Err(format!(
            "stream {stream} ends at {}, but records up to {known_end} were there",
            reading.bounds.end
        ));
    }
    let seen: BTreeMap<_, _> = reading.batches.iter().map(|batch| (batch.base, batch.message)).collect();
    for (base, message) in &expected.placed {
        let end = base.plus(u64::from(oracle.message(*message).batch.count));
        let excused = end <= reading.bounds.start
            || expected.compacting.contains(base)
            || reading.damaged.iter().any(|(from, to, _)| from < &end && base < to);
        let there = seen.get(base).is_some_and(|found| *found == Some(*message));
        if !there && !excused {
            return Err(format!("stream {stream}: {message:?} is not at {base} any more"));
        }
    }
    Ok(())
}
