//! A clean end leaves nothing to repeat.

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct CleanEndLeavesNothing;

impl Check for CleanEndLeavesNothing {
    fn rule(&self) -> &'static str {
        "clean end leaves nothing"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::Begun { after_clean_end: true, repeated } if *repeated > 0 => {
                Err(format!("{repeated} entries had to be repeated"))
            }
            _ => Ok(()),
        }
    }
}
