//! The whole engine on a disk in memory: what is acknowledged is there after a restart.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use bytes::Bytes;
use omnibus_engine::questions::OffsetsWanted;
use omnibus_engine::{Engine, EngineConfig, EngineError, Payload, Running, Seams, SubmitError};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{SystemClock, SystemEntropy};
use omnibus_log::LogConfig;
use omnibus_model::command::{CommitOffsets, CreateTopic};
use omnibus_model::config::{BrokerConfig, ConfigChange, ConfigScope, GroupConfig};
use omnibus_model::group::{CommittedOffset, TopicPartition};
use omnibus_model::topic::{Cleanup, Limit, SharedTopic, TopicConfig};
use omnibus_model::{
    BatchInfo, Command, GroupName, Millis, Offset, Outcome, PartitionIndex, RecordFormat, Refusal, ShardId, Timestamp,
    TopicId, TopicName,
};
use omnibus_record::{BatchBuilder, Codec, Stamp};

const RECORDS: u32 = 3;

fn log_config() -> LogConfig {
    LogConfig { segment_bytes: 4 << 20, reserve_bytes: 12 << 20, ..LogConfig::default() }
}

fn open(disk: &FaultDisk) -> (Engine, Running) {
    open_with(disk, log_config()).unwrap()
}

fn open_with(disk: &FaultDisk, log: LogConfig) -> Result<(Engine, Running), EngineError> {
    let seams = Seams {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy::open().unwrap()),
    };
    Engine::open(seams, EngineConfig { log, ..EngineConfig::default() })
}

async fn topic(engine: &Engine, name: &str) -> SharedTopic {
    let command = CreateTopic {
        name: TopicName::new(name).unwrap(),
        id: TopicId(engine.random()),
        partitions: 4,
        config: TopicConfig::default(),
    };
    engine.create_topic(command).await.unwrap()
}

fn payload(value: &str) -> Payload {
    let mut builder = BatchBuilder::new(Codec::None);
    for _ in 0..RECORDS {
        builder.push(Timestamp(1_000), Some(b"key"), Some(value.as_bytes()), &[]);
    }
    let bytes = builder.finish(Stamp::default());
    let batch = BatchInfo {
        format: RecordFormat::KafkaBatch,
        count: RECORDS,
        bytes: u32::try_from(bytes.len()).unwrap(),
        timestamp_max: Timestamp(1_000),
        producer: None,
    };
    Payload { batch, bytes }
}

async fn append(engine: &Engine, topic: &SharedTopic, value: &str) -> Offset {
    let place = topic.partitions[0];
    let commit = engine.append(place.shard, place.stream, payload(value)).await.unwrap();
    commit.appended().await.unwrap().base
}

async fn read_all(engine: &Engine, topic: &SharedTopic) -> Vec<Bytes> {
    let fetched = engine.read(topic.partitions[0].stream, Offset::ZERO, 1 << 20).await.unwrap();
    fetched.pieces.into_iter().flat_map(omnibus_record::batches).collect()
}

#[tokio::test]
async fn acknowledged_batches_are_read_back() {
    let (engine, running) = open(&FaultDisk::new(1));
    let topic = topic(&engine, "orders").await;
    for round in 0..10 {
        assert_eq!(append(&engine, &topic, "value").await, Offset(round * u64::from(RECORDS)));
    }
    assert_eq!(read_all(&engine, &topic).await.len(), 10);
    running.close().await;
}

#[tokio::test]
async fn what_is_read_ahead_is_what_was_written() {
    const BATCHES: u64 = 200;
    let disk = FaultDisk::new(9);
    let (engine, running) = open(&disk);
    let written = topic(&engine, "orders").await;
    for number in 0..BATCHES {
        append(&engine, &written, &number.to_string().repeat(5_000)).await;
    }
    running.close().await;
    drop(engine);

    // Nothing is in memory after a start, and less than all of it has room there.
    let (engine, running) = open_with(&disk, LogConfig { cache_bytes: 1 << 20, ..log_config() }).unwrap();
    let stream = engine.catalog().topic("orders").unwrap().partitions[0].stream;
    for bytes_max in [1, 100 << 10, 16 << 20] {
        let mut next = Offset::ZERO;
        while next < Offset(BATCHES * u64::from(RECORDS)) {
            let fetched = engine.read(stream, next, bytes_max).await.unwrap();
            for batch in fetched.pieces.into_iter().flat_map(omnibus_record::batches) {
                let value = (next.0 / u64::from(RECORDS)).to_string().repeat(5_000);
                let records = omnibus_record::Records::of(&batch, 1 << 20).unwrap();
                assert!(records.into_iter().all(|record| record.unwrap().value.as_deref() == Some(value.as_bytes())));
                next = next.plus(u64::from(RECORDS));
            }
        }
    }
    running.close().await;
}

#[tokio::test]
async fn acknowledged_batches_survive_a_power_cut() {
    let disk = FaultDisk::new(2);
    let (engine, _running) = open(&disk);
    let topic = topic(&engine, "orders").await;
    append(&engine, &topic, "first").await;
    append(&engine, &topic, "second").await;
    let after = disk.fork(3);
    after.cut_power();
    after.restart();

    let (engine, running) = open(&after);
    let found = engine.catalog().topic("orders").unwrap();
    assert_eq!(found.id, topic.id);
    assert_eq!(read_all(&engine, &found).await.len(), 2);
    assert_eq!(append(&engine, &found, "third").await, Offset(6));
    running.close().await;
}

#[tokio::test]
async fn clean_shutdown_leaves_nothing_to_repeat() {
    let disk = FaultDisk::new(4);
    let (engine, running) = open(&disk);
    let topic = topic(&engine, "orders").await;
    append(&engine, &topic, "value").await;
    running.close().await;
    drop(engine);

    let (engine, running) = open(&disk);
    assert_eq!(running.repeated, 0);
    assert_eq!(read_all(&engine, &topic).await.len(), 1);
    running.close().await;
}

#[tokio::test]
async fn deleted_topic_is_gone_and_may_come_again() {
    let disk = FaultDisk::new(5);
    let (engine, running) = open(&disk);
    let old = topic(&engine, "orders").await;
    append(&engine, &old, "value").await;
    engine.delete_topic(old.name.clone()).await.unwrap();
    assert!(engine.catalog().topic("orders").is_none());
    let new = topic(&engine, "orders").await;
    assert_ne!(new.id, old.id);
    assert_eq!(engine.bounds(new.partitions[0].stream).end, Offset::ZERO);
    running.close().await;
}

#[tokio::test]
async fn deletion_that_was_cut_short_is_finished_at_the_next_start() {
    let disk = FaultDisk::new(15);
    let (engine, running) = open(&disk);
    let topic = topic(&engine, "orders").await;
    append(&engine, &topic, "value").await;
    // The process ends before it comes to the streams.
    let delete = Command::DeleteTopic { topic: topic.name.clone() };
    engine.submit(ShardId::METADATA, delete).await.unwrap();
    running.close().await;

    let stream = topic.partitions[0].stream;
    let (engine, running) = open(&disk);
    running.close().await;
    drop(engine);
    let (engine, running) = open(&disk);
    assert_eq!((engine.bounds(stream).end, engine.stream_bytes(stream)), (Offset::ZERO, 0));
    running.close().await;
}

#[tokio::test]
async fn what_groups_read_of_a_topic_is_forgotten_if_its_deletion_was_cut_short() {
    let disk = FaultDisk::new(16);
    let (engine, running) = open(&disk);
    let (gone, kept) = (topic(&engine, "orders").await, topic(&engine, "others").await);
    commit(&engine, &gone).await;
    commit(&engine, &kept).await;
    // The process ends before it comes to the groups; until then nobody gets the name.
    let delete = Command::DeleteTopic { topic: gone.name.clone() };
    engine.submit(ShardId::METADATA, delete).await.unwrap();
    let create = CreateTopic { name: gone.name.clone(), id: TopicId(1), partitions: 1, config: TopicConfig::default() };
    let early = engine.create_topic(create).await;
    assert!(matches!(early, Err(SubmitError::Refused(Refusal::TopicExists { .. }))), "{early:?}");
    running.close().await;
    drop(engine);

    let (engine, running) = open(&disk);
    topic(&engine, "orders").await;
    let wanted = OffsetsWanted { group: GroupName::new("readers").unwrap(), member: None, partitions: None };
    let found = engine.committed_offsets(wanted).await.unwrap();
    let topics: Vec<&str> = found.iter().map(|(partition, _)| partition.topic.as_str()).collect();
    assert_eq!(topics, ["others"]);
    running.close().await;
}

#[tokio::test]
async fn what_no_entry_can_take_is_refused_and_blocks_nobody() {
    const MIB: usize = 1 << 20;
    let log = LogConfig { entry_bytes_max: 10 << 20, ..log_config() };
    let (engine, running) = open_with(&FaultDisk::new(17), log).unwrap();
    let topic = topic(&engine, "orders").await;
    let place = topic.partitions[0];
    let too_long = commit_with(&engine, &topic, "x".repeat(2 * MIB + 1)).await;
    assert!(matches!(too_long, Err(SubmitError::TooLarge { .. })), "{too_long:?}");
    let too_long = engine.append(place.shard, place.stream, payload(&"x".repeat(MIB))).await.unwrap().appended().await;
    assert!(matches!(too_long, Err(SubmitError::TooLarge { .. })), "{too_long:?}");
    // Groups as long as they get, by turns a payload and a command.
    let mut appends = Vec::new();
    for _ in 0..20 {
        appends.push(engine.append(place.shard, place.stream, payload(&"x".repeat(MIB / 2))).await.unwrap());
        appends.push(engine.append(place.shard, place.stream, payload("x")).await.unwrap());
        commit_with(&engine, &topic, "x".repeat(2 * MIB - 100)).await.unwrap();
    }
    for append in appends {
        append.appended().await.unwrap();
    }
    running.close().await;
}

#[tokio::test]
async fn entries_too_short_for_a_group_are_told_at_once() {
    let log = LogConfig { entry_bytes_max: 4 << 20, ..log_config() };
    let opened = open_with(&FaultDisk::new(18), log);
    assert!(matches!(opened, Err(EngineError::EntriesTooShort { .. })), "{opened:?}");
}

async fn commit(engine: &Engine, topic: &SharedTopic) {
    commit_with(engine, topic, String::new()).await.unwrap();
}

async fn commit_with(engine: &Engine, topic: &SharedTopic, metadata: String) -> Result<Outcome, SubmitError> {
    let partition = TopicPartition { topic: topic.name.clone(), partition: PartitionIndex(0) };
    let committed = CommittedOffset { offset: Offset(7), leader_epoch: None, metadata, committed_at: Timestamp(0) };
    let group = GroupName::new("readers").unwrap();
    let shard = engine.group_shard(&group);
    let command = CommitOffsets {
        group,
        member: None,
        instance: None,
        generation: -1,
        stale_epoch_supported: false,
        retention: None,
        offsets: vec![(partition, committed)],
    };
    engine.submit(shard, Command::CommitOffsets(Box::new(command))).await
}

#[tokio::test]
async fn trimmed_records_stay_gone_after_a_restart() {
    let disk = FaultDisk::new(6);
    let (engine, running) = open(&disk);
    let topic = topic(&engine, "orders").await;
    append(&engine, &topic, "old").await;
    append(&engine, &topic, "new").await;
    let place = topic.partitions[0];
    assert_eq!(engine.trim(place.shard, place.stream, Offset(3)).await.unwrap(), Offset(3));
    running.close().await;
    drop(engine);

    let (engine, running) = open(&disk);
    assert_eq!(engine.bounds(place.stream).start, Offset(3));
    assert!(engine.read(place.stream, Offset(2), 1).await.is_err());
    running.close().await;
}

/// Lets housekeeping run, in the runtime's own time, until something is so.
async fn housekeeping_until(is_so: impl AsyncFn() -> bool) {
    const ROUNDS_MAX: u32 = 1000;
    for _ in 0..ROUNDS_MAX {
        if is_so().await {
            return;
        }
        tokio::time::sleep(EngineConfig::default().housekeeping_interval).await;
    }
    panic!("housekeeping has not done it in {ROUNDS_MAX} rounds");
}

async fn configured(engine: &Engine, name: &str, config: TopicConfig) -> SharedTopic {
    let command =
        CreateTopic { name: TopicName::new(name).unwrap(), id: TopicId(engine.random()), partitions: 1, config };
    engine.create_topic(command).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn old_records_go_unless_their_topic_keeps_everything() {
    let (engine, running) = open(&FaultDisk::new(7));
    let config = |cleanup| TopicConfig { cleanup: Some(cleanup), ..TopicConfig::default() };
    // Topics are cleaned in the order of their names.
    let kept = configured(&engine, "a", config(Cleanup::Keep)).await;
    let compacted = configured(&engine, "b", config(Cleanup::Compact)).await;
    let cleaned = configured(&engine, "c", config(Cleanup::Delete)).await;
    for topic in [&kept, &compacted, &cleaned] {
        append(&engine, topic, "of 1970").await;
    }
    let start = |topic: &SharedTopic| engine.bounds(topic.partitions[0].stream).start;
    housekeeping_until(async || start(&cleaned) == Offset(u64::from(RECORDS))).await;
    assert_eq!((start(&kept), start(&compacted)), (Offset::ZERO, Offset::ZERO));
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_old_when_it_came_can_be_read_for_a_while() {
    let (engine, running) = open(&FaultDisk::new(7));
    let few = TopicConfig { retention_bytes: Some(Limit::AtMost(0)), ..TopicConfig::default() };
    // Topics are cleaned in the order of their names.
    let old = configured(&engine, "a", TopicConfig::default()).await;
    let many = configured(&engine, "b", few).await;
    for topic in [&old, &many] {
        append(&engine, topic, "of 1970").await;
        append(&engine, topic, "of 1970").await;
    }
    let start = |topic: &SharedTopic| engine.bounds(topic.partitions[0].stream).start;
    housekeeping_until(async || start(&many) > Offset::ZERO).await;
    assert_eq!(start(&old), Offset::ZERO);
    housekeeping_until(async || start(&old) > Offset::ZERO).await;
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn little_is_compacted_once_it_has_waited_long_enough() {
    let (engine, running) = open(&FaultDisk::new(8));
    let config = TopicConfig { cleanup: Some(Cleanup::Compact), ..TopicConfig::default() };
    let patient = configured(&engine, "a", config.clone()).await;
    let config = TopicConfig { compaction_lag_max: Some(Millis(1)), ..config };
    let impatient = configured(&engine, "b", config).await;
    for topic in [&patient, &impatient] {
        append(&engine, topic, "first").await;
        append(&engine, topic, "second").await;
    }
    housekeeping_until(async || read_all(&engine, &impatient).await.len() == 1).await;
    assert_eq!(read_all(&engine, &patient).await.len(), 2);
    running.close().await;
}

#[tokio::test]
async fn what_administrators_set_survives_a_power_cut_and_a_clean_end() {
    let disk = FaultDisk::new(9);
    let (engine, _running) = open(&disk);
    let before = BrokerConfig::default();
    let after = BrokerConfig { connections_max: Some(7), ..BrokerConfig::default() };
    engine.alter_brokers(ConfigScope::Cluster, ConfigChange { before, after }).await.unwrap();
    let group = GroupName::new("g").unwrap();
    let after = GroupConfig { session_timeout: Some(Millis(50_000)), heartbeat_interval: None };
    engine.alter_group(group.clone(), ConfigChange { before: GroupConfig::default(), after }).await.unwrap();
    let cut = disk.fork(10);
    cut.cut_power();
    cut.restart();
    for _ in 0..2 {
        let (engine, running) = open(&cut);
        assert_eq!(engine.configs().connections_max(), Some(7));
        assert_eq!(engine.configs().group(&group), after);
        running.close().await;
    }
}

#[tokio::test]
async fn cluster_keeps_one_secret() {
    let disk = FaultDisk::new(1);
    let (engine, running) = open(&disk);
    let secret = engine.cluster_secret().await.unwrap();
    assert_eq!(engine.cluster_secret().await.unwrap(), secret);
    running.close().await;
    let (engine, running) = open(&disk);
    assert_eq!(engine.cluster_secret().await.unwrap(), secret);
    running.close().await;
    let (engine, running) = open(&FaultDisk::new(2));
    assert_ne!(engine.cluster_secret().await.unwrap(), secret);
    running.close().await;
}
