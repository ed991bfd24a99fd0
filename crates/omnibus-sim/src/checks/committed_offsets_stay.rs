//! A group never reads an offset that is older than one whose commit was acknowledged or seen.

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug)]
pub(super) struct CommittedOffsetsStay;

impl Check for CommittedOffsetsStay {
    fn rule(&self) -> &'static str {
        "committed offsets stay"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::OffsetSeen { group, floor, seen } if seen.unwrap_or(0) < *floor => {
                Err(format!("group {group} is at commit {seen:?}, commit {floor} had been acknowledged"))
            }
            _ => Ok(()),
        }
    }
}
