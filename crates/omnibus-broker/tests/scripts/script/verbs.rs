//! What the verbs of scripts mean, and how answers are told.

use std::collections::BTreeMap;
use std::fmt::Write;

use omnibus_model::command::{Append, CommitOffsets, ConsumerHeartbeat, CreateTopic, JoinGroup, Leaver, SyncGroup};
use omnibus_model::config::{BrokerConfig, ConfigChange, ConfigScope, GroupConfig};
use omnibus_model::group::{
    ClientInfo, CommittedOffset, Joined, ProtocolOffer, Subscription, Synced, TopicPartitions, TopicShape,
};
use omnibus_model::node::{Address, NodeDuty, NodeInfo};
use omnibus_model::outcome::{Appended, LeftMember};
use omnibus_model::topic::{Partition, TopicConfig};
use omnibus_model::{
    BatchInfo, ClusterSecret, Command, DeletionNumber, LeaderEpoch, MemberId, Millis, NodeId, Offset, Outcome,
    PartitionIndex, ProducerEpoch, ProducerId, ProducerStamp, RecordFormat, Refusal, Timestamp, TopicId,
};

use super::Script;
use super::exchange_verbs::exchange_command;
use super::line::{Line, bytes, member, parse, partition, topic};
use super::placing::{describe_nodes, placement};
use super::queue_verbs::describe_queue;

impl Script {
    /// Answers a question; `None` if the line is a command.
    pub(super) fn ask(&mut self, line: &Line<'_>) -> Option<String> {
        let group = || line.group();
        Some(match line.verb {
            "catalog" => {
                for (name, count) in line.options() {
                    self.catalog.insert((*name).to_owned(), parse(count));
                }
                String::new()
            }
            "deadline" => self.broker.next_deadline().map_or("never".to_owned(), |at| at.to_string()),
            "stream" => self
                .broker
                .stream(line.stream())
                .map_or("unknown".to_owned(), |stream| format!("{} to {}", stream.start(), stream.end())),
            "epoch-end" => {
                let stream = self.broker.stream(line.stream()).expect("a stream");
                let (epoch, end) = stream.epoch_end(LeaderEpoch(line.number(1)));
                format!("epoch {epoch} ends at {end}")
            }
            "joined" => {
                let ticket = self.tickets[&(line.word(0).to_owned(), line.word(1).to_owned())];
                answer(self.broker.joined(&group(), &line.member(), ticket), |joined| describe_joined(&joined))
            }
            "synced" => {
                answer(self.broker.synced(&group(), &line.member(), line.number(2)), |synced| describe_synced(&synced))
            }
            "beat" => {
                let instance = line.instance();
                let beat = self.broker.heartbeat(&group(), &line.member(), instance.as_ref(), line.number(2));
                answer(Some(beat), |()| "ok".to_owned())
            }
            "offsets" => self.describe_offsets(line),
            "may-read" => {
                let (id, epoch) = line.option("by").map_or((None, -1), |by| {
                    let (id, epoch) = by.split_once('/').expect("member/epoch");
                    (Some(member(id)), parse(epoch))
                });
                let may = self.broker.check_offset_reader(&group(), id.as_ref(), epoch);
                answer(Some(may), |()| "ok".to_owned())
            }
            "configs" => self.describe_configs(),
            "nodes" => {
                let nodes = self.broker.nodes();
                nodes.map(|(node, info)| describe_node(node, info)).collect::<Vec<_>>().join(", ")
            }
            "exchanges" => self.describe_exchanges(),
            "group" => self.describe_group(line),
            "groups" => {
                let groups = self.broker.groups();
                let groups: Vec<_> =
                    groups.iter().map(|group| format!("{} {:?} {:?}", group.group, group.kind, group.state)).collect();
                groups.join(", ")
            }
            "sessions" => {
                let sessions = self.broker.members(&group());
                let describe = |session: &omnibus_model::group::MemberSession| {
                    let waits = if session.waiting { " waits" } else { "" };
                    format!("{} {}{waits}", session.member, session.timeout)
                };
                sessions.iter().map(describe).collect::<Vec<_>>().join(", ")
            }
            _ => return self.ask_queue(line),
        })
    }

    pub(super) fn command(&self, line: &Line<'_>) -> Command {
        match line.verb {
            "tick" => Command::Tick,
            "append" => Command::Append(append(line)),
            "trim" => Command::Trim { stream: line.stream(), before: line.offset(1) },
            "drop" => Command::DropStream { stream: line.stream() },
            "create" => Command::CreateTopic(self.create_topic(line)),
            "create-placed" => {
                Command::CreatePlacedTopic { create: Box::new(self.create_topic(line)), placement: placement(line) }
            }
            "grow-placed" => Command::AddPlacedPartitions {
                topic: topic(line.word(0)),
                total: line.number(1),
                placement: placement(line),
            },
            "delete" => Command::DeleteTopic { topic: topic(line.word(0)) },
            "grow" => Command::AddPartitions { topic: topic(line.word(0)), total: line.number(1) },
            "alter" => Command::AlterTopic { topic: topic(line.word(0)), change: Box::new(alter(line)) },
            "alter-brokers" => Command::AlterBrokers { scope: scope(line), change: Box::new(alter_brokers(line)) },
            "alter-group" => Command::AlterGroup { group: line.group(), change: alter_group(line) },
            "new-producer" => Command::AllocateProducer,
            "keep-secret" => Command::KeepSecret { offer: ClusterSecret([line.number(0); 32]) },
            "register-node" => Command::RegisterNode { node: NodeId(line.number(0)), info: Box::new(node_info(line)) },
            "drain-node" => assign_node(line, NodeDuty::Drained),
            "undrain-node" => assign_node(line, NodeDuty::Full),
            "remove-node" => assign_node(line, NodeDuty::Removed),
            "forget-node" => Command::ForgetNode { node: NodeId(line.number(0)) },
            "join" => Command::JoinGroup(Box::new(join(line))),
            "sync" => Command::SyncGroup(Box::new(sync(line))),
            "leave" => Command::LeaveGroup { group: line.group(), members: leavers(line) },
            "lapse" => Command::ExpireMembers {
                group: line.group(),
                members: line.words()[1..].iter().map(|word| member(word)).collect(),
            },
            "commit" => Command::CommitOffsets(Box::new(commit(line))),
            "delete-group" => Command::DeleteGroup { group: line.group() },
            "delete-offsets" => Command::DeleteOffsets {
                group: line.group(),
                partitions: line.words()[1..].iter().map(|word| partition(word)).collect(),
            },
            "forget" => Command::ForgetTopic { topic: topic(line.word(0)), id: self.topic_id(line.word(0)) },
            "forget-all" => Command::ForgetTopics {
                deletion: DeletionNumber(line.number(0)),
                topics: line.words()[1..].iter().map(|word| (topic(word), self.topic_id(word))).collect(),
            },
            "release-name" => Command::ReleaseName { topic: topic(line.word(0)), id: self.topic_id(line.word(0)) },
            "consume" => Command::ConsumerHeartbeat(Box::new(self.consume(line))),
            "exchange" | "delete-exchange" | "alter-exchange" | "bind" | "alter-binding" | "unbind" => {
                exchange_command(line)
            }
            verb => self.queue_command(line).unwrap_or_else(|| panic!("{verb} is no verb")),
        }
    }

    fn create_topic(&self, line: &Line<'_>) -> CreateTopic {
        CreateTopic {
            name: topic(line.word(0)),
            id: self.topic_id(line.word(0)),
            partitions: line.number(1),
            config: TopicConfig::default(),
        }
    }

    pub(super) fn describe(&mut self, line: &Line<'_>, outcome: &Outcome) -> String {
        match outcome {
            Outcome::TopicCreated { topic } | Outcome::TopicDeleted { topic } | Outcome::TopicAltered { topic } => {
                let nodes =
                    |index: usize| topic.placed.get(index).map(|nodes| describe_nodes(nodes)).unwrap_or_default();
                let place = |(index, partition): (usize, &Partition)| {
                    format!("s{}@{}{}", partition.stream, partition.shard, nodes(index))
                };
                topic.partitions.iter().enumerate().map(place).collect::<Vec<_>>().join(" ")
            }
            Outcome::SecretKept { secret } => format!("{}", secret.0[0]),
            Outcome::ProducerAllocated { producer } => format!("producer {producer}"),
            Outcome::Appended(Appended { base, duplicate, .. }) => {
                format!("offset {base}{}", if *duplicate { ", again" } else { "" })
            }
            Outcome::Trimmed { start } => format!("starts at {start}"),
            Outcome::MemberIdAssigned { member } => format!("call again as {member}"),
            Outcome::Joining { member, ticket } => {
                let key = (line.word(0).to_owned(), member.to_string());
                self.tickets.insert(key, *ticket);
                format!("ticket {}", ticket.0)
            }
            Outcome::Syncing { generation } => format!("generation {generation}"),
            Outcome::Left { members } => members.iter().map(describe_left).collect::<Vec<_>>().join(", "),
            Outcome::OffsetsDeleted { partitions } => {
                let describe = |result: &Result<(), Refusal>| answer(Some(result.clone()), |()| "ok".to_owned());
                partitions.iter().map(describe).collect::<Vec<_>>().join(", ")
            }
            Outcome::HeartbeatTaken(taken) => {
                let mut text = format!("epoch {}", taken.member_epoch);
                if let Some(assignment) = &taken.assignment {
                    write!(text, ", owns {}", self.describe_shares(assignment)).expect("text grows");
                }
                text
            }
            Outcome::StreamDropped
            | Outcome::MembersExpired
            | Outcome::OffsetsCommitted
            | Outcome::GroupDeleted
            | Outcome::Ticked
            | Outcome::TopicForgotten
            | Outcome::NameReleased
            | Outcome::BrokersAltered { .. }
            | Outcome::ExchangeChanged { .. }
            | Outcome::ExchangeDeleted { .. }
            | Outcome::NodeRegistered { .. }
            | Outcome::NodeForgotten { .. }
            | Outcome::NodeAssigned { .. }
            | Outcome::GroupAltered { .. } => "done".to_owned(),
            outcome => describe_queue(outcome),
        }
    }

    fn describe_configs(&self) -> String {
        let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
        let brokers = self.broker.broker_configs();
        let brokers =
            brokers.map(|(scope, config)| format!("{scope:?} {}", number(config.connections_max.map(u64::from))));
        let groups = self.broker.group_configs();
        let groups =
            groups.map(|(group, config)| format!("{group} {}", number(config.session_timeout.map(|span| span.0))));
        brokers.chain(groups).collect::<Vec<_>>().join(", ")
    }

    fn describe_offsets(&self, line: &Line<'_>) -> String {
        let name = line.group();
        let describe =
            |offset: Option<&CommittedOffset>| offset.map_or("none".to_owned(), |offset| offset.offset.to_string());
        if line.words().len() > 1 {
            return describe(self.broker.committed_offset(&name, &partition(line.word(1))));
        }
        let all = self.broker.committed_offsets(&name);
        let all: Vec<_> = all
            .map(|(partition, offset)| {
                format!("{}/{}={}", partition.topic, partition.partition, describe(Some(offset)))
            })
            .collect();
        if all.is_empty() { "none".to_owned() } else { all.join(" ") }
    }

    fn describe_group(&self, line: &Line<'_>) -> String {
        let Some(view) = self.broker.group(&line.group()) else {
            return "unknown".to_owned();
        };
        let mut text = format!("{:?} {}", view.state, view.epoch);
        if !view.protocol.is_empty() {
            write!(text, " by {}", view.protocol).expect("text grows");
        }
        for member in &view.members {
            write!(text, ", {}", member.member).expect("text grows");
            if let Some(consumer) = &member.consumer {
                write!(text, " {} owns {}", consumer.epoch, self.describe_shares(&consumer.owned)).expect("text grows");
            }
        }
        text
    }

    fn describe_shares(&self, shares: &[TopicPartitions]) -> String {
        let mut names = self.catalog.keys();
        let mut describe = |topic: &TopicPartitions| {
            let name = names.find(|name| self.topic_id(name) == topic.topic);
            let partitions: Vec<String> = topic.partitions.iter().map(|partition| partition.to_string()).collect();
            format!("{}/{}", name.map_or("?", |name| name), partitions.join("+"))
        };
        let shares: Vec<String> = shares.iter().map(&mut describe).collect();
        if shares.is_empty() { "nothing".to_owned() } else { shares.join(" ") }
    }

    fn consume(&self, line: &Line<'_>) -> ConsumerHeartbeat {
        let reads = line.list_option("reads");
        let epoch = line.number_option("epoch").unwrap_or(0);
        let joins = epoch == 0;
        let view = |names: Vec<&str>| -> Vec<TopicShape> {
            let known = names.into_iter().filter_map(|name| Some((name, *self.catalog.get(name)?)));
            let shape = |(name, partitions)| TopicShape { topic: self.topic_id(name), name: topic(name), partitions };
            known.map(shape).collect()
        };
        let owned = line.list_option("owns").map(|owned| self.owned(&owned));
        ConsumerHeartbeat {
            group: line.group(),
            member: line.member(),
            member_epoch: epoch,
            instance: line.instance(),
            client: ClientInfo::default(),
            rebalance_timeout: line.span_option("patience").or(joins.then_some(Millis(60_000))),
            subscribed: reads.as_ref().map(|names| names.iter().map(|name| topic(name)).collect()),
            subscribed_pattern: line.option("pattern").map(str::to_owned),
            assignor: line.option("assignor").map(str::to_owned),
            owned: owned.or(joins.then(Vec::new)),
            topics: line.list_option("sees").or(reads).map(view),
        }
    }

    fn owned(&self, owned: &[&str]) -> Vec<TopicPartitions> {
        let parse_topic = |item: &&str| {
            let (name, partitions) = item.split_once('/').expect("topic/partitions");
            let partitions = partitions.split('+').map(|index| PartitionIndex(parse(index))).collect();
            TopicPartitions { topic: self.topic_id(name), partitions }
        };
        owned.iter().map(parse_topic).collect()
    }

    /// Topics are numbered by their names, so that ids sort as names do.
    pub(super) fn topic_id(&self, name: &str) -> TopicId {
        let bytes = name.bytes().chain([0; 16]).take(16);
        TopicId(bytes.fold(0, |id, byte| id << 8 | u128::from(byte)))
    }
}

fn append(line: &Line<'_>) -> Append {
    let stamp = |by: &str| {
        let (id, epoch) = by.split_once('/').expect("producer/epoch");
        ProducerStamp {
            id: ProducerId(parse(id)),
            epoch: ProducerEpoch(parse(epoch)),
            sequence_first: line.number_option("seq").unwrap_or(0),
        }
    };
    Append {
        stream: line.stream(),
        batch: BatchInfo {
            format: RecordFormat::KafkaBatch,
            count: line.number(1),
            bytes: 100,
            timestamp_max: line.time,
            producer: line.option("by").map(stamp),
        },
        leader_epoch: LeaderEpoch(line.number_option("epoch").unwrap_or(1)),
    }
}

fn alter(line: &Line<'_>) -> ConfigChange<TopicConfig> {
    let config = |key| TopicConfig { batch_bytes_max: line.number_option(key), ..TopicConfig::default() };
    ConfigChange { before: config("from"), after: config("to") }
}

/// `alter-brokers all` speaks to all, `alter-brokers 1` to one.
fn scope(line: &Line<'_>) -> ConfigScope {
    match line.word(0) {
        "all" => ConfigScope::Cluster,
        node => ConfigScope::Node(NodeId(parse(node))),
    }
}

fn alter_brokers(line: &Line<'_>) -> ConfigChange<BrokerConfig> {
    let config = |key| BrokerConfig { connections_max: line.number_option(key), ..BrokerConfig::default() };
    ConfigChange { before: config("from"), after: config("to") }
}

fn alter_group(line: &Line<'_>) -> ConfigChange<GroupConfig> {
    let span = |key| line.number_option(key).map(Millis);
    let config = |key| GroupConfig { session_timeout: span(key), heartbeat_interval: None };
    ConfigChange { before: config("from"), after: config("to") }
}

/// `join group new id` is a member that does not know its id, `join group id` one that does.
fn join(line: &Line<'_>) -> JoinGroup {
    let knows = line.word(1) != "new";
    let id = member(line.word(if knows { 1 } else { 2 }));
    let offers = line.list_option("offers").unwrap_or_else(|| vec!["range"]);
    let offer =
        |name: &&str| ProtocolOffer { name: (*name).to_owned(), metadata: bytes(line.option("meta").unwrap_or("m")) };
    let reads = line.list_option("reads").map(|names| names.iter().map(|name| topic(name)).collect());
    let kind = line.option("type").unwrap_or("consumer");
    JoinGroup {
        group: line.group(),
        member: knows.then(|| id.clone()),
        member_new: if knows { member("unused") } else { id },
        instance: line.instance(),
        client: ClientInfo::default(),
        session_timeout: line.span_option("session").unwrap_or(Millis(10_000)),
        rebalance_timeout: line.span_option("patience").unwrap_or(Millis(60_000)),
        protocol_type: kind.to_owned(),
        protocols: offers.iter().map(offer).collect(),
        subscription: match reads {
            Some(topics) => Subscription::Topics(topics),
            None if kind == "consumer" => Subscription::Unreadable,
            None => Subscription::NotTopics,
        },
        member_id_required: !line.has("old"),
        skip_assignment_supported: line.has("skips"),
        reason: None,
    }
}

/// `sync group id generation other=share…`
fn sync(line: &Line<'_>) -> SyncGroup {
    let keys = ["instance", "protocol", "type"];
    let shares = line.options().iter().filter(|(key, _)| !keys.contains(key));
    SyncGroup {
        group: line.group(),
        member: line.member(),
        instance: line.instance(),
        generation: line.number(2),
        protocol_type: line.option("type").map(str::to_owned),
        protocol: line.option("protocol").map(str::to_owned),
        assignments: shares.map(|(id, share)| (member(id), bytes(share))).collect(),
    }
}

fn leavers(line: &Line<'_>) -> Vec<Leaver> {
    let ids = line.words()[1..].iter();
    let mut leavers: Vec<Leaver> =
        ids.map(|id| Leaver { member: Some(member(id)), instance: line.instance(), reason: None }).collect();
    if leavers.is_empty() {
        leavers.push(Leaver { member: None, instance: line.instance(), reason: None });
    }
    leavers
}

/// `commit group topic/partition=offset… by=member/generation`
fn commit(line: &Line<'_>) -> CommitOffsets {
    let (id, generation) = line.option("by").map_or((None, -1), |by| {
        let (id, generation) = by.split_once('/').expect("member/generation");
        (Some(member(id)).filter(|_| id != "nobody"), parse(generation))
    });
    let offsets = line.options().iter().filter(|(key, _)| key.contains('/'));
    let committed = |offset: &str| CommittedOffset {
        offset: Offset(parse(offset)),
        leader_epoch: None,
        metadata: String::new(),
        committed_at: Timestamp(0),
    };
    CommitOffsets {
        group: line.group(),
        member: id,
        instance: line.instance(),
        generation,
        stale_epoch_supported: !line.has("old"),
        retention: line.span_option("retention"),
        offsets: offsets.map(|(key, offset)| (partition(key), committed(offset))).collect(),
    }
}

fn answer<T>(answer: Option<Result<T, Refusal>>, describe: impl FnOnce(T) -> String) -> String {
    match answer {
        None => "waits".to_owned(),
        Some(Ok(answer)) => describe(answer),
        Some(Err(refusal)) => format!("no: {refusal}"),
    }
}

fn describe_joined(joined: &Joined) -> String {
    let mut text = format!("generation {} by {}, {} leads", joined.generation, joined.protocol, joined.leader);
    if joined.skip_assignment {
        text.push_str(" as before");
    }
    let members: Vec<&str> = joined.members.iter().map(|joined| MemberId::as_str(&joined.member)).collect();
    if !members.is_empty() {
        write!(text, " {}", members.join("+")).expect("text grows");
    }
    text
}

fn describe_synced(synced: &Synced) -> String {
    format!("share '{}'", String::from_utf8_lossy(&synced.assignment))
}

fn describe_left((who, result): &(LeftMember, Result<(), Refusal>)) -> String {
    let name = who.member.as_ref().map_or("?", |id| id.as_str());
    answer(Some(result.clone()), |()| format!("{name} left"))
}

/// The node's address, and its rack if it has one.
fn node_info(line: &Line<'_>) -> NodeInfo {
    let address = Address { host: line.word(1).to_owned(), port: 9092 };
    NodeInfo {
        addresses: BTreeMap::from([("kafka".to_owned(), address)]),
        rack: line.option("rack").map(str::to_owned),
    }
}

fn assign_node(line: &Line<'_>, duty: NodeDuty) -> Command {
    Command::AssignNode { node: NodeId(line.number(0)), duty }
}

fn describe_node(node: NodeId, info: &NodeInfo) -> String {
    let hosts: Vec<_> = info.addresses.values().map(|address| address.host.as_str()).collect();
    format!("{node} {} {}", hosts.join(" "), info.rack.as_deref().unwrap_or("-"))
}
