//! I10: after a failed write or sync nothing is acknowledged any more.

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug, Default)]
pub(super) struct NothingAfterAFailedWrite {
    failed: bool,
}

impl Check for NothingAfterAFailedWrite {
    fn rule(&self) -> &'static str {
        "nothing after a failed write"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::WriteFailed => self.failed = true,
            Fact::Killed => self.failed = false,
            Fact::Acknowledged if self.failed => return Err(String::from("a change was acknowledged")),
            _ => {}
        }
        Ok(())
    }
}
