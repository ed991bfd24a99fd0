//! The seams that a simulator replaces: time, chance and the disk.
//!
//! Everything below the front ends reaches the world through these traits and through
//! nothing else. `Peers`, the network between nodes, joins them with replication.
//!
//! **Never:** decisions; a seam only carries them out.

pub mod clock;
pub mod entropy;

pub use clock::{Clock, SystemClock};
pub use entropy::{Entropy, SystemEntropy};
