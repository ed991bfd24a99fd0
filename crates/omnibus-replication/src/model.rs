//! The reference model of a log with several replicas, in one process: whoever owns it says who leads, which
//! entries reach whom, and who learns what when. Each node has a real log on a disk of its own, so a node
//! that is killed comes back with what was durable.
//!
//! It is what the engine's roles are tested over, and what a consensus protocol must look like from above.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_io::Disk;
use omnibus_log::{
    Checkpoint, Entry, EntryId, EntryKind, Log, LogConfig, Mark, Opened as OpenedLog, ReplayEntry, Room, SubmitRefused,
    WriteFailed,
};
use omnibus_model::{LogIndex, NodeId, ShardId, Term};
use parking_lot::Mutex;

use crate::local::Opened;
use crate::replicated::{
    CommittedEntry, Confirming, Leadership, NotConfirmed, OnEvent, Proposal, ProposeError, ReplicatedLog,
    ReplicationError, ReplicationEvent,
};

/// Entries that a follower may be told before it has applied the first of them.
const AHEAD_MAX: u64 = 4;

/// A set of replicas. Clones share it.
#[derive(Clone, Debug)]
pub struct ModelCluster {
    state: Arc<Mutex<State>>,
}

/// One node's log in a [`ModelCluster`].
#[derive(Debug)]
pub struct ModelLog {
    cluster: ModelCluster,
    node: NodeId,
    life: u64,
    log: Log,
}

#[derive(Debug)]
struct State {
    voters: usize,
    /// The newest term of each shard, and who leads in it.
    terms: Vec<(Term, Option<NodeId>)>,
    /// The committed entries of each shard: what a checkpoint has taken the place of on one node, others may lack.
    archive: Vec<Vec<Entry>>,
    /// Those that are alive.
    members: BTreeMap<NodeId, Member>,
    lives: u64,
}

struct Member {
    life: u64,
    log: Log,
    on_event: OnEvent,
    /// By shard.
    groups: Vec<Group>,
}

/// What a node has of a shard.
#[derive(Debug)]
struct Group {
    /// From index 1 on.
    entries: Vec<Entry>,
    durable: LogIndex,
    /// What it voids from here on is not durable yet.
    truncating: Option<LogIndex>,
    committed: LogIndex,
    told: LogIndex,
    applied: LogIndex,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Leads { term: Term, blank: LogIndex },
    Follows { leader: Option<NodeId> },
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("life", &self.life).field("groups", &self.groups).finish_non_exhaustive()
    }
}

impl ModelCluster {
    /// A set of so many replicas of each shard, on nodes 1, 2 and so on, none of which is alive yet.
    #[must_use]
    pub fn new(voters: usize, shards: u16) -> Self {
        let terms = vec![(Term(0), None); usize::from(shards)];
        let archive = vec![Vec::new(); usize::from(shards)];
        let state = State { voters, terms, archive, members: BTreeMap::new(), lives: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Opens a node's log and hands what is known there to be committed to `recover`. It follows nobody yet.
    ///
    /// # Errors
    /// [`ReplicationError`] if the disk cannot be read or written, or what `recover` returns.
    pub fn open<E: From<ReplicationError>>(
        &self,
        node: NodeId,
        (disk, config): (Arc<dyn Disk>, LogConfig),
        on_event: OnEvent,
        recover: impl FnOnce(&[Checkpoint], &mut dyn Iterator<Item = ReplayEntry>) -> Result<(), E>,
    ) -> Result<Opened<ModelLog>, E> {
        let life = {
            let mut state = self.state.lock();
            state.lives += 1;
            state.lives
        };
        let state = Arc::clone(&self.state);
        let on_durable = Box::new(move |shard, index, written: Result<(), WriteFailed>| {
            state.lock().durable((node, life), shard, (index, written));
        });
        let opened = Log::open(disk, config, on_durable).map_err(ReplicationError::from)?;
        let OpenedLog { log, mut writer, checkpoints, replay, marks, report, .. } = opened;
        let shards = self.state.lock().terms.len();
        let known: Vec<LogIndex> = (0..)
            .map(ShardId)
            .take(shards)
            .map(|shard| {
                let committed = marks.get(&shard).map(|marks| marks.committed.index).unwrap_or_default();
                let saved = checkpoints.iter().find(|saved| saved.shard == shard).map(|saved| saved.index);
                committed.max(saved.unwrap_or_default())
            })
            .collect();
        let entries = replay.collect::<Result<Vec<_>, _>>().map_err(ReplicationError::from)?;
        let is_committed = |entry: &ReplayEntry| entry.index <= known[usize::from(entry.shard.0)];
        recover(&checkpoints, &mut entries.into_iter().filter(is_committed))?;
        let mut groups = Vec::new();
        for (shard, committed) in (0..).map(ShardId).zip(known) {
            if !marks.contains_key(&shard) {
                log.mark(shard, Mark::Committed(EntryId::default()), Box::new(drop));
            }
            let archive = self.state.lock().archive[usize::from(shard.0)].clone();
            groups.push(Group::found(&log, shard, committed, archive)?);
        }
        while writer.step() {}
        let member = Member { life, log: log.clone(), on_event, groups };
        self.state.lock().members.insert(node, member);
        let replicated = ModelLog { cluster: self.clone(), node, life, log: log.clone() };
        Ok(Opened { replicated, log, writer, checkpoints, report })
    }

    /// Forgets a node: what it says and writes from now on nobody hears, and it leads nothing.
    pub fn kill(&self, node: NodeId) {
        let mut state = self.state.lock();
        state.members.remove(&node);
        state.terms.iter_mut().for_each(|(_, leader)| *leader = leader.filter(|leader| *leader != node));
    }

    /// Whether a node that is alive has all that a majority may have committed.
    #[must_use]
    pub fn can_lead(&self, shard: ShardId, node: NodeId) -> bool {
        self.state.lock().can_lead(shard, node)
    }

    /// Lets a node lead a shard in a new term. It learns so when its first entry is committed; who led before learns
    /// nothing.
    ///
    /// # Panics
    /// If it lacks something, see [`Self::can_lead`].
    pub fn elect(&self, shard: ShardId, node: NodeId) {
        self.state.lock().elect(shard, node);
    }

    /// Who leads a shard, if that node is alive.
    #[must_use]
    pub fn leader(&self, shard: ShardId) -> Option<NodeId> {
        let state = self.state.lock();
        let (_, leader) = state.terms[usize::from(shard.0)];
        leader.filter(|leader| state.members.contains_key(leader))
    }

    /// Lets a node know that it does not lead, if it thinks so.
    pub fn depose(&self, shard: ShardId, node: NodeId) {
        self.state.lock().depose(shard, node);
    }

    /// Brings up to so many entries of a shard from its leader to a node, and how far they are committed.
    pub fn replicate(&self, shard: ShardId, to: NodeId, count_max: usize) {
        let truncated = self.state.lock().replicate(shard, to, count_max);
        if let Some((log, life, from)) = truncated {
            let state = Arc::clone(&self.state);
            let done = move |_| state.lock().truncated((to, life), shard);
            log.mark(shard, Mark::Truncated { from }, Box::new(done));
        }
    }

    /// Lets the leader see what a majority has, and everybody tell what they know to be committed.
    pub fn commit(&self, shard: ShardId) {
        self.state.lock().commit(shard);
    }

    /// The newest entry of a shard that a node has, and how far it knows it to be committed.
    #[must_use]
    pub fn known(&self, shard: ShardId, node: NodeId) -> (LogIndex, LogIndex) {
        let state = self.state.lock();
        let group = state.members.get(&node).map(|member| &member.groups[usize::from(shard.0)]);
        group.map_or_else(Default::default, |group| (group.last().index, group.committed))
    }
}

impl State {
    fn group(&mut self, shard: ShardId, node: NodeId) -> Option<&mut Group> {
        self.members.get_mut(&node).map(|member| &mut member.groups[usize::from(shard.0)])
    }

    fn is_majority(&self, count: usize) -> bool {
        count * 2 > self.voters
    }

    fn durable(&mut self, (node, life): (NodeId, u64), shard: ShardId, durable: (LogIndex, Result<(), WriteFailed>)) {
        let Some(member) = self.members.get_mut(&node).filter(|member| member.life == life) else { return };
        match durable {
            (index, Ok(())) => {
                let group = &mut member.groups[usize::from(shard.0)];
                let valid = group.truncating.map_or(index, |from| index.min(LogIndex(from.0 - 1)));
                group.durable = group.durable.max(valid);
                member.tell(shard);
            }
            (_, Err(failed)) => {
                let error = ReplicationError::WriteFailed { reason: failed.to_string() };
                (member.on_event)(shard, ReplicationEvent::Failed(error));
            }
        }
    }

    fn can_lead(&self, shard: ShardId, node: NodeId) -> bool {
        let last = |member: &Member| {
            let EntryId { term, index } = member.groups[usize::from(shard.0)].last();
            (term, index)
        };
        let Some(candidate) = self.members.get(&node).map(last) else { return false };
        self.is_majority(self.members.values().filter(|member| last(member) <= candidate).count())
    }

    fn elect(&mut self, shard: ShardId, node: NodeId) {
        assert!(self.can_lead(shard, node), "{node} lacks what others may have committed");
        self.depose(shard, node);
        let place = &mut self.terms[usize::from(shard.0)];
        *place = (Term(place.0.0 + 1), Some(node));
        let term = place.0;
        let Some(member) = self.members.get_mut(&node) else { return };
        let index = member.groups[usize::from(shard.0)].last().index.next();
        let (bodies, batches) = (Arc::default(), Arc::default());
        member.take(Entry { shard, term, index, kind: EntryKind::Blank, head: Bytes::new(), bodies, batches });
        member.groups[usize::from(shard.0)].role = Role::Leads { term, blank: index };
    }

    fn depose(&mut self, shard: ShardId, node: NodeId) {
        let (_, leader) = self.terms[usize::from(shard.0)];
        let leader = leader.filter(|leader| *leader != node);
        if let Some(member) = self.members.get_mut(&node) {
            let group = &mut member.groups[usize::from(shard.0)];
            if group.role != (Role::Follows { leader }) {
                group.role = Role::Follows { leader };
                group.applied = group.told;
                (member.on_event)(shard, ReplicationEvent::Follows { leader });
            }
        }
    }

    /// Returns the log that must void its entries first, and from where on.
    fn replicate(&mut self, shard: ShardId, to: NodeId, count_max: usize) -> Option<(Log, u64, LogIndex)> {
        let (_, leader) = self.terms[usize::from(shard.0)];
        let leader = leader.filter(|leader| *leader != to && self.members.contains_key(leader))?;
        self.depose(shard, to);
        let group = self.group(shard, to).filter(|group| group.truncating.is_none())?;
        let terms: Vec<Term> = group.entries.iter().map(|entry| entry.term).collect();
        let source = self.group(shard, leader)?;
        let same = source.entries.iter().zip(&terms).take_while(|(entry, term)| entry.term == **term).count();
        let entries: Vec<Entry> = source.entries.iter().skip(same).take(count_max).cloned().collect();
        let committed = source.committed;
        let member = self.members.get_mut(&to)?;
        if same < terms.len() {
            let from = LogIndex(same as u64 + 1);
            member.groups[usize::from(shard.0)].truncate(from);
            return Some((member.log.clone(), member.life, from));
        }
        entries.into_iter().for_each(|entry| member.take(entry));
        let group = &mut member.groups[usize::from(shard.0)];
        group.committed = group.committed.max(committed.min(group.last().index));
        None
    }

    fn truncated(&mut self, (node, life): (NodeId, u64), shard: ShardId) {
        if let Some(member) = self.members.get_mut(&node).filter(|member| member.life == life) {
            let group = &mut member.groups[usize::from(shard.0)];
            group.truncating = None;
            // What came behind it in the same block has landed, too.
            group.durable = group.durable.max(member.log.last_kept(shard).unwrap_or_default().index);
            member.tell(shard);
        }
    }

    fn commit(&mut self, shard: ShardId) {
        let place = usize::from(shard.0);
        let (term, leader) = self.terms[place];
        if let Some(source) = leader.and_then(|leader| self.members.get(&leader)) {
            let source = &source.groups[place];
            let has = |member: &Member, index: LogIndex| {
                let group = &member.groups[place];
                group.durable >= index && group.term_at(index) == Some(term)
            };
            let newer = (source.committed.0 + 1..=source.last().index.0).rev().map(LogIndex);
            let count = |index: LogIndex| self.members.values().filter(|member| has(member, index)).count();
            let committed = newer.into_iter().find(|index| self.is_majority(count(*index)));
            if let (Some(committed), Some(group)) = (committed, leader.and_then(|leader| self.group(shard, leader))) {
                group.committed = committed;
                let count = usize::try_from(committed.0).unwrap_or(usize::MAX);
                let entries: Vec<Entry> = group.entries.iter().take(count).cloned().collect();
                let archive = &mut self.archive[place];
                archive.extend(entries.into_iter().skip(archive.len()));
            }
        }
        self.members.values_mut().for_each(|member| member.tell(shard));
    }
}

impl Member {
    fn take(&mut self, entry: Entry) {
        let group = &mut self.groups[usize::from(entry.shard.0)];
        assert_eq!(entry.index, group.last().index.next(), "entries have no gaps");
        group.entries.push(entry.clone());
        // A log that takes nothing more says so by itself.
        drop(self.log.submit_decided(entry));
    }

    /// Tells what is known to be committed, and durable here.
    fn tell(&mut self, shard: ShardId) {
        let group = &mut self.groups[usize::from(shard.0)];
        let committed = group.committed.min(group.durable);
        if committed > LogIndex(0)
            && let Some(term) = group.term_at(committed)
        {
            self.log.note_committed(shard, EntryId { term, index: committed });
        }
        while group.told < committed {
            let next = group.told.next();
            let event = match group.role {
                Role::Leads { blank, .. } if next > blank => {
                    group.told = committed;
                    ReplicationEvent::Committed(committed)
                }
                Role::Leads { term, blank } if next == blank => {
                    group.told = next;
                    ReplicationEvent::Leads { term, from: blank }
                }
                Role::Leads { .. } | Role::Follows { .. } if next.0 > group.applied.0 + AHEAD_MAX => return,
                Role::Leads { .. } | Role::Follows { .. } => {
                    group.told = next;
                    group.told_entry(next)
                }
            };
            (self.on_event)(shard, event);
        }
    }
}

impl Group {
    /// What a log has of a shard, behind what its checkpoint stands for.
    fn found(
        log: &Log,
        shard: ShardId,
        committed: LogIndex,
        mut entries: Vec<Entry>,
    ) -> Result<Self, ReplicationError> {
        let first = log.first_kept(shard).unwrap_or(committed.next());
        let last = log.last_kept(shard).map_or(committed, |last| last.index);
        entries.truncate(usize::try_from(first.0 - 1).unwrap_or(usize::MAX));
        for index in (first.0..=last.0).map(LogIndex) {
            let unread = |reason: String| ReplicationError::Consensus { shard, reason };
            let entry = log.entry(shard, index).map_err(|error| unread(error.to_string()))?;
            entries.push(entry.ok_or_else(|| unread(format!("entry {index} is gone")))?);
        }
        assert_eq!(entries.len() as u64, last.0, "shard {shard}: a checkpoint holds what is committed");
        let role = Role::Follows { leader: None };
        Ok(Self { entries, durable: last, truncating: None, committed, told: committed, applied: committed, role })
    }

    fn last(&self) -> EntryId {
        self.entries.last().map(|entry| EntryId { term: entry.term, index: entry.index }).unwrap_or_default()
    }

    fn at(&self, index: LogIndex) -> Option<&Entry> {
        self.entries.get(usize::try_from(index.0.checked_sub(1)?).ok()?)
    }

    fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.at(index).map(|entry| entry.term)
    }

    fn truncate(&mut self, from: LogIndex) {
        assert!(from > self.committed, "what is committed is not void");
        self.entries.truncate(usize::try_from(from.0 - 1).unwrap_or(usize::MAX));
        self.durable = self.durable.min(LogIndex(from.0 - 1));
        self.truncating = Some(from);
    }

    /// What others are told of an entry.
    fn told_entry(&self, index: LogIndex) -> ReplicationEvent {
        let Entry { term, kind, head, .. } = self.at(index).expect("what is told is there").clone();
        match kind {
            EntryKind::Commands => ReplicationEvent::Entry(CommittedEntry { term, index, kind, head }),
            EntryKind::Blank | EntryKind::Membership => ReplicationEvent::Committed(index),
        }
    }
}

impl ModelLog {
    fn with<R>(&self, look: impl FnOnce(&mut Member) -> R) -> Option<R> {
        let mut state = self.cluster.state.lock();
        state.members.get_mut(&self.node).filter(|member| member.life == self.life).map(look)
    }
}

impl ReplicatedLog for ModelLog {
    fn leadership(&self, shard: ShardId) -> Leadership {
        let role = self.with(|member| {
            let group = &member.groups[usize::from(shard.0)];
            (group.role, group.told)
        });
        match role {
            Some((Role::Leads { term, blank }, told)) if told >= blank => Leadership::Here { term },
            Some((Role::Follows { leader }, _)) => {
                let (term, leads) = self.cluster.state.lock().terms[usize::from(shard.0)];
                let term = if leads == leader { term } else { Term(0) };
                Leadership::Elsewhere { leader, term }
            }
            Some((Role::Leads { .. }, _)) | None => Leadership::Elsewhere { leader: None, term: Term(0) },
        }
    }

    fn confirm(&self, shard: ShardId, term: Term) -> Option<Confirming> {
        let state = self.cluster.state.lock();
        let (newest, leader) = state.terms[usize::from(shard.0)];
        let is_newest = (newest, leader) == (term, Some(self.node)) && state.is_majority(state.members.len());
        Some(Box::pin(std::future::ready(is_newest.then_some(()).ok_or(NotConfirmed { leader: None }))))
    }

    fn is_in_sync(&self, shard: ShardId, node: NodeId) -> bool {
        let state = self.cluster.state.lock();
        let (_, leader) = state.terms[usize::from(shard.0)];
        let group = |node| state.members.get(&node).map(|member: &Member| &member.groups[usize::from(shard.0)]);
        let committed = group(self.node).map(|group| group.committed);
        leader == Some(self.node) && group(node).map(|group| group.durable) >= committed
    }

    fn voters(&self, _shard: ShardId) -> BTreeSet<NodeId> {
        (1..).map(NodeId).take(self.cluster.state.lock().voters).collect()
    }

    fn propose(&self, proposal: Proposal) -> Result<LogIndex, ProposeError> {
        let Proposal { shard, term, head, bodies, batches } = proposal;
        self.log.check_parts(&head, &bodies, &batches).map_err(|refused| match refused {
            SubmitRefused::TooLarge { bytes, bytes_max } => ProposeError::TooLarge { bytes, bytes_max },
            _ => unreachable!("a length is asked about, not a place"),
        })?;
        let leadership = self.leadership(shard);
        let proposed = self.with(|member| {
            if leadership != (Leadership::Here { term }) {
                let Leadership::Elsewhere { leader, .. } = leadership else {
                    return Err(ProposeError::NotLeader { leader: None });
                };
                return Err(ProposeError::NotLeader { leader });
            }
            let index = member.groups[usize::from(shard.0)].last().index.next();
            let (bodies, batches) = (Arc::new(bodies), Arc::new(batches));
            member.take(Entry { shard, term, index, kind: EntryKind::Commands, head, bodies, batches });
            Ok(index)
        });
        proposed.unwrap_or(Err(ProposeError::Closed))
    }

    fn newest(&self, shard: ShardId) -> LogIndex {
        self.with(|member| member.groups[usize::from(shard.0)].last().index).unwrap_or_default()
    }

    fn applied(&self, shard: ShardId, index: LogIndex) {
        self.with(|member| {
            let group = &mut member.groups[usize::from(shard.0)];
            group.applied = group.applied.max(index);
            member.tell(shard);
        });
    }

    fn checkpointed(&self, _shard: ShardId, _term: Term, _index: LogIndex) {
        // All is kept, so that nobody ever lacks anything.
    }

    fn room(&self) -> Room {
        self.log.room()
    }
}
