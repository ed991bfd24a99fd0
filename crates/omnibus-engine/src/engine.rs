//! The handle that every front end holds.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use omnibus_broker::{Broker, BrokerLimits};
use omnibus_io::{Clock, Entropy};
use omnibus_log::{Log, LogConfig, LogStats, Room};
use omnibus_model::batch::StreamBounds;
use omnibus_model::command::{JoinGroup, SyncGroup};
use omnibus_model::group::Synced;
use omnibus_model::outcome::Appended;
use omnibus_model::topic::EffectiveConfig;
use omnibus_model::{BatchInfo, GroupName, LeaderEpoch, NodeId, Outcome, ShardId, StreamId, Term, Timestamp};
use omnibus_replication::{Leadership, NotConfirmed, ReplicatedLog};
use parking_lot::RwLock;
use tokio::sync::{oneshot, watch};

use crate::ahead::Ahead;
use crate::baskets::Baskets;
use crate::catalog::Catalog;
use crate::chores::Chores;
use crate::configs::Configs;
use crate::counters::Counters;
use crate::couriers::Couriers;
use crate::dead_letters::DeadLetterRouter;
use crate::departing::Deleting;
use crate::error::SubmitError;
use crate::health::Health;
use crate::lanes::Asking;
use crate::parcels::{Carrying, Recipients};
use crate::peers::Peers;
use crate::reached::Reached;
use crate::scrubbing::{ScrubConfig, Scrubbing};
use crate::shard::{Appending, Decided, Heartbeat, Question, Request, leader_epoch};
use crate::silences::Silences;
use crate::vacancies::Vacancies;
use crate::waiting::JoinAnswer;
use crate::watch::{Watch, Watches};

/// What an engine is made with.
#[derive(Debug)]
pub struct EngineConfig {
    pub node: NodeId,
    pub log: LogConfig,
    pub limits: BrokerLimits,
    /// How often compaction, the upkeep of queues and bounds on bytes look at every topic.
    pub housekeeping_interval: Duration,
    /// How often it is looked which records are older than their topic keeps them, in rounds of housekeeping.
    pub retention_time_interval: Duration,
    /// How often memory is written down, so that a start has less to repeat.
    pub checkpoint_interval: Duration,
    /// As much log makes a checkpoint due, too.
    pub checkpoint_wal_bytes: u64,
    pub scrub: ScrubConfig,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            node: NodeId(1),
            log: LogConfig::default(),
            limits: BrokerLimits::default(),
            // As often as Kafka's log cleaner looks (`log.cleaner.backoff.ms`).
            housekeeping_interval: Duration::from_secs(15),
            // As often as Kafka looks (`log.retention.check.interval.ms`): records that were old when they came can be
            // read by those who wait for them.
            retention_time_interval: Duration::from_secs(300),
            checkpoint_interval: Duration::from_secs(60),
            checkpoint_wal_bytes: 1 << 30,
            scrub: ScrubConfig::default(),
        }
    }
}

/// The door to the broker and its log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) shards: Vec<Asking>,
    pub(crate) log: Log,
    pub(crate) replicated: Arc<dyn ReplicatedLog>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) configs: Arc<Configs>,
    pub(crate) watches: Arc<Watches>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) chores: Arc<Chores>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) limits: BrokerLimits,
    pub(crate) health: watch::Receiver<Health>,
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) ahead: Ahead,
    pub(crate) loading: Loading,
    pub(crate) reached: Arc<Reached>,
    pub(crate) vacancies: Arc<Vacancies>,
    pub(crate) silences: Silences,
    /// Who is to lead each shard, once somebody says so.
    pub(crate) preferred: RwLock<Vec<Option<NodeId>>>,
    pub(crate) deleting: Deleting,
    pub(crate) scrubbing: Arc<Scrubbing>,
    pub(crate) baskets: Baskets,
    pub(crate) couriers: Couriers,
    /// Who says where dead letters go, once somebody does.
    pub(crate) router: OnceLock<Arc<dyn DeadLetterRouter>>,
    /// The way to the other nodes, once there is one.
    pub(crate) peers: OnceLock<Arc<dyn Peers>>,
    /// Who takes parcels of other nodes, once somebody does.
    pub(crate) recipients: OnceLock<Arc<dyn Recipients>>,
    pub(crate) carrying: Carrying,
}

/// Where it is waited for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loading {
    OnThreads,
    /// Where it is asked for: there is no other thread.
    Here,
}

/// A batch as a front end hands it over.
#[derive(Clone, Debug)]
pub struct Payload {
    pub batch: BatchInfo,
    pub bytes: Bytes,
}

/// A batch that has its place and is not on disk yet.
#[derive(Debug)]
pub struct Commit {
    outcome: oneshot::Receiver<Result<Outcome, SubmitError>>,
    engine: Engine,
    shard: ShardId,
    term: Term,
}

impl Commit {
    /// Waits until the batch is committed.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn appended(self) -> Result<Appended, SubmitError> {
        let Self { outcome, engine, shard, term } = self;
        let outcome = outcome.await.unwrap_or(Err(SubmitError::Closing));
        match engine.sure(shard, term, outcome).await? {
            Outcome::Appended(appended) => Ok(appended),
            other => unreachable!("an append ended in {other:?}"),
        }
    }
}

/// What was read of a stream.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub bounds: StreamBounds,
    /// Whole batches in order, in as few pieces as they lie in memory.
    pub pieces: Vec<Bytes>,
}

impl Engine {
    /// Hands a batch to its shard. When this returns, the batch has its place behind all
    /// that was handed over before; the commit tells when it is on disk.
    ///
    /// # Errors
    /// [`SubmitError::Closing`], [`SubmitError::NotLeader`].
    pub async fn append(&self, shard: ShardId, stream: StreamId, payload: Payload) -> Result<Commit, SubmitError> {
        let term = self.leading_term(shard)?;
        let (reply, outcome) = oneshot::channel();
        let appending = Appending { stream, batch: payload.batch, payload: payload.bytes, reply };
        self.send(shard, Request::Append(appending)).await?;
        Ok(Commit { outcome, engine: self.clone(), shard, term })
    }

    /// Enters the next round of a classic group and waits until it closes.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn join_group(&self, command: JoinGroup) -> Result<JoinAnswer, SubmitError> {
        let shard = self.group_shard(&command.group);
        self.request(shard, |reply| Request::Join { command: Box::new(command), reply }).await
    }

    /// Waits for a classic member's share.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn sync_group(&self, command: SyncGroup) -> Result<Synced, SubmitError> {
        let shard = self.group_shard(&command.group);
        self.request(shard, |reply| Request::Sync { command: Box::new(command), reply }).await
    }

    /// Keeps a classic member's session alive.
    ///
    /// # Errors
    /// [`SubmitError`]; a rebalance in progress is a refusal.
    pub async fn heartbeat(
        &self,
        group: GroupName,
        member: omnibus_model::MemberId,
        instance: Option<omnibus_model::InstanceId>,
        generation: i32,
    ) -> Result<(), SubmitError> {
        let shard = self.group_shard(&group);
        self.request(shard, |reply| Request::Heartbeat(Heartbeat { group, member, instance, generation, reply })).await
    }

    /// The range of offsets that can be read now.
    #[must_use]
    pub fn bounds(&self, stream: StreamId) -> StreamBounds {
        self.inner.log.bounds(stream)
    }

    /// Begins to watch streams for growth.
    #[must_use]
    pub fn watch(&self, streams: Vec<StreamId>) -> Watch {
        self.inner.watches.watch(streams)
    }

    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    #[must_use]
    pub fn log_stats(&self) -> LogStats {
        self.inner.log.stats()
    }

    /// What a topic's configuration is where its creator chose nothing.
    #[must_use]
    pub fn config_defaults(&self) -> EffectiveConfig {
        self.inner.configs.topic_defaults()
    }

    /// What administrators have set.
    #[must_use]
    pub fn configs(&self) -> &Configs {
        &self.inner.configs
    }

    /// How much of everything there may be.
    #[must_use]
    pub fn limits(&self) -> &BrokerLimits {
        &self.inner.limits
    }

    /// Who leads a shard now.
    pub(crate) fn leadership(&self, shard: ShardId) -> Leadership {
        self.inner.replicated.leadership(shard)
    }

    /// The node that leads a shard, if there is one that is known.
    #[must_use]
    pub fn leader(&self, shard: ShardId) -> Option<NodeId> {
        match self.leadership(shard) {
            Leadership::Here { .. } => Some(self.node()),
            Leadership::Elsewhere { leader, .. } => leader,
        }
    }

    /// Whether this node leads a shard.
    #[must_use]
    pub fn leads(&self, shard: ShardId) -> bool {
        matches!(self.leadership(shard), Leadership::Here { .. })
    }

    /// The epoch of the node that leads a shard, if there is one that is known.
    #[must_use]
    pub fn leader_epoch(&self, shard: ShardId) -> Option<LeaderEpoch> {
        match self.leadership(shard) {
            Leadership::Here { term } => Some(leader_epoch(term)),
            Leadership::Elsewhere { leader, term } => leader.map(|_| leader_epoch(term)),
        }
    }

    /// Whether there is room on this node's disk for more than deletes and commits.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.inner.replicated.room() == Room::Plenty
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.inner.clock.wall_millis())
    }

    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    #[must_use]
    pub fn random(&self) -> u128 {
        self.inner.entropy.random()
    }

    /// The shard that coordinates a group.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below the number of shards")]
    pub fn group_shard(&self, group: &GroupName) -> ShardId {
        let data_shards = self.inner.shards.len() as u64 - 1;
        ShardId((fnv(group.as_str()) % data_shards) as u16 + 1)
    }

    /// All data shards.
    pub fn data_shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        let shards = u16::try_from(self.inner.shards.len()).unwrap_or(u16::MAX);
        (1..shards).map(ShardId)
    }

    /// Waits until the engine can acknowledge nothing more, and says why.
    pub async fn broken(&self) -> String {
        let mut health = self.inner.health.clone();
        let broken = health.wait_for(|health| *health != Health::Well).await;
        match broken.as_deref() {
            Ok(Health::Broken { reason }) => reason.clone(),
            _ => String::from("the log's writer has ended"),
        }
    }

    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.health.borrow().clone()
    }

    /// Asks this node's broker of a shard that it leads; the answer rests on committed history only.
    pub(crate) async fn ask_leader<T: Send + 'static>(
        &self,
        shard: ShardId,
        question: impl FnOnce(&Broker) -> T + Send + 'static,
    ) -> Result<T, SubmitError> {
        let term = self.leading_term(shard)?;
        let answer = self.request(shard, |reply| Request::Ask(answering(question, reply))).await?;
        self.confirm(shard, term).await?;
        Ok(answer)
    }

    /// The term in which this node leads a shard. What the shard is asked from now on it answers in this term or a newer
    /// one: it is told that it leads before it is asked.
    ///
    /// # Errors
    /// [`SubmitError::NotLeader`].
    pub(crate) fn leading_term(&self, shard: ShardId) -> Result<Term, SubmitError> {
        match self.leadership(shard) {
            Leadership::Here { term } => Ok(term),
            Leadership::Elsewhere { leader, .. } => Err(SubmitError::NotLeader { leader }),
        }
    }

    /// Makes sure that what was answered in a term was not old: a leader that is cut off does not know that others have
    /// another one.
    ///
    /// # Errors
    /// [`SubmitError::NotLeader`].
    pub(crate) async fn confirm(&self, shard: ShardId, term: Term) -> Result<(), SubmitError> {
        let Some(confirming) = self.inner.replicated.confirm(shard, term) else { return Ok(()) };
        confirming.await.map_err(|NotConfirmed { leader }| SubmitError::NotLeader { leader })
    }

    /// Makes sure of a refusal that was decided in a term: it rests on what this node knows, and waits for no majority as
    /// what changes something does.
    ///
    /// # Errors
    /// The one that there was, or [`SubmitError::NotLeader`].
    pub(crate) async fn sure<T>(
        &self,
        shard: ShardId,
        term: Term,
        result: Result<T, SubmitError>,
    ) -> Result<T, SubmitError> {
        if let Err(SubmitError::Refused(_)) = &result {
            self.confirm(shard, term).await?;
        }
        result
    }

    /// Makes sure of the refusals among what was decided at once in a term, all of them with one question. Whatever was
    /// logged needs none: an entry that is committed was proposed by whoever led, and what refused the others was as new.
    ///
    /// # Errors
    /// The one that there was, or [`SubmitError::NotLeader`]; then nothing has happened.
    pub(crate) async fn sure_of_all<T>(
        &self,
        (shard, term): (ShardId, Term),
        decided: Result<Decided<T>, SubmitError>,
        is_refused: fn(&T) -> bool,
    ) -> Result<Vec<T>, SubmitError> {
        let Decided { answers, is_logged } = self.sure(shard, term, decided).await?;
        if !is_logged && answers.iter().any(is_refused) {
            self.confirm(shard, term).await?;
        }
        Ok(answers)
    }

    /// Asks this node's broker of a shard, whoever leads it.
    pub(crate) async fn ask_here<T: Send + 'static>(
        &self,
        shard: ShardId,
        question: impl FnOnce(&Broker) -> T + Send + 'static,
    ) -> Result<T, SubmitError> {
        self.request(shard, |reply| Request::AskApplied(answering(question, reply))).await
    }

    pub(crate) async fn request<T>(
        &self,
        shard: ShardId,
        make: impl FnOnce(oneshot::Sender<Result<T, SubmitError>>) -> Request,
    ) -> Result<T, SubmitError> {
        let (reply, answer) = oneshot::channel();
        self.send(shard, make(reply)).await?;
        answer.await.unwrap_or(Err(SubmitError::Closing))
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.inner.closing.borrow()
    }

    /// Asks a shard for something that it does anyway once it is busy: if its queue is full, or it is
    /// gone, nothing needs to be said.
    pub(crate) fn nudge(&self, shard: ShardId, request: Request) {
        self.inner.shards[usize::from(shard.0)].nudge(request);
    }

    pub(crate) async fn send(&self, shard: ShardId, request: Request) -> Result<(), SubmitError> {
        if self.is_closing() {
            return Err(SubmitError::Closing);
        }
        let lane = self.inner.shards[usize::from(shard.0)].lane(&request);
        lane.send(request).await.map_err(|_| SubmitError::Closing)
    }
}

fn answering<T: Send + 'static>(
    question: impl FnOnce(&Broker) -> T + Send + 'static,
    reply: oneshot::Sender<Result<T, SubmitError>>,
) -> Question {
    Box::new(move |broker| {
        let answer = question(broker);
        Box::new(move |fate: Result<(), SubmitError>| drop(reply.send(fate.map(|()| answer))))
    })
}

/// FNV-1a: where a group lives must not change with the program's version.
fn fnv(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
