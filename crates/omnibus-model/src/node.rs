//! The nodes of a cluster, as they introduced themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How others reach a node, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Where each door's clients go to, by the door's name.
    pub addresses: BTreeMap<String, Address>,
    /// What fails together with it; none if nobody said.
    pub rack: Option<String>,
}

/// Where somebody listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// A name or an IP address.
    pub host: String,
    pub port: u16,
}
