//! Sends every batch once and does not mind whether it arrives.

use omnibus_model::Outcome;

use super::Client;
use crate::oracle::{Fate, Message, MessageId};
use crate::payload;
use crate::stage::{Answered, OutcomeReply, Stage};
use crate::violation::Violation;

const IN_FLIGHT_MAX: usize = 6;

/// A producer without an id.
#[derive(Debug, Default)]
pub(super) struct PlainProducer {
    in_flight: Vec<(MessageId, OutcomeReply)>,
}

impl Client for PlainProducer {
    fn act(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        let Some((stream, _)) = stage.any_stream() else { return Ok(()) };
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return Ok(());
        }
        let (batch, payload) = payload::batch(&mut stage.random, stage.time.moment().wall, None);
        let message = stage.oracle.add(Message { stream, batch, payload, fate: Fate::Sent });
        stage.trace.line(format_args!("send {message:?} to stream {stream}"));
        match stage.append(message) {
            Some(reply) => self.in_flight.push((message, reply)),
            None => stage.oracle.set_fate(message, Fate::Refused),
        }
        Ok(())
    }

    fn look(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        for (message, mut reply) in std::mem::take(&mut self.in_flight) {
            match stage.look(&mut reply) {
                Answered::NotYet => self.in_flight.push((message, reply)),
                Answered::Yes(Outcome::Appended(appended)) => stage.appended(message, appended)?,
                Answered::Yes(other) => return Err(Violation::new("appends are appended", format!("{other:?}"))),
                Answered::No(_) => stage.oracle.set_fate(message, Fate::Refused),
                Answered::Unknown => stage.oracle.set_fate(message, Fate::Unknown),
            }
        }
        Ok(())
    }

    fn restarted(&mut self, _stage: &mut Stage) -> Result<(), Violation> {
        self.in_flight.clear();
        Ok(())
    }
}
