//! The cluster.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use omnibus_admin_api::cluster::{
    BalanceView, ChangeView, ClusterView, Duty, MemberView, MovedView, NodeJoin, ReplicaView, ShardView,
};
use omnibus_admin_api::{Code, Problem};
use omnibus_cluster::{
    BadMember, ChangeStanding, Cluster, DOOR, Member, Moved, RemovalError, ReplicaStanding, ShardStanding,
};
use omnibus_model::node::{NodeDuty, NodeInfo};
use omnibus_model::{NodeId, Refusal};

use crate::errors::{Answer, Failure, refused};
use crate::node::{Node, SharedNode};
use crate::requests::scrub::damaged;

pub(crate) async fn describe(State(node): State<SharedNode>) -> Json<ClusterView> {
    let standing = node.cluster.as_ref().map(omnibus_cluster::Cluster::standing).unwrap_or_default();
    Json(ClusterView {
        cluster_id: node.cluster_id.clone(),
        node: node.node_id,
        nodes: members(&node, &standing),
        shards: standing.iter().map(shard).collect(),
        damaged: damaged(&node.engine.scrub_status()),
    })
}

/// Takes a node in: whoever leads a shard will give it what it needs.
pub(crate) async fn join(
    State(node): State<SharedNode>,
    body: Result<Json<NodeJoin>, JsonRejection>,
) -> Answer<ClusterView> {
    let Json(NodeJoin { node: joins }) = body?;
    let Member { node: number, address } = joins.parse().map_err(|error: BadMember| invalid(error.to_string()))?;
    let Some(cluster) = &node.cluster else {
        let problem = invalid("this node keeps to itself, and can take nobody in".to_owned());
        return Err(problem.next("start it with cluster.nodes, where it names itself").into());
    };
    if node.engine.catalog().duty(number) == NodeDuty::Removed {
        return Err(Refusal::NodeRemoved { node: number }.into());
    }
    let nodes = node.engine.catalog().nodes();
    let known = nodes.into_iter().find(|(known, _)| *known == number).map(|(_, info)| NodeInfo::clone(&info));
    let mut info = known.unwrap_or_default();
    if info.addresses.get(DOOR).is_some_and(|known| *known != address) && cluster.is_reached(number) {
        let problem = Problem::new(Code::Changed, format!("there is another node {number}, and it is reached"));
        return Err(problem.next("choose a number that no other node has").into());
    }
    if info.addresses.insert(DOOR.to_owned(), address.clone()).as_ref() != Some(&address) {
        node.engine.introduce(number, info).await?;
    }
    Ok(describe(State(node)).await)
}

/// Has a node leave for good. It takes a while; asking again changes nothing.
pub(crate) async fn remove(
    State(node): State<SharedNode>,
    number: Result<Path<u32>, PathRejection>,
) -> Answer<ClusterView> {
    let number = NodeId(number?.0);
    let cluster = with_others(&node)?;
    if node.engine.catalog().duty(number) != NodeDuty::Removed {
        cluster.check_removal(number).map_err(|error| cannot_remove(&error))?;
        node.engine.assign_node(number, NodeDuty::Removed).await?;
    }
    Ok(describe(State(node)).await)
}

/// Has a node lead nothing from now on.
pub(crate) async fn drain(
    State(node): State<SharedNode>,
    number: Result<Path<u32>, PathRejection>,
) -> Answer<ClusterView> {
    assign(node, NodeId(number?.0), NodeDuty::Drained).await
}

/// Has a node lead its share again.
pub(crate) async fn undrain(
    State(node): State<SharedNode>,
    number: Result<Path<u32>, PathRejection>,
) -> Answer<ClusterView> {
    assign(node, NodeId(number?.0), NodeDuty::Full).await
}

/// Hands over what the asked node leads and others should, now.
pub(crate) async fn balance(State(node): State<SharedNode>) -> Answer<BalanceView> {
    let moved = with_others(&node)?.balance().await;
    let moved = moved.into_iter().map(|Moved { shard, to }| MovedView { shard: shard.0, to: to.0 }).collect();
    Ok(Json(BalanceView { node: node.node_id, moved }))
}

async fn assign(node: SharedNode, number: NodeId, duty: NodeDuty) -> Answer<ClusterView> {
    with_others(&node)?;
    node.engine.assign_node(number, duty).await?;
    Ok(describe(State(node)).await)
}

fn with_others(node: &Node) -> Result<&Cluster, Failure> {
    let alone = || {
        let problem = invalid("this node keeps to itself".to_owned());
        problem.next("`cluster.nodes` in its configuration would name others").into()
    };
    node.cluster.as_ref().ok_or_else(alone)
}

fn cannot_remove(error: &RemovalError) -> Problem {
    match error {
        RemovalError::Unknown { node } => refused(&Refusal::UnknownNode { node: *node }),
        RemovalError::LastReplica { .. } => {
            Problem::new(Code::NodeNeeded, error.to_string()).next("add another node first")
        }
        RemovalError::NoMajority { .. } => {
            Problem::new(Code::NodeNeeded, error.to_string()).next("bring the others back, or add a node, first")
        }
    }
}

fn invalid(message: String) -> Problem {
    Problem::new(Code::Invalid, message)
}

fn members(node: &Node, standing: &[ShardStanding]) -> Vec<MemberView> {
    let known: BTreeMap<NodeId, _> = node.engine.catalog().nodes().into_iter().collect();
    let replicas = standing.iter().flat_map(|shard| shard.replicas.iter().map(|replica| replica.node));
    let own = NodeId(node.node_id);
    let all: BTreeSet<NodeId> = replicas.chain(known.keys().copied()).chain([own]).collect();
    let member = |member: NodeId| {
        let info = known.get(&member);
        MemberView {
            node: member.0,
            reached: member == own || node.cluster.as_ref().is_some_and(|cluster| cluster.is_reached(member)),
            leads: standing.iter().filter(|shard| shard.leader == Some(member)).count(),
            addresses: info.map(|info| addresses(info)).unwrap_or_default(),
            rack: info.and_then(|info| info.rack.clone()),
            duty: match node.engine.catalog().duty(member) {
                NodeDuty::Full => Duty::Full,
                NodeDuty::Drained => Duty::Drained,
                NodeDuty::Removed => Duty::Leaving,
            },
        }
    };
    all.into_iter().map(member).collect()
}

fn addresses(info: &NodeInfo) -> BTreeMap<String, String> {
    info.addresses.iter().map(|(door, address)| (door.clone(), address.to_string())).collect()
}

fn shard(standing: &ShardStanding) -> ShardView {
    let ShardStanding { shard, leader, last, applied, replicas, change } = standing;
    let replica = |ReplicaStanding { node, is_voter, confirmed }: &ReplicaStanding| ReplicaView {
        node: node.0,
        votes: *is_voter,
        has: confirmed.map(|index| index.0),
    };
    ShardView {
        shard: shard.0,
        leader: leader.map(|leader| leader.0),
        last: last.0,
        applied: applied.0,
        replicas: replicas.iter().map(replica).collect(),
        change: change.as_ref().map(change_view),
    }
}

fn change_view(ChangeStanding { added, taken, is_half_done, seen_for }: &ChangeStanding) -> ChangeView {
    let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
    let seconds = seen_for.map(|seen_for| seen_for.as_secs());
    ChangeView { added: numbers(added), taken: numbers(taken), half_done: *is_half_done, seconds }
}
