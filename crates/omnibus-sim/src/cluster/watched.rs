//! Stands between an engine and its log, and holds all that is said there against what other nodes were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use omnibus_log::{EntryKind, Log, ReplayEntry, Room};
use omnibus_model::{LogIndex, NodeId, ShardId, Term};
use omnibus_raft::OpenraftLog;
use omnibus_replication::{Confirming, Leadership, OnEvent, Proposal, ProposeError, ReplicatedLog, ReplicationEvent};
use parking_lot::Mutex;

use super::ledger::hash;
use super::life::Life;
use super::world::World;

const ONE_HISTORY: &str = "all nodes have one history";
const ONE_LEADER: &str = "a term has one leader";
const ONE_STATE: &str = "equal histories give equal states";
const FORWARD: &str = "history goes forward";

/// One life of a node. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Watched(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: World,
    node: NodeId,
    life: Life,
    log: OnceLock<Log>,
    shards: Mutex<BTreeMap<ShardId, Known>>,
}

/// What a node knows of a shard.
#[derive(Debug, Default)]
struct Known {
    newest: LogIndex,
    leads: bool,
    /// What it has proposed and was not told of.
    own: BTreeMap<LogIndex, (Term, Bytes)>,
}

/// The log of a node, as its engine sees it.
#[derive(Debug)]
pub(crate) struct Over {
    replicated: Arc<OpenraftLog>,
    watched: Watched,
}

impl Watched {
    pub(crate) fn new(world: &World, node: NodeId, life: &Life) -> Self {
        let (log, shards) = (OnceLock::new(), Mutex::default());
        Self(Arc::new(Inner { world: world.clone(), node, life: life.clone(), log, shards }))
    }

    pub(crate) fn opened(&self, log: &Log) {
        self.0.log.get_or_init(|| log.clone());
    }

    pub(crate) fn over(&self, replicated: &Arc<OpenraftLog>) -> Over {
        Over { replicated: Arc::clone(replicated), watched: self.clone() }
    }

    /// Passes on what is told.
    pub(crate) fn on_event(&self, tell: OnEvent) -> OnEvent {
        let watched = self.clone();
        Box::new(move |shard, event| {
            if !watched.0.life.is_over() {
                watched.told(shard, &event);
            }
            tell(shard, event);
        })
    }

    /// A start repeats an entry.
    pub(crate) fn recovered(&self, entry: &ReplayEntry) {
        if entry.kind == EntryKind::Commands {
            self.committed(entry.shard, entry.index, (entry.term, &entry.head));
        }
        self.grow(entry.shard, entry.index);
    }

    fn told(&self, shard: ShardId, event: &ReplicationEvent) {
        let Inner { world, node, shards, .. } = &*self.0;
        match event {
            ReplicationEvent::Committed(newest) => {
                world.note("committed", &[node.0.into(), shard.0.into(), newest.0]);
                self.grow(shard, *newest);
                for (index, (term, head)) in self.take_own(shard, *newest) {
                    self.committed(shard, index, (term, &head));
                }
            }
            ReplicationEvent::Entry(entry) => {
                world.note("entry", &[node.0.into(), shard.0.into(), entry.index.0, entry.term.0]);
                self.grow(shard, entry.index);
                self.committed(shard, entry.index, (entry.term, &entry.head));
            }
            ReplicationEvent::Leads { term, from } => {
                world.line(format_args!("node {node} leads shard {shard} in term {term} from {from} on"));
                world.with(|state| state.tally.elections += 1);
                world.check(ONE_LEADER, |ledger| ledger.leads(shard, *term, *node));
                self.grow(shard, *from);
                *shards.lock().entry(shard).or_default() = Known { newest: *from, leads: true, own: BTreeMap::new() };
            }
            ReplicationEvent::Follows { leader } => {
                world.line(format_args!("node {node} follows {leader:?} in shard {shard}"));
                let mut shards = shards.lock();
                let known = shards.entry(shard).or_default();
                (known.leads, known.own) = (false, BTreeMap::new());
            }
            ReplicationEvent::Installed { term, index } => {
                world.line(format_args!("node {node} has a state of shard {shard} after entry {index} of {term}"));
                world.with(|state| state.tally.installs += 1);
                self.grow(shard, *index);
            }
            ReplicationEvent::Failed(error) => world.line(format_args!("node {node} fails: {error}")),
        }
    }

    fn take_own(&self, shard: ShardId, newest: LogIndex) -> BTreeMap<LogIndex, (Term, Bytes)> {
        let mut shards = self.0.shards.lock();
        let known = shards.entry(shard).or_default();
        let later = known.own.split_off(&newest.next());
        std::mem::replace(&mut known.own, later)
    }

    fn committed(&self, shard: ShardId, index: LogIndex, (term, head): (Term, &Bytes)) {
        self.0.world.with(|state| state.tally.entries += 1);
        self.0.world.check(ONE_HISTORY, |ledger| ledger.committed((shard, index), term, head));
    }

    fn grow(&self, shard: ShardId, index: LogIndex) {
        let mut shards = self.0.shards.lock();
        let known = shards.entry(shard).or_default();
        let (before, node) = (std::mem::replace(&mut known.newest, index), self.0.node);
        drop(shards);
        self.0.world.check(FORWARD, |_| {
            let goes = before <= index;
            goes.then_some(()).ok_or_else(|| format!("node {node} is told of {index} of shard {shard} after {before}"))
        });
    }
}

impl ReplicatedLog for Over {
    fn leadership(&self, shard: ShardId) -> Leadership {
        self.replicated.leadership(shard)
    }

    fn confirm(&self, shard: ShardId, term: Term) -> Option<Confirming> {
        self.replicated.confirm(shard, term)
    }

    fn is_in_sync(&self, shard: ShardId, node: NodeId) -> bool {
        self.replicated.is_in_sync(shard, node)
    }

    fn voters(&self, shard: ShardId) -> BTreeSet<NodeId> {
        self.replicated.voters(shard)
    }

    fn propose(&self, proposal: Proposal) -> Result<LogIndex, ProposeError> {
        let (shard, term, head) = (proposal.shard, proposal.term, proposal.head.clone());
        let index = self.replicated.propose(proposal)?;
        let Inner { world, node, shards, .. } = &*self.watched.0;
        world.note("propose", &[node.0.into(), shard.0.into(), index.0, hash(&head)]);
        let mut shards = shards.lock();
        let known = shards.entry(shard).or_default();
        if known.leads {
            known.own.insert(index, (term, head));
        }
        Ok(index)
    }

    fn newest(&self, shard: ShardId) -> LogIndex {
        self.replicated.newest(shard)
    }

    fn applied(&self, shard: ShardId, index: LogIndex) {
        self.replicated.applied(shard, index);
    }

    fn checkpointed(&self, shard: ShardId, term: Term, index: LogIndex) {
        let Inner { world, node, log, life, .. } = &*self.watched.0;
        world.note("checkpoint", &[node.0.into(), shard.0.into(), index.0]);
        world.with(|state| state.tally.checkpoints += 1);
        let saved = log.get().and_then(|log| log.checkpoint(shard).ok()).flatten();
        if let Some(saved) = saved.filter(|saved| saved.index == index && !life.is_over()) {
            world.check(ONE_STATE, |ledger| ledger.saved((shard, index), hash(&saved.state)));
        }
        self.replicated.checkpointed(shard, term, index);
    }

    fn wants_checkpoint(&self) -> bool {
        self.replicated.wants_checkpoint()
    }

    fn room(&self) -> Room {
        self.replicated.room()
    }
}
