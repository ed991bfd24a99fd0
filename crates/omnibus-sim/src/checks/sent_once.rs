//! A deduplication id is taken once within its window, through every restart.

use omnibus_model::Command;

use super::Check;
use crate::deed::Deed;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct SentOnce;

impl Check for SentOnce {
    fn rule(&self) -> &'static str {
        "sent once"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let Fact::Done(Deed { now, command: Command::Enqueue(enqueue), .. }) = fact else { return Ok(()) };
        let stream = enqueue.append.stream;
        let Some(memory) = oracle.queues.by_stream.get(&stream) else { return Ok(()) };
        let Some(id) = enqueue.envelope.dedup else { return Ok(()) };
        match memory.sent.get(&id) {
            Some(until) if now < until => {
                Err(format!("stream {stream} took {id:?} again at {now}, which it must know until {until}"))
            }
            _ => Ok(()),
        }
    }
}
