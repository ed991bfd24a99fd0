//! A new batch takes fresh offsets: none that another batch has.

use omnibus_model::Offset;

use super::Check;
use crate::fact::Fact;
use crate::oracle::{MessageId, Oracle};

#[derive(Debug)]
pub(super) struct OffsetsAreFresh;

impl Check for OffsetsAreFresh {
    fn rule(&self) -> &'static str {
        "offsets are fresh"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let Fact::Appended { message, appended } = fact else { return Ok(()) };
        let known = oracle.message(*message);
        let Some(expected) = oracle.streams.get(&known.stream) else { return Ok(()) };
        let end = appended.base.plus(u64::from(known.batch.count));
        let overlaps = |(base, other): &(&Offset, &MessageId)| {
            let other_end = base.plus(u64::from(oracle.message(**other).batch.count));
            *other != message && appended.base < other_end
        };
        match expected.placed.range(..end).next_back().filter(overlaps) {
            None => Ok(()),
            Some((base, other)) => {
                let stream = known.stream;
                Err(format!("stream {stream}: {message:?} at {} meets {other:?} at {base}", appended.base))
            }
        }
    }
}
