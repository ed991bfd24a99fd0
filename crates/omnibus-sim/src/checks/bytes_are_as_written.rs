//! What is read is, byte for byte, what some client wrote to this very stream.

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct BytesAreAsWritten;

impl Check for BytesAreAsWritten {
    fn rule(&self) -> &'static str {
        "bytes are as written"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let (Fact::Read(reading) | Fact::Audited(reading)) = fact else { return Ok(()) };
        for batch in &reading.batches {
            let Some(message) = batch.message else {
                return Err(format!("stream {}: nobody wrote the bytes at {}", reading.stream, batch.base));
            };
            let known = oracle.message(message);
            if known.stream != reading.stream {
                return Err(format!("{message:?} of stream {} was read from stream {}", known.stream, reading.stream));
            }
            if batch.base.plus(u64::from(known.batch.count)) != batch.end {
                return Err(format!("stream {}: {message:?} at {} ends at {}", reading.stream, batch.base, batch.end));
            }
        }
        Ok(())
    }
}
