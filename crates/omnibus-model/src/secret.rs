//! What only the nodes of a cluster know.

use serde::{Deserialize, Serialize};

/// Random bytes from which a cluster's keys are derived, the same on all its nodes for ever.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSecret(pub [u8; 32]);

/// Secrets stay out of logs.
impl std::fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClusterSecret")
    }
}
