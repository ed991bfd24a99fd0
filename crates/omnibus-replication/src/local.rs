//! The reference replica set of one: what is on this disk is committed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use omnibus_io::Disk;
use omnibus_log::{
    Checkpoint, Entry, EntryKind, Log, LogConfig, RecoveryReport, ReplayEntry, Room, SubmitRefused, Writer,
};
use omnibus_model::{LogIndex, NodeId, ShardId, Term};

use crate::replicated::{
    Confirming, Leadership, OnEvent, Proposal, ProposeError, ReplicatedLog, ReplicationError, ReplicationEvent,
};

/// A replicated log without other replicas.
#[derive(Debug)]
pub struct LocalLog {
    log: Log,
    term: Term,
    /// The newest index of each shard, by shard number; each has one proposer.
    last: Vec<AtomicU64>,
}

/// A log that is open, and what it remembered.
#[derive(Debug)]
pub struct Opened<R> {
    pub replicated: R,
    pub log: Log,
    pub writer: Writer,
    pub checkpoints: Vec<Checkpoint>,
    pub report: RecoveryReport,
}

impl<R: ReplicatedLog + 'static> Opened<R> {
    /// The same, for those who do not care which log it is.
    #[must_use]
    pub fn shared(self) -> Opened<Arc<dyn ReplicatedLog>> {
        let Self { replicated, log, writer, checkpoints, report } = self;
        Opened { replicated: Arc::new(replicated), log, writer, checkpoints, report }
    }
}

impl LocalLog {
    /// Opens the log on `disk` for `shards` shards, hands each entry behind its shard's
    /// checkpoint to `recover`, in order, and tells that this node leads all of them.
    ///
    /// # Errors
    /// [`ReplicationError`] if the disk cannot be read, acknowledged data is damaged, or replicas
    /// voted about this log, or
    /// what `recover` returns.
    pub fn open<E: From<ReplicationError>>(
        disk: Arc<dyn Disk>,
        config: LogConfig,
        shards: u16,
        on_event: OnEvent,
        recover: impl FnOnce(&[Checkpoint], &mut dyn Iterator<Item = ReplayEntry>) -> Result<(), E>,
    ) -> Result<Opened<Self>, E> {
        let on_event = Arc::new(on_event);
        let tell = Arc::clone(&on_event);
        let on_durable = Box::new(move |shard, index, written: Result<(), omnibus_log::WriteFailed>| {
            tell(shard, durable(index, written));
        });
        let opened = Log::open(disk, config, on_durable).map_err(ReplicationError::from)?;
        if !opened.marks.is_empty() {
            return Err(ReplicationError::Replicated.into());
        }
        let last: Vec<AtomicU64> = (0..shards).map(|_| AtomicU64::new(0)).collect();
        for checkpoint in &opened.checkpoints {
            remember(&last, checkpoint.shard, checkpoint.index);
        }
        let mut broken = None;
        let mut entries = opened.replay.map_while(|entry| match entry {
            Ok(entry) => {
                remember(&last, entry.shard, entry.index);
                Some(entry)
            }
            Err(error) => {
                broken = Some(error);
                None
            }
        });
        recover(&opened.checkpoints, &mut entries)?;
        drop(entries);
        if let Some(error) = broken {
            return Err(ReplicationError::from(error).into());
        }
        let term = Term(opened.incarnation);
        for (number, last) in (0..).zip(&last) {
            on_event(ShardId(number), ReplicationEvent::Leads { term, from: LogIndex(last.load(Ordering::Relaxed)) });
        }
        let replicated = Self { log: opened.log.clone(), term, last };
        Ok(Opened {
            replicated,
            log: opened.log,
            writer: opened.writer,
            checkpoints: opened.checkpoints,
            report: opened.report,
        })
    }
}

impl ReplicatedLog for LocalLog {
    fn leadership(&self, _shard: ShardId) -> Leadership {
        Leadership::Here { term: self.term }
    }

    fn confirm(&self, _shard: ShardId, _term: Term) -> Option<Confirming> {
        None
    }

    fn is_in_sync(&self, _shard: ShardId, _node: NodeId) -> bool {
        false
    }

    fn voters(&self, _shard: ShardId) -> BTreeSet<NodeId> {
        BTreeSet::new()
    }

    fn propose(&self, proposal: Proposal) -> Result<LogIndex, ProposeError> {
        let Proposal { shard, term, head, bodies, batches } = proposal;
        let last = &self.last[usize::from(shard.0)];
        let index = LogIndex(last.load(Ordering::Relaxed)).next();
        let (bodies, batches) = (Arc::new(bodies), Arc::new(batches));
        let entry = Entry { shard, term, index, kind: EntryKind::Commands, head, bodies, batches };
        self.log.submit(entry).map_err(refused)?;
        last.store(index.0, Ordering::Relaxed);
        Ok(index)
    }

    fn newest(&self, shard: ShardId) -> LogIndex {
        LogIndex(self.last[usize::from(shard.0)].load(Ordering::Relaxed))
    }

    fn applied(&self, _shard: ShardId, _index: LogIndex) {
        // Whoever alone proposes is told of nobody else's entries.
    }

    fn checkpointed(&self, _shard: ShardId, _term: Term, _index: LogIndex) {
        // Nobody else asks for entries, and the log knows itself what a start would repeat.
    }

    fn room(&self) -> Room {
        self.log.room()
    }
}

fn durable(index: LogIndex, written: Result<(), omnibus_log::WriteFailed>) -> ReplicationEvent {
    match written {
        Ok(()) => ReplicationEvent::Committed(index),
        Err(failed) => ReplicationEvent::Failed(ReplicationError::WriteFailed { reason: failed.to_string() }),
    }
}

fn refused(refused: SubmitRefused) -> ProposeError {
    match refused {
        SubmitRefused::DiskFull => ProposeError::DiskFull,
        SubmitRefused::QueueFull => ProposeError::Busy,
        SubmitRefused::TooLarge { bytes, bytes_max } => ProposeError::TooLarge { bytes, bytes_max },
        SubmitRefused::Closed | SubmitRefused::Failed(_) => ProposeError::Closed,
    }
}

fn remember(last: &[AtomicU64], shard: ShardId, index: LogIndex) {
    if let Some(last) = last.get(usize::from(shard.0)) {
        last.fetch_max(index.0, Ordering::Relaxed);
    }
}
