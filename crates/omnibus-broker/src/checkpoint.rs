//! The broker as bytes. The layout is described in `docs/formats/checkpoint.md`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The first bytes of every checkpoint.
const MAGIC: [u8; 4] = *b"OMBR";
/// Raise it with every change of the layout. From the first release on, the versions before are read too.
const VERSION: u16 = 13;
const HEADER_BYTES: usize = MAGIC.len() + size_of::<u16>();

/// Why bytes are not a checkpoint of this broker.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("these bytes are not a broker's checkpoint")]
    NotACheckpoint,
    #[error("checkpoint version {found} is unknown, this broker reads {VERSION}")]
    UnknownVersion { found: u16 },
    #[error("the checkpoint is damaged: {reason}")]
    Damaged { reason: String },
}

/// Writes the header and `state`.
pub(crate) fn encode(state: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 << 12);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    postcard::to_extend(state, bytes).expect("plain memory always serialises")
}

/// Tells where the state begins.
pub(crate) fn open(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let (header, state) = bytes.split_at_checked(HEADER_BYTES).ok_or(DecodeError::NotACheckpoint)?;
    let Some([low, high]) = header.strip_prefix(&MAGIC) else {
        return Err(DecodeError::NotACheckpoint);
    };
    match u16::from_le_bytes([*low, *high]) {
        VERSION => Ok(state),
        found => Err(DecodeError::UnknownVersion { found }),
    }
}

/// Reads a state that [`encode`] wrote.
pub(crate) fn decode<'a, T: Deserialize<'a>>(state: &'a [u8]) -> Result<T, DecodeError> {
    let damaged = |error: postcard::Error| DecodeError::Damaged { reason: error.to_string() };
    match postcard::take_from_bytes(state).map_err(damaged)? {
        (state, []) => Ok(state),
        (_, rest) => Err(DecodeError::Damaged { reason: format!("{} bytes too many", rest.len()) }),
    }
}

/// Condenses bytes to 64 bits (FNV-1a over words), the same on every platform.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(PRIME).rotate_left(29);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)));
    mix(hash, bytes.len() as u64)
}
