//! A topic's name while the topic is being deleted and the leader of the names changes.

use omnibus_engine::SubmitError;
use omnibus_engine::questions::OffsetsWanted;
use omnibus_model::command::{CommitOffsets, CreateTopic};
use omnibus_model::group::{CommittedOffset, TopicPartition};
use omnibus_model::topic::{SharedTopic, TopicConfig};
use omnibus_model::{
    Command, DeletionNumber, GroupName, Offset, PartitionIndex, Refusal, ShardId, Timestamp, TopicId, TopicName,
};
use omnibus_replication::model::ModelCluster;
use tokio::task::yield_now;

use crate::engines::{lead, lead_one, open, pump, pump_shards};
use crate::forwarding::Nearby;
use crate::node::SHARDS;
use crate::trio::{DATA, NODES};

fn create(id: u128) -> CreateTopic {
    let name = TopicName::new("orders").unwrap();
    CreateTopic { name, id: TopicId(id), partitions: 1, config: TopicConfig::default() }
}

fn group() -> GroupName {
    GroupName::new("readers").unwrap()
}

fn commit(topic: &SharedTopic) -> Command {
    let partition = TopicPartition { topic: topic.name.clone(), partition: PartitionIndex(0) };
    let offset =
        CommittedOffset { offset: Offset(7), leader_epoch: None, metadata: String::new(), committed_at: Timestamp(1) };
    Command::CommitOffsets(Box::new(CommitOffsets {
        group: group(),
        member: None,
        instance: None,
        generation: -1,
        stale_epoch_supported: false,
        retention: None,
        offsets: vec![(partition, offset)],
    }))
}

#[tokio::test]
async fn the_next_leader_of_the_names_gives_no_name_away_early_and_finishes_what_was_begun() {
    let cluster = ModelCluster::new(NODES.len(), SHARDS);
    let (engines, mut running): (Vec<_>, Vec<_>) = NODES.into_iter().map(|node| open(&cluster, node)).unzip();
    Nearby::connect(&engines);
    let pumping = tokio::spawn(pump(cluster.clone()));
    lead(&cluster, &engines, NODES[0]).await;
    let topic = engines[0].create_topic(create(1)).await.unwrap();
    engines[0].submit(DATA, commit(&topic)).await.unwrap();
    pumping.abort();
    // From here on no data shard forgets anything.
    let pumping = tokio::spawn(pump_shards(cluster.clone(), vec![ShardId::METADATA]));
    let (engine, name) = (engines[2].clone(), topic.name.clone());
    let deleting = tokio::spawn(async move { engine.delete_topic(name).await });
    while engines[1].topic(&topic.name).is_ok() {
        yield_now().await;
    }
    // Whoever has deleted it goes, and who led the names does not any more.
    deleting.abort();
    running.remove(2).close().await;
    lead_one(&cluster, &engines, (ShardId::METADATA, NODES[1])).await;
    let refused = SubmitError::Refused(Refusal::TopicExists { topic: topic.name.clone() });
    for engine in &engines[..2] {
        assert_eq!(engine.create_topic(create(2)).await, Err(refused.clone()));
    }
    pumping.abort();
    let pumping = tokio::spawn(pump(cluster.clone()));
    while let Err(error) = engines[0].create_topic(create(2)).await {
        assert_eq!(error, refused);
        yield_now().await;
    }
    let wanted = OffsetsWanted { group: group(), member: None, partitions: None };
    assert!(engines[1].committed_offsets(wanted.clone()).await.unwrap().is_empty(), "they were of another topic");
    let topic = engines[1].topic(&topic.name).unwrap();
    engines[0].submit(DATA, commit(&topic)).await.unwrap();
    // Somebody who did the same comes late.
    let late = Command::ForgetTopics { topics: vec![(topic.name.clone(), TopicId(1))], deletion: DeletionNumber(1) };
    engines[1].submit(DATA, late).await.unwrap();
    assert_eq!(engines[1].committed_offsets(wanted).await.unwrap().len(), 1);
    for running in running {
        running.close().await;
    }
    pumping.abort();
}
