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
    /// As what this node took part in a cluster first, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entrance: Option<Entrance>,
}

/// As what a node takes part first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Entrance {
    Founder,
    Guest,
}

/// Where a cluster's name comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Naming<'a> {
    Alone,
    Founders(&'a Members),
    Joined(&'a str),
}

impl Identity {
    /// Reads the identity of a data directory, if it has one.
    pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Self>> {
        let text = read(disk).context("reading identity.toml")?;
        let damaged = "identity.toml in the data directory is damaged; restore it from a backup of this directory";
        text.map(|text| toml::from_str(&text).context(damaged)).transpose()
    }

    /// Names a new data directory: of a node of its own, of one of the nodes that make a cluster, or of one that
    /// joins the cluster of this name.
    pub(crate) fn draw(entropy: &dyn Entropy, node_id: u32, naming: Naming<'_>) -> Self {
        let log = u64::try_from(entropy.random() >> 64).unwrap_or_default();
        let (cluster_id, entrance) = match naming {
            Naming::Alone => (cluster_id(entropy.random()), None),
            // They have to agree on it before they speak to each other.
            Naming::Founders(founders) => (cluster_id(fnv(&founders.to_string())), None),
            Naming::Joined(name) => (name.to_owned(), Some(Entrance::Guest)),
        };
        Self { cluster_id, node_id, log: format!("{log:016x}"), entrance }
    }

    /// The mark of this log's blocks.
    pub(crate) fn log(&self) -> Result<u64> {
        u64::from_str_radix(&self.log, 16).context("identity.toml in the data directory names no log")
    }

    /// Writes the identity down.
    pub(crate) fn save(&self, disk: &dyn Disk) -> Result<()> {
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
    fn identity_is_read_as_it_was_written() {
        let disk = FaultDisk::new(1);
        let entropy = SystemEntropy::open().unwrap();
        assert_eq!(Identity::read(&disk).unwrap(), None);
        for drawn in [
            Identity::draw(&entropy, 1, Naming::Alone),
            Identity::draw(&entropy, 4, Naming::Joined("some-cluster")),
            Identity { entrance: Some(Entrance::Founder), ..Identity::draw(&entropy, 1, Naming::Alone) },
        ] {
            drawn.save(&disk).unwrap();
            drawn.log().unwrap();
            disk.cut_power();
            disk.restart();
            assert_eq!(Identity::read(&disk).unwrap(), Some(drawn));
        }
    }

    #[test]
    fn founders_of_a_cluster_call_it_by_the_same_name() {
        let entropy = SystemEntropy::open().unwrap();
        let founders: Members = "1@a:1,2@b:1".parse().unwrap();
        let draw = |node, founders: &Members| Identity::draw(&entropy, node, Naming::Founders(founders));
        let (first, second) = (draw(1, &founders), draw(2, &founders));
        assert_eq!((first.node_id, second.node_id), (1, 2));
        assert_eq!((first.cluster_id.len(), &first.cluster_id), (22, &second.cluster_id));
        assert_ne!(first.log, second.log);
        assert_ne!(draw(1, &"1@a:1,2@b:2".parse().unwrap()).cluster_id, first.cluster_id);
        assert_ne!(draw(1, &Members::default()).cluster_id, Identity::draw(&entropy, 1, Naming::Alone).cluster_id);
    }

    #[test]
    fn damaged_identity_is_not_replaced() {
        let disk = FaultDisk::new(1);
        disk.set_content(FILE, b"cluster_id = ".to_vec());
        let error = Identity::read(&disk).unwrap_err();
        assert!(error.to_string().contains("restore it from a backup"), "{error}");
    }
}
