//! The nodes of the cluster. Only the metadata shard knows them.

use std::collections::BTreeMap;

use omnibus_model::node::{NodeDuty, NodeInfo};
use omnibus_model::outcome::Applied;
use omnibus_model::refusal::Limited;
use omnibus_model::{NodeId, Outcome, Refusal};
use serde::{Deserialize, Serialize};

/// Who takes part, where to find them, and who has something else to do than most.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Nodes {
    known: BTreeMap<NodeId, NodeInfo>,
    /// All but full duties. Those that were removed stay here for good, so that their numbers are not used again.
    duties: BTreeMap<NodeId, NodeDuty>,
}

impl Nodes {
    /// The most there may be: an entry of the log names a shard's voters in a byte.
    pub(crate) const MAX: u64 = 255;

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &NodeInfo)> {
        self.known.iter().map(|(node, info)| (*node, info))
    }

    /// All duties that are not full ones.
    pub(crate) fn duties(&self) -> impl Iterator<Item = (NodeId, NodeDuty)> {
        self.duties.iter().map(|(node, duty)| (*node, *duty))
    }

    pub(crate) fn register(&mut self, node: NodeId, info: &NodeInfo) -> Result<Applied, Refusal> {
        self.check_present(node)?;
        if !self.known.contains_key(&node) && self.known.len() as u64 >= Self::MAX {
            return Err(Refusal::LimitReached { what: Limited::Nodes, max: Self::MAX });
        }
        let changed = self.known.insert(node, info.clone()).as_ref() != Some(info);
        Ok(Applied { outcome: Outcome::NodeRegistered { node, info: Box::new(info.clone()) }, changed })
    }

    pub(crate) fn forget(&mut self, node: NodeId) -> Applied {
        let changed = self.known.remove(&node).is_some();
        if self.duty(node) == NodeDuty::Drained {
            self.duties.remove(&node);
        }
        Applied { outcome: Outcome::NodeForgotten { node }, changed }
    }

    pub(crate) fn assign(&mut self, node: NodeId, duty: NodeDuty) -> Result<Applied, Refusal> {
        let before = self.duty(node);
        if before != duty {
            self.check_present(node)?;
            if !self.known.contains_key(&node) {
                return Err(Refusal::UnknownNode { node });
            }
        }
        match duty {
            NodeDuty::Full => drop(self.duties.remove(&node)),
            NodeDuty::Drained | NodeDuty::Removed => drop(self.duties.insert(node, duty)),
        }
        Ok(Applied { outcome: Outcome::NodeAssigned { node, duty }, changed: before != duty })
    }

    fn duty(&self, node: NodeId) -> NodeDuty {
        self.duties.get(&node).copied().unwrap_or_default()
    }

    fn check_present(&self, node: NodeId) -> Result<(), Refusal> {
        if self.duty(node) == NodeDuty::Removed { Err(Refusal::NodeRemoved { node }) } else { Ok(()) }
    }
}
