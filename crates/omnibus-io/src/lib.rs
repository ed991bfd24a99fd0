//! The seams that a simulator replaces: time, chance and the disk.
//!
//! Everything below the front ends reaches the world through these traits and through
//! nothing else. `Peers`, the network between nodes, joins them with replication.
//!
//! **Never:** decisions; a seam only carries them out.

pub mod clock;
pub mod entropy;
pub mod fault;
mod inode;
mod sparse;
pub mod system_disk;
pub mod disk;

pub use clock::{Clock, SystemClock};
pub use disk::{Access, Caching, Disk, DiskFile, DiskSpace, Durability, OpenMode};
pub use entropy::{Entropy, SystemEntropy};
pub use fault::FaultDisk;
pub use system_disk::SystemDisk;
