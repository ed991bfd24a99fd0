//! A second set of brokers that applies nothing but what was proposed: what a replica would
//! remember.

use bytes::Bytes;
use omnibus_broker::{Broker, BrokerLimits};
use omnibus_model::{Command, ShardId, Timestamp};

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

    /// Applies an entry, and returns the digest of what it leads to.
    ///
    /// # Errors
    /// What is wrong with the entry.
    pub(crate) fn apply(&mut self, shard: ShardId, head: &Bytes) -> Result<u64, String> {
        let broker = &mut self.brokers[usize::from(shard.0)];
        // The first byte is the head's version.
        let mut rest = head.get(1..).unwrap_or_default();
        while !rest.is_empty() {
            let ((now, command), left): ((Timestamp, Command), _) =
                postcard::take_from_bytes(rest).map_err(|error| error.to_string())?;
            broker.apply(now, &command).map_err(|refusal| refusal.to_string())?;
            rest = left;
        }
        Ok(broker.digest())
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
