//! Who this node is: drawn at the first start, kept in the data directory, never changed.

use std::io;

use anyhow::{Context, Result, bail};
use omnibus_cluster::Members;
use omnibus_io::{Access, Caching, Disk, Durability, Entropy, OpenMode};
use serde::{Deserialize, Serialize};

pub(super) const FILE: &str = "identity.toml";
const FILE_NEW: &str = "identity.toml.new";

/// An identity fits into this many bytes.
const BYTES_MAX: u64 = 4096;

/// Kafka's alphabet for the names of clusters: base64 that fits into addresses.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The names that a data directory carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) cluster_id: String,
    pub(crate) node_id: u32,
    /// What the log's blocks are marked with, in hexadecimal.
    pub(crate) log: String,
}

impl Identity {
    /// Reads the identity of a data directory, or gives it one: of a node of its own, or of one of
    /// the nodes that make a cluster.
    pub(crate) fn of(disk: &dyn Disk, entropy: &dyn Entropy, node: u32, founders: &Members) -> Result<Self> {
        match read(disk).context("reading identity.toml")? {
            Some(text) => toml::from_str(&text)
                .context("identity.toml in the data directory is damaged; restore it from a backup of this directory"),
            None => {
                let identity = Self::draw(entropy, node, founders);
                identity.save(disk).context("writing identity.toml; is the data directory writable?")?;
                Ok(identity)
            }
        }
    }

    /// The mark of this log's blocks.
    pub(crate) fn log(&self) -> Result<u64> {
        u64::from_str_radix(&self.log, 16).context("identity.toml in the data directory names no log")
    }

    fn draw(entropy: &dyn Entropy, node_id: u32, founders: &Members) -> Self {
        let log = u64::try_from(entropy.random() >> 64).unwrap_or_default();
        // Nodes that make a cluster have to agree on its name before they speak to each other.
        let name = if founders.is_empty() { entropy.random() } else { fnv(&founders.to_string()) };
        Self { cluster_id: cluster_id(name), node_id, log: format!("{log:016x}") }
    }

    fn save(&self, disk: &dyn Disk) -> Result<()> {
        let text = toml::to_string(self)?;
        let mode = OpenMode { access: Access::Create, caching: Caching::Kernel };
        let file = disk.open(FILE_NEW, mode)?;
        file.set_len(0)?;
        file.write_at(text.as_bytes(), 0, Durability::Durable)?;
        disk.rename(FILE_NEW, FILE)?;
        disk.sync_dir("")?;
        Ok(())
    }
}

fn read(disk: &dyn Disk) -> Result<Option<String>> {
    let mode = OpenMode { access: Access::Read, caching: Caching::Kernel };
    let file = match disk.open(FILE, mode) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let size = file.size()?;
    if size > BYTES_MAX {
        bail!("it has {size} bytes, more than an identity ever has");
    }
    let mut bytes = vec![0; usize::try_from(size)?];
    file.read_at(&mut bytes, 0)?;
    Ok(Some(String::from_utf8(bytes)?))
}

/// FNV-1a, of 128 bits.
fn fnv(text: &str) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

/// Writes 128 random bits as 22 letters, as Kafka's clusters are called.
fn cluster_id(random: u128) -> String {
    let sextets = (0..22u32).map(|place| (random.rotate_left(6 * (place + 1)) & 63) as usize);
    sextets.map(|sextet| char::from(ALPHABET[sextet])).collect()
}

#[cfg(test)]
mod tests {
    use omnibus_io::{FaultDisk, SystemEntropy};

    use super::*;

    #[test]
    fn identity_is_drawn_once() {
        let disk = FaultDisk::new(1);
        let entropy = SystemEntropy::open().unwrap();
        let drawn = Identity::of(&disk, &entropy, 1, &Members::default()).unwrap();
        assert_eq!(drawn.cluster_id.len(), 22);
        drawn.log().unwrap();
        disk.cut_power();
        disk.restart();
        assert_eq!(Identity::of(&disk, &entropy, 1, &Members::default()).unwrap(), drawn);
    }

    #[test]
    fn founders_of_a_cluster_call_it_by_the_same_name() {
        let entropy = SystemEntropy::open().unwrap();
        let founders: Members = "1@a:1,2@b:1".parse().unwrap();
        let draw = |node, founders: &Members| Identity::of(&FaultDisk::new(1), &entropy, node, founders).unwrap();
        let (first, second) = (draw(1, &founders), draw(2, &founders));
        assert_eq!((first.node_id, second.node_id), (1, 2));
        assert_eq!(first.cluster_id, second.cluster_id);
        assert_ne!(first.log, second.log);
        assert_ne!(draw(1, &"1@a:1,2@b:2".parse().unwrap()).cluster_id, first.cluster_id);
    }

    #[test]
    fn damaged_identity_is_not_replaced() {
        let disk = FaultDisk::new(1);
        disk.set_content(FILE, b"cluster_id = ".to_vec());
        let error = Identity::of(&disk, &SystemEntropy::open().unwrap(), 1, &Members::default()).unwrap_err();
        assert!(error.to_string().contains("restore it from a backup"), "{error}");
    }
}
