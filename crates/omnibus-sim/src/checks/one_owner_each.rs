//! A partition has at most one owner in a consumer group, among members that are alive.

use std::collections::BTreeMap;
use std::time::Duration;

use omnibus_model::{MemberId, PartitionIndex, TopicId};

use super::Check;
use crate::fact::{Fact, Holding};
use crate::oracle::Oracle;

#[derive(Debug, Default)]
pub(super) struct OneOwnerEach {
    /// Who has each partition, and until when if it is not heard of again.
    owners: BTreeMap<(TopicId, PartitionIndex), (MemberId, Duration)>,
}

impl Check for OneOwnerEach {
    fn rule(&self) -> &'static str {
        "one owner each"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        let Fact::Held(Holding { member, partitions, now, until }) = fact else { return Ok(()) };
        self.owners.retain(|_, (owner, _)| owner != *member);
        for topic in *partitions {
            for partition in &topic.partitions {
                let place = (topic.topic, *partition);
                if let Some((owner, owned_until)) = self.owners.get(&place)
                    && owned_until > now
                {
                    return Err(format!("{member} and {owner} own partition {partition} of {:?}", topic.topic));
                }
                self.owners.insert(place, ((*member).clone(), *until));
            }
        }
        Ok(())
    }
}
