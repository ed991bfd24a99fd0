//! A node's part in a cluster: the engine over consensus with the other nodes, and the
//! connections between them.
//!
//! Reading order: what can be said of it (`standing`), how a node takes part (`cluster`), who leads how
//! much (`balance`), what goes over the connections (`carriers`), and what a node is told (`member`).
//!
//! **Never:** a consensus protocol, what an entry or a request says, or a decision about data.

mod standing;
mod cluster;
mod balance;
mod carriers;
mod member;

pub use cluster::{Cluster, ClusterConfig, OpenError, Opened, TakingPart};
pub use member::{BadMember, Member, Members};
pub use omnibus_peers::Identity;
pub use standing::{ReplicaStanding, ShardStanding};
