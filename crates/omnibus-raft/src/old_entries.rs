//! Entries that are read again: what is not durable or applied yet from memory, others from the log.

use std::io;

use bytes::Bytes;
use omnibus_log::{Entry, EntryBatch, EntryId, EntryKind, Rest};
use omnibus_model::{LogIndex, Term};
use openraft::type_config::alias::EntryOf;

use crate::shard_state::{Known, ShardState};
use crate::types::{Types, raft_entry};

/// Entries as openraft takes them.
pub(crate) type Found = Result<Vec<EntryOf<Types>>, io::Error>;

impl ShardState {
    /// Returns entries from `from` to before `to` of at most `bytes_max`, but at least one, if no
    /// disk is needed for that.
    pub(crate) fn entries_in_memory(&self, from: LogIndex, to: LogIndex, bytes_max: usize) -> Option<Found> {
        let known = self.known.lock();
        let (from, to) = self.clamp(&known, from, to);
        if let Some(memberships) = &known.beginning {
            return Some(self.outlines(&known, memberships, (from, to)));
        }
        if from >= to {
            return Some(Ok(Vec::new()));
        }
        known.recent_at(from)?;
        let recent = (from.0..to.0).map_while(|index| known.recent_at(LogIndex(index)));
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        for entry in recent {
            bytes = bytes.saturating_add(bytes_of(entry));
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            match understood(entry) {
                Ok(entry) => found.push(entry),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(found))
    }

    /// The same, from the disk where it must be. Blocks.
    pub(crate) fn entries(&self, from: LogIndex, to: LogIndex, bytes_max: usize) -> Found {
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        let (mut index, end) = self.clamp(&self.known.lock(), from, to);
        while index < end {
            let entry = self.entry(index)?;
            bytes = bytes.saturating_add(bytes_of(&entry));
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            found.push(understood(&entry)?);
            index = index.next();
        }
        Ok(found)
    }

    /// The part of a range that is there.
    fn clamp(&self, known: &Known, from: LogIndex, to: LogIndex) -> (LogIndex, LogIndex) {
        let recent = known.recent.front().map(|entry| entry.index);
        let first = recent.into_iter().chain(self.log.first_kept(self.shard)).min();
        let first = first.unwrap_or(known.last.index.next());
        (from.max(first).max(known.purged.index.next()), to.min(known.last.index.next()))
    }

    /// Entries of which only the ids and the memberships are what they are.
    fn outlines(&self, known: &Known, memberships: &[(EntryId, Bytes)], (from, to): (LogIndex, LogIndex)) -> Found {
        let outline = |index| {
            let id = EntryId { term: self.term_of(known, index), index };
            let membership = memberships.iter().find(|(of, _)| *of == id);
            let kind = if membership.is_some() { EntryKind::Membership } else { EntryKind::Blank };
            let head = membership.map(|(_, head)| head.clone()).unwrap_or_default();
            let (bodies, batches) = Default::default();
            understood(&Entry { shard: self.shard, term: id.term, index, kind, head, bodies, batches })
        };
        (from.0..to.0).map(LogIndex).map(outline).collect()
    }

    fn entry(&self, index: LogIndex) -> Result<Entry, io::Error> {
        if let Some(entry) = self.known.lock().recent_at(index) {
            return Ok(entry.clone());
        }
        let read = self.log.entry(self.shard, index).map_err(|error| io::Error::other(error.to_string()))?;
        read.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("entry {index} is gone")))
    }

    /// The last entry of each term among some entries.
    pub(crate) fn last_of_terms(&self, first: EntryId, last: EntryId) -> Vec<EntryId> {
        let known = self.known.lock();
        let mut ids = Vec::new();
        let mut current = first;
        for index in first.index.0 + 1..=last.index.0 {
            let id = EntryId { term: self.term_of(&known, LogIndex(index)), index: LogIndex(index) };
            if id.term != current.term {
                ids.push(current);
            }
            current = id;
        }
        ids.push(current);
        ids
    }

    pub(crate) fn term_of(&self, known: &Known, index: LogIndex) -> Term {
        if index == known.purged.index {
            return known.purged.term;
        }
        let recent = known.recent_at(index).map(|entry| entry.term);
        recent.or_else(|| self.log.term_of(self.shard, index)).unwrap_or_default()
    }
}

fn understood(entry: &Entry) -> Result<EntryOf<Types>, io::Error> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("entry {} cannot be understood", entry.index));
    raft_entry(entry).ok_or_else(damaged)
}

fn bytes_of(entry: &Entry) -> usize {
    let batch = |batch: &EntryBatch| {
        let rest = match &batch.rest {
            Rest::Own(rest) => rest.len(),
            Rest::Shared(_) => 0,
        };
        batch.prefix.len() + rest
    };
    let bodies: usize = entry.bodies.iter().map(Bytes::len).sum();
    entry.head.len() + bodies + entry.batches.iter().map(batch).sum::<usize>()
}
