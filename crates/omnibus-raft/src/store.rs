//! openraft's storage of one shard, over the log that all shards of the disk share.

use std::fmt;
use std::io;
use std::ops::{Bound, RangeBounds, RangeInclusive};
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt, stream};
use omnibus_log::{EntryId, Mark};
use omnibus_model::{Bug, LogIndex, planted};
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::{EntryPayload, LogState, OptionalSend, RaftLogReader};

use crate::blocking::blocking;
use crate::old_entries::Found;
use crate::shard_state::ShardState;
use crate::types::{
    Group, Proposed, Types, entry_id, entry_id_or_none, index_at, log_id, our_entry, our_vote, vote_of,
};

/// What entries may take that are handed to a replica at once, beside the first.
const BYTES_AT_ONCE: usize = 1 << 20;

/// One shard's part of the log. Clones read the same.
#[derive(Clone, Debug)]
pub struct ShardStore {
    pub state: Arc<ShardState>,
}

impl ShardStore {
    /// Reads entries; where the disk is needed, in a thread that may wait for it.
    async fn read(&self, from: LogIndex, to: LogIndex, bytes_max: usize) -> Found {
        if let Some(found) = self.state.entries_in_memory(from, to, bytes_max) {
            return found;
        }
        let state = Arc::clone(&self.state);
        blocking(move || state.entries(from, to, bytes_max)).await?
    }
}

impl ShardStore {
    /// Lets an entry that got another place than it was promised say nothing: it was decided for that one.
    fn in_its_place(&self, mut entry: EntryOf<Types>) -> EntryOf<Types> {
        let EntryId { term, index } = entry_id(&entry.log_id);
        if let EntryPayload::Membership(_) = &entry.payload
            && self.state.has_promised(term, index)
            && !planted(Bug::MembershipTakesPlace)
        {
            // What was to come here was refused, and will not come.
            self.state.break_promises();
        }
        let EntryPayload::Normal(Group { place: Some(place), .. }) = &entry.payload else { return entry };
        match *place {
            Proposed::At(promised) if promised == index || planted(Bug::PlaceUnchecked) => return entry,
            Proposed::At(_) => self.state.break_promises(),
            Proposed::Probe(number) => self.state.probed(number, index),
        }
        entry.payload = EntryPayload::Blank;
        entry
    }
}

impl RaftLogReader<Types> for ShardStore {
    async fn try_get_log_entries<R>(&mut self, range: R) -> Result<Vec<EntryOf<Types>>, io::Error>
    where
        R: RangeBounds<u64> + Clone + fmt::Debug + OptionalSend,
    {
        let (from, to) = bounds(&range);
        self.read(index_at(from), index_at(to), usize::MAX).await
    }

    async fn entries_stream<R>(
        &mut self,
        range: R,
    ) -> impl Stream<Item = Result<EntryOf<Types>, io::Error>> + OptionalSend
    where
        R: RangeBounds<u64> + Clone + fmt::Debug + OptionalSend,
    {
        // However much there is to apply, only a part of it is in memory at a time.
        let (from, to) = bounds(&range);
        let store = self.clone();
        let parts = stream::try_unfold(index_at(from), move |from| {
            let store = store.clone();
            async move {
                let part = store.read(from, index_at(to), BYTES_AT_ONCE).await?;
                let next = part.last().map(|entry| entry_id(&entry.log_id).index.next());
                Ok::<_, io::Error>(next.map(|next| (stream::iter(part.into_iter().map(Ok)), next)))
            }
        });
        Box::pin(parts.try_flatten())
    }

    async fn read_vote(&mut self) -> Result<Option<VoteOf<Types>>, io::Error> {
        Ok(self.state.vote().map(vote_of))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<EntryOf<Types>>, io::Error> {
        let found = self.read(index_at(start), index_at(end), BYTES_AT_ONCE).await?;
        // The first of them may have been purged since openraft saw that they are there, and what is behind them follows
        // nothing that the other replica has. If it is told that there is nothing, it finds out what that one needs.
        let is_whole = found.first().is_none_or(|first| entry_id(&first.log_id).index == index_at(start));
        Ok(if is_whole { found } else { Vec::new() })
    }

    async fn get_key_log_ids(
        &mut self,
        range: RangeInclusive<LogIdOf<Types>>,
    ) -> Result<Vec<LogIdOf<Types>>, io::Error> {
        let (first, last) = (entry_id(range.start()), entry_id(range.end()));
        Ok(self.state.last_of_terms(first, last).into_iter().filter_map(log_id).collect())
    }
}

impl RaftLogStorage<Types> for ShardStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let (purged, last) = self.state.ends();
        Ok(LogState { last_purged_log_id: log_id(purged), last_log_id: log_id(last) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<Types>) -> Result<(), io::Error> {
        let vote = our_vote(vote);
        if !planted(Bug::VoteUnsynced) {
            self.state.mark_durably(Mark::Vote(vote)).await?;
        }
        self.state.voted(vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogIdOf<Types>>) -> Result<(), io::Error> {
        self.state.committed(entry_id_or_none(committed.as_ref()));
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogIdOf<Types>>, io::Error> {
        Ok(log_id(self.state.committed_id()))
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = EntryOf<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let shard = self.state.shard;
        let entries = entries.into_iter().map(|entry| our_entry(shard, self.in_its_place(entry)));
        self.state.append(entries.collect(), flushed)
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf<Types>>) -> Result<(), io::Error> {
        let from = entry_id_or_none(last.as_ref()).index.next();
        self.state.truncate(from);
        // What was being written is durable before this is, so whoever waits for what comes
        // next is not told of what was there.
        if !planted(Bug::TruncationUnlogged) {
            self.state.mark_durably(Mark::Truncated { from }).await?;
        }
        self.state.truncated(from);
        Ok(())
    }

    async fn purge(&mut self, upto: LogIdOf<Types>) -> Result<(), io::Error> {
        let id: EntryId = entry_id(&upto);
        self.state.mark_durably(Mark::Purged(id)).await?;
        self.state.purged(id);
        Ok(())
    }
}

/// The first position of a range, and the one behind its last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX - 1,
    };
    (from, to.min(u64::MAX - 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use omnibus_log::Vote;
    use omnibus_model::{NodeId, Term};
    use omnibus_replication::Leadership;
    use openraft::Membership;

    use super::*;
    use crate::office::Committed;
    use crate::shard_state::tests::{fresh, id};

    const TERM: Term = Term(1);

    /// A shard that this node leads, whose first entry is at 1.
    fn leading() -> ShardStore {
        let state = Arc::new(fresh());
        state.voted(Vote { term: TERM, node: 1, granted: true });
        state.known.lock().last = id(1);
        state.take(id(1), Committed::Blank);
        ShardStore { state }
    }

    fn promise(store: &ShardStore) -> LogIndex {
        store.state.promise(TERM, |_| Ok::<_, Option<()>>(())).unwrap().unwrap()
    }

    fn membership_at(index: u64) -> EntryOf<Types> {
        let membership = Membership::new_with_defaults(vec![BTreeSet::from([1])], []);
        let log_id = log_id(id(index)).unwrap();
        openraft::Entry { log_id, payload: EntryPayload::Membership(membership) }
    }

    #[test]
    fn membership_behind_what_was_promised_breaks_nothing() {
        let store = leading();
        assert_eq!(promise(&store), LogIndex(2));
        store.in_its_place(membership_at(3));
        assert_eq!(store.state.leadership(), Leadership::Here { term: TERM });
    }

    #[test]
    fn membership_at_a_promised_place_is_nobodys_proposal() {
        let store = leading();
        assert_eq!(promise(&store), LogIndex(2));
        // openraft has refused the proposal without a word, and takes the next that comes.
        store.in_its_place(membership_at(2));
        assert!(matches!(store.state.leadership(), Leadership::Elsewhere { leader: None::<NodeId>, .. }));
    }
}
