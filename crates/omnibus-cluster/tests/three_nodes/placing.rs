//! Partitions that are placed by hand.

use std::time::Duration;

use omnibus_cluster::Opened;
use omnibus_io::fault::FaultDisk;
use omnibus_model::command::CreateTopic;
use omnibus_model::node::NodeDuty;
use omnibus_model::topic::Placement;
use omnibus_model::{NodeId, ShardId};

use crate::{close_all, introduce, members, open_all, topic};

/// Waits until something is so, while all nodes hand over what others are to lead.
async fn until(nodes: &[Opened], is_so: impl Fn() -> bool) {
    while !is_so() {
        for node in nodes {
            node.cluster.balance().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_partition_that_is_placed_is_led_by_its_first_node_whenever_that_may_lead() {
    let disks: Vec<FaultDisk> = (71..=73).map(FaultDisk::new).collect();
    let nodes = open_all(&[71, 72, 73], &members(&[71, 72, 73]), &disks).await;
    for node in &nodes {
        node.cluster.led().await;
        // Nobody is let in who could ask before this is known.
        assert!(node.engine.data_shards().all(|shard| node.engine.preferred_leader(shard).is_some()));
    }
    for node in 71..=73 {
        introduce(&nodes[0].engine, node).await;
    }
    // All make the same plan, and each soon.
    let engines: Vec<_> = nodes.iter().map(|node| node.engine.clone()).collect();
    let leads = |node: u32| {
        let engine = engines[0].clone();
        move |shard: &ShardId| engine.preferred_leader(*shard) == Some(NodeId(node))
    };
    let wanted = |shard: u16| Some(NodeId(71 + u32::from(shard) % 3));
    let agree =
        || engines.iter().all(|engine| (0..5).all(|shard| engine.preferred_leader(ShardId(shard)) == wanted(shard)));
    until(&nodes, agree).await;
    let shards: Vec<ShardId> = engines[1].data_shards().filter(leads(73)).collect();
    assert_eq!(shards, [ShardId(2)]);
    let order = vec![NodeId(73), NodeId(71), NodeId(72)];
    let placement = Placement { nodes: vec![order.clone(); 2], shards: [(NodeId(73), shards)].into() };
    let create = CreateTopic { partitions: 2, ..topic("orders") };
    let made = engines[1].create_placed_topic(create, placement).await.unwrap();
    assert_eq!((made.placed.clone(), made.partitions.len()), (vec![order; 2], 2));
    assert!(made.partitions.iter().all(|partition| partition.shard == ShardId(2)));
    let is_led_by = |node: u32| engines.iter().all(|engine| engine.leader(ShardId(2)) == Some(NodeId(node)));
    until(&nodes, || is_led_by(73)).await;
    // It stays the first while another leads instead, and leads again after that.
    engines[0].assign_node(NodeId(73), NodeDuty::Drained).await.unwrap();
    until(&nodes, || !is_led_by(73) && engines.iter().all(|engine| engine.leader(ShardId(2)).is_some())).await;
    assert!(agree());
    engines[0].assign_node(NodeId(73), NodeDuty::Full).await.unwrap();
    until(&nodes, || is_led_by(73)).await;
    close_all(nodes).await;
}
