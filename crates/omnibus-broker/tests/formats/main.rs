//! The bytes on disk. A failure here means that logs or checkpoints of before can no longer be
//! read: add a variant, or raise the version, before updating what is expected.

use std::collections::BTreeMap;

use bytes::Bytes;
use expect_test::{Expect, expect};
use omnibus_broker::{Broker, BrokerLimits, DecodeError};
use omnibus_model::command::{
    Acquire, Admit, Append, Bind, CommitOffsets, ConsumerHeartbeat, CreateExchange, CreateQueue, CreateTopic, Enqueue,
    FanOut, JoinGroup, Leaver, SyncGroup, Target,
};
use omnibus_model::config::{BrokerConfig, ConfigChange, ConfigScope, GroupConfig};
use omnibus_model::exchange::{BindingConfig, BindingId, BindingTarget, ExchangeConfig, ExchangeKey, ExchangeKind};
use omnibus_model::group::{
    ClientInfo, CommittedOffset, ProtocolOffer, Subscription, TopicPartition, TopicPartitions, TopicShape,
};
use omnibus_model::node::{Address, NodeDuty, NodeInfo};
use omnibus_model::queue::{
    Admission, CursorConfig, DeadLetters, Delivery, DeliveryOrder, Envelope, History, LateHolders, LeaseKey, Origin,
    Overflow, QueueConfig, QueueLimits, Settlement,
};
use omnibus_model::topic::{Cleanup, Compression, Limit, Placement, TimestampSource, TopicConfig};
use omnibus_model::{
    AttemptHash, BatchInfo, ClusterSecret, Command, DedupHash, DeletionNumber, ExchangeName, GroupHash, GroupName,
    HolderId, InstanceId, LeaderEpoch, LeaseEpoch, MemberId, Millis, MoveId, NodeId, Offset, PartitionIndex,
    ProducerEpoch, ProducerId, ProducerStamp, RecordFormat, ShardId, StreamId, Timestamp, TopicId, TopicName,
};

fn check(command: &Command, expected: &Expect) {
    let bytes = postcard::to_allocvec(command).expect("plain memory always serialises");
    let again: Command = postcard::from_bytes(&bytes).expect("what was written can be read");
    assert_eq!(again, *command);
    let hex: Vec<String> = bytes.chunks(24).map(hex).collect();
    expected.assert_eq(&format!("{}\n", hex.join("\n")));
}

fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

fn topic() -> TopicName {
    TopicName::new("orders").expect("a name")
}

fn group() -> GroupName {
    GroupName::new("g").expect("a name")
}

fn member() -> MemberId {
    MemberId::new("m").expect("a name")
}

fn instance() -> Option<InstanceId> {
    Some(InstanceId::new("i").expect("a name"))
}

fn client() -> ClientInfo {
    ClientInfo { id: "c".to_owned(), host: "h".to_owned(), rack: Some("r".to_owned()) }
}

fn config() -> TopicConfig {
    TopicConfig {
        cleanup: Some(Cleanup::CompactAndDelete),
        retention_time: Some(Limit::Unlimited),
        retention_bytes: Some(Limit::AtMost(1 << 30)),
        batch_bytes_max: Some(1_000),
        timestamps: Some(TimestampSource::Broker),
        in_sync_replicas_min: Some(2),
        timestamp_before_max: Some(Limit::AtMost(3)),
        timestamp_after_max: Some(Limit::AtMost(4)),
        tombstone_retention: Some(Millis(5)),
        compaction_lag_min: Some(Millis(6)),
        compaction_lag_max: Some(Millis(7)),
        dirty_ratio_min: Some(8),
        compression: Some(Compression::Zstd),
        gzip_level: Some(-1),
        zstd_level: Some(9),
        notes: BTreeMap::from([("k".to_owned(), "10".to_owned())]),
    }
}

fn append() -> Append {
    let producer = ProducerStamp { id: ProducerId(5), epoch: ProducerEpoch(6), sequence_first: 7 };
    let batch = BatchInfo {
        format: RecordFormat::KafkaBatch,
        count: 2,
        bytes: 300,
        timestamp_max: Timestamp(-1),
        producer: Some(producer),
    };
    Append { stream: StreamId(1 << 40), batch, leader_epoch: LeaderEpoch(3) }
}

fn partition() -> TopicPartition {
    TopicPartition { topic: topic(), partition: PartitionIndex(4) }
}

fn create() -> CreateTopic {
    CreateTopic { name: topic(), id: TopicId(1 << 127), partitions: 16, config: TopicConfig::default() }
}

fn join() -> JoinGroup {
    JoinGroup {
        group: group(),
        member: None,
        member_new: member(),
        instance: instance(),
        client: client(),
        session_timeout: Millis(10_000),
        rebalance_timeout: Millis(60_000),
        protocol_type: "consumer".to_owned(),
        protocols: vec![ProtocolOffer { name: "range".to_owned(), metadata: Bytes::from_static(b"\x00\x01") }],
        subscription: Subscription::Topics(vec![topic()]),
        member_id_required: true,
        skip_assignment_supported: false,
        reason: Some("why".to_owned()),
    }
}

fn commit() -> CommitOffsets {
    let committed = CommittedOffset {
        offset: Offset(300),
        leader_epoch: Some(LeaderEpoch(2)),
        metadata: "x".to_owned(),
        committed_at: Timestamp(1),
    };
    CommitOffsets {
        group: group(),
        member: None,
        instance: None,
        generation: -1,
        stale_epoch_supported: true,
        retention: Some(Millis(1)),
        offsets: vec![(partition(), committed)],
    }
}

fn heartbeat() -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group: GroupName::new("h").expect("a name"),
        member: member(),
        member_epoch: 0,
        instance: None,
        client: client(),
        rebalance_timeout: Some(Millis(5)),
        subscribed: Some(vec![topic()]),
        subscribed_pattern: Some("o.*".to_owned()),
        assignor: Some("uniform".to_owned()),
        owned: Some(Vec::new()),
        topics: Some(vec![TopicShape { topic: TopicId(9), name: topic(), partitions: 2 }]),
    }
}

#[test]
fn commands_of_the_metadata_shard_keep_their_bytes() {
    check(
        &Command::CreateTopic(create()),
        &expect![[r#"
            00 06 6f 72 64 65 72 73 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80
            80 80 02 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
        "#]],
    );
    check(
        &Command::DeleteTopic { topic: topic() },
        &expect![[r#"
        01 06 6f 72 64 65 72 73
    "#]],
    );
    check(
        &Command::AddPartitions { topic: topic(), total: 300 },
        &expect![[r#"
        02 06 6f 72 64 65 72 73 ac 02
    "#]],
    );
    let change = ConfigChange { before: TopicConfig::default(), after: config() };
    check(
        &Command::AlterTopic { topic: topic(), change: Box::new(change) },
        &expect![[r#"
            03 06 6f 72 64 65 72 73 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
            01 02 01 00 01 01 80 80 80 80 04 01 e8 07 01 01 01 02 01 01 03 01 01 04
            01 05 01 06 01 07 01 08 01 05 01 01 01 12 01 01 6b 02 31 30
        "#]],
    );
    check(
        &Command::AllocateProducer,
        &expect![[r#"
        04
    "#]],
    );
}

fn placement() -> Placement {
    let nodes = vec![vec![NodeId(2), NodeId(1), NodeId(300)]];
    Placement { nodes, shards: BTreeMap::from([(NodeId(2), vec![ShardId(4), ShardId(16)])]) }
}

#[test]
fn commands_that_place_partitions_keep_their_bytes() {
    let create = CreateTopic { name: topic(), id: TopicId(3), partitions: 1, config: TopicConfig::default() };
    check(
        &Command::CreatePlacedTopic { create: Box::new(create), placement: placement() },
        &expect![[r#"
            39 06 6f 72 64 65 72 73 03 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00
            00 00 01 03 02 01 ac 02 01 02 02 04 10
        "#]],
    );
    check(
        &Command::AddPlacedPartitions { topic: topic(), total: 300, placement: placement() },
        &expect![[r#"
            3a 06 6f 72 64 65 72 73 ac 02 01 03 02 01 ac 02 01 02 02 04 10
        "#]],
    );
}

#[test]
fn kept_secret_keeps_its_bytes() {
    check(
        &Command::KeepSecret { offer: ClusterSecret([7; 32]) },
        &expect![[r#"
        2c 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07
        07 07 07 07 07 07 07 07 07
    "#]],
    );
}

fn register_node() -> Command {
    let address = Address { host: "a.example".into(), port: 9092 };
    let info = NodeInfo { addresses: BTreeMap::from([("kafka".to_owned(), address)]), rack: Some("r1".to_owned()) };
    Command::RegisterNode { node: NodeId(3), info: Box::new(info) }
}

#[test]
fn nodes_keep_their_bytes() {
    check(
        &register_node(),
        &expect![[r#"
            30 03 01 05 6b 61 66 6b 61 09 61 2e 65 78 61 6d 70 6c 65 84 47 01 02 72
            31
        "#]],
    );
    check(
        &Command::ForgetNode { node: NodeId(3) },
        &expect![[r#"
            31 03
        "#]],
    );
    check(
        &Command::AssignNode { node: NodeId(3), duty: NodeDuty::Removed },
        &expect![[r#"
            32 03 02
        "#]],
    );
}

#[test]
fn commands_of_deletions_keep_their_bytes() {
    check(
        &Command::ForgetTopics { topics: vec![(topic(), TopicId(9))], deletion: DeletionNumber(5) },
        &expect![[r#"
            33 01 06 6f 72 64 65 72 73 09 05
        "#]],
    );
    check(
        &Command::ReleaseName { topic: topic(), id: TopicId(9) },
        &expect![[r#"
            34 06 6f 72 64 65 72 73 09
        "#]],
    );
}

#[test]
fn commands_of_streams_keep_their_bytes() {
    check(
        &Command::Append(append()),
        &expect![[r#"
        05 80 80 80 80 80 20 00 02 ac 02 01 01 05 06 07 03
    "#]],
    );
    check(
        &Command::Trim { stream: StreamId(1), before: Offset(2) },
        &expect![[r#"
        06 01 02
    "#]],
    );
    check(
        &Command::DropStream { stream: StreamId(1) },
        &expect![[r#"
        07 01
    "#]],
    );
    check(
        &Command::ForgetTopic { topic: topic(), id: TopicId(9) },
        &expect![[r#"
        11 06 6f 72 64 65 72 73 09
    "#]],
    );
    check(
        &Command::Tick,
        &expect![[r#"
        10
    "#]],
    );
}

#[test]
fn commands_of_classic_groups_keep_their_bytes() {
    check(
        &Command::JoinGroup(Box::new(join())),
        &expect![[r#"
        08 01 67 00 01 6d 01 01 69 01 63 01 68 01 01 72 90 4e e0 d4 03 08 63 6f
        6e 73 75 6d 65 72 01 05 72 61 6e 67 65 02 00 01 02 01 06 6f 72 64 65 72
        73 01 00 01 03 77 68 79
    "#]],
    );
    let sync = SyncGroup {
        group: group(),
        member: member(),
        instance: instance(),
        generation: 2,
        protocol_type: None,
        protocol: Some("range".to_owned()),
        assignments: vec![(member(), Bytes::from_static(b"\xff"))],
    };
    check(
        &Command::SyncGroup(Box::new(sync)),
        &expect![[r#"
        09 01 67 01 6d 01 01 69 04 00 01 05 72 61 6e 67 65 01 01 6d 01 ff
    "#]],
    );
    let leaver = Leaver { member: Some(member()), instance: instance(), reason: None };
    check(
        &Command::LeaveGroup { group: group(), members: vec![leaver] },
        &expect![[r#"
        0a 01 67 01 01 01 6d 01 01 69 00
    "#]],
    );
    check(
        &Command::ExpireMembers { group: group(), members: vec![member()] },
        &expect![[r#"
        0b 01 67 01 01 6d
    "#]],
    );
}

#[test]
fn commands_of_offsets_keep_their_bytes() {
    check(
        &Command::CommitOffsets(Box::new(commit())),
        &expect![[r#"
        0c 01 67 00 00 01 01 01 01 01 06 6f 72 64 65 72 73 04 ac 02 01 02 01 78
        02
    "#]],
    );
    check(
        &Command::DeleteGroup { group: group() },
        &expect![[r#"
        0d 01 67
    "#]],
    );
    check(
        &Command::DeleteOffsets { group: group(), partitions: vec![partition()] },
        &expect![[r#"
        0e 01 67 01 06 6f 72 64 65 72 73 04
    "#]],
    );
}

#[test]
fn commands_of_consumer_groups_keep_their_bytes() {
    let owned = TopicPartitions { topic: TopicId(9), partitions: vec![PartitionIndex(0), PartitionIndex(1)] };
    let heartbeat = ConsumerHeartbeat { owned: Some(vec![owned]), member_epoch: -2, ..heartbeat() };
    check(
        &Command::ConsumerHeartbeat(Box::new(heartbeat)),
        &expect![[r#"
        0f 01 68 01 6d 03 00 01 63 01 68 01 01 72 01 05 01 01 06 6f 72 64 65 72
        73 01 03 6f 2e 2a 01 07 75 6e 69 66 6f 72 6d 01 01 09 02 00 01 01 01 09
        06 6f 72 64 65 72 73 02
    "#]],
    );
}

fn brokers_altered() -> Command {
    let after = BrokerConfig { topics: config(), connections_max: Some(300) };
    let change = ConfigChange { before: BrokerConfig::default(), after };
    Command::AlterBrokers { scope: ConfigScope::Node(NodeId(1)), change: Box::new(change) }
}

fn group_altered() -> Command {
    let after = GroupConfig { session_timeout: Some(Millis(50_000)), heartbeat_interval: Some(Millis(6_000)) };
    Command::AlterGroup { group: group(), change: ConfigChange { before: GroupConfig::default(), after } }
}

#[test]
fn fan_out_keeps_its_bytes() {
    let batch = BatchInfo { format: RecordFormat::Message, producer: None, ..append().batch };
    let plain = Target { stream: StreamId(7), envelope: Envelope::default() };
    let full = Target { stream: StreamId(300), envelope: enqueue().envelope };
    let fan_out = FanOut { batch, leader_epoch: LeaderEpoch(3), targets: vec![plain, full] };
    check(
        &Command::FanOut(Box::new(fan_out)),
        &expect![[r#"
        25 01 02 ac 02 01 00 03 02 07 00 00 00 00 00 ac 02 01 02 01 04 01 ff ff
        ff ff ff ff ff ff ff 01 01 ac 02 04
    "#]],
    );
}

#[test]
fn commands_of_configurations_keep_their_bytes() {
    check(
        &brokers_altered(),
        &expect![[r#"
        23 01 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 02 01 00
        01 01 80 80 80 80 04 01 e8 07 01 01 01 02 01 01 03 01 01 04 01 05 01 06
        01 07 01 08 01 05 01 01 01 12 01 01 6b 02 31 30 01 ac 02
    "#]],
    );
    let before = BrokerConfig { connections_max: Some(1), ..BrokerConfig::default() };
    let change = ConfigChange { before, after: BrokerConfig::default() };
    check(
        &Command::AlterBrokers { scope: ConfigScope::Cluster, change: Box::new(change) },
        &expect![[r#"
        23 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 01 00 00 00 00
        00 00 00 00 00 00 00 00 00 00 00 00 00
    "#]],
    );
    check(
        &group_altered(),
        &expect![[r#"
        24 01 67 00 00 01 d0 86 03 01 f0 2e
    "#]],
    );
}

fn exchange() -> ExchangeKey {
    ExchangeKey { kind: ExchangeKind::Sns, name: ExchangeName::new("news").expect("a name") }
}

fn texts() -> BTreeMap<String, String> {
    BTreeMap::from([("k".to_owned(), "v".to_owned())])
}

fn exchange_commands() -> [Command; 4] {
    let config = ExchangeConfig { attributes: texts(), tags: texts() };
    let bind = Bind {
        exchange: exchange(),
        id: BindingId(1 << 127),
        label: "sqs q".to_owned(),
        target: BindingTarget::Queue(topic()),
        config: BindingConfig::default(),
    };
    let push = Bind {
        id: BindingId(2),
        label: "http".to_owned(),
        target: BindingTarget::Push { url: "http://h/".to_owned() },
        ..bind.clone()
    };
    let change = ConfigChange { before: BindingConfig::default(), after: BindingConfig { attributes: texts() } };
    [
        Command::CreateExchange(Box::new(CreateExchange { key: exchange(), config })),
        Command::Bind(Box::new(bind)),
        Command::Bind(Box::new(push)),
        Command::AlterBinding { exchange: exchange(), binding: BindingId(2), change: Box::new(change) },
    ]
}

#[test]
fn commands_of_exchanges_keep_their_bytes() {
    let [create, bind, push, alter] = exchange_commands();
    check(
        &create,
        &expect![[r#"
            26 00 04 6e 65 77 73 01 01 6b 01 76 01 01 6b 01 76
        "#]],
    );
    check(
        &bind,
        &expect![[r#"
            29 00 04 6e 65 77 73 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80
            80 02 05 73 71 73 20 71 00 06 6f 72 64 65 72 73 00
        "#]],
    );
    check(
        &push,
        &expect![[r#"
            29 00 04 6e 65 77 73 02 04 68 74 74 70 01 09 68 74 74 70 3a 2f 2f 68 2f
            00
        "#]],
    );
    check(
        &alter,
        &expect![[r#"
            2a 00 04 6e 65 77 73 02 00 01 01 6b 01 76
        "#]],
    );
    let change = ConfigChange {
        before: ExchangeConfig::default(),
        after: ExchangeConfig { attributes: texts(), tags: texts() },
    };
    check(
        &Command::AlterExchange { exchange: exchange(), change: Box::new(change) },
        &expect![[r#"
            28 00 04 6e 65 77 73 00 00 01 01 6b 01 76 01 01 6b 01 76
        "#]],
    );
    check(
        &Command::Unbind { exchange: exchange(), binding: BindingId(2) },
        &expect![[r#"
            2b 00 04 6e 65 77 73 02
        "#]],
    );
    check(
        &Command::DeleteExchange { exchange: exchange() },
        &expect![[r#"
            27 00 04 6e 65 77 73
        "#]],
    );
}

fn history() -> Broker {
    let mut broker = Broker::new(BrokerLimits::default());
    let commands = [
        Command::CommitOffsets(Box::new(commit())),
        Command::CreateTopic(create()),
        Command::Append(append()),
        Command::DropStream { stream: StreamId(3) },
        Command::JoinGroup(Box::new(join())),
        Command::ConsumerHeartbeat(Box::new(heartbeat())),
    ];
    for (now, command) in (1_000..).zip(&commands) {
        broker.apply(Timestamp(now), command).expect("a history without refusals");
    }
    broker
}

/// The same, with a queue.
fn history_of_queues() -> Broker {
    let mut broker = history();
    let stream = StreamId(7);
    let key = LeaseKey { offset: Offset(1), epoch: LeaseEpoch(2) };
    let release = Settlement::Release { delay: Millis(500), delivery: Delivery::Counts };
    let acquire = Acquire { stream, count_max: 3, lease: Millis(30_000), holder: Some(HolderId(9)), attempt: None };
    let commands = [
        Command::CreateQueue(Box::new(create_queue())),
        Command::ConfigureCursor { stream, config: cursor_config() },
        Command::Append(Append { stream, ..append() }),
        Command::Enqueue(Enqueue { envelope: Envelope::default(), origin: None, ..enqueue() }),
        Command::Acquire(acquire),
        Command::Settle { stream, settlements: vec![(key, release)] },
    ];
    for (now, command) in (2_000..).zip(&commands) {
        broker.apply(Timestamp(now), command).expect("a history without refusals");
    }
    broker
}

/// The same, with what administrators set.
fn history_of_configs() -> Broker {
    let mut broker = history_of_queues();
    for (now, command) in (3_000..).zip([brokers_altered(), group_altered()]) {
        broker.apply(Timestamp(now), &command).expect("a history without refusals");
    }
    broker
}

/// A queue with a small index, nodes, and a bounded queue.
fn later_commands() -> Vec<Command> {
    let stream = StreamId(8);
    let config = CursorConfig { grouped_max: 2, ..cursor_config() };
    let enqueue = |envelope, origin| {
        let append = Append { stream, ..enqueue().append };
        Command::Enqueue(Enqueue { append, envelope, origin })
    };
    let (group, later) = (Some(GroupHash(5)), Some(Timestamp(9_000_000)));
    let acquire = Acquire { stream, count_max: 1, lease: Millis(30_000), holder: None, attempt: Some(AttemptHash(4)) };
    vec![
        Command::ConfigureCursor { stream, config },
        enqueue(Envelope { deliver_at: later, ..Envelope::default() }, None),
        enqueue(Envelope { group, expires_at: later, dedup: Some(DedupHash(6)), ..Envelope::default() }, None),
        enqueue(Envelope { group, ..Envelope::default() }, Some(Origin { stream: StreamId(5), offset: Offset(6) })),
        enqueue(Envelope { group: Some(GroupHash(6)), ..Envelope::default() }, None),
        Command::Acquire(acquire),
        Command::StartMove { stream, target: None, rate_max: Some(5) },
        Command::AdvanceMove { stream, task: MoveId(1), count_max: 1 },
        register_node(),
        Command::AssignNode { node: NodeId(3), duty: NodeDuty::Drained },
        Command::ConfigureCursor { stream: StreamId(9), config: CursorConfig::default() },
        Command::LimitCursors { lowest: StreamId(9), highest: 0, limits: bounds() },
        Command::AddPlacedPartitions { topic: topic(), total: 17, placement: placement() },
    ]
}

#[test]
fn checkpoint_keeps_its_bytes() {
    let mut broker = history_of_configs();
    for (now, command) in (4_000..).zip(later_commands().iter().chain(&exchange_commands())) {
        broker.apply(Timestamp(now), command).expect("a history without refusals");
    }
    let lines: Vec<String> = broker.encode().chunks(24).map(hex).collect();
    expect![[r#"
        4f 4d 42 52 0d 00 02 06 6f 72 64 65 72 73 06 6f 72 64 65 72 73 80 80 80
        80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 02 11 00 01 01 02 02 03 03
        04 04 05 05 06 06 07 07 08 08 09 09 0a 0a 0b 0b 0c 0c 0d 0d 0e 0e 0f 0f
        10 11 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 d2 0f 00 11 00
        00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 03 02 01 ac 02 01 71 01 71
        03 01 10 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 a0 1f 01 00
        ac 02 01 03 01 04 01 00 01 05 06 07 01 b0 ea 01 01 02 01 03 01 80 80 40
        01 06 6f 72 64 65 72 73 01 01 61 01 62 01 01 63 01 64 00 00 00 00 a0 1f
        00 12 12 00 00 00 03 07 00 03 03 00 00 01 01 05 06 a4 1f 07 08 00 00 00
        00 00 00 00 00 00 00 00 00 00 01 08 00 04 03 00 00 00 80 80 80 80 80 20
        00 02 03 00 00 01 01 05 06 d4 0f 07 08 00 00 00 00 00 00 00 00 00 00 00
        00 00 01 01 03 d6 c9 b7 03 02 02 01 67 00 01 67 01 c8 3e 01 b8 17 a8 bd
        03 00 d8 0f 00 01 08 63 6f 6e 73 75 6d 65 72 00 01 01 6d 01 01 6d 01 01
        69 01 63 01 68 01 01 72 90 4e e0 d4 03 01 05 72 61 6e 67 65 02 00 01 02
        01 06 6f 72 64 65 72 73 00 01 01 01 98 df 24 00 01 01 69 01 6d 00 00 00
        00 01 01 06 6f 72 64 65 72 73 01 04 ac 02 01 02 01 78 d0 0f 01 d2 0f 00
        00 01 c8 3e 01 68 01 01 68 da 0f 04 04 01 01 6d 00 01 63 01 68 01 01 72
        05 01 06 6f 72 64 65 72 73 01 03 6f 2e 2a 01 09 01 00 04 00 02 09 00 04
        09 01 04 00 00 00 01 09 09 06 6f 72 64 65 72 73 02 01 01 6d 02 09 00 09
        01 02 09 00 01 6d 09 01 01 6d 00 02 04 00 00 00 06 92 27 03 07 c8 3e 02
        01 67 f0 da 01 03 08 d6 c9 b7 03 01 03 d4 ff b2 52 00 80 80 80 80 80 20
        05 a4 8f b3 52 00 07 05 03 07 00 ac 02 01 03 01 04 01 00 01 05 06 07 01
        00 00 00 00 00 03 03 03 00 00 00 00 00 03 00 01 a8 1f 01 00 00 88 f4 03
        01 09 01 01 a8 1f 02 00 02 92 27 02 01 a8 1f 03 00 00 88 f4 03 01 09 00
        03 92 27 01 88 f4 03 00 88 f4 03 02 00 00 00 00 00 00 00 00 00 00 00 00
        00 00 00 00 00 00 00 00 00 00 01 09 02 00 02 02 01 00 03 00 00 00 00 00
        00 00 03 00 00 00 00 00 00 00 00 01 92 27 08 00 ac 02 01 03 01 04 01 00
        01 05 06 02 01 00 00 00 00 00 04 03 03 00 00 01 03 04 01 01 00 03 02 01
        01 ca 3e 01 01 05 00 aa 93 04 00 02 00 00 00 00 03 03 01 ce 3e 00 01 aa
        93 04 01 01 00 80 d1 ca 08 00 01 80 d1 ca 08 00 00 00 00 00 01 01 80 d1
        ca 08 01 80 d1 ca 08 01 00 00 00 00 00 00 00 02 05 00 00 01 00 06 01 03
        00 00 01 03 01 03 06 00 00 00 01 01 02 00 01 00 02 04 00 00 00 00 00 00
        00 01 00 01 06 01 d0 3e 01 d0 3e 06 01 05 06 02 01 04 8a 8e 25 01 01 01
        aa 93 04 01 8a 8e 25 04 01 01 00 01 05 00 cc 3e 04 02 01 00 01 01 f0 da
        01 09 00 c0 a9 07 00 00 00 00 00 00 e0 a7 12 c0 a9 07 00 01 ac 02 00 00
        00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
        00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
        00 00 00 00 00 00 00 00 00 01 09 00 00 01 01 01 01 02 01 00 01 01 80 80
        80 80 04 01 e8 07 01 01 01 02 01 01 03 01 01 04 01 05 01 06 01 07 01 08
        01 05 01 01 01 12 01 01 6b 02 31 30 01 ac 02 01 01 67 01 d0 86 03 01 f0
        2e 01 00 04 6e 65 77 73 00 04 6e 65 77 73 01 01 6b 01 76 01 01 6b 01 76
        da 3e 02 02 02 04 68 74 74 70 01 09 68 74 74 70 3a 2f 2f 68 2f 01 01 6b
        01 76 de 3e 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 02 80
        80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 02 05 73 71 73 20 71
        00 06 6f 72 64 65 72 73 00 dc 3e 02 00 e0 3e 01 03 01 05 6b 61 66 6b 61
        09 61 2e 65 78 61 6d 70 6c 65 84 47 01 02 72 31 01 03 01
    "#]]
    .assert_eq(&format!("{}\n", lines.join("\n")));
}

#[test]
fn checkpoint_of_another_version_is_refused() {
    let mut bytes = history().encode();
    bytes[4] -= 1;
    let refused = Broker::decode(BrokerLimits::default(), &bytes).expect_err("it is another layout");
    assert!(matches!(refused, DecodeError::UnknownVersion { found } if found == u16::from(bytes[4])), "{refused}");
}

fn bounds() -> QueueLimits {
    QueueLimits { records_max: Some(300), ..QueueLimits::default() }
}

fn cursor_config() -> CursorConfig {
    CursorConfig {
        order: DeliveryOrder::Standard,
        leases_max: 300,
        deliveries_max: Some(3),
        back_after: Some(4),
        dead_letters: DeadLetters::Moved,
        expired: DeadLetters::Dropped,
        late: LateHolders::Heard,
        delay: Millis(5),
        dedup_window: Millis(6),
        grouped_max: 7,
        history: History::Kept,
    }
}

fn queue_config() -> QueueConfig {
    QueueConfig {
        cursor: cursor_config(),
        lease: Millis(30_000),
        delay: Millis(1),
        wait: Millis(2),
        retention: Some(Millis(3)),
        record_bytes_max: Some(1 << 20),
        dead_letters_to: Some(topic()),
        attributes: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        tags: BTreeMap::from([("c".to_owned(), "d".to_owned())]),
    }
}

fn create_queue() -> CreateQueue {
    let name = TopicName::new("q").expect("a name");
    CreateQueue { name, id: TopicId(3), config: TopicConfig::default(), queue: queue_config() }
}

fn envelope() -> Envelope {
    Envelope {
        deliver_at: Some(Timestamp(1)),
        expires_at: Some(Timestamp(2)),
        group: Some(GroupHash(u64::MAX)),
        dedup: Some(DedupHash(300)),
        priority: 4,
    }
}

fn enqueue() -> Enqueue {
    let batch = BatchInfo { format: RecordFormat::Message, count: 1, producer: None, ..append().batch };
    let append = Append { stream: StreamId(7), batch, leader_epoch: LeaderEpoch(3) };
    let origin = Origin { stream: StreamId(5), offset: Offset(6) };
    Enqueue { append, envelope: envelope(), origin: Some(origin) }
}

#[test]
fn commands_of_queues_keep_their_bytes() {
    check(
        &Command::CreateQueue(Box::new(create_queue())),
        &expect![[r#"
        12 01 71 03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ac 02 01
        03 01 04 01 00 01 05 06 07 01 b0 ea 01 01 02 01 03 01 80 80 40 01 06 6f
        72 64 65 72 73 01 01 61 01 62 01 01 63 01 64
    "#]],
    );
    let change = ConfigChange { before: QueueConfig::default(), after: queue_config() };
    check(
        &Command::AlterQueue { topic: topic(), change: Box::new(change) },
        &expect![[r#"
        13 06 6f 72 64 65 72 73 00 c0 a9 07 00 00 00 00 00 00 e0 a7 12 c0 a9 07
        00 00 00 00 00 00 00 00 00 00 ac 02 01 03 01 04 01 00 01 05 06 07 01 b0
        ea 01 01 02 01 03 01 80 80 40 01 06 6f 72 64 65 72 73 01 01 61 01 62 01
        01 63 01 64
    "#]],
    );
    check(
        &Command::ConfigureCursor { stream: StreamId(7), config: cursor_config() },
        &expect![[r#"
        14 07 00 ac 02 01 03 01 04 01 00 01 05 06 07 01
    "#]],
    );
    check(
        &Command::Enqueue(enqueue()),
        &expect![[r#"
        15 07 01 01 ac 02 01 00 03 01 02 01 04 01 ff ff ff ff ff ff ff ff ff 01
        01 ac 02 04 01 05 06
    "#]],
    );
    let attempt = Some(AttemptHash(1 << 100));
    let (stream, lease) = (StreamId(7), Millis(u64::MAX));
    check(
        &Command::Acquire(Acquire { stream, count_max: 10, lease, holder: Some(HolderId(9)), attempt }),
        &expect![[r#"
        16 07 0a ff ff ff ff ff ff ff ff ff 01 01 09 01 80 80 80 80 80 80 80 80
        80 80 80 80 80 80 04
    "#]],
    );
}

#[test]
fn commands_of_leases_keep_their_bytes() {
    let stream = StreamId(7);
    let key = |offset| LeaseKey { offset: Offset(offset), epoch: LeaseEpoch(2) };
    let settlements = vec![
        (key(1), Settlement::Accept),
        (key(2), Settlement::Release { delay: Millis(300), delivery: Delivery::DidNotHappen }),
        (key(3), Settlement::Reject),
    ];
    check(
        &Command::Settle { stream, settlements },
        &expect![[r#"
        17 07 03 01 02 00 02 02 01 ac 02 01 03 02 02
    "#]],
    );
    check(
        &Command::Extend { stream, leases: vec![(key(1), Millis(300))] },
        &expect![[r#"
        18 07 01 01 02 ac 02
    "#]],
    );
    check(
        &Command::ReleaseHolder { stream, holder: HolderId(9) },
        &expect![[r#"
        19 07 09
    "#]],
    );
    check(
        &Command::Bury { stream, offset: Offset(300) },
        &expect![[r#"
        1a 07 ac 02
    "#]],
    );
    let origin = Origin { stream: StreamId(5), offset: Offset(6) };
    check(
        &Command::ForgetOrigin { stream, origin },
        &expect![[r#"
        1b 07 05 06
    "#]],
    );
}

#[test]
fn commands_that_keep_house_in_queues_keep_their_bytes() {
    let (stream, task) = (StreamId(7), MoveId(3));
    check(
        &Command::StartMove { stream, target: Some(StreamId(8)), rate_max: Some(500) },
        &expect![[r#"
        1c 07 01 08 01 f4 03
    "#]],
    );
    check(
        &Command::CancelMove { stream, task },
        &expect![[r#"
        1d 07 03
    "#]],
    );
    check(
        &Command::AdvanceMove { stream, task, count_max: 100 },
        &expect![[r#"
        1e 07 03 64
    "#]],
    );
    let record = Admission { offset: Offset(4), envelope: envelope(), enqueued_at: Timestamp(5) };
    let admit = Admit { stream, from: Offset(3), to: Offset(6), records: vec![record] };
    check(
        &Command::Admit(Box::new(admit)),
        &expect![[r#"
        1f 07 03 06 01 04 01 02 01 04 01 ff ff ff ff ff ff ff ff ff 01 01 ac 02
        04 0a
    "#]],
    );
    check(
        &Command::Purge { stream },
        &expect![[r#"
        20 07
    "#]],
    );
    check(
        &Command::Rewind { stream, to: Offset(300) },
        &expect![[r#"
        21 07 ac 02
    "#]],
    );
    check(
        &Command::ExpireBefore { stream, before: Offset(300) },
        &expect![[r#"
        22 07 ac 02
    "#]],
    );
    check(
        &Command::EndSessions,
        &expect![[r#"
            2d
        "#]],
    );
    check(
        &Command::Take { stream, count_max: 300 },
        &expect![[r#"
            2e 07 ac 02
        "#]],
    );
}

#[test]
fn commands_that_make_queues_of_a_kind_keep_their_bytes() {
    let stream = StreamId(7);
    let create =
        Box::new(CreateQueue { config: TopicConfig::default(), queue: QueueConfig::default(), ..create_queue() });
    let limits = QueueLimits {
        records_max: Some(300),
        bytes_max: Some(5),
        overflow: Overflow::RefuseNewest,
        ttl: Some(Millis(9)),
    };
    check(
        &Command::LimitCursor { stream, limits },
        &expect![[r#"
        36 07 01 ac 02 01 05 01 01 09
    "#]],
    );
    check(
        &Command::LimitCursors { lowest: stream, highest: 3, limits },
        &expect![[r#"
        38 07 03 01 ac 02 01 05 01 01 09
    "#]],
    );
    check(
        &Command::LimitQueue { topic: topic(), change: ConfigChange { before: QueueLimits::default(), after: limits } },
        &expect![[r#"
        37 06 6f 72 64 65 72 73 00 00 00 00 01 ac 02 01 05 01 01 09
    "#]],
    );
    check(
        &Command::CreateLimitedQueue { create: create.clone(), priorities: 0, limits },
        &expect![[r#"
        35 01 71 03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 c0 a9 07
        00 00 00 00 00 00 e0 a7 12 c0 a9 07 00 00 00 00 00 00 00 00 00 00 01 ac
        02 01 05 01 01 09
    "#]],
    );
    check(
        &Command::CreatePriorityQueue { create, priorities: 9 },
        &expect![[r#"
        2f 01 71 03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 c0 a9 07
        00 00 00 00 00 00 e0 a7 12 c0 a9 07 00 00 00 00 00 00 00 00 00 09
    "#]],
    );
}
