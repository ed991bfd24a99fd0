//! What both ends say first: that they belong together.

use std::io;

use omnibus_model::NodeId;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

const MAGIC: [u8; 4] = *b"OMBP";

/// The layout of all that is said; a node speaks to its own only.
const VERSION: u16 = 1;

/// The bytes before the cluster's name, and those behind it.
const BEFORE_BYTES: usize = 4 + 2 + 4 + 8 + 1;
const CRC_BYTES: usize = 4;

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub cluster: String,
    pub node: NodeId,
    /// The mark of the log on its disk: a node whose disk was wiped has another.
    pub log: u64,
}

/// What one end says: `OMBP`, version `u16`, node `u32`, log `u64`, length `u8` and name of the
/// cluster, and the CRC-32C of all that; little-endian.
pub type Hello = Identity;

/// Why two nodes do not speak to each other.
#[derive(Debug, Error)]
pub enum HelloError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("whoever answers there is no node of a cluster")]
    Stranger,
    #[error("it speaks version {version} of what nodes say to each other, this one {VERSION}")]
    OtherVersion { version: u16 },
    #[error("it belongs to cluster {cluster}")]
    OtherCluster { cluster: String },
    #[error("it is node {node}")]
    OtherNode { node: NodeId },
}

impl HelloError {
    /// Whether the machine is there, and nobody on it listens.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

/// Writes a hello.
///
/// # Panics
/// If the cluster's name is longer than 255 bytes.
pub(crate) fn write_hello(hello: &Hello) -> Vec<u8> {
    let length = u8::try_from(hello.cluster.len()).expect("the name of a cluster is short");
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&hello.node.0.to_le_bytes());
    bytes.extend_from_slice(&hello.log.to_le_bytes());
    bytes.push(length);
    bytes.extend_from_slice(hello.cluster.as_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// Reads a hello.
///
/// # Errors
/// [`HelloError`] if what comes is none.
pub async fn read_hello(from: &mut (impl AsyncRead + Unpin)) -> Result<Hello, HelloError> {
    let mut bytes = vec![0; BEFORE_BYTES];
    from.read_exact(&mut bytes).await?;
    if bytes[..4] != MAGIC {
        return Err(HelloError::Stranger);
    }
    let version = u16::from_le_bytes([bytes[4], bytes[5]]);
    if version != VERSION {
        return Err(HelloError::OtherVersion { version });
    }
    let name_end = BEFORE_BYTES + usize::from(bytes[BEFORE_BYTES - 1]);
    bytes.resize(name_end + CRC_BYTES, 0);
    from.read_exact(&mut bytes[BEFORE_BYTES..]).await?;
    let (said, crc) = bytes.split_at(name_end);
    if crc != crc32c::crc32c(said).to_le_bytes() {
        return Err(HelloError::Stranger);
    }
    let cluster = String::from_utf8(said[BEFORE_BYTES..].to_vec()).map_err(|_| HelloError::Stranger)?;
    let node = NodeId(u32::from_le_bytes(std::array::from_fn(|place| said[6 + place])));
    let log = u64::from_le_bytes(std::array::from_fn(|place| said[10 + place]));
    Ok(Hello { cluster, node, log })
}

/// Checks that whoever said this is of the same cluster.
pub(crate) fn check_cluster(ours: &Identity, theirs: &Identity) -> Result<(), HelloError> {
    if theirs.cluster == ours.cluster {
        Ok(())
    } else {
        Err(HelloError::OtherCluster { cluster: theirs.cluster.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hello_is_read_as_it_was_written_and_no_flipped_bit_goes_unseen() {
        let hello = Hello { cluster: "a cluster".to_owned(), node: NodeId(3), log: 0x0123_4567_89ab_cdef };
        let bytes = write_hello(&hello);
        assert_eq!(read_hello(&mut &bytes[..]).await.unwrap(), hello);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read_hello(&mut &flipped[..]).await.is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(matches!(read_hello(&mut &bytes[..length]).await, Err(HelloError::Io(_))), "{length} bytes");
        }
    }
}
