//! Three nodes of one process, over real connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use omnibus_cluster::{ClusterConfig, Identity, Members, Opened};
use omnibus_engine::{EngineConfig, Seams};
use omnibus_io::fault::FaultDisk;
use omnibus_io::{SystemClock, SystemEntropy};
use omnibus_model::command::CreateTopic;
use omnibus_model::topic::TopicConfig;
use omnibus_model::{NodeId, ShardId, TopicId, TopicName};

const PORT: u16 = 9643;

/// An address that no other process of this machine listens at: all of 127/8 is this machine.
fn host(node: u32) -> Ipv4Addr {
    let process = std::process::id();
    let [.., high, low] = process.to_be_bytes();
    Ipv4Addr::new(127, 64 + high % 128, low, u8::try_from(node).unwrap())
}

fn founders() -> Members {
    let all: Vec<String> = (1..=3).map(|node| format!("{node}@{}:{PORT}", host(node))).collect();
    all.join(",").parse().unwrap()
}

async fn open(node: u32, disk: &FaultDisk) -> Opened {
    let seams = Seams {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy::open().unwrap()),
    };
    let config = ClusterConfig {
        identity: Identity { cluster: "test".to_owned(), node: NodeId(node), log: node.into() },
        listen: SocketAddr::from((host(node), PORT)),
        founders: founders(),
        seed: node.into(),
    };
    let mut engine = EngineConfig { node: NodeId(node), ..EngineConfig::default() };
    engine.log.segment_bytes = 4 << 20;
    engine.log.reserve_bytes = 0;
    engine.log.identity = node.into();
    engine.limits.data_shards = 4;
    omnibus_cluster::Cluster::open(config, seams, engine).await.unwrap()
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
    let mut nodes = Vec::new();
    for (node, disk) in (1..).zip(&disks) {
        nodes.push(open(node, disk).await);
    }
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
        nodes.push(open(u32::try_from(going).unwrap() + 1, &disks[going]).await);
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
    for node in nodes {
        node.part.close().await;
        node.running.close().await;
    }
}
