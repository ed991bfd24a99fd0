//! When nothing fails for a while, everything that waits is answered.

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct EverythingIsAnswered;

impl Check for EverythingIsAnswered {
    fn rule(&self) -> &'static str {
        "everything is answered"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::Stuck { what } => Err(what.clone()),
            _ => Ok(()),
        }
    }
}
