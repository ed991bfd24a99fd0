//! A node's part in a cluster: the engine over consensus with the other nodes, and the
//! connections between them.
//!
//! Reading order: how a node takes part (`part`), once it knows as what (`meeting`); who replicates what
//! (`upkeep`), leads how much (`balance`) and takes the place of whom (`succession`), by which plan (`plan`) of which nodes (`roster`), and how one of them
//! leaves (`leaving`); what can be asked (`cluster`, `standing`, `changes`), what goes over the connections (`carriers`), and
//! what a node is told (`member`).
//!
//! **Never:** a consensus protocol, what an entry or a request says, or a decision about data.

mod part;
mod upkeep;
mod succession;
mod balance;
mod standing;
mod meeting;
mod carriers;
mod leaving;
mod cluster;
mod changes;
mod plan;
mod roster;
mod stage;
mod member;

pub use balance::Moved;
pub use cluster::Cluster;
pub use leaving::RemovalError;
pub use meeting::{ClusterConfig, Entrance, Meeting, OpenError};
pub use member::{BadMember, Member, Members};
pub use omnibus_peers::Identity;
pub use part::{Opened, TakingPart};
pub use roster::DOOR;
pub use standing::{ChangeStanding, ReplicaStanding, ShardStanding};
