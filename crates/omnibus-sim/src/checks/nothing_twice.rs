//! A message is in its stream at most once, however often an idempotent producer sent it, and
//! every acknowledgement names the same place.

use std::collections::BTreeMap;

use super::Check;
use crate::fact::{Fact, Reading};
use crate::oracle::{Fate, MessageId, Oracle};

#[derive(Debug)]
pub(super) struct NothingTwice;

impl Check for NothingTwice {
    fn rule(&self) -> &'static str {
        "nothing twice"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::Appended { message, appended } => match oracle.message(*message).fate {
                Fate::Placed(base) if base != appended.base => {
                    Err(format!("{message:?} was at {base}, a repetition was acknowledged at {}", appended.base))
                }
                Fate::Placed(_) if !appended.duplicate => {
                    Err(format!("{message:?} was written again and acknowledged as new"))
                }
                _ => Ok(()),
            },
            Fact::Read(reading) | Fact::Audited(reading) => once_each(reading, oracle),
            _ => Ok(()),
        }
    }
}

fn once_each(reading: &Reading, oracle: &Oracle) -> Result<(), String> {
    let stream = reading.stream;
    let mut places = BTreeMap::<MessageId, _>::new();
    for batch in &reading.batches {
        let Some(message) = batch.message else { continue };
        if let Some(before) = places.insert(message, batch.base) {
            return Err(format!("stream {stream}: {message:?} is at {before} and at {}", batch.base));
        }
        if let Fate::Placed(base) = oracle.message(message).fate
            && base != batch.base
        {
            return Err(format!("stream {stream}: {message:?} was at {base} and is at {}", batch.base));
        }
    }
    Ok(())
}
