//! An engine over consensus groups of one voter: as over any log, what is acknowledged is there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "the support has more than this file needs")]

mod support;

use std::sync::Arc;

use omnibus_engine::{Engine, EngineConfig, Running, Seams};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{SystemClock, SystemEntropy};
use omnibus_log::LogConfig;
use omnibus_model::command::CreateTopic;
use omnibus_model::topic::{SharedTopic, TopicConfig};
use omnibus_model::{BatchInfo, Offset, RecordFormat, Timestamp, TopicId, TopicName};
use omnibus_record::{BatchBuilder, Codec, Stamp};

fn open(disk: &FaultDisk) -> (Engine, Running) {
    let log = LogConfig { segment_bytes: 4 << 20, reserve_bytes: 12 << 20, ..LogConfig::default() };
    let seams = Seams {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy::open().unwrap()),
    };
    support::open_over_consensus(seams, EngineConfig { log, ..EngineConfig::default() }).unwrap()
}

async fn append(engine: &Engine, topic: &SharedTopic, partition: usize) -> Offset {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(Timestamp(1_000), Some(b"key"), Some(b"value"), &[]);
    let bytes = builder.finish(Stamp::default());
    let batch = BatchInfo {
        format: RecordFormat::KafkaBatch,
        count: 1,
        bytes: u32::try_from(bytes.len()).unwrap(),
        timestamp_max: Timestamp(1_000),
        producer: None,
    };
    let place = topic.partitions[partition];
    let payload = omnibus_engine::Payload { batch, bytes };
    engine.append(place.shard, place.stream, payload).await.unwrap().appended().await.unwrap().base
}

#[tokio::test]
async fn what_is_acknowledged_is_there_after_power_cuts_and_a_stop() {
    let disk = FaultDisk::new(1);
    let (engine, running) = open(&disk);
    let name = TopicName::new("orders").unwrap();
    let id = TopicId(engine.random());
    let command = CreateTopic { name: name.clone(), id, partitions: 16, config: TopicConfig::default() };
    let topic = engine.create_topic(command).await.unwrap();
    for round in 0..5 {
        for partition in 0..16 {
            assert_eq!(append(&engine, &topic, partition).await, Offset(round));
        }
    }
    let epoch = engine.leader_epoch(topic.partitions[0].shard);
    let after = disk.fork(2);
    after.cut_power();
    running.close().await;
    after.restart();

    let (engine, running) = open(&after);
    assert_eq!(engine.topic(&name).unwrap().id, topic.id);
    assert!(engine.leader_epoch(topic.partitions[0].shard) > epoch);
    for partition in 0..16 {
        assert_eq!(append(&engine, &topic, partition).await, Offset(5));
    }
    running.close().await;

    let (engine, running) = open(&after);
    assert_eq!(running.repeated, 0, "a stop leaves checkpoints, and leaders' first entries are in them");
    for partition in &topic.partitions {
        let fetched = engine.read(partition.stream, Offset::ZERO, 1 << 20).await.unwrap();
        assert_eq!(fetched.pieces.into_iter().flat_map(omnibus_record::batches).count(), 6);
    }
    running.close().await;
}
