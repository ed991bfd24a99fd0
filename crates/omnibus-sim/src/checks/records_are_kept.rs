//! What was sent is in its queue until it is settled, purged, expired, worn out or carried away;
//! what was settled is not, until a rewind.

use omnibus_model::{Command, Outcome};

use super::Check;
use crate::deed::Deed;
use crate::fact::Fact;
use crate::oracle::Oracle;
use crate::queue_memory::Fate;

#[derive(Debug)]
pub(super) struct RecordsAreKept;

impl Check for RecordsAreKept {
    fn rule(&self) -> &'static str {
        "records are kept"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let memory = |stream| oracle.queues.by_stream.get(stream);
        match fact {
            Fact::Listed { stream, records } => {
                let Some(memory) = memory(stream) else { return Ok(()) };
                for (offset, known) in &memory.records {
                    let there = records.contains(offset);
                    if there && known.fate == Fate::Gone {
                        return Err(format!("record {offset} of stream {stream} is there again: {known:?}"));
                    }
                    if !there && memory.is_here(known) {
                        return Err(format!("record {offset} of stream {stream} is lost: {known:?}"));
                    }
                }
                Ok(())
            }
            Fact::Done(Deed { command: Command::Trim { stream, .. }, outcome: Outcome::Trimmed { start }, .. }) => {
                let Some(memory) = memory(stream) else { return Ok(()) };
                match memory.records.range(..*start).find(|(_, known)| memory.is_here(known)) {
                    Some((offset, known)) => Err(format!("record {offset} of stream {stream} was trimmed: {known:?}")),
                    None => Ok(()),
                }
            }
            Fact::Done(Deed { stream, outcome: Outcome::Acquired(acquired), .. }) => {
                let Some(memory) = memory(stream) else { return Ok(()) };
                let offsets = acquired.leases.iter().map(|lease| lease.key.offset);
                let mut known = offsets.filter_map(|offset| Some((offset, memory.records.get(&offset)?)));
                match known.find(|(_, known)| known.fate == Fate::Gone) {
                    Some((offset, known)) => {
                        Err(format!("record {offset} of stream {stream} is delivered again: {known:?}"))
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
