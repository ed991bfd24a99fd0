//! Receipt handles: which lease of which record, sealed so that nobody makes up one.

use hmac::{Hmac, KeyInit, Mac};
use omnibus_model::queue::LeaseKey;
use omnibus_model::{ClusterSecret, LeaseEpoch, Offset, StreamId, Timestamp};
use sha2::{Digest, Sha256};

use crate::wire::base64;

/// Raised when the layout changes; older handles are refused then.
const VERSION: u8 = 2;
const SEAL_BYTES: usize = 12;
const BYTES: usize = 1 + 4 * 8 + SEAL_BYTES;

/// A lease of a record of one of a queue's priorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leased {
    pub(crate) stream: StreamId,
    pub(crate) key: LeaseKey,
}

/// What a handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    /// The queue and the record's priority there, in this life of it: one that is made anew has other streams.
    pub(crate) stream: StreamId,
    pub(crate) key: LeaseKey,
    /// When the message was received.
    pub(crate) received_at: Timestamp,
}

impl Handle {
    pub(crate) const fn leased(self) -> Leased {
        Leased { stream: self.stream, key: self.key }
    }
}

/// Makes handles and reads them.
#[derive(Clone)]
pub(crate) struct Seal {
    mac: Hmac<Sha256>,
}

impl Seal {
    pub(crate) fn new(secret: ClusterSecret) -> Self {
        let key = Sha256::new().chain_update("omnibus sqs receipt handles ").chain_update(secret.0).finalize();
        let mac = Hmac::new_from_slice(&key).expect("a key may have any length");
        Self { mac }
    }

    /// Writes a handle.
    pub(crate) fn write(&self, handle: Handle) -> String {
        let Handle { stream, key, received_at } = handle;
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        for number in [stream.0, key.offset.0, key.epoch.0] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(received_at.0.to_be_bytes());
        let seal = self.mac.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend(seal.iter().take(SEAL_BYTES));
        base64::write_plain(&bytes)
    }

    /// Reads a handle; `None` if this cluster has made none such.
    pub(crate) fn read(&self, text: &str) -> Option<Handle> {
        let bytes = base64::read_plain(text).filter(|bytes| bytes.len() == BYTES)?;
        let (sealed, seal) = bytes.split_at_checked(BYTES - SEAL_BYTES)?;
        self.mac.clone().chain_update(sealed).verify_truncated_left(seal).ok()?;
        let (version, mut rest) = sealed.split_first()?;
        let mut number = || {
            let (number, after) = rest.split_first_chunk::<8>()?;
            rest = after;
            Some(*number)
        };
        let stream = StreamId(u64::from_be_bytes(number()?));
        let offset = Offset(u64::from_be_bytes(number()?));
        let key = LeaseKey { offset, epoch: LeaseEpoch(u64::from_be_bytes(number()?)) };
        let received_at = Timestamp(i64::from_be_bytes(number()?));
        (*version == VERSION).then_some(Handle { stream, key, received_at })
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handle_reads_back_and_no_other_does() {
        let seal = Seal::new(ClusterSecret([7; 32]));
        let key = LeaseKey { offset: Offset(u64::MAX), epoch: LeaseEpoch(3) };
        let handle = Handle { stream: StreamId(5), key, received_at: Timestamp(-1) };
        let text = seal.write(handle);
        assert_eq!(seal.read(&text), Some(handle));
        assert_eq!(Seal::new(ClusterSecret([8; 32])).read(&text), None);
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(seal.read(&String::from_utf8(forged).unwrap()), None, "{at}");
        }
        for text in ["", "garbage", "ä", &"A".repeat(10_000)] {
            assert_eq!(seal.read(text), None);
        }
    }
}
