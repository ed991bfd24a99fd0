//! Three brokers: who follows can be read, and says who leads.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use omnibus_engine::Engine;
use omnibus_engine::peers::{Asking, Living, PeerError, Peers};
use omnibus_model::node::{Address, NodeInfo};
use omnibus_model::{GroupName, NodeId, Offset, ShardId, TopicId};
use omnibus_replication::model::ModelCluster;
use tokio::task::{JoinHandle, yield_now};

use super::{Node, batch};
use crate::cluster::DOOR;
use crate::wire::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::wire::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest};
use crate::wire::messages::describe_topic_partitions_request::{DescribeTopicPartitionsRequest, TopicRequest};
use crate::wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use crate::wire::messages::fetch_response::PartitionData;
use crate::wire::messages::find_coordinator_request::FindCoordinatorRequest;
use crate::wire::messages::metadata_request::MetadataRequest;
use crate::wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use crate::wire::messages::produce_response::ProduceResponse;
use crate::wire::{ErrorCode, Records};

const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
const SHARDS: u16 = 2;
const VERSION: i16 = 17;

/// The way from anybody to anybody who is not away, in one process.
#[derive(Debug, Default)]
struct Nearby {
    engines: OnceLock<Vec<Engine>>,
    /// The number of a node, or 0.
    away: AtomicU32,
    /// One that is away, too, as soon as somebody looks; or 0.
    gone: AtomicU32,
}

impl Peers for Nearby {
    fn ask(&self, node: NodeId, request: Bytes) -> Asking {
        let engines = self.engines.get().filter(|_| self.reaches(node));
        let engine = engines.and_then(|engines| engines.get(node.0 as usize - 1)).cloned();
        Box::pin(async move {
            let engine = engine.ok_or(PeerError::Unreachable { node })?;
            Ok(engine.answer_peer(request).await)
        })
    }

    fn reaches(&self, node: NodeId) -> bool {
        self.away.load(Ordering::Relaxed) != node.0
    }

    fn sign_of_life(&self, node: NodeId) -> Living {
        if self.gone.swap(0, Ordering::Relaxed) == node.0 {
            self.away.store(node.0, Ordering::Relaxed);
        }
        Box::pin(ready(()))
    }
}

struct Trio {
    nodes: Vec<Node>,
    cluster: ModelCluster,
    nearby: Arc<Nearby>,
    pumping: JoinHandle<()>,
}

impl Trio {
    /// Three brokers, each in a rack of its own, of which the first leads, and a topic.
    async fn start() -> (Self, TopicId) {
        let cluster = ModelCluster::new(NODES.len(), SHARDS);
        let nodes: Vec<Node> = NODES.into_iter().map(|node| Node::over(node, &cluster)).collect();
        let engines: Vec<Engine> = nodes.iter().map(|node| node.context.engine.clone()).collect();
        let nearby = Arc::new(Nearby::default());
        engines.iter().for_each(|engine| engine.connect(Arc::<Nearby>::clone(&nearby)));
        nearby.engines.set(engines.clone()).unwrap();
        for shard in (0..SHARDS).map(ShardId) {
            cluster.elect(shard, NODES[0]);
        }
        let pumping = tokio::spawn(pump(cluster.clone()));
        for node in NODES {
            let address = Address { host: format!("node-{node}.example"), port: 9092 };
            let addresses = BTreeMap::from([(DOOR.to_owned(), address)]);
            let info = NodeInfo { addresses, rack: Some(format!("rack-{node}")) };
            engines[0].introduce(node, info).await.unwrap();
        }
        while engines.iter().any(|engine| (0..SHARDS).any(|shard| engine.leader(ShardId(shard)) != Some(NODES[0]))) {
            yield_now().await;
        }
        let topic = nodes[0].create("a", 1).await;
        let trio = Self { nodes, cluster, nearby, pumping };
        for node in &trio.nodes {
            while node.context.engine.catalog().topic("a").is_none() {
                yield_now().await;
            }
        }
        (trio, topic)
    }

    async fn produce(&self, place: usize, version: i16) -> ProduceResponse {
        let data = PartitionProduceData { index: 0, records: Some(Records(vec![batch("value")])) };
        let topic = TopicProduceData { name: "a".into(), partition_data: vec![data], ..Default::default() };
        let request = ProduceRequest { acks: -1, timeout_ms: 1_000, topic_data: vec![topic], ..Default::default() };
        self.nodes[place].ask(version, request).await
    }

    async fn fetch(&self, place: usize, (topic_id, fetch_offset): (TopicId, i64), rack: &str) -> PartitionData {
        let partition = FetchPartition { fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
        let topic = FetchTopic { topic_id, partitions: vec![partition], ..Default::default() };
        let request =
            FetchRequest { max_bytes: 1 << 20, topics: vec![topic], rack_id: rack.into(), ..FetchRequest::default() };
        let mut response = self.nodes[place].ask(VERSION, request).await;
        response.responses.remove(0).partitions.remove(0)
    }

    async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
        self.pumping.abort();
    }
}

/// Brings to all what one has, for ever.
async fn pump(cluster: ModelCluster) {
    loop {
        for shard in (0..SHARDS).map(ShardId) {
            NODES.into_iter().for_each(|node| cluster.replicate(shard, node, 8));
            cluster.commit(shard);
        }
        yield_now().await;
    }
}

fn all_topics() -> MetadataRequest {
    MetadataRequest { topics: None, ..MetadataRequest::default() }
}

fn bytes(data: &PartitionData) -> usize {
    data.records.as_ref().map_or(0, Records::len)
}

#[tokio::test]
async fn a_client_that_names_its_rack_is_sent_to_the_replica_there() {
    let (trio, topic) = Trio::start().await;
    assert_eq!(trio.produce(0, 9).await.responses[0].partition_responses[0].error_code, 0);
    let stream = trio.nodes[0].context.engine.catalog().topic("a").unwrap().partitions[0].stream;
    for node in &trio.nodes {
        while node.context.engine.bounds(stream).end < Offset(1) {
            yield_now().await;
        }
    }
    let sent_on = trio.fetch(0, (topic, 0), "rack-2").await;
    assert_eq!((sent_on.error_code, sent_on.preferred_read_replica, bytes(&sent_on)), (0, 2, 0));
    assert_eq!(sent_on.high_watermark, 1);
    let read = trio.fetch(0, (topic, 0), "rack-1").await;
    for rack in ["", "rack-1", "rack-9"] {
        assert_eq!(trio.fetch(0, (topic, 0), rack).await, read, "{rack}: there is nobody nearer");
    }
    for place in [1, 2] {
        let followed = trio.fetch(place, (topic, 0), "rack-2").await;
        assert_eq!(followed, read, "who follows has the same");
        let later = trio.fetch(place, (topic, 2), "").await;
        assert_eq!(later.error_code, ErrorCode::OffsetNotAvailable.number(), "it may not have heard of it");
    }
    assert_eq!((read.preferred_read_replica, bytes(&read) > 0), (-1, true));
    trio.stop().await;
}

#[tokio::test]
async fn who_follows_names_the_leader_to_producers_and_its_epoch_to_all() {
    let (trio, _) = Trio::start().await;
    let epoch = trio.nodes[0].ask(12, all_topics()).await.topics[0].partitions[0].leader_epoch;
    for place in [1, 2] {
        let refused = trio.produce(place, 10).await;
        let answer = &refused.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, ErrorCode::NotLeaderOrFollower.number());
        assert_eq!((answer.current_leader.leader_id, answer.current_leader.leader_epoch), (1, epoch));
        let [leader] = &refused.node_endpoints[..] else { panic!("there is one leader") };
        assert_eq!((leader.node_id, &*leader.host, leader.port), (1, "node-1.example", 9092));
        let partition = trio.nodes[place].ask(12, all_topics()).await.topics[0].partitions[0].clone();
        assert_eq!((partition.leader_id, partition.leader_epoch), (1, epoch));
        assert_eq!((partition.isr_nodes, partition.offline_replicas), (vec![1, 2, 3], vec![]));
    }
    trio.stop().await;
}

/// What becomes of a topic that is placed by hand, or grows so.
async fn placed(node: &Node, name: &str, partitions: &[&[i32]]) -> i16 {
    let assignment = |(partition_index, brokers): (i32, &&[i32])| CreatableReplicaAssignment {
        partition_index,
        broker_ids: brokers.to_vec(),
    };
    let assignments = (0..).zip(partitions).map(assignment).collect();
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: -1,
        replication_factor: -1,
        assignments,
        ..Default::default()
    };
    let created = node.ask(7, CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() }).await;
    created.topics[0].error_code
}

/// The replicas of each partition, as Metadata and DescribeTopicPartitions tell them.
async fn told_replicas(node: &Node, name: &str) -> Vec<Vec<i32>> {
    let topics = node.ask(12, all_topics()).await.topics;
    let topic = topics.iter().find(|topic| topic.name.as_deref() == Some(name)).unwrap();
    let told: Vec<_> = topic.partitions.iter().map(|partition| partition.replica_nodes.clone()).collect();
    let topics = vec![TopicRequest { name: name.into() }];
    let limit = DescribeTopicPartitionsRequest { topics, response_partition_limit: 2_000, ..Default::default() };
    let described = node.ask(0, limit).await.topics.remove(0);
    assert!(described.partitions.iter().map(|partition| &partition.replica_nodes).eq(&told));
    told
}

#[tokio::test]
async fn replicas_are_told_in_the_order_in_which_they_were_assigned_while_the_first_is_to_lead() {
    let (trio, _) = Trio::start().await;
    let (node, invalid) = (&trio.nodes[0], ErrorCode::InvalidReplicaAssignment.number());
    assert_eq!(placed(node, "early", &[&[2, 3, 1]]).await, invalid, "nobody knows yet who is to lead");
    assert_eq!(told_replicas(node, "a").await, [[1, 2, 3]]);
    let prefer = |first: NodeId| {
        let engines = trio.nodes.iter().map(|node| &node.context.engine);
        engines.for_each(|engine| engine.prefer_leaders(vec![Some(NODES[0]), Some(first)]));
    };
    prefer(NODES[1]);
    assert_eq!(told_replicas(node, "a").await, [[2, 1, 3]], "who is to lead comes first");
    assert_eq!(placed(node, "b", &[&[2, 3, 1], &[2, 1, 3]]).await, 0);
    assert_eq!(placed(node, "c", &[&[2, 3, 1], &[1, 2, 3]]).await, invalid, "broker 1 is to lead no data");
    assert_eq!(placed(node, "c", &[&[2, 3]]).await, invalid, "all have all");
    let grow = |count, broker_ids: &[i32]| {
        let assignments = Some(vec![CreatePartitionsAssignment { broker_ids: broker_ids.to_vec() }]);
        let topics = vec![CreatePartitionsTopic { name: "b".into(), count, assignments }];
        CreatePartitionsRequest { topics, ..CreatePartitionsRequest::default() }
    };
    assert_eq!(node.ask(3, grow(3, &[3, 1, 2])).await.results[0].error_code, invalid);
    assert_eq!(node.ask(3, grow(3, &[2, 3, 1])).await.results[0].error_code, 0);
    assert_eq!(told_replicas(node, "b").await, [[2, 3, 1], [2, 1, 3], [2, 3, 1]]);
    // Another is to lead: that is told, and the others stay in order.
    prefer(NODES[2]);
    assert_eq!(told_replicas(node, "b").await, [[3, 2, 1], [3, 2, 1], [3, 2, 1]]);
    prefer(NODES[0]);
    assert_eq!(told_replicas(node, "b").await, [[1, 2, 3], [1, 2, 3], [1, 2, 3]]);
    trio.stop().await;
}

/// The leader of the only partition, its epoch and its error.
async fn told_leader(node: &Node) -> (i32, i32, i16) {
    let partition = node.ask(12, all_topics()).await.topics[0].partitions[0].clone();
    (partition.leader_id, partition.leader_epoch, partition.error_code)
}

/// The same as DescribeTopicPartitions says it, without an error.
async fn described_leader(node: &Node) -> (i32, i32) {
    let topics = vec![TopicRequest { name: "a".into() }];
    let described = node.ask(0, DescribeTopicPartitionsRequest { topics, ..Default::default() }).await;
    let partition = &described.topics[0].partitions[0];
    (partition.leader_id, partition.leader_epoch)
}

/// The coordinator of a group, and the error.
async fn coordinator(node: &Node) -> (i32, i16) {
    let sought = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    let found = node.ask(4, sought).await.coordinators.remove(0);
    (found.node_id, found.error_code)
}

#[tokio::test]
async fn a_leader_that_cannot_be_reached_is_not_named() {
    let (trio, topic) = Trio::start().await;
    let (_, epoch, _) = told_leader(&trio.nodes[0]).await;
    trio.nearby.away.store(NODES[0].0, Ordering::Relaxed);
    assert_eq!(told_leader(&trio.nodes[0]).await, (1, epoch, 0), "it knows of itself");
    for node in &trio.nodes[1..] {
        assert_eq!(told_leader(node).await, (-1, -1, ErrorCode::LeaderNotAvailable.number()));
        assert_eq!(node.ask(12, all_topics()).await.controller_id, -1);
        assert_eq!(described_leader(node).await, (-1, -1));
        assert_eq!(coordinator(node).await, (-1, ErrorCode::CoordinatorNotAvailable.number()));
    }
    let refused = trio.produce(1, 10).await;
    assert_eq!(refused.responses[0].partition_responses[0].current_leader.leader_id, -1);
    assert!(refused.node_endpoints.is_empty());
    let unread = trio.fetch(1, (topic, 0), "").await;
    assert_eq!((unread.error_code, unread.current_leader.leader_id), (ErrorCode::NotLeaderOrFollower.number(), -1));
    trio.nearby.away.store(0, Ordering::Relaxed);
    assert_eq!(told_leader(&trio.nodes[1]).await, (1, epoch, 0));
    trio.stop().await;
}

#[tokio::test]
async fn whether_a_leader_is_gone_is_looked_at_before_it_is_named() {
    let (trio, _) = Trio::start().await;
    let node = &trio.nodes[1];
    let leave_unheard = || {
        trio.nearby.away.store(0, Ordering::Relaxed);
        trio.nearby.gone.store(NODES[0].0, Ordering::Relaxed);
    };
    leave_unheard();
    assert_eq!(told_leader(node).await, (-1, -1, ErrorCode::LeaderNotAvailable.number()));
    leave_unheard();
    assert_eq!(described_leader(node).await, (-1, -1));
    leave_unheard();
    assert_eq!(coordinator(node).await, (-1, ErrorCode::CoordinatorNotAvailable.number()));
    trio.stop().await;
}

#[tokio::test]
async fn who_asks_while_a_shard_is_handed_over_is_told_the_next_leader() {
    let (trio, _) = Trio::start().await;
    let shard = trio.nodes[0].context.engine.catalog().topic("a").unwrap().partitions[0].shard;
    while !trio.cluster.can_lead(shard, NODES[1]) {
        yield_now().await;
    }
    trio.cluster.depose(shard, NODES[0]);
    assert_eq!(trio.nodes[0].context.leader(shard), None);
    let handing_over = async {
        trio.cluster.elect(shard, NODES[1]);
        trio.cluster.replicate(shard, NODES[0], 8);
    };
    let node = &trio.nodes[0];
    assert_eq!(node.context.engine.group_shard(&GroupName::new("g").unwrap()), shard);
    let ((leader, _, error), found, ()) = tokio::join!(told_leader(node), coordinator(node), handing_over);
    assert_eq!((leader, error), (2, 0));
    assert_eq!(found, (2, 0));
    trio.stop().await;
}
