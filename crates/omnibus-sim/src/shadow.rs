//! A second set of brokers that applies nothing but what was proposed: what a replica would
//! remember.

use std::collections::BTreeSet;

use bytes::Bytes;
use omnibus_broker::{Broker, BrokerLimits, queues_of};
use omnibus_model::command::{Append, Enqueue};
use omnibus_model::{Command, Offset, Outcome, ShardId, StreamId, Timestamp};

use crate::deed::{Deed, Deeds};

/// The brokers of all shards, as the log's entries alone make them.
#[derive(Debug)]
pub(crate) struct Shadow {
    limits: BrokerLimits,
    brokers: Vec<Broker>,
}

impl Shadow {
    pub(crate) fn new(limits: BrokerLimits) -> Self {
        let brokers = (0..=limits.data_shards).map(|_| Broker::new(limits)).collect();
        Self { limits, brokers }
    }

    /// Applies an entry, and returns the digest of what it leads to, and what it did to queues.
    ///
    /// # Errors
    /// What is wrong with the entry.
    pub(crate) fn apply(&mut self, shard: ShardId, head: &Bytes) -> Result<(u64, Deeds), String> {
        let broker = &mut self.brokers[usize::from(shard.0)];
        let (mut deeds, mut touched) = (Vec::new(), BTreeSet::new());
        // The first byte is the head's version.
        let mut rest = head.get(1..).unwrap_or_default();
        while !rest.is_empty() {
            let ((now, command), left): ((Timestamp, Command), _) =
                postcard::take_from_bytes(rest).map_err(|error| error.to_string())?;
            let outcome = broker.apply(now, &command).map_err(|refusal| refusal.to_string())?.outcome;
            for (stream, command, outcome) in parts(broker, command, outcome) {
                let config = broker.queue(stream).copied();
                let dying =
                    broker.dying(stream, Offset::ZERO, usize::MAX).into_iter().map(|dying| dying.offset).collect();
                touched.insert(stream);
                deeds.push(Deed { stream, now, command, outcome, config, dying });
            }
            rest = left;
        }
        let counts = |stream: StreamId| broker.queue_counts(stream).map(|counts| (stream, counts));
        let counts = touched.into_iter().filter_map(counts).collect();
        Ok((broker.digest(), Deeds { deeds, counts }))
    }

    /// Goes back to what a shard remembers after a restart.
    ///
    /// # Errors
    /// If the broker cannot be copied by its checkpoint.
    pub(crate) fn follow(&mut self, shard: ShardId, broker: &Broker) -> Result<(), String> {
        let copy = Broker::decode(self.limits, &broker.encode()).map_err(|error| error.to_string())?;
        self.brokers[usize::from(shard.0)] = copy;
        Ok(())
    }

    /// The digest of a state that is written down.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn digest_of(&self, state: &[u8]) -> Result<u64, String> {
        Broker::decode(self.limits, state).map(|broker| broker.digest()).map_err(|error| error.to_string())
    }
}

/// What a command has done, queue by queue.
fn parts(broker: &Broker, command: Command, outcome: Outcome) -> Vec<(StreamId, Command, Outcome)> {
    match (command, outcome) {
        (command @ (Command::Tick | Command::EndSessions), outcome) => {
            broker.queues().map(|(stream, _)| (stream, command.clone(), outcome.clone())).collect()
        }
        (command @ Command::DropStream { stream }, outcome) => vec![(stream, command, outcome)],
        (Command::FanOut(fan_out), Outcome::FannedOut { results }) => {
            let sent = fan_out.targets.iter().zip(results).filter_map(|(target, result)| {
                let appended = result.ok().filter(|appended| !appended.duplicate)?;
                let (batch, leader_epoch) = (fan_out.batch, fan_out.leader_epoch);
                let append = Append { stream: target.stream, batch, leader_epoch };
                let enqueue = Enqueue { append, envelope: target.envelope, origin: None };
                Some((target.stream, Command::Enqueue(enqueue), Outcome::Enqueued(appended)))
            });
            sent.collect()
        }
        (command, outcome) => {
            let queue = queues_of(&command).find(|stream| broker.queue(*stream).is_some());
            queue.map(|stream| (stream, command, outcome)).into_iter().collect()
        }
    }
}
