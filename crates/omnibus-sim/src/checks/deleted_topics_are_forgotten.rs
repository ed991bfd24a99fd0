//! What a group has read of a deleted topic is not found under its name again: neither after a
//! start, nor in a new topic of that name.

use super::Check;
use crate::fact::{Fact, FoundOffset};
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct DeletedTopicsAreForgotten;

impl Check for DeletedTopicsAreForgotten {
    fn rule(&self) -> &'static str {
        "deleted topics are forgotten"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        let Fact::OffsetFound(FoundOffset { topic, committed_for, present, at_start }) = fact else { return Ok(()) };
        match present {
            Some(present) if present == committed_for => Ok(()),
            Some(present) => Err(format!("{topic} is {present:?} and has an offset of {committed_for:?}")),
            // Its deletion goes on.
            None if !at_start => Ok(()),
            None => Err(format!("a start left an offset of {committed_for:?}, once called {topic}")),
        }
    }
}
