//! The nodes of a cluster, as they introduced themselves.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How others reach a node, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Where each door's clients go to, by the door's name.
    pub addresses: BTreeMap<String, Address>,
    /// What fails together with it; none if nobody said.
    pub rack: Option<String>,
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeDuty {
    /// It replicates, and leads its share.
    #[default]
    Full,
    /// It replicates and leads nothing, until somebody says otherwise.
    Drained,
    /// It leaves for good. Nobody is called by its number again.
    Removed,
}

/// Where somebody listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// A name or an IP address.
    pub host: String,
    pub port: u16,
}

/// In the form in which connections are opened.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}
