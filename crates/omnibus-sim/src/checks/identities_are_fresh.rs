//! Stream ids, producer ids and terms are never used again.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::{ProducerId, StreamId, Term, TopicId};

use super::Check;
use crate::fact::Fact;
use crate::oracle::Oracle;

#[derive(Debug, Default)]
pub(super) struct IdentitiesAreFresh {
    streams: BTreeMap<StreamId, TopicId>,
    producers: BTreeSet<ProducerId>,
    term: Term,
}

impl Check for IdentitiesAreFresh {
    fn rule(&self) -> &'static str {
        "identities are fresh"
    }

    fn see(&mut self, fact: &Fact<'_>, _oracle: &Oracle) -> Result<(), String> {
        match fact {
            Fact::Opened { term } if *term <= self.term => Err(format!("term {term} follows {}", self.term)),
            Fact::Opened { term } => {
                self.term = *term;
                Ok(())
            }
            Fact::ProducerAllocated(producer) if !self.producers.insert(*producer) => {
                Err(format!("producer {producer} was allocated twice"))
            }
            Fact::TopicCreated(topic) => {
                for partition in &topic.partitions {
                    let owner = *self.streams.entry(partition.stream).or_insert(topic.id);
                    if owner != topic.id {
                        return Err(format!("stream {} belongs to {owner:?} and {:?}", partition.stream, topic.id));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
