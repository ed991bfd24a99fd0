//! A stream whose deletion was acknowledged never comes back.

use super::Check;
use crate::fact::Fact;
use crate::oracle::{Drop, Oracle};

#[derive(Debug)]
pub(super) struct DeletedStaysDeleted;

impl Check for DeletedStaysDeleted {
    fn rule(&self) -> &'static str {
        "deleted stays deleted"
    }

    fn see(&mut self, fact: &Fact<'_>, oracle: &Oracle) -> Result<(), String> {
        let (Fact::Read(reading) | Fact::Audited(reading)) = fact else { return Ok(()) };
        let deleted = oracle.streams.get(&reading.stream).is_some_and(|expected| expected.drop == Drop::Done);
        if deleted { Err(format!("stream {} is there again", reading.stream)) } else { Ok(()) }
    }
}
