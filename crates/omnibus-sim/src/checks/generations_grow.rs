//! A group's generation never goes back, and all members of one see the same leader.

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_model::{GroupName, MemberId};

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug, Default)]
pub(super) struct GenerationsGrow {
    leaders: BTreeMap<(GroupName, i32), MemberId>,
    /// Each group's newest generation, and when its members first heard of it: those who hear
    /// at the same time may do so in any order.
    newest: BTreeMap<GroupName, (i32, Duration)>,
}

impl Check for GenerationsGrow {
    fn rule(&self) -> &'static str {
        "generations grow"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        let Fact::GroupJoined { group, joined, now } = fact else { return Ok(()) };
        let generation = joined.generation;
        let known = self.leaders.entry(((*group).clone(), generation)).or_insert_with(|| joined.leader.clone());
        if *known != joined.leader {
            return Err(format!("generation {generation} of group {group} has two leaders"));
        }
        match self.newest.get(*group) {
            Some((newest, since)) if generation < *newest && since < now => {
                Err(format!("group {group} went back from generation {newest} to {generation}"))
            }
            Some((newest, _)) if generation <= *newest => Ok(()),
            _ => {
                self.newest.insert((*group).clone(), (generation, *now));
                Ok(())
            }
        }
    }
}
