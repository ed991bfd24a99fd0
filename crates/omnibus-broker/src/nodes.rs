//! The nodes of the cluster. Only the metadata shard knows them.

use std::collections::BTreeMap;

use omnibus_model::node::NodeInfo;
use omnibus_model::outcome::Applied;
use omnibus_model::refusal::Limited;
use omnibus_model::{NodeId, Outcome, Refusal};
use serde::{Deserialize, Serialize};

/// Who takes part, and where to find them.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Nodes(BTreeMap<NodeId, NodeInfo>);

impl Nodes {
    /// The most there may be: an entry of the log names a shard's voters in a byte.
    pub(crate) const MAX: u64 = 255;

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &NodeInfo)> {
        self.0.iter().map(|(node, info)| (*node, info))
    }

    pub(crate) fn register(&mut self, node: NodeId, info: &NodeInfo) -> Result<Applied, Refusal> {
        if !self.0.contains_key(&node) && self.0.len() as u64 >= Self::MAX {
            return Err(Refusal::LimitReached { what: Limited::Nodes, max: Self::MAX });
        }
        let changed = self.0.insert(node, info.clone()).as_ref() != Some(info);
        Ok(Applied { outcome: Outcome::NodeRegistered { node, info: Box::new(info.clone()) }, changed })
    }

    pub(crate) fn forget(&mut self, node: NodeId) -> Applied {
        let changed = self.0.remove(&node).is_some();
        Applied { outcome: Outcome::NodeForgotten { node }, changed }
    }
}
