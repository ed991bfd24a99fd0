//! Everything the broker remembers, and the one way to change it.

mod queue_questions;

use std::collections::BTreeMap;

use omnibus_model::command::Acquire;
use omnibus_model::config::{BrokerConfig, ConfigScope, GroupConfig};
use omnibus_model::exchange::SharedExchange;
use omnibus_model::group::{
    CommittedOffset, ConsumerSubscription, GroupListing, GroupView, Joined, MemberSession, Synced, TopicPartition,
};
use omnibus_model::node::{NodeDuty, NodeInfo};
use omnibus_model::outcome::{Applied, JoinTicket};
use omnibus_model::topic::SharedTopic;
use omnibus_model::{
    ClusterSecret, Command, DeletionNumber, GroupName, InstanceId, MemberId, NodeId, Outcome, Refusal, StreamId,
    Timestamp, TopicId, TopicName,
};

use crate::agenda::{Agenda, Due};
use crate::checkpoint::{self, DecodeError};
use crate::classic::ClassicGroup;
use crate::configs::Configs;
use crate::consumer::ConsumerGroup;
use crate::exchanges::Exchanges;
use crate::group::Membership;
use crate::groups::Groups;
use crate::limits::BrokerLimits;
use crate::moment::Moment;
use crate::nodes::Nodes;
use crate::queues::Queues;
use crate::streams::{Stream, Streams};
use crate::topics::Topics;

/// The memory of one shard. Equal histories give equal brokers.
///
/// The metadata shard's broker knows topics, a data shard's streams, groups and queues.
#[derive(Debug, PartialEq, Eq)]
pub struct Broker {
    limits: BrokerLimits,
    topics: Topics,
    streams: Streams,
    groups: Groups,
    queues: Queues,
    agenda: Agenda,
    configs: Configs,
    exchanges: Exchanges,
    /// Of the metadata shard: what keys are derived from.
    secret: Option<ClusterSecret>,
    /// The newest stamp of a command that changed something.
    newest: Timestamp,
    nodes: Nodes,
}

impl Broker {
    /// Creates a broker that remembers nothing.
    #[must_use]
    pub fn new(limits: BrokerLimits) -> Self {
        Self {
            limits,
            topics: Topics::default(),
            streams: Streams::default(),
            groups: Groups::default(),
            queues: Queues::default(),
            agenda: Agenda::default(),
            configs: Configs::default(),
            exchanges: Exchanges::default(),
            secret: None,
            newest: Timestamp(0),
            nodes: Nodes::default(),
        }
    }

    /// Applies one command at the time its leader stamped on it.
    ///
    /// # Errors
    /// The [`Refusal`] with which every replica refuses it; nothing has changed then.
    pub fn apply(&mut self, now: Timestamp, command: &Command) -> Result<Applied, Refusal> {
        let applied = self.decide(now, command)?;
        // What changes nothing is not part of history.
        if applied.changed {
            self.newest = self.newest.max(now);
        }
        Ok(applied)
    }

    fn decide(&mut self, now: Timestamp, command: &Command) -> Result<Applied, Refusal> {
        let at = Moment { now, limits: &self.limits };
        let (topics, streams, groups) = (&mut self.topics, &mut self.streams, &mut self.groups);
        let (queues, agenda) = (&mut self.queues, &mut self.agenda);
        match command {
            Command::Append(append) => queues.append(at, (agenda, streams), append),
            Command::Trim { stream, before } => {
                let applied = streams.trim(*stream, *before)?;
                queues.trimmed(at, agenda, (*stream, *before));
                Ok(applied)
            }
            Command::DropStream { stream } => {
                queues.drop_stream(agenda, *stream);
                Ok(streams.drop_stream(at, agenda, *stream))
            }

            Command::CreateTopic(_)
            | Command::CreatePlacedTopic { .. }
            | Command::AddPartitions { .. }
            | Command::AddPlacedPartitions { .. }
            | Command::CreateQueue(_)
            | Command::CreatePriorityQueue { .. }
            | Command::CreateLimitedQueue { .. } => topics.add_streams(at, command),
            Command::DeleteTopic { topic } => topics.delete(topic),
            Command::AlterTopic { topic, change } => topics.alter(topic, change),
            Command::AllocateProducer => Ok(topics.allocate_producer()),
            Command::AlterQueue { topic, change } => topics.alter_queue(at, topic, change),
            Command::LimitQueue { topic, change } => topics.limit_queue(at, topic, change),
            Command::AlterBrokers { scope, change } => self.configs.alter_brokers(*scope, change),
            Command::AlterGroup { group, change } => self.configs.alter_group(at, group, change),
            Command::CreateExchange(_)
            | Command::DeleteExchange { .. }
            | Command::AlterExchange { .. }
            | Command::Bind(_)
            | Command::AlterBinding { .. }
            | Command::Unbind { .. } => self.exchanges.apply(at, command),
            Command::KeepSecret { offer } => Ok(self.keep_secret(*offer)),
            Command::RegisterNode { node, info } => self.nodes.register(*node, info),
            Command::ForgetNode { node } => Ok(self.nodes.forget(*node)),
            Command::AssignNode { node, duty } => self.nodes.assign(*node, *duty),

            Command::JoinGroup(join) => groups.join(at, agenda, join),
            Command::SyncGroup(sync) => groups.sync(at, agenda, sync),
            Command::LeaveGroup { group, members } => Ok(groups.leave(at, agenda, (group, members))),
            Command::ExpireMembers { group, members } => Ok(groups.expire_members(at, agenda, (group, members))),
            Command::CommitOffsets(commit) => groups.commit(at, agenda, commit),
            Command::DeleteGroup { group } => groups.delete(agenda, group),
            Command::DeleteOffsets { group, partitions } => groups.delete_offsets(at, agenda, (group, partitions)),
            Command::ConsumerHeartbeat(heartbeat) => groups.heartbeat(at, agenda, heartbeat),
            Command::ReleaseName { topic, id } => Ok(topics.release(topic, *id)),
            Command::ForgetTopics { topics, deletion } => Ok(groups.forget_topics(at, agenda, (topics, *deletion))),
            Command::ForgetTopic { topic, id } => Ok(groups.forget_topic(at, agenda, (topic, *id))),

            Command::ConfigureCursor { stream, config } => queues.configure(agenda, streams, (*stream, *config)),
            Command::LimitCursor { .. } | Command::LimitCursors { .. } => queues.limit(at, agenda, command),
            Command::Enqueue(enqueue) => queues.enqueue(at, (agenda, streams), enqueue),
            Command::FanOut(fan_out) => Ok(queues.fan_out(at, (agenda, streams), fan_out)),
            Command::Acquire(Acquire { stream, .. })
            | Command::Take { stream, .. }
            | Command::Settle { stream, .. }
            | Command::Extend { stream, .. }
            | Command::ReleaseHolder { stream, .. }
            | Command::Bury { stream, .. }
            | Command::ForgetOrigin { stream, .. }
            | Command::StartMove { stream, .. }
            | Command::CancelMove { stream, .. }
            | Command::AdvanceMove { stream, .. }
            | Command::Purge { stream }
            | Command::Rewind { stream, .. }
            | Command::ExpireBefore { stream, .. } => queues.apply(at, (agenda, streams), (*stream, command)),
            Command::Admit(admit) => queues.apply(at, (agenda, streams), (admit.stream, command)),
            Command::EndSessions => Ok(queues.end_sessions(at, agenda)),

            Command::Tick => Ok(self.tick(now)),
        }
    }

    /// Returns when a tick would do something, if ever. It costs one look.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.agenda.next_deadline()
    }

    /// Returns the newest stamp in its history: no later one may be older.
    #[must_use]
    pub const fn newest(&self) -> Timestamp {
        self.newest
    }

    /// Writes the broker down, to be read by [`Broker::decode`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { limits: _, topics, streams, groups, queues, agenda, configs, exchanges, secret, newest, nodes } =
            self;
        checkpoint::encode(&(topics, streams, groups, agenda, queues, configs, exchanges, secret, newest, nodes))
    }

    /// Reads what [`Broker::encode`] wrote. The limits are not part of it.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not a checkpoint, or one of another version.
    pub fn decode(limits: BrokerLimits, bytes: &[u8]) -> Result<Self, DecodeError> {
        let (topics, streams, groups, agenda, queues, configs, exchanges, secret, newest, nodes) =
            checkpoint::decode(checkpoint::open(bytes)?)?;
        Ok(Self { limits, topics, streams, groups, queues, agenda, configs, exchanges, secret, newest, nodes })
    }

    /// Condenses the memory to a number that is equal on equal brokers.
    #[must_use]
    pub fn digest(&self) -> u64 {
        checkpoint::digest(&self.encode())
    }

    /// Returns the bounds it works within.
    #[must_use]
    pub const fn limits(&self) -> &BrokerLimits {
        &self.limits
    }

    /// Checks what the parts of the memory promise one another, by a walk through all of it: for
    /// tests and simulations.
    ///
    /// # Panics
    /// If a promise is broken.
    pub fn audit(&self) {
        self.topics.audit();
        self.streams.audit(&self.agenda, &self.limits);
        self.groups.audit(&self.agenda);
        self.queues.audit(&self.agenda, &self.streams);
        self.configs.audit();
        self.exchanges.audit();
    }

    fn keep_secret(&mut self, offer: ClusterSecret) -> Applied {
        let changed = self.secret.is_none();
        Applied { outcome: Outcome::SecretKept { secret: *self.secret.get_or_insert(offer) }, changed }
    }

    fn tick(&mut self, now: Timestamp) -> Applied {
        let at = Moment { now, limits: &self.limits };
        let mut done = 0;
        while done < self.limits.tick_items_max {
            let Some(due) = self.agenda.pop_due(now) else {
                break;
            };
            done += 1;
            match due {
                Due::Producer(stream, producer) => {
                    self.streams.expire_producer(at, &mut self.agenda, (stream, producer));
                }
                Due::Tombstone(stream) => self.streams.expire_tombstone(stream),
                Due::Group(name) => self.groups.tick(at, &mut self.agenda, &name),
                Due::Queue(stream) => {
                    done += self.queues.tick(at, &mut self.agenda, (stream, self.limits.tick_items_max - done));
                }
                Due::Overflow(lowest) => {
                    done +=
                        self.queues.tick_overflow(at, &mut self.agenda, (lowest, self.limits.tick_items_max - done));
                }
            }
        }
        Applied { outcome: Outcome::Ticked, changed: done > 0 }
    }
}

/// Questions about topics, of the metadata shard.
impl Broker {
    /// Returns every topic in the order of names.
    pub fn topics(&self) -> impl Iterator<Item = &SharedTopic> {
        self.topics.iter()
    }

    /// Returns the deleted topics whose names are not free yet, oldest deletion first.
    #[must_use]
    pub fn departing_topics(&self) -> Vec<(DeletionNumber, SharedTopic)> {
        self.topics.departing()
    }

    /// Returns a topic as it is now; whoever holds on to it keeps this version.
    #[must_use]
    pub fn topic(&self, name: &TopicName) -> Option<&SharedTopic> {
        self.topics.get(name)
    }
}

/// Questions about what administrators have set, of the metadata shard.
impl Broker {
    /// Returns what is set for brokers, the widest scope first.
    pub fn broker_configs(&self) -> impl Iterator<Item = (ConfigScope, &BrokerConfig)> {
        self.configs.brokers()
    }

    /// Returns what is set for groups, in the order of names.
    pub fn group_configs(&self) -> impl Iterator<Item = (&GroupName, GroupConfig)> {
        self.configs.groups()
    }
}

/// Questions about exchanges, of the metadata shard.
impl Broker {
    /// Returns every exchange in the order of kinds and names.
    pub fn exchanges(&self) -> impl Iterator<Item = &SharedExchange> {
        self.exchanges.iter()
    }
}

/// Questions about the cluster, of the metadata shard.
impl Broker {
    /// Returns every node by number.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &NodeInfo)> {
        self.nodes.iter()
    }

    /// Returns what those nodes are there for that have not full duties, or had been.
    pub fn duties(&self) -> impl Iterator<Item = (NodeId, NodeDuty)> {
        self.nodes.duties()
    }
}

/// Questions about streams, of a data shard.
impl Broker {
    /// Returns a stream; `None` if nothing was ever appended, or it was dropped.
    #[must_use]
    pub fn stream(&self, stream: StreamId) -> Option<&Stream> {
        self.streams.get(stream)
    }

    /// Returns every stream that was appended to.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, &Stream)> {
        self.streams.iter()
    }
}

/// Questions about groups, of a data shard.
impl Broker {
    /// Answers a member that joined with a ticket; `None` while its round is open.
    #[must_use]
    pub fn joined(&self, group: &GroupName, member: &MemberId, ticket: JoinTicket) -> Option<Result<Joined, Refusal>> {
        match self.classic(group, member) {
            Ok(classic) => classic.joined(member, ticket),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// Answers a member that asked for its share; `None` until the leader has shared out.
    #[must_use]
    pub fn synced(&self, group: &GroupName, member: &MemberId, generation: i32) -> Option<Result<Synced, Refusal>> {
        match self.classic(group, member) {
            Ok(classic) => classic.synced(member, generation),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// Answers a classic member's sign of life, which changes nothing here.
    ///
    /// # Errors
    /// The [`Refusal`] that tells the member what has happened meanwhile.
    pub fn heartbeat(
        &self,
        group: &GroupName,
        member: &MemberId,
        instance: Option<&InstanceId>,
        generation: i32,
    ) -> Result<(), Refusal> {
        self.classic(group, member)?.heartbeat(member, instance, generation)
    }

    /// Returns what a group has committed for a partition.
    #[must_use]
    pub fn committed_offset(&self, group: &GroupName, partition: &TopicPartition) -> Option<&CommittedOffset> {
        self.groups.get(group)?.offsets().get(partition)
    }

    /// Returns all that a group has committed; nothing if there is no such group.
    pub fn committed_offsets(&self, group: &GroupName) -> impl Iterator<Item = (TopicPartition, &CommittedOffset)> {
        self.groups.get(group).into_iter().flat_map(|group| group.offsets().iter())
    }

    /// Checks whether somebody may read a group's offsets. In a consumer group a member must know
    /// its epoch; who is no member comes without an id and with a negative epoch.
    ///
    /// # Errors
    /// The [`Refusal`] that tells the member what has happened meanwhile.
    pub fn check_offset_reader(&self, group: &GroupName, member: Option<&MemberId>, epoch: i32) -> Result<(), Refusal> {
        self.consumer(group).map_or(Ok(()), |consumer| consumer.check_reader(member, epoch))
    }

    /// Returns what a member of a consumer group reads, and the view of the catalog that this was
    /// resolved by. If the catalog now says otherwise, the next heartbeat has to carry its view.
    #[must_use]
    pub fn subscription(&self, group: &GroupName, member: &MemberId) -> Option<ConsumerSubscription> {
        self.consumer(group)?.subscription(member)
    }

    /// Returns a group as those see it who describe it.
    #[must_use]
    pub fn group(&self, name: &GroupName) -> Option<GroupView> {
        self.groups.get(name).map(|group| match &group.membership {
            Membership::Classic(classic) => classic.view(),
            Membership::Consumer(consumer) => consumer.view(),
        })
    }

    /// Returns every group in the order of names.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupListing> {
        self.groups.iter().map(|(name, group)| group.listing(name)).collect()
    }

    /// Returns every topic that a group has offsets of, or that members read, by the id they know;
    /// offsets know none.
    #[must_use]
    pub fn remembered_topics(&self) -> BTreeMap<TopicName, TopicId> {
        let mut remembered = BTreeMap::new();
        self.groups.iter().for_each(|(_, group)| group.add_remembered_topics(&mut remembered));
        remembered
    }

    /// Returns how long each member of a group may be silent.
    #[must_use]
    pub fn members(&self, group: &GroupName) -> Vec<MemberSession> {
        self.groups.get(group).map_or_else(Vec::new, |group| group.sessions(&self.limits))
    }

    fn consumer(&self, group: &GroupName) -> Option<&ConsumerGroup> {
        match &self.groups.get(group)?.membership {
            Membership::Classic(_) => None,
            Membership::Consumer(consumer) => Some(consumer),
        }
    }

    fn classic(&self, group: &GroupName, member: &MemberId) -> Result<&ClassicGroup, Refusal> {
        match self.groups.get(group).map(|group| &group.membership) {
            Some(Membership::Classic(classic)) => Ok(classic),
            Some(Membership::Consumer(_)) | None => {
                Err(Refusal::UnknownMember { group: group.clone(), member: member.clone() })
            }
        }
    }
}
