//! `ReplicatedLog` over consensus groups of openraft, one per shard.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::FutureExt;
use omnibus_io::Disk;
use omnibus_log::{
    Checkpoint, EntryId, Log, LogConfig, Opened as OpenedLog, ReplayEntry, Room, SubmitRefused, WriteFailed, Writer,
};
use omnibus_model::{Bug, LogIndex, NodeId, ShardId, Term, planted};
use omnibus_replication::{
    Confirming, Leadership, OnEvent, Opened, Proposal, ProposeError, ReplicatedLog, ReplicationError, ReplicationEvent,
};
use openraft::{BasicNode, Raft};
use openraft_rt::deterministic_rng::DeterministicRng;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::beginning::{Beginning, Ends, Voters};
use crate::bell::Bell;
use crate::door::Door;
use crate::machine::Machine;
use crate::member::{Change, ChangeError, Member, Replicas, Standing};
use crate::network::Network;
use crate::office::Probing;
use crate::peers::{NoPeers, Peers};
use crate::runtime::Runtime;
use crate::settings::settings;
use crate::shard_state::ShardState;
use crate::store::ShardStore;
use crate::types::{Group, Proposed};
use crate::vessel::Vessel;

/// How soon openraft is asked again whether it takes proposals.
const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// Entries that a replica may lack that readers are sent to: they wait for them there.
const IN_SYNC_LAG_MAX: u64 = 64;

/// Who takes part, and on what it runs.
#[derive(Clone, Debug)]
pub struct Consensus {
    pub node: NodeId,
    /// Where chance comes from, such as how long an election is waited for.
    pub seed: u64,
    /// Threads that run while whoever opens the log waits.
    pub runtime: Handle,
    /// The way to the others; none if there are no others.
    pub peers: Option<Arc<dyn Peers>>,
    /// Who votes in groups that do not exist yet. All of these nodes must be told the same; the
    /// first of them makes the groups. A node that is not among them takes part once the leaders of
    /// the groups have been told to add it, and so must one that has lost its disk.
    pub founders: BTreeSet<NodeId>,
}

impl Consensus {
    /// A node that is all there is.
    #[must_use]
    pub fn alone(node: NodeId, seed: u64, runtime: Handle) -> Self {
        Self { node, seed, runtime, peers: None, founders: [node].into() }
    }
}

/// A replicated log.
pub struct OpenraftLog {
    log: Log,
    shards: Arc<Vec<Member>>,
    runtime: Handle,
}

impl fmt::Debug for OpenraftLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenraftLog").field("shards", &self.shards).finish_non_exhaustive()
    }
}

impl OpenraftLog {
    /// Opens the log on `disk` for `shards` shards and hands each entry that is known to be
    /// committed and behind its shard's checkpoint to `recover`, in order. A node without peers
    /// leads all shards when this returns; one with peers takes part, once the writer runs.
    ///
    /// A log that had no replicas before becomes a replicated one.
    ///
    /// # Errors
    /// [`ReplicationError`] if the disk cannot be read or written, acknowledged data is damaged,
    /// or there are other voters and no way to them, or what `recover` returns.
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
        let voters = Voters::of(consensus.node, &marks)?;
        if let (None, Some(shard)) = (&consensus.peers, voters.with_others()) {
            return Err(ReplicationError::OtherVoters { shard }.into());
        }
        let mut ends = Ends::new(&voters, &marks, &checkpoints);
        ends.replay(replay, |entries| recover(&checkpoints, entries))?;
        let node = consensus.node;
        let is_founder = consensus.founders.contains(&node);
        let begin = |shard| Beginning { shard, node, is_founder, incarnation, ends: &ends }.begin(&log);
        let begins: Vec<_> = (0..shards).map(|shard| begin(ShardId(shard))).collect();
        write(&mut writer, &log)?;
        let bell = Arc::new(Bell::default());
        let state = |(shard, begin)| {
            let place = (ShardId(shard), u64::from(node.0));
            Arc::new(ShardState::new(place, log.clone(), Arc::clone(&bell), Arc::clone(&on_event), begin))
        };
        let states = states.get_or_init(|| (0..).zip(begins).map(state).collect());
        let members = build(states, &consensus)?;
        let start = |member: &Member| {
            let shard = member.state.shard;
            start(member, voters.is_alone(shard), &consensus, &bell);
        };
        members.iter().for_each(start);
        if consensus.peers.is_none() {
            lead(&members, &mut Driver { writer: &mut writer, bell: &bell, log: &log })?;
        }
        let shards = Arc::new(members);
        let replicated = Self { log: log.clone(), shards, runtime: consensus.runtime };
        Ok(Opened { replicated, log, writer, checkpoints, report })
    }

    /// Where other nodes' requests come in.
    #[must_use]
    pub fn door(&self) -> Door {
        Door { shards: Arc::clone(&self.shards) }
    }

    /// Says who replicates a shard, as far as this node knows.
    #[must_use]
    pub fn replicas(&self, shard: ShardId) -> Replicas {
        self.member(shard).replicas()
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> u16 {
        u16::try_from(self.shards.len()).unwrap_or(u16::MAX)
    }

    /// Says how a shard stands, as far as this node knows.
    #[must_use]
    pub fn standing(&self, shard: ShardId) -> Standing {
        self.member(shard).standing()
    }

    /// Gives a shard that this node leads a replica without a vote.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn add_learner(&self, shard: ShardId, node: NodeId) -> Result<(), ChangeError> {
        self.change(shard, Change::AddLearner(node)).await
    }

    /// Gives the votes about a shard that this node leads to these nodes, which must be replicas;
    /// those that had one and are not among them go.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_voters(&self, shard: ShardId, voters: BTreeSet<NodeId>) -> Result<(), ChangeError> {
        self.change(shard, Change::Voters(voters)).await
    }

    /// Takes votes about a shard that this node leads away: all but these voters stay without one.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn demote_others(&self, shard: ShardId, voters: BTreeSet<NodeId>) -> Result<(), ChangeError> {
        self.change(shard, Change::Demote(voters)).await
    }

    /// Takes a replica without a vote out of a shard that this node leads.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove_learner(&self, shard: ShardId, node: NodeId) -> Result<(), ChangeError> {
        self.change(shard, Change::RemoveLearner(node)).await
    }

    /// A change goes on to its end, also if nobody waits for it any more.
    async fn change(&self, shard: ShardId, change: Change) -> Result<(), ChangeError> {
        let member = self.member(shard).clone();
        let scope = DeterministicRng::<Runtime>::scope(0, async move { member.change(change).await });
        self.runtime.spawn(scope).await.unwrap_or_else(|ended| Err(ChangeError::Refused { reason: ended.to_string() }))
    }

    /// Has another voter lead a shard that this node leads, which takes no proposals from here on.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn transfer(&self, shard: ShardId, to: NodeId) -> Result<(), ChangeError> {
        self.member(shard).transfer(to).await
    }

    /// Has this node ask for all votes about a shard at once, if it has one, because the process of whoever leads it is gone, or
    /// because nobody leads it since. Without that the others wait until its lease has ended. Says whether it did.
    ///
    /// # Errors
    /// [`ChangeError::Refused`] if the group has ended.
    pub async fn succeed(&self, shard: ShardId, gone: NodeId) -> Result<bool, ChangeError> {
        self.member(shard).succeed(gone).await
    }

    fn leads(&self, shard: ShardId) -> bool {
        matches!(self.member(shard).state.leadership(), Leadership::Here { .. })
    }

    fn member(&self, shard: ShardId) -> &Member {
        &self.shards[usize::from(shard.0)]
    }
}

impl ReplicatedLog for OpenraftLog {
    fn leadership(&self, shard: ShardId) -> Leadership {
        self.member(shard).state.leadership()
    }

    fn confirm(&self, shard: ShardId, term: Term) -> Option<Confirming> {
        let member = self.member(shard).clone();
        Some(Box::pin(async move { member.confirm(term).await }))
    }

    fn is_in_sync(&self, shard: ShardId, node: NodeId) -> bool {
        self.leads(shard) && self.member(shard).state.is_full(node.0.into(), IN_SYNC_LAG_MAX)
    }

    fn voters(&self, shard: ShardId) -> BTreeSet<NodeId> {
        self.replicas(shard).voters
    }

    fn propose(&self, proposal: Proposal) -> Result<LogIndex, ProposeError> {
        let Proposal { shard, term, head, bodies, batches } = proposal;
        match self.log.room() {
            Room::None => return Err(ProposeError::DiskFull),
            Room::Plenty | Room::ReserveOnly if self.log.is_busy() => return Err(ProposeError::Busy),
            Room::Plenty | Room::ReserveOnly => {}
        }
        let group = Group { head, bodies: Arc::new(bodies), batches: Arc::new(batches), place: None };
        self.log.check_parts(&group.head, &group.bodies, &group.batches).map_err(too_large)?;
        let member = self.member(shard);
        let send = |promised| {
            let group = Group { place: Some(Proposed::At(promised)), ..group };
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
            Some(Err(Some(reason))) => {
                member.state.failed(reason);
                Err(ProposeError::Closed)
            }
            None => match self.leadership(shard) {
                Leadership::Elsewhere { leader, .. } => Err(ProposeError::NotLeader { leader }),
                Leadership::Here { .. } => Err(ProposeError::NotLeader { leader: None }),
            },
        }
    }

    fn newest(&self, shard: ShardId) -> LogIndex {
        self.member(shard).state.newest()
    }

    fn applied(&self, shard: ShardId, index: LogIndex) {
        self.member(shard).state.done(index);
    }

    fn checkpointed(&self, shard: ShardId, term: Term, index: LogIndex) {
        let member = self.member(shard);
        if member.state.checkpointed(EntryId { term, index }) {
            let trigger = member.raft.trigger();
            let asked = tokio::task::unconstrained(Box::pin(trigger.snapshot())).now_or_never();
            match asked {
                Some(Ok(())) => {}
                Some(Err(ended)) => member.state.failed(ended.to_string()),
                // The next checkpoint says the same and more.
                None => tracing::debug!(shard = shard.0, "the log is purged later"),
            }
        }
    }

    fn wants_checkpoint(&self) -> bool {
        self.shards.iter().any(|member| member.state.wants_checkpoint())
    }

    fn room(&self) -> Room {
        self.log.room()
    }
}

impl Drop for OpenraftLog {
    fn drop(&mut self) {
        for member in self.shards.iter().cloned() {
            member.state.end();
            self.runtime.spawn(DeterministicRng::<Runtime>::scope(0, async move {
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
            if planted(Bug::OwnDiskIsEnough) && written.is_ok() {
                state.commit_alone(index);
            }
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

/// Writes what waits.
fn write(writer: &mut Writer, log: &Log) -> Result<(), ReplicationError> {
    while writer.step() {}
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

/// Puts the groups together. Nothing of that waits: what is asked is known.
fn build(states: &[Arc<ShardState>], consensus: &Consensus) -> Result<Vec<Member>, ReplicationError> {
    let peers = consensus.peers.clone().unwrap_or_else(|| Arc::new(NoPeers));
    let turn = Arc::new(Semaphore::new(1));
    let member = |state: &Arc<ShardState>| {
        let network = Network { state: Arc::clone(state), peers: Arc::clone(&peers), turn: Arc::clone(&turn) };
        let (store, machine) = (ShardStore { state: Arc::clone(state) }, Machine { state: Arc::clone(state) });
        let building = Raft::build(state.node(), settings(state.node(), state.shard), network, store, machine);
        let scope = DeterministicRng::<Runtime>::scope(consensus.seed ^ u64::from(state.shard.0), building);
        let failed = |reason| ReplicationError::Consensus { shard: state.shard, reason };
        match tokio::task::unconstrained(Box::pin(scope)).now_or_never() {
            Some(Ok(raft)) => {
                state.begun();
                let vessel = Arc::new(Vessel::new());
                Ok(Member { state: Arc::clone(state), raft, vessel })
            }
            Some(Err(fatal)) => Err(failed(fatal.to_string())),
            None => Err(failed("its beginning waits for the disk".to_owned())),
        }
    };
    let _entered = consensus.runtime.enter();
    states.iter().map(member).collect()
}

/// Lets a group run. The first founder makes it if it does not exist; a node that alone decides
/// has itself elected, since waiting for an election would only take time.
fn start(member: &Member, is_alone: Option<bool>, consensus: &Consensus, bell: &Arc<Bell>) {
    let (raft, state, bell) = (member.raft.clone(), Arc::clone(&member.state), Arc::clone(bell));
    let (purged_or_last, vote) = (state.ends().1, state.vote());
    let is_new = purged_or_last.index == LogIndex(0) && vote.is_none();
    let founds = is_new && consensus.founders.first() == Some(&consensus.node);
    let founders: BTreeMap<u64, BasicNode> =
        consensus.founders.iter().map(|node| (node.0.into(), BasicNode::default())).collect();
    let (_, membership) = state.applied();
    let elects = !is_new && is_alone != Some(false) && membership.membership().voter_ids().eq([state.node()]);
    let seed = consensus.seed ^ u64::from(state.shard.0);
    consensus.runtime.spawn(DeterministicRng::<Runtime>::scope(seed, async move {
        raft.run();
        let begun = if founds {
            raft.initialize(founders).await.map_err(|error| error.to_string())
        } else if elects {
            raft.trigger().elect(false).await.map_err(|error| error.to_string())
        } else {
            Ok(())
        };
        if let Err(error) = begun {
            tracing::error!(shard = state.shard.0, %error, "consensus did not begin");
            state.end();
        }
        bell.ring();
        while state.breaks_promises().await {
            while let Some(node) = state.next_reverted() {
                // Who leads no more has nothing to take back.
                if raft.trigger().allow_next_revert(&node, true).await.is_err() {
                    return;
                }
                state.told_of_reverted(node);
            }
            // What is refused is asked again: once openraft takes something, it has taken or refused all before.
            while let Some(probing) = state.next_probe() {
                if let Probing::Send(term, place) = probing {
                    let probe = Group { place: Some(place), ..Group::default() };
                    if raft.write(probe).with_leader(term.0).await.is_err() {
                        return;
                    }
                }
                tokio::time::sleep(PROBE_PAUSE).await;
            }
        }
    }));
}

/// Waits until this node leads all shards.
fn lead(members: &[Member], driver: &mut Driver<'_>) -> Result<(), ReplicationError> {
    loop {
        write(driver.writer, driver.log)?;
        if let Some(member) = members.iter().find(|member| member.state.has_ended()) {
            let reason = "it did not begin".to_owned();
            return Err(ReplicationError::Consensus { shard: member.state.shard, reason });
        }
        let leads = |member: &Member| matches!(member.state.leadership(), Leadership::Here { .. });
        if members.iter().all(leads) {
            return Ok(());
        }
        driver.bell.wait();
    }
}
