//! A stream begins between what trims were acknowledged and what trims were asked for.

use super::Check;
use crate::fact::Fact;
use crate::oracle::{Drop, Oracle};

#[derive(Debug)]
pub(super) struct StreamsBeginWhereTrimmed;

impl Check for StreamsBeginWhereTrimmed {
    fn rule(&self) -> &'static str {
        "streams begin where trimmed"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let (Fact::Read(reading) | Fact::Audited(reading)) = fact else { return Ok(()) };
        let Some(expected) = oracle.streams.get(&reading.stream) else { return Ok(()) };
        let start = reading.bounds.start;
        let fits = expected.trim_done <= start && start <= expected.trim_asked;
        if fits || expected.drop != Drop::No {
            return Ok(());
        }
        let (done, asked) = (expected.trim_done, expected.trim_asked);
        Err(format!("stream {} begins at {start}, but was trimmed to {done}, at most to {asked}", reading.stream))
    }
}
