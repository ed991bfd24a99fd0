//! Three whole engines, with their tasks and threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use omnibus_engine::consumers::{Access, ConsumerConfig, Ended, Settling};
use omnibus_engine::consuming::NextError;
use omnibus_engine::{Engine, EngineConfig, Opening, Running, Seams, SubmitError};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{Clock, SystemClock, SystemEntropy};
use omnibus_log::LogConfig;
use omnibus_model::command::CreateQueue;
use omnibus_model::queue::{Envelope, QueueConfig};
use omnibus_model::topic::{Partition, TopicConfig};
use omnibus_model::{NodeId, Offset, ShardId, TopicId, TopicName};
use omnibus_replication::Opened;
use omnibus_replication::model::ModelCluster;
use tokio::task::JoinSet;

use crate::node::{SHARDS, limits};
use crate::trio::{NODES, message};

const CLIENTS: usize = 4;
const MESSAGES_EACH: usize = 60;
const ELECTIONS: usize = 9;

pub(crate) fn open(cluster: &ModelCluster, node: NodeId) -> (Engine, Running) {
    open_on(cluster, node, &FaultDisk::new(node.0.into()))
}

pub(crate) fn open_on(cluster: &ModelCluster, node: NodeId, disk: &FaultDisk) -> (Engine, Running) {
    open_at(cluster, node, disk, Arc::new(SystemClock::default()))
}

pub(crate) fn open_at(
    cluster: &ModelCluster,
    node: NodeId,
    disk: &FaultDisk,
    clock: Arc<dyn Clock>,
) -> (Engine, Running) {
    let log = LogConfig { segment_bytes: 4 << 20, reserve_bytes: 0, ..LogConfig::default() };
    let seams = Seams { disk: Arc::new(disk.clone()), clock, entropy: Arc::new(SystemEntropy::open().unwrap()) };
    let config = EngineConfig { node, log, limits: limits(), ..EngineConfig::default() };
    Engine::open_over(seams, config, |opening| {
        let Opening { disk, log, on_event, recover, .. } = opening;
        cluster.open(node, (disk, log), on_event, recover).map(Opened::shared)
    })
    .unwrap()
}

/// Brings everything to everybody, for ever.
pub(crate) async fn pump(cluster: ModelCluster) {
    pump_to(cluster, NODES.to_vec()).await;
}

/// Brings everything to some, for ever.
pub(crate) async fn pump_to(cluster: ModelCluster, nodes: Vec<NodeId>) {
    loop {
        for shard in (0..SHARDS).map(ShardId) {
            nodes.iter().for_each(|node| cluster.replicate(shard, *node, 8));
            cluster.commit(shard);
        }
        tokio::task::yield_now().await;
    }
}

/// Lets a node lead all shards as soon as it may.
pub(crate) async fn lead(cluster: &ModelCluster, engines: &[Engine], node: NodeId) {
    for shard in (0..SHARDS).map(ShardId) {
        while !cluster.can_lead(shard, node) {
            tokio::task::yield_now().await;
        }
        cluster.elect(shard, node);
    }
    let engine = &engines[node.0 as usize - 1];
    while !(0..SHARDS).all(|shard| engine.leads(ShardId(shard))) {
        tokio::task::yield_now().await;
    }
}

/// Brings everything of some shards to everybody, for ever.
pub(crate) async fn pump_shards(cluster: ModelCluster, shards: Vec<ShardId>) {
    loop {
        for shard in &shards {
            NODES.into_iter().for_each(|node| cluster.replicate(*shard, node, 8));
            cluster.commit(*shard);
        }
        tokio::task::yield_now().await;
    }
}

/// Lets a node lead one shard as soon as it may.
pub(crate) async fn lead_one(cluster: &ModelCluster, engines: &[Engine], (shard, node): (ShardId, NodeId)) {
    while !cluster.can_lead(shard, node) {
        tokio::task::yield_now().await;
    }
    cluster.elect(shard, node);
    while !engines[node.0 as usize - 1].leads(shard) {
        tokio::task::yield_now().await;
    }
}

/// Sends messages one after the other, each again until it is taken; returns where they are.
async fn send(engines: Vec<Engine>, queue: Partition, client: usize) -> BTreeMap<Offset, Bytes> {
    let mut sent = BTreeMap::new();
    let mut engine = &engines[client % engines.len()];
    for number in 0..MESSAGES_EACH {
        let body = format!("message {number} of {client}");
        loop {
            match engine.enqueue(queue, vec![(message(&body, Envelope::default()), None)]).await {
                Ok(answers) => {
                    assert_eq!(sent.insert(answers[0].clone().unwrap().base, Bytes::from(body)), None);
                    break;
                }
                Err(SubmitError::NotLeader { leader: Some(leader) }) => engine = &engines[leader.0 as usize - 1],
                Err(SubmitError::NotLeader { leader: None }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    }
    sent
}

pub(crate) async fn all_bodies(engine: &Engine, queue: Partition) -> BTreeMap<Offset, Bytes> {
    let bounds = engine.bounds(queue.stream);
    let offsets = (bounds.start.0..bounds.end.0).map(Offset).collect();
    let found = engine.messages(queue.stream, offsets).await.unwrap();
    found.into_iter().map(|(offset, message)| (offset, message.body)).collect()
}

#[tokio::test]
async fn each_message_is_stored_once_while_the_lead_goes_round() {
    let cluster = ModelCluster::new(NODES.len(), SHARDS);
    let (engines, running): (Vec<_>, Vec<_>) = NODES.into_iter().map(|node| open(&cluster, node)).unzip();
    let pumping = tokio::spawn(pump(cluster.clone()));
    lead(&cluster, &engines, NODES[0]).await;
    let (name, id) = (TopicName::new("orders").unwrap(), TopicId(1));
    let create = CreateQueue { name, id, config: TopicConfig::default(), queue: QueueConfig::default() };
    let queue = engines[0].create_queue(create.clone()).await.unwrap().partitions[0];
    assert_eq!(engines[1].create_queue(create).await.unwrap_err(), SubmitError::NotLeader { leader: Some(NODES[0]) });
    let config = ConsumerConfig { credit: 0, settling: Settling::ByReceiver, access: Access::Shared, priority: 0 };
    let mut consumer = engines[0].consume(queue, config).await.unwrap();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(send(engines.clone(), queue, client));
    }
    for election in 1..=ELECTIONS {
        let wanted = Offset((election * MESSAGES_EACH * CLIENTS / (ELECTIONS + 1)) as u64);
        while engines[0].bounds(queue.stream).end < wanted {
            tokio::task::yield_now().await;
        }
        lead(&cluster, &engines, NODES[election % NODES.len()]).await;
    }
    assert_eq!(consumer.next().await.unwrap_err(), NextError::Ended(Ended::NotLeader { leader: Some(NODES[1]) }));
    let sent: BTreeMap<Offset, Bytes> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(sent.len(), CLIENTS * MESSAGES_EACH);
    for engine in &engines {
        while engine.bounds(queue.stream).end.0 < sent.len() as u64 {
            tokio::task::yield_now().await;
        }
        assert_eq!(all_bodies(engine, queue).await, sent, "nothing twice, nothing lost, the same everywhere");
    }
    drop(consumer);
    // The leader first, while there are others to write with it.
    for running in running {
        running.close().await;
    }
    pumping.abort();
}
