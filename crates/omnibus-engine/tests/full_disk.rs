//! A disk that is full: what must be refused is, and deletes get through to make room.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use bytes::Bytes;
use omnibus_engine::{Engine, EngineConfig, Payload, Running, Seams, SubmitError};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{SystemClock, SystemEntropy};
use omnibus_log::LogConfig;
use omnibus_model::command::CreateTopic;
use omnibus_model::topic::{SharedTopic, TopicConfig};
use omnibus_model::{BatchInfo, RecordFormat, Timestamp, TopicId, TopicName};
use omnibus_record::{BatchBuilder, Codec, Stamp};

/// Appends that are under way at once, so that some are decided when the room is gone.
const AT_ONCE: usize = 200;

fn open(disk: &FaultDisk) -> (Engine, Running) {
    let log = LogConfig {
        segment_bytes: 1 << 20,
        block_bytes_max: 256 << 10,
        reserve_bytes: 16 << 20,
        ..LogConfig::default()
    };
    let seams = Seams {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy::open().unwrap()),
    };
    Engine::open(seams, EngineConfig { log, ..EngineConfig::default() }).unwrap()
}

async fn topic(engine: &Engine, name: &str) -> SharedTopic {
    let (name, config) = (TopicName::new(name).unwrap(), TopicConfig::default());
    engine.create_topic(CreateTopic { name, id: TopicId(engine.random()), partitions: 16, config }).await.unwrap()
}

fn payload() -> Payload {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(Timestamp(1_000), None, Some(&[7; 10_000]), &[]);
    let bytes: Bytes = builder.finish(Stamp::default());
    let batch = BatchInfo {
        format: RecordFormat::KafkaBatch,
        count: 1,
        bytes: u32::try_from(bytes.len()).unwrap(),
        timestamp_max: Timestamp(1_000),
        producer: None,
    };
    Payload { batch, bytes }
}

/// Appends to all partitions at once; returns how many were taken, and whether any was refused.
async fn append_some(engine: &Engine, topic: &SharedTopic) -> (usize, bool) {
    let mut commits = Vec::new();
    for place in topic.partitions.iter().cycle().take(AT_ONCE) {
        commits.push(engine.append(place.shard, place.stream, payload()).await.unwrap());
    }
    let (mut taken, mut refused) = (0, false);
    for commit in commits {
        match commit.appended().await {
            Ok(_) => taken += 1,
            Err(error) => {
                assert_eq!(error, SubmitError::DiskFull);
                refused = true;
            }
        }
    }
    (taken, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_lets_deletes_through_and_serves_again() {
    for seed in 0..5 {
        let disk = FaultDisk::new(seed);
        let (engine, running) = open(&disk);
        let (filled, other) = (topic(&engine, "filled").await, topic(&engine, "other").await);
        disk.set_capacity(disk.used_bytes() + (40 << 20));
        let mut taken = 0;
        loop {
            let (count, refused) = append_some(&engine, &filled).await;
            taken += count;
            if refused {
                break;
            }
        }
        assert!(taken > AT_ONCE);
        engine.delete_topic(filled.name.clone()).await.unwrap();
        // Housekeeping makes room of it.
        while append_some(&engine, &other).await.1 {}
        running.close().await;
    }
}
