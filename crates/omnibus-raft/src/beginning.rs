//! What consensus begins with: what is on the disk, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use omnibus_log::{Checkpoint, EntryId, Log, LogError, Mark, Marks, ReplayEntry, Vote};
use omnibus_model::{LogIndex, NodeId, ShardId, Term};
use omnibus_replication::ReplicationError;
use openraft::type_config::alias::StoredMembershipOf;
use openraft::{Membership, StoredMembership};

use crate::membership::{decode_membership, encode_membership};
use crate::shard_state::Begin;
use crate::types::{Types, log_id};

/// Whom a log knows of as voters, by shard.
#[derive(Debug)]
pub(crate) struct Voters {
    node: u64,
    known: BTreeMap<ShardId, BTreeSet<u64>>,
}

impl Voters {
    /// Reads the memberships that a log knows.
    ///
    /// # Errors
    /// `Consensus` if a shard has voted, but does not say who votes.
    pub(crate) fn of(node: NodeId, marks: &BTreeMap<ShardId, Marks>) -> Result<Self, ReplicationError> {
        let mut known = BTreeMap::new();
        for (&shard, marks) in marks {
            let memberships = marks.memberships.iter().map(|(_, bytes)| decode_membership(bytes));
            let Some(memberships) = memberships.collect::<Option<Vec<_>>>() else {
                let reason = "who votes cannot be read".to_owned();
                return Err(ReplicationError::Consensus { shard, reason });
            };
            let voters = memberships.iter().flat_map(Membership::voter_ids).collect();
            known.insert(shard, voters);
        }
        Ok(Self { node: node.0.into(), known })
    }

    /// Whether this node alone decides about a shard; none if nobody does yet.
    pub(crate) fn is_alone(&self, shard: ShardId) -> Option<bool> {
        let voters = self.known.get(&shard).filter(|voters| !voters.is_empty())?;
        Some(voters.iter().eq([&self.node]))
    }

    /// A shard that somebody else votes about, if there is one.
    pub(crate) fn with_others(&self) -> Option<ShardId> {
        self.known.keys().copied().find(|shard| self.is_alone(*shard) == Some(false))
    }
}

/// How far each shard is known to be committed, and the checkpoint before that.
pub(crate) struct Ends<'a> {
    voters: &'a Voters,
    marks: &'a BTreeMap<ShardId, Marks>,
    checkpoints: BTreeMap<ShardId, EntryId>,
    committed: BTreeMap<ShardId, EntryId>,
}

impl<'a> Ends<'a> {
    pub(crate) fn new(voters: &'a Voters, marks: &'a BTreeMap<ShardId, Marks>, checkpoints: &[Checkpoint]) -> Self {
        let id = |saved: &Checkpoint| (saved.shard, EntryId { term: saved.term, index: saved.index });
        let checkpoints: BTreeMap<_, _> = checkpoints.iter().map(id).collect();
        Self { voters, marks, committed: checkpoints.clone(), checkpoints }
    }

    /// Hands all entries on that are known to be committed. What is durable at one voter is, if
    /// it is the only one; of others' shards what some leader said.
    pub(crate) fn replay<E: From<ReplicationError>>(
        &mut self,
        replay: impl Iterator<Item = Result<ReplayEntry, LogError>>,
        recover: impl FnOnce(&mut dyn Iterator<Item = ReplayEntry>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { voters, marks, committed, .. } = self;
        let mut broken = None;
        let mut entries = replay.filter_map(|entry| match entry {
            Ok(entry) => {
                let said = marks.get(&entry.shard).map(|marks| marks.committed.index).unwrap_or_default();
                let is_committed = voters.is_alone(entry.shard) != Some(false) || entry.index <= said;
                if is_committed {
                    committed.insert(entry.shard, EntryId { term: entry.term, index: entry.index });
                }
                is_committed.then_some(entry)
            }
            Err(error) => {
                broken = Some(error);
                None
            }
        });
        recover(&mut entries)?;
        // Whoever recovers may have stopped early; the newest entries count all the same.
        entries.by_ref().for_each(drop);
        drop(entries);
        broken.map_or(Ok(()), |error| Err(ReplicationError::from(error).into()))
    }
}

/// What is on the disk of one shard.
pub(crate) struct Beginning<'a> {
    pub(crate) shard: ShardId,
    pub(crate) node: NodeId,
    /// It makes groups that do not exist yet, together with others or alone.
    pub(crate) is_founder: bool,
    pub(crate) incarnation: u64,
    pub(crate) ends: &'a Ends<'a>,
}

impl Beginning<'_> {
    /// What consensus begins with. A shard that knows nothing of it yet is told first.
    pub(crate) fn begin(&self, log: &Log) -> Begin {
        let applied = self.ends.committed.get(&self.shard).copied().unwrap_or_default();
        let checkpoint = self.ends.checkpoints.get(&self.shard).copied().unwrap_or_default();
        let saved = checkpoint;
        // What was told but half of it is told again.
        let has_begun = |marks: &&Marks| marks.vote.is_some() || log.last_kept(self.shard).is_some();
        let is_empty = applied.index == LogIndex(0);
        let Some(marks) = self.ends.marks.get(&self.shard).filter(|marks| is_empty || has_begun(marks)) else {
            return Begin { saved, ..self.adopt(log, applied) };
        };
        let last = log.last_kept(self.shard).unwrap_or(marks.purged);
        // Of a log that was adopted more may have been purged than was saved; nobody asks for it.
        let checkpoint = if checkpoint.index < marks.purged.index { marks.purged } else { checkpoint };
        let membership = applied_membership(&marks.memberships, applied.index);
        let memberships = marks.memberships.clone();
        let is_guest = !self.is_founder || memberships.iter().any(|(id, says)| says_guest(*id, says));
        let (vote, purged) = (marks.vote, marks.purged);
        Begin { vote, purged, last, applied, membership, checkpoint, saved, is_guest, memberships }
    }

    /// Makes a shard a replicated one: what it has is committed, and this node is all there is.
    fn adopt(&self, log: &Log, last: EntryId) -> Begin {
        let tell = |mark| log.mark(self.shard, mark, Box::new(|_| {}));
        tell(Mark::Committed(last));
        if last.index == LogIndex(0) {
            if !self.is_founder {
                // A later start must know it too, whatever it is told.
                tell(Mark::Membership(EntryId::default(), encode_membership(&Membership::default())));
            }
            return Begin { is_guest: !self.is_founder, ..Begin::default() };
        }
        let node = u64::from(self.node.0);
        let alone = Membership::new_with_defaults(vec![[node].into()], []);
        // Clients have seen the number of the last start as the leader's epoch.
        let vote = Vote { term: Term(self.incarnation).max(last.term), node, granted: false };
        tell(Mark::Membership(EntryId::default(), encode_membership(&alone)));
        tell(Mark::Purged(last));
        tell(Mark::Vote(vote));
        let membership = StoredMembership::new(None, alone);
        let (vote, checkpoint) = (Some(vote), last);
        Begin { vote, purged: last, last, applied: last, membership, checkpoint, ..Begin::default() }
    }
}

/// Whether a membership is nobody's: that of a replica which was not made with its group.
fn says_guest(id: EntryId, says: &[u8]) -> bool {
    id.index == LogIndex(0) && decode_membership(says).is_some_and(|nobody| nobody.voter_ids().next().is_none())
}

/// The newest membership that is in force for the state machine.
fn applied_membership(memberships: &[(EntryId, Bytes)], applied: LogIndex) -> StoredMembershipOf<Types> {
    let newest = memberships.iter().rev().find(|(id, _)| id.index <= applied);
    let stored =
        newest.and_then(|(id, bytes)| Some(StoredMembershipOf::<Types>::new(log_id(*id), decode_membership(bytes)?)));
    stored.unwrap_or_default()
}
