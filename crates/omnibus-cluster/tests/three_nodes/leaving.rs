//! Nodes that lead nothing for a while, and nodes that leave for good.

use std::time::Duration;

use omnibus_cluster::{Entrance, Meeting, OpenError, RemovalError};
use omnibus_engine::SubmitError;
use omnibus_io::fault::FaultDisk;
use omnibus_model::node::NodeDuty;
use omnibus_model::{NodeId, Refusal, TopicId};

use crate::{all_vote, append, close, close_all, config, introduce, members, open, open_all, topic};

/// Waits until it is true of how many shards a node leads, as another sees it.
async fn until_leads(seen_by: &omnibus_cluster::Opened, node: u32, is_so: impl Fn(usize) -> bool) {
    let leads = || {
        let all = seen_by.cluster.standing();
        all.iter().all(|shard| shard.leader.is_some())
            && is_so(all.iter().filter(|shard| shard.leader == Some(NodeId(node))).count())
    };
    while !leads() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_drained_node_leads_nothing_until_it_is_said_otherwise() {
    let disks: Vec<FaultDisk> = (31..=33).map(FaultDisk::new).collect();
    let founders = members(&[31, 32, 33]);
    let mut nodes = open_all(&[31, 32, 33], &founders, &disks).await;
    for node in &nodes {
        node.cluster.led().await;
    }
    for node in 31..=33 {
        introduce(&nodes[0].engine, node).await;
    }
    until_leads(&nodes[0], 32, |leads| leads > 0).await;
    nodes[0].engine.assign_node(NodeId(32), NodeDuty::Drained).await.unwrap();
    until_leads(&nodes[0], 32, |leads| leads == 0).await;
    // Also when it comes back: it is not an office that ends with the process.
    close(nodes.remove(1)).await;
    nodes.push(open(32, &founders, &disks[1], Some(Entrance::Founder)).await);
    nodes[2].cluster.led().await;
    nodes[2].engine.create_topic(topic("orders")).await.unwrap();
    until_leads(&nodes[0], 32, |leads| leads == 0).await;
    nodes[0].engine.assign_node(NodeId(32), NodeDuty::Full).await.unwrap();
    // Five seconds pass before it is given something by itself; by command it is at once.
    while nodes[0].engine.catalog().duty(NodeId(32)) != NodeDuty::Full {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut moved = Vec::new();
    while moved.is_empty() {
        moved.extend(nodes[0].cluster.balance().await);
        moved.extend(nodes[1].cluster.balance().await);
    }
    until_leads(&nodes[0], 32, |leads| leads > 0).await;
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_was_removed_is_told_and_never_comes_back() {
    let disks: Vec<FaultDisk> = (41..=43).map(FaultDisk::new).collect();
    let founders = members(&[41, 42, 43]);
    let mut nodes = open_all(&[41, 42, 43], &founders, &disks).await;
    for node in &nodes {
        node.cluster.led().await;
    }
    for node in 41..=43 {
        introduce(&nodes[0].engine, node).await;
    }
    let made = nodes[0].engine.create_topic(topic("orders")).await.unwrap();
    for node in &nodes {
        append(&node.engine, &made).await;
    }
    // Whoever was asked has to know it.
    let asked = nodes[0].cluster.clone();
    assert_eq!(asked.check_removal(NodeId(9)), Err(RemovalError::Unknown { node: NodeId(9) }));
    asked.check_removal(NodeId(43)).unwrap();
    nodes[0].engine.assign_node(NodeId(43), NodeDuty::Removed).await.unwrap();
    nodes[2].cluster.removed().await;
    all_vote(&nodes[0], &[41, 42]).await;
    close(nodes.pop().unwrap()).await;
    let refused = introduce_refused(&nodes[0].engine, 43).await;
    assert!(matches!(refused, SubmitError::Refused(Refusal::NodeRemoved { node: NodeId(43) })), "{refused}");
    // With what it had, and with nothing.
    let back = open(43, &founders, &disks[2], Some(Entrance::Founder)).await;
    back.cluster.removed().await;
    close(back).await;
    let empty = config(43, &founders);
    let met = Meeting::open(empty).await.unwrap().agree().await;
    assert!(matches!(met, Err(OpenError::Removed { node: NodeId(43) })), "{met:?}");

    // The others can do without one more, and the last cannot be spared.
    nodes[1]
        .engine
        .create_topic(omnibus_model::command::CreateTopic { id: TopicId(8), ..topic("later") })
        .await
        .unwrap();
    asked.check_removal(NodeId(42)).unwrap();
    nodes[1].engine.assign_node(NodeId(42), NodeDuty::Removed).await.unwrap();
    nodes[1].cluster.removed().await;
    all_vote(&nodes[0], &[41]).await;
    let last = asked.check_removal(NodeId(41));
    assert!(matches!(last, Err(RemovalError::LastReplica { node: NodeId(41), .. })), "{last:?}");
    drop(asked);
    close_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_removed_without_whom_there_is_no_majority() {
    let disks: Vec<FaultDisk> = (51..=53).map(FaultDisk::new).collect();
    let mut nodes = open_all(&[51, 52, 53], &members(&[51, 52, 53]), &disks).await;
    nodes[0].cluster.led().await;
    close(nodes.pop().unwrap()).await;
    while nodes[0].cluster.is_reached(NodeId(53)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused = nodes[0].cluster.check_removal(NodeId(52));
    assert!(matches!(refused, Err(RemovalError::NoMajority { others: 2, there: 1, .. })), "{refused:?}");
    nodes[0].cluster.check_removal(NodeId(53)).unwrap();
    close_all(nodes).await;
}

async fn introduce_refused(engine: &omnibus_engine::Engine, node: u32) -> SubmitError {
    engine.introduce(NodeId(node), omnibus_model::node::NodeInfo::default()).await.unwrap_err()
}
