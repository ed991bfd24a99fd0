//! Nobody reads what is not committed, what was refused, or what had vanished before.

use super::Check;
use crate::fact::Fact;
use crate::oracle::{Fate, Oracle};

#[derive(Debug)]
pub(super) struct OnlyCommittedIsRead;

impl Check for OnlyCommittedIsRead {
    fn rule(&self) -> &'static str {
        "only committed is read"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let (Fact::Read(reading) | Fact::Audited(reading)) = fact else { return Ok(()) };
        for batch in &reading.batches {
            let Some(message) = batch.message else { continue };
            let why = match oracle.message(message).fate {
                Fate::Sent => "is not acknowledged yet",
                Fate::Refused => "was refused",
                Fate::Absent => "had vanished before",
                Fate::Placed(_) | Fate::Unknown => continue,
            };
            return Err(format!("stream {}: {message:?} at {} {why}", reading.stream, batch.base));
        }
        Ok(())
    }
}
