//! `ReplicatedLog` over consensus groups of openraft, one per shard.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

use futures_util::FutureExt;
use omnibus_io::Disk;
use omnibus_log::{
    Checkpoint, EntryId, Log, LogConfig, LogError, Mark, Marks, Opened as OpenedLog, ReplayEntry, Room, SubmitRefused,
    Vote, WriteFailed, Writer,
};
use omnibus_model::{LogIndex, NodeId, ShardId, Term};
use omnibus_replication::{
    Leadership, OnEvent, Opened, Proposal, ProposeError, ReplicatedLog, ReplicationError, ReplicationEvent,
};
use openraft::type_config::alias::StoredMembershipOf;
use openraft::{BasicNode, Membership, Raft, StoredMembership};
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::alone::Alone;
use crate::machine::Machine;
use crate::membership::{decode_membership, encode_membership};
use crate::settings::settings;
use crate::shard_state::{Begin, Bell, ShardState};
use crate::store::ShardStore;
use crate::types::{Group, Types, log_id};

/// Who takes part, and on what it runs.
#[derive(Clone, Debug)]
pub struct Consensus {
    pub node: NodeId,
    /// Where chance comes from, such as how long an election is waited for.
    pub seed: u64,
    /// Threads that run while whoever opens the log waits.
    pub runtime: Handle,
}

/// A replicated log whose groups have this node as their one voter.
pub struct OpenraftLog {
    log: Log,
    shards: Vec<Member>,
    on_event: Arc<OnEvent>,
    runtime: Handle,
}

/// This node's part in a group.
struct Member {
    state: Arc<ShardState>,
    raft: Raft<Types, Machine>,
}

impl fmt::Debug for OpenraftLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states = self.shards.iter().map(|member| &member.state);
        f.debug_struct("OpenraftLog").field("shards", &states.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl OpenraftLog {
    /// Opens the log on `disk` for `shards` shards, hands each entry behind its shard's
    /// checkpoint to `recover`, in order, and returns when this node leads all shards.
    ///
    /// A log that had no replicas before becomes a replicated one.
    ///
    /// # Errors
    /// [`ReplicationError`] if the disk cannot be read or written, acknowledged data is damaged,
    /// or there are other voters, or what `recover` returns.
    pub fn open<E: From<ReplicationError>>(
        (disk, config): (Arc<dyn Disk>, LogConfig),
        shards: u16,
        consensus: Consensus,
        on_event: OnEvent,
        recover: impl FnOnce(&[Checkpoint], &mut dyn Iterator<Item = ReplayEntry>) -> Result<(), E>,
    ) -> Result<Opened<Self>, E> {
        let on_event = Arc::new(on_event);
        let states: Arc<OnceLock<Vec<Arc<ShardState>>>> = Arc::default();
        let on_durable = on_durable(Arc::clone(&states), Arc::clone(&on_event));
        let opened = Log::open(disk, config, on_durable).map_err(ReplicationError::from)?;
        let OpenedLog { log, mut writer, incarnation, checkpoints, replay, marks, report } = opened;
        check_voters(consensus.node, &marks)?;
        let mut ends = Ends::new(&checkpoints);
        ends.replay(replay, |entries| recover(&checkpoints, entries))?;
        let mut begins = Vec::new();
        for shard in (0..shards).map(ShardId) {
            let begin = Beginning { shard, node: consensus.node, incarnation, ends: &ends, marks: marks.get(&shard) };
            begins.push((shard, begin.begin(&log)));
        }
        write(&mut writer, &log)?;
        let bell = Arc::new(Bell::default());
        let state = |(shard, begin)| {
            Arc::new(ShardState::new((shard, consensus.node.0.into()), log.clone(), Arc::clone(&bell), begin))
        };
        let states = states.get_or_init(|| begins.into_iter().map(state).collect());
        let members = lead(states, &consensus, &on_event, &mut Driver { writer: &mut writer, bell: &bell, log: &log })?;
        let replicated = Self { log: log.clone(), shards: members, on_event, runtime: consensus.runtime };
        Ok(Opened { replicated, log, writer, checkpoints, report })
    }

    fn member(&self, shard: ShardId) -> &Member {
        &self.shards[usize::from(shard.0)]
    }

    /// Says that a group takes nothing more; it will not come back.
    fn ended(&self, shard: ShardId, reason: String) -> ProposeError {
        (self.on_event)(shard, ReplicationEvent::Failed(ReplicationError::Consensus { shard, reason }));
        ProposeError::Closed
    }
}

impl ReplicatedLog for OpenraftLog {
    fn leadership(&self, shard: ShardId) -> Leadership {
        self.member(shard).state.leadership()
    }

    fn propose(&self, proposal: Proposal) -> Result<LogIndex, ProposeError> {
        let Proposal { shard, term, head, bodies, batches } = proposal;
        match self.log.room() {
            Room::None => return Err(ProposeError::DiskFull),
            Room::Plenty | Room::ReserveOnly if self.log.is_busy() => return Err(ProposeError::Busy),
            Room::Plenty | Room::ReserveOnly => {}
        }
        let group = Group { head, bodies: Arc::new(bodies), batches: Arc::new(batches) };
        self.log.check_parts(&group.head, &group.bodies, &group.batches).map_err(too_large)?;
        let member = self.member(shard);
        let send = || {
            let sent = member.raft.write(group).with_leader(term.0).into_future();
            // It waits only for a place in a queue that is longer than all that may be in flight.
            match tokio::task::unconstrained(sent).now_or_never() {
                Some(Ok(())) => Ok(()),
                Some(Err(fatal)) => Err(Some(fatal.to_string())),
                None => Err(None),
            }
        };
        match member.state.promise(term, send) {
            Some(Ok(index)) => Ok(index),
            Some(Err(None)) => Err(ProposeError::Busy),
            Some(Err(Some(reason))) => Err(self.ended(shard, reason)),
            None => match self.leadership(shard) {
                Leadership::Elsewhere { leader } => Err(ProposeError::NotLeader { leader }),
                Leadership::Here { .. } => Err(ProposeError::NotLeader { leader: None }),
            },
        }
    }

    fn newest(&self, shard: ShardId) -> LogIndex {
        self.member(shard).state.newest()
    }

    fn applied(&self, _shard: ShardId, _index: LogIndex) {
        // The one voter is told of nobody else's entries.
    }

    fn checkpointed(&self, shard: ShardId, term: Term, index: LogIndex) {
        let member = self.member(shard);
        if member.state.checkpointed(EntryId { term, index }) {
            let trigger = member.raft.trigger();
            let asked = tokio::task::unconstrained(Box::pin(trigger.snapshot())).now_or_never();
            if !matches!(asked, Some(Ok(()))) {
                // The next checkpoint says the same and more.
                tracing::debug!(shard = shard.0, "the log is purged later");
            }
        }
    }

    fn room(&self) -> Room {
        self.log.room()
    }
}

impl Drop for OpenraftLog {
    fn drop(&mut self) {
        for member in self.shards.drain(..) {
            self.runtime.spawn(DeterministicRng::<TokioRuntime>::scope(0, async move {
                if let Err(error) = member.raft.shutdown().await {
                    tracing::warn!(%error, "consensus did not end well");
                }
            }));
        }
    }
}

fn on_durable(states: Arc<OnceLock<Vec<Arc<ShardState>>>>, on_event: Arc<OnEvent>) -> omnibus_log::OnDurable {
    Box::new(move |shard, index, written: Result<(), WriteFailed>| {
        let state = states.get().and_then(|states| states.get(usize::from(shard.0)));
        if let Some(state) = state {
            state.durable(index, written.as_ref().copied());
        }
        if let Err(failed) = written {
            on_event(shard, ReplicationEvent::Failed(ReplicationError::WriteFailed { reason: failed.to_string() }));
        }
    })
}

fn too_large(refused: SubmitRefused) -> ProposeError {
    match refused {
        SubmitRefused::TooLarge { bytes, bytes_max } => ProposeError::TooLarge { bytes, bytes_max },
        SubmitRefused::Closed | SubmitRefused::QueueFull | SubmitRefused::DiskFull | SubmitRefused::Failed(_) => {
            unreachable!("a length is asked about, not a place")
        }
    }
}

/// Checks that nobody but this node votes on what is on its disk.
fn check_voters(node: NodeId, marks: &BTreeMap<ShardId, Marks>) -> Result<(), ReplicationError> {
    for (&shard, marks) in marks {
        if marks.vote.is_some() && marks.memberships.is_empty() {
            let reason = "its log does not say who votes".to_owned();
            return Err(ReplicationError::Consensus { shard, reason });
        }
        for (_, bytes) in &marks.memberships {
            let alone = decode_membership(bytes).is_some_and(|known| known.voter_ids().eq([u64::from(node.0)]));
            if !alone {
                return Err(ReplicationError::OtherVoters { shard });
            }
        }
    }
    Ok(())
}

/// The newest entry of each shard, and the checkpoint before it.
struct Ends {
    checkpoints: BTreeMap<ShardId, EntryId>,
    last: BTreeMap<ShardId, EntryId>,
}

impl Ends {
    fn new(checkpoints: &[Checkpoint]) -> Self {
        let id = |saved: &Checkpoint| (saved.shard, EntryId { term: saved.term, index: saved.index });
        let checkpoints: BTreeMap<_, _> = checkpoints.iter().map(id).collect();
        Self { last: checkpoints.clone(), checkpoints }
    }

    /// Hands all entries on. What is durable at the one voter is committed.
    fn replay<E: From<ReplicationError>>(
        &mut self,
        replay: impl Iterator<Item = Result<ReplayEntry, LogError>>,
        recover: impl FnOnce(&mut dyn Iterator<Item = ReplayEntry>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut broken = None;
        let mut entries = replay.map_while(|entry| match entry {
            Ok(entry) => {
                self.last.insert(entry.shard, EntryId { term: entry.term, index: entry.index });
                Some(entry)
            }
            Err(error) => {
                broken = Some(error);
                None
            }
        });
        recover(&mut entries)?;
        // Whoever recovers may have stopped early; the newest entries count all the same.
        entries.for_each(drop);
        broken.map_or(Ok(()), |error| Err(ReplicationError::from(error).into()))
    }
}

/// What is on the disk of one shard.
struct Beginning<'a> {
    shard: ShardId,
    node: NodeId,
    incarnation: u64,
    ends: &'a Ends,
    marks: Option<&'a Marks>,
}

impl Beginning<'_> {
    /// What consensus begins with. A shard that knows nothing of it yet is told first.
    fn begin(&self, log: &Log) -> Begin {
        let applied = self.ends.last.get(&self.shard).copied().unwrap_or_default();
        let checkpoint = self.ends.checkpoints.get(&self.shard).copied().unwrap_or_default();
        // What was told but half of it is told again.
        let has_begun = |marks: &&Marks| marks.vote.is_some() || log.last_kept(self.shard).is_some();
        let is_empty = applied.index == LogIndex(0);
        let Some(marks) = self.marks.filter(|marks| is_empty || has_begun(marks)) else {
            return self.adopt(log, applied);
        };
        let membership = marks
            .memberships
            .last()
            .and_then(|(id, bytes)| Some(StoredMembershipOf::<Types>::new(log_id(*id), decode_membership(bytes)?)));
        let last = log.last_kept(self.shard).unwrap_or(marks.purged);
        // Of a log that was adopted more may have been purged than was saved; nobody asks for it.
        let checkpoint = if checkpoint.index < marks.purged.index { marks.purged } else { checkpoint };
        let membership = membership.unwrap_or_default();
        let memberships = marks.memberships.clone();
        Begin { vote: marks.vote, purged: marks.purged, last, applied, membership, checkpoint, memberships }
    }

    /// Makes a shard a replicated one: what it has is committed, and this node is all there is.
    fn adopt(&self, log: &Log, last: EntryId) -> Begin {
        let tell = |mark| log.mark(self.shard, mark, Box::new(|_| {}));
        tell(Mark::Committed(last));
        if last.index == LogIndex(0) {
            return Begin::default();
        }
        let node = u64::from(self.node.0);
        let alone = Membership::new_with_defaults(vec![[node].into()], []);
        // Clients have seen the number of the last start as the leader's epoch.
        let vote = Vote { term: Term(self.incarnation).max(last.term), node, granted: false };
        tell(Mark::Membership(EntryId::default(), encode_membership(&alone)));
        tell(Mark::Purged(last));
        tell(Mark::Vote(vote));
        let membership = StoredMembership::new(None, alone);
        let memberships = Vec::new();
        Begin { vote: Some(vote), purged: last, last, applied: last, membership, checkpoint: last, memberships }
    }
}

/// Writes what waits.
fn write(writer: &mut Writer, log: &Log) -> Result<(), ReplicationError> {
    while writer.step() {}
    check_written(log)
}

fn check_written(log: &Log) -> Result<(), ReplicationError> {
    if log.stats().failed {
        return Err(ReplicationError::WriteFailed { reason: "the disk failed while the log was opened".to_owned() });
    }
    Ok(())
}

/// Writes while consensus begins.
struct Driver<'a> {
    writer: &'a mut Writer,
    bell: &'a Arc<Bell>,
    log: &'a Log,
}

/// What came of a group's begin.
type Begun = Arc<Mutex<Option<Result<Raft<Types, Machine>, String>>>>;

/// Lets every shard elect its one voter, and waits until all have.
fn lead(
    states: &[Arc<ShardState>],
    consensus: &Consensus,
    on_event: &Arc<OnEvent>,
    driver: &mut Driver<'_>,
) -> Result<Vec<Member>, ReplicationError> {
    let mut begun: Vec<Begun> = Vec::new();
    for state in states {
        let machine = Machine { state: Arc::clone(state), on_event: Arc::clone(on_event) };
        let (slot, bell) = (Begun::default(), Arc::clone(driver.bell));
        begun.push(Arc::clone(&slot));
        let (seed, node) = (consensus.seed ^ u64::from(state.shard.0), consensus.node);
        consensus.runtime.spawn(DeterministicRng::<TokioRuntime>::scope(seed, async move {
            let result = begin(machine, node).await;
            *slot.lock() = Some(result);
            bell.ring();
        }));
    }
    let mut members: Vec<Option<Member>> = states.iter().map(|_| None).collect();
    loop {
        write(driver.writer, driver.log)?;
        for ((state, begun), member) in states.iter().zip(&begun).zip(&mut members) {
            match begun.lock().take() {
                None => {}
                Some(Ok(raft)) => *member = Some(Member { state: Arc::clone(state), raft }),
                Some(Err(reason)) => return Err(ReplicationError::Consensus { shard: state.shard, reason }),
            }
        }
        let leads = |state: &Arc<ShardState>| matches!(state.leadership(), Leadership::Here { .. });
        if members.iter().all(Option::is_some) && states.iter().all(leads) {
            return Ok(members.into_iter().flatten().collect());
        }
        driver.bell.wait();
    }
}

/// Begins one group and has this node elected: nobody else will do it, and waiting for an
/// election would only take time.
async fn begin(machine: Machine, node: NodeId) -> Result<Raft<Types, Machine>, String> {
    let node = u64::from(node.0);
    let state = Arc::clone(&machine.state);
    let is_new = state.ends().1.index == LogIndex(0) && state.vote().is_none();
    let store = ShardStore { state: Arc::clone(&state) };
    let raft = Raft::build(node, settings(), Alone, store, machine).await.map_err(|error| error.to_string())?;
    state.begun();
    raft.run();
    if is_new {
        let nodes = BTreeMap::from([(node, BasicNode::default())]);
        raft.initialize(nodes).await.map_err(|error| error.to_string())?;
    } else {
        raft.trigger().elect(false).await.map_err(|error| error.to_string())?;
    }
    Ok(raft)
}
