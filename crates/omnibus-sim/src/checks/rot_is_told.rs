//! Damage is told where it is, and only where it is: without it the node opens and serves all.

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct RotIsTold;

impl Check for RotIsTold {
    fn rule(&self) -> &'static str {
        "rot is told"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::OpenRefused { reason, rot: None } => Err(format!("nothing rots, but opening says: {reason}")),
            Fact::OpenRefused { reason, rot: Some(file) } if !reason.contains(file) => {
                Err(format!("{file} rots, but opening says: {reason}"))
            }
            Fact::Read(reading) | Fact::Audited(reading) => {
                let wrong = reading.damaged.iter().find(|(_, _, file)| reading.rot.as_ref() != Some(file));
                match wrong {
                    Some((from, to, file)) => {
                        let (stream, rot) = (reading.stream, &reading.rot);
                        Err(format!("stream {stream}, {from} to {to}: {file} is called damaged, {rot:?} rots"))
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
