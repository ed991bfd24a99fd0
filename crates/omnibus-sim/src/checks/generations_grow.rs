//! A group's generation never goes back, and all members of one see the same leader.

use std::collections::BTreeMap;

use omnibus_model::{GroupName, MemberId};

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug, Default)]
pub(super) struct GenerationsGrow {
    newest: BTreeMap<GroupName, (i32, MemberId)>,
}

impl Check for GenerationsGrow {
    fn rule(&self) -> &'static str {
        "generations grow"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        let Fact::GroupJoined { group, joined } = fact else { return Ok(()) };
        let told = (joined.generation, joined.leader.clone());
        match self.newest.get(*group) {
            Some((newest, _)) if told.0 < *newest => {
                return Err(format!("group {group} went back from generation {newest} to {}", told.0));
            }
            Some((newest, leader)) if told.0 == *newest && told.1 != *leader => {
                return Err(format!("generation {newest} of group {group} has two leaders"));
            }
            _ => {}
        }
        self.newest.insert((*group).clone(), told);
        Ok(())
    }
}
