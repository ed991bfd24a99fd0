//! Three nodes of one process, over real connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod leaving;
mod parcels;
mod placing;
mod rot;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use omnibus_cluster::{ClusterConfig, Entrance, Identity, Meeting, Members, Opened, ShardStanding};
use omnibus_engine::{Engine, EngineConfig, Payload, Seams};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{SystemClock, SystemEntropy};
use omnibus_model::command::CreateTopic;
use omnibus_model::node::{Address, NodeInfo};
use omnibus_model::topic::{Topic, TopicConfig};
use omnibus_model::{BatchInfo, NodeId, RecordFormat, ShardId, Timestamp, TopicId, TopicName};
use omnibus_record::{BatchBuilder, Codec, Stamp};

const PORT: u16 = 9643;

/// An address that no other process of this machine listens at: all of 127/8 is this machine.
fn host(node: u32) -> Ipv4Addr {
    let process = std::process::id();
    let [.., high, low] = process.to_be_bytes();
    Ipv4Addr::new(127, 64 + high % 128, low, u8::try_from(node).unwrap())
}

fn members(nodes: &[u32]) -> Members {
    let all: Vec<String> = nodes.iter().map(|node| format!("{node}@{}:{PORT}", host(*node))).collect();
    all.join(",").parse().unwrap()
}

/// Tells the cluster where other nodes reach a node.
async fn introduce(engine: &Engine, node: u32) {
    let address = Address { host: host(node).to_string(), port: PORT };
    let info = NodeInfo { addresses: [(omnibus_cluster::DOOR.to_owned(), address)].into(), rack: None };
    engine.introduce(NodeId(node), info).await.unwrap();
}

/// Waits until all of these vote about every shard, as far as a node knows.
async fn all_vote(node: &Opened, voters: &[u32]) {
    let wanted: Vec<NodeId> = voters.iter().copied().map(NodeId).collect();
    let votes = |shard: &ShardStanding| {
        let voters = shard.replicas.iter().filter(|replica| replica.is_voter).map(|replica| replica.node);
        shard.leader.is_some() && voters.eq(wanted.iter().copied())
    };
    while !node.cluster.standing().iter().all(votes) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn close_all(nodes: Vec<Opened>) {
    for node in nodes {
        node.part.close().await;
        node.running.close().await;
    }
}

/// Appends some records to each partition of a topic.
async fn append(engine: &Engine, topic: &Topic) {
    for partition in &topic.partitions {
        let payload = payload();
        // The leader takes it; others say so.
        if engine.leads(partition.shard) {
            engine.append(partition.shard, partition.stream, payload).await.unwrap().appended().await.unwrap();
        }
    }
}

fn payload() -> Payload {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(Timestamp(1_000), None, Some(b"a record"), &[]);
    let bytes = builder.finish(Stamp::default());
    let batch = BatchInfo {
        format: RecordFormat::KafkaBatch,
        count: 1,
        bytes: u32::try_from(bytes.len()).unwrap(),
        timestamp_max: Timestamp(1_000),
        producer: None,
    };
    Payload { batch, bytes }
}

/// Opens nodes of an old or of a new cluster, all at once.
async fn open_all(nodes: &[u32], members: &Members, disks: &[FaultDisk]) -> Vec<Opened> {
    let opening = nodes.iter().zip(disks).map(|(node, disk)| {
        let (node, members, disk) = (*node, members.clone(), disk.clone());
        tokio::spawn(async move { open(node, &members, &disk, None).await })
    });
    let opening: Vec<_> = opening.collect();
    let mut opened = Vec::new();
    for node in opening {
        opened.push(node.await.unwrap());
    }
    opened
}

/// Opens a node. If nothing is said of how it takes part, it finds that out.
async fn open(node: u32, members: &Members, disk: &FaultDisk, entrance: Option<Entrance>) -> Opened {
    let seams = Seams {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy::open().unwrap()),
    };
    let mut engine = EngineConfig {
        node: NodeId(node),
        checkpoint_interval: Duration::from_millis(200),
        housekeeping_interval: Duration::from_millis(100),
        retention_time_interval: Duration::from_millis(100),
        ..EngineConfig::default()
    };
    engine.log.segment_bytes = 4 << 20;
    engine.log.reserve_bytes = 0;
    engine.log.identity = node.into();
    engine.limits.data_shards = 4;
    engine.scrub.bytes_per_second = 1 << 30;
    let meeting = Meeting::open(config(node, members)).await.unwrap();
    let entrance = match entrance {
        Some(entrance) => entrance,
        None => meeting.agree().await.unwrap(),
    };
    meeting.take_part(entrance, seams, engine).unwrap()
}

fn config(node: u32, members: &Members) -> ClusterConfig {
    ClusterConfig {
        identity: Identity { cluster: "test".to_owned(), node: NodeId(node), log: node.into() },
        listen: SocketAddr::from((host(node), PORT)),
        members: members.clone(),
    }
}

async fn close(opened: Opened) {
    let Opened { engine, running, cluster, part } = opened;
    drop((engine, cluster));
    part.hand_over().await;
    part.close().await;
    running.close().await;
}

fn topic(name: &str) -> CreateTopic {
    let name = TopicName::new(name).unwrap();
    CreateTopic { name, id: TopicId(7), partitions: 4, config: TopicConfig::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_node_is_asked_and_a_node_that_goes_hands_over_what_it_led() {
    let disks: Vec<FaultDisk> = (1..=3).map(FaultDisk::new).collect();
    let founders = members(&[1, 2, 3]);
    let mut nodes = open_all(&[1, 2, 3], &founders, &disks).await;
    for node in &nodes {
        node.cluster.led().await;
    }
    let made = nodes[1].engine.create_topic(topic("orders")).await.unwrap();
    // Whoever was told is told the same by the node that they asked.
    assert_eq!(nodes[1].engine.catalog().topic("orders").unwrap().id, made.id);

    // One after the other goes and comes back, and each time the others have it all.
    for going in 0..3 {
        let node = nodes.remove(0);
        let number = node.cluster.standing().len();
        assert_eq!(number, 5, "shards of node {going}");
        close(node).await;
        for other in &nodes {
            other.cluster.led().await;
        }
        let name = format!("while-{going}-is-away");
        let asked = &nodes[going % 2].engine;
        asked.create_topic(CreateTopic { id: TopicId(100 + going as u128), ..topic(&name) }).await.unwrap();
        assert!(asked.catalog().topic(&name).is_some());
        let back = open(u32::try_from(going).unwrap() + 1, &founders, &disks[going], Some(Entrance::Founder)).await;
        nodes.push(back);
        nodes.last().unwrap().cluster.led().await;
    }
    for node in &nodes {
        // What is asked of a node rests on all that the cluster has said before.
        node.engine.cluster_secret().await.unwrap();
        assert_eq!(node.engine.catalog().topics().len(), 4);
        let leaders = node.cluster.standing();
        assert!(leaders.iter().all(|shard| shard.leader.is_some() && shard.replicas.len() == 3));
        assert_eq!(leaders[0].shard, ShardId::METADATA);
    }
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_lost_its_disk_is_a_guest_until_it_has_everything() {
    let disks: Vec<FaultDisk> = (11..=13).map(FaultDisk::new).collect();
    let founders = members(&[11, 12, 13]);
    let mut nodes = open_all(&[11, 12, 13], &founders, &disks).await;
    for node in &nodes {
        node.cluster.led().await;
    }
    for node in 11..=13 {
        introduce(&nodes[0].engine, node).await;
    }
    let made = nodes[0].engine.create_topic(topic("orders")).await.unwrap();
    for node in &nodes {
        append(&node.engine, &made).await;
    }
    close(nodes.pop().unwrap()).await;
    let empty = FaultDisk::new(99);
    let wiped = open(13, &founders, &empty, None).await;
    // Only with its help are two of three left.
    all_vote(&nodes[0], &[11, 12]).await;
    all_vote(&nodes[0], &[11, 12, 13]).await;
    close(nodes.remove(0)).await;
    wiped.cluster.led().await;
    let asked = wiped.engine.create_topic(CreateTopic { id: TopicId(9), ..topic("later") }).await.unwrap();
    assert_eq!(asked.partitions.len(), 4);
    assert_eq!(wiped.engine.catalog().topic("orders").unwrap().id, made.id);
    close_all([nodes, vec![wiped]].into_iter().flatten().collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_node_grows_to_three() {
    let disks: Vec<FaultDisk> = (21..=23).map(FaultDisk::new).collect();
    let first = open(21, &members(&[21]), &disks[0], None).await;
    first.cluster.led().await;
    introduce(&first.engine, 21).await;
    let made = first.engine.create_topic(topic("orders")).await.unwrap();
    append(&first.engine, &made).await;
    let mut nodes = vec![first];
    for (node, disk) in [(22, &disks[1]), (23, &disks[2])] {
        introduce(&nodes[0].engine, node).await;
        nodes.push(open(node, &members(&[21, node]), disk, Some(Entrance::Guest)).await);
    }
    all_vote(&nodes[0], &[21, 22, 23]).await;
    close(nodes.remove(0)).await;
    for node in &nodes {
        node.cluster.led().await;
        node.engine.cluster_secret().await.unwrap();
        assert_eq!(node.engine.catalog().topic("orders").unwrap().id, made.id);
    }
    close_all(nodes).await;
}
