//! A node's part in a cluster: the engine over consensus with the other nodes, and the
//! connections between them.
//!
//! Reading order: how a node takes part (`part`), once it knows as what (`meeting`); who replicates what
//! (`upkeep`) and leads how much (`balance`); what can be asked (`cluster`, `standing`), what goes over the
//! connections (`carriers`), and what a node is told (`member`).
//!
//! **Never:** a consensus protocol, what an entry or a request says, or a decision about data.

mod part;
mod upkeep;
mod balance;
mod standing;
mod cluster;
mod meeting;
mod carriers;
mod stage;
mod member;

pub use cluster::Cluster;
pub use meeting::{ClusterConfig, Entrance, Meeting, OpenError};
pub use member::{BadMember, Member, Members};
pub use omnibus_peers::Identity;
pub use part::{Opened, TakingPart};
pub use standing::{ReplicaStanding, ShardStanding};
pub use upkeep::DOOR;
