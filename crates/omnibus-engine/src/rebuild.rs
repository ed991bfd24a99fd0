//! A broker that has applied what was never committed is thrown away. Another is made of the shard's
//! newest checkpoint and the entries behind it, as a start does, but beside the shard's task.

use omnibus_broker::{Broker, BrokerLimits};
use omnibus_log::{Log, LogError, ReadError};
use omnibus_model::{LogIndex, ShardId, Term};
use thiserror::Error;

use crate::applying::apply_entry;
use crate::pending::Effect;

/// How often it begins again because entries that it wanted were in a newer checkpoint by then.
const ATTEMPTS_MAX: u32 = 8;

/// A broker as it is after an entry.
#[derive(Debug)]
pub struct Progressed {
    pub(crate) broker: Box<Broker>,
    pub(crate) index: LogIndex,
    pub(crate) term: Term,
}

/// What it takes to rebuild a broker. It reads from the disk, so it blocks.
#[derive(Debug)]
pub struct Rebuild {
    pub(crate) shard: ShardId,
    pub(crate) log: Log,
    pub(crate) limits: BrokerLimits,
    /// How far an earlier round came.
    pub(crate) from: Option<Progressed>,
    /// All of it is committed.
    pub(crate) to: LogIndex,
    /// What follows from the entries up to here outside the broker has been done.
    pub(crate) seen: LogIndex,
}

/// A broker, and what follows from entries that nobody has seen yet.
#[derive(Debug)]
pub struct Rebuilt {
    pub(crate) progressed: Progressed,
    pub(crate) effects: Vec<(LogIndex, Vec<Effect>)>,
}

/// Why a broker could not be rebuilt.
#[derive(Debug, Error)]
pub enum RebuildError {
    #[error("the checkpoint of shard {shard} cannot be read: {source}")]
    Checkpoint { shard: ShardId, source: LogError },
    #[error("the checkpoint of shard {shard} cannot be understood: {reason}")]
    State { shard: ShardId, reason: String },
    #[error("entry {index} of shard {shard} cannot be read: {source}")]
    Read { shard: ShardId, index: LogIndex, source: ReadError },
    #[error("entry {index} of shard {shard} cannot be understood: {reason}")]
    Entry { shard: ShardId, index: LogIndex, reason: String },
    #[error("entry {index} of shard {shard} is gone, and no checkpoint has what it did")]
    Gone { shard: ShardId, index: LogIndex },
}

impl Rebuild {
    /// Reads and applies what is missing.
    ///
    /// # Errors
    /// [`RebuildError`]: what is on this disk is no help.
    pub fn run(mut self) -> Result<Rebuilt, RebuildError> {
        for _ in 0..ATTEMPTS_MAX {
            let begin = match self.from.take() {
                Some(progressed) => progressed,
                None => self.checkpoint()?,
            };
            if let Some(rebuilt) = self.go_on(begin)? {
                return Ok(rebuilt);
            }
        }
        Err(RebuildError::Gone { shard: self.shard, index: self.to })
    }

    fn checkpoint(&self) -> Result<Progressed, RebuildError> {
        let shard = self.shard;
        let saved = self.log.checkpoint(shard).map_err(|source| RebuildError::Checkpoint { shard, source })?;
        let Some(saved) = saved else {
            let broker = Box::new(Broker::new(self.limits));
            return Ok(Progressed { broker, index: LogIndex(0), term: Term(0) });
        };
        let broker = Broker::decode(self.limits, &saved.state)
            .map_err(|error| RebuildError::State { shard, reason: error.to_string() })?;
        Ok(Progressed { broker: Box::new(broker), index: saved.index, term: saved.term })
    }

    /// Applies entry after entry; `None` if one is not there any more, since a checkpoint has it.
    fn go_on(&self, mut progressed: Progressed) -> Result<Option<Rebuilt>, RebuildError> {
        let (shard, mut effects) = (self.shard, Vec::new());
        while progressed.index < self.to {
            let index = progressed.index.next();
            let entry = self.log.entry(shard, index);
            let Some(entry) = entry.map_err(|source| RebuildError::Read { shard, index, source })? else {
                return Ok(None);
            };
            let mut follows = Vec::new();
            apply_entry(&mut progressed.broker, (entry.kind, &entry.head), |command, applied| {
                follows.extend(Effect::of(command, &applied.outcome).filter(|_| applied.changed));
            })
            .map_err(|reason| RebuildError::Entry { shard, index, reason })?;
            (progressed.index, progressed.term) = (index, entry.term);
            if index > self.seen && !follows.is_empty() {
                effects.push((index, follows));
            }
        }
        Ok(Some(Rebuilt { progressed, effects }))
    }
}
