//! One request, answer or sign of life: a header of 24 bytes, and what it carries.

use bytes::Bytes;
use thiserror::Error;

/// The header of each frame.
pub const HEADER_BYTES: usize = 24;

/// The most that a frame carries: some entries of the log, of which one may have 16 MiB.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

/// Who is asked. New ones get new numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Votes and entries of shards.
    Consensus,
    /// What front ends ask of a shard's leader.
    Engine,
    /// Whether there is a cluster yet.
    Cluster,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request(Service),
    Answer,
    /// The request was not understood.
    NoAnswer,
    /// A sign of life is wanted.
    Ping,
    Pong,
    /// Whoever answers here is about to go: what was asked is answered yet, nothing more is.
    Goodbye,
}

/// The header of a frame: length `u32`, kind `u8`, service `u8`, zero `u16`, id `u64`, and the
/// CRC-32C of the payload and of the header before it; little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: Kind,
    /// Names a request on its connection; its answer has the same.
    pub id: u64,
    pub payload_bytes: u32,
    pub payload_crc: u32,
}

/// Why bytes are no frame. The connection is of no use then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadFrame {
    #[error("the checksum of a frame's header does not fit")]
    Header,
    #[error("the checksum of a frame does not fit")]
    Payload,
    #[error("a frame of {bytes} bytes is longer than {FRAME_BYTES_MAX}")]
    TooLong { bytes: u32 },
    #[error("there are no frames of kind {kind} for service {service}")]
    Unknown { kind: u8, service: u8 },
}

impl FrameHeader {
    /// The header of a frame that carries `pieces`.
    pub fn of(kind: Kind, id: u64, pieces: &[Bytes]) -> Option<Self> {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        let payload_bytes = u32::try_from(bytes).ok().filter(|_| bytes <= FRAME_BYTES_MAX)?;
        let payload_crc = pieces.iter().fold(0, |crc, piece| crc32c::crc32c_append(crc, piece));
        Some(Self { kind, id, payload_bytes, payload_crc })
    }

    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let (kind, service) = match self.kind {
            Kind::Request(Service::Consensus) => (1, 1),
            Kind::Request(Service::Engine) => (1, 2),
            Kind::Request(Service::Cluster) => (1, 3),
            Kind::Answer => (2, 0),
            Kind::NoAnswer => (3, 0),
            Kind::Ping => (4, 0),
            Kind::Pong => (5, 0),
            Kind::Goodbye => (6, 0),
        };
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&self.payload_bytes.to_le_bytes());
        header[4..6].copy_from_slice(&[kind, service]);
        header[8..16].copy_from_slice(&self.id.to_le_bytes());
        header[16..20].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c::crc32c(&header[..20]);
        header[20..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// # Errors
    /// [`BadFrame`].
    pub fn decode(header: &[u8; HEADER_BYTES]) -> Result<Self, BadFrame> {
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|place| header[at + place]));
        if u32_at(20) != crc32c::crc32c(&header[..20]) {
            return Err(BadFrame::Header);
        }
        let (kind, service) = (header[4], header[5]);
        let kind = match (kind, service) {
            (1, 1) => Kind::Request(Service::Consensus),
            (1, 2) => Kind::Request(Service::Engine),
            (1, 3) => Kind::Request(Service::Cluster),
            (2, 0) => Kind::Answer,
            (3, 0) => Kind::NoAnswer,
            (4, 0) => Kind::Ping,
            (5, 0) => Kind::Pong,
            (6, 0) => Kind::Goodbye,
            (kind, service) => return Err(BadFrame::Unknown { kind, service }),
        };
        let payload_bytes = u32_at(0);
        if usize::try_from(payload_bytes).map_or(true, |bytes| bytes > FRAME_BYTES_MAX) {
            return Err(BadFrame::TooLong { bytes: payload_bytes });
        }
        let id = u64::from_le_bytes(std::array::from_fn(|place| header[8 + place]));
        Ok(Self { kind, id, payload_bytes, payload_crc: u32_at(16) })
    }

    /// # Errors
    /// [`BadFrame::Payload`] if these are not the bytes that the header speaks of.
    pub fn check(&self, payload: &[u8]) -> Result<(), BadFrame> {
        if crc32c::crc32c(payload) == self.payload_crc { Ok(()) } else { Err(BadFrame::Payload) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_read_as_it_was_written_and_no_flipped_bit_goes_unseen() {
        let pieces = [Bytes::from_static(b"a"), Bytes::from_static(b"bc")];
        for kind in [Kind::Request(Service::Consensus), Kind::Request(Service::Engine), Kind::Answer, Kind::Goodbye] {
            let header = FrameHeader::of(kind, 7, &pieces).unwrap();
            let bytes = header.encode();
            assert_eq!(FrameHeader::decode(&bytes), Ok(header));
            assert_eq!(header.check(b"abc"), Ok(()));
            assert_eq!(header.check(b"abd"), Err(BadFrame::Payload));
            for bit in 0..HEADER_BYTES * 8 {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(FrameHeader::decode(&flipped), Err(BadFrame::Header), "bit {bit}");
            }
        }
    }

    #[test]
    fn frame_that_is_too_long_is_neither_written_nor_read() {
        let long = Bytes::from(vec![0; FRAME_BYTES_MAX + 1]);
        assert_eq!(FrameHeader::of(Kind::Answer, 1, &[long]), None);
        let header = FrameHeader { kind: Kind::Answer, id: 1, payload_bytes: 1 << 31, payload_crc: 0 };
        assert_eq!(FrameHeader::decode(&header.encode()), Err(BadFrame::TooLong { bytes: 1 << 31 }));
    }
}
