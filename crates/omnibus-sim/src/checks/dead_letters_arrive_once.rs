//! A record that is carried to another queue arrives there exactly once before it is buried.

use omnibus_model::Command;
use omnibus_model::queue::Origin;

use super::Check;
use crate::deed::Deed;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct DeadLettersArriveOnce;

impl Check for DeadLettersArriveOnce {
    fn rule(&self) -> &'static str {
        "dead letters arrive once"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let journeys = |origin: &Origin| oracle.queues.journeys.get(origin).copied().unwrap_or_default();
        match fact {
            Fact::Done(Deed { command: Command::Enqueue(enqueue), .. }) => match enqueue.origin {
                Some(origin) if journeys(&origin).arrived > journeys(&origin).buried && !journeys(&origin).is_lost => {
                    Err(format!("{origin:?} arrived in stream {} once more", enqueue.append.stream))
                }
                _ => Ok(()),
            },
            Fact::Done(Deed { command: Command::Bury { stream, offset }, .. }) => {
                let origin = Origin { stream: *stream, offset: *offset };
                let past = journeys(&origin);
                if past.arrived == past.buried + 1 {
                    return Ok(());
                }
                Err(format!(
                    "{origin:?} was buried, but arrived {} times in {} journeys",
                    past.arrived,
                    past.buried + 1
                ))
            }
            Fact::Drained => {
                let is_there = |origin: &Origin| oracle.queues.by_stream.contains_key(&origin.stream);
                let all = oracle.queues.journeys.iter();
                match all.filter(|(origin, _)| is_there(origin)).find(|(_, past)| past.arrived != past.buried) {
                    Some((origin, past)) => Err(format!("{origin:?}: {past:?}")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
