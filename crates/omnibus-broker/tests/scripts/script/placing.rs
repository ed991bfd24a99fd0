//! Partitions that are placed by hand: `topic total 2-1-3 1-2-3 2=5,6 1=4`, the nodes of each partition and the shards that each
//! of the first is to lead.

use omnibus_model::topic::Placement;
use omnibus_model::{NodeId, ShardId};

use super::line::{Line, parse};

pub(super) fn placement(line: &Line<'_>) -> Placement {
    let nodes = |word: &&str| word.split('-').map(|node| NodeId(parse(node))).collect();
    let shards = |(node, shards): &(&str, &str)| {
        let shards = shards.split(',').map(|shard| ShardId(parse(shard)));
        (NodeId(parse(node)), shards.collect())
    };
    Placement {
        nodes: line.words().iter().skip(2).map(nodes).collect(),
        shards: line.options().iter().map(shards).collect(),
    }
}

pub(super) fn describe_nodes(nodes: &[NodeId]) -> String {
    let nodes: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
    if nodes.is_empty() { String::new() } else { format!("({})", nodes.join("-")) }
}
