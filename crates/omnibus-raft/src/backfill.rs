//! Fills a replica that lacks what was purged: the newest checkpoint, and all records that it
//! refers to, part by part, each asked for again until the replica has it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnibus_log::{EntryId, Holdings, Log, LogError, ReadError, Stretch, Vote};
use omnibus_model::batch::StreamBounds;
use omnibus_model::{Bug, Offset, StreamId, planted};
use thiserror::Error;

use crate::blocking::blocking;
use crate::shard_state::ShardState;
use crate::wire::{Fill, Install, Part, Session};

/// How much of records or state goes out at once, about.
const PART_BYTES: usize = 1 << 20;

/// How fast they go out, so that clients come first.
const BYTES_PER_SECOND: u64 = 64 << 20;

/// Why a replica was not filled. It is tried again, from the beginning.
#[derive(Debug, Error)]
pub(crate) enum BackfillError {
    #[error("only a learner is filled")]
    NotALearner,
    #[error("no checkpoint has what the replica must begin with yet")]
    NoCheckpoint,
    #[error("what was sent was rewritten meanwhile")]
    Rewritten,
    #[error("the records cannot be read: {source}")]
    Read { source: ReadError },
    #[error("the checkpoint cannot be read: {source}")]
    Checkpoint { source: LogError },
    #[error(transparent)]
    Ended(#[from] io::Error),
}

/// What is sent, and how far that has come.
pub(crate) struct Backfill {
    log: Log,
    session: Session,
    last: EntryId,
    state: Bytes,
    streams: Vec<(StreamId, StreamBounds)>,
    /// The stream that is next, and where.
    at: (usize, Offset),
    next: u32,
}

impl Backfill {
    /// Begins with a checkpoint, if it is the newest still.
    pub(crate) async fn begin(state: &Arc<ShardState>, session: Session, id: EntryId) -> Result<Self, BackfillError> {
        let (shard, log) = (state.shard, state.log.clone());
        let holdings = {
            let log = log.clone();
            blocking(move || log.holdings(shard, id)).await?
        };
        let holdings = holdings.map_err(|source| BackfillError::Checkpoint { source })?;
        let Holdings { checkpoint, mut streams } = holdings.ok_or(BackfillError::NoCheckpoint)?;
        if planted(Bug::BackfillLeavesOut) {
            streams.pop();
        }
        let from = streams.first().map_or(Offset::ZERO, |(_, bounds)| bounds.start);
        Ok(Self { log, session, last: id, state: checkpoint.state, streams, at: (0, from), next: 0 })
    }

    /// The next part; none if that was all. Blocks.
    fn next(&mut self) -> Result<Option<Fill>, BackfillError> {
        let part = if self.state.is_empty() && self.next > 0 {
            let stretches = self.stretches()?;
            (!stretches.is_empty()).then_some(Part::Records(stretches))
        } else {
            let bytes = self.state.len().min(PART_BYTES);
            Some(Part::State(self.state.split_to(bytes)))
        };
        let number = self.next;
        self.next += u32::from(part.is_some());
        Ok(part.map(|part| Fill { session: self.session, last: self.last, number, part }))
    }

    /// As much of the streams as goes out at once.
    fn stretches(&mut self) -> Result<Vec<Stretch>, BackfillError> {
        let (mut stretches, mut bytes) = (Vec::new(), 0);
        while bytes < PART_BYTES
            && let Some((stream, bounds)) = self.streams.get(self.at.0).copied()
        {
            let (place, from) = self.at;
            if from >= bounds.end {
                let start = self.streams.get(place + 1).map_or(Offset::ZERO, |(_, bounds)| bounds.start);
                self.at = (place + 1, start);
                continue;
            }
            let stretch = self.log.stretch(stream, from..bounds.end, PART_BYTES - bytes);
            let stretch = stretch.map_err(|source| BackfillError::Read { source })?.ok_or(BackfillError::Rewritten)?;
            bytes += stretch.bytes().max(1);
            self.at = (place, stretch.to);
            stretches.push(stretch);
        }
        Ok(stretches)
    }

    /// Waits for the next part, and for its turn.
    pub(crate) async fn next_part(mut self) -> Result<(Self, Option<Fill>), BackfillError> {
        let (backfill, fill) = blocking(move || {
            let fill = self.next();
            (self, fill)
        })
        .await?;
        Ok((backfill, fill?))
    }

    /// What is said when all parts are there.
    pub(crate) fn install(&self, vote: Vote, membership: (EntryId, Bytes)) -> Install {
        let Self { session, last, next: parts, .. } = *self;
        Install { session, parts, vote, last, membership, streams: self.streams.clone() }
    }
}

/// How long a part takes at the rate at which they may go out.
pub(crate) fn time_of(part: &Part) -> Duration {
    let bytes = match part {
        Part::State(state) => state.len(),
        Part::Records(stretches) => stretches.iter().map(Stretch::bytes).sum(),
    };
    Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / BYTES_PER_SECOND)
}
