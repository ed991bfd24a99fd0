//! Frames: the pieces that channels send in turn.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// What is around a payload: type, channel, length, and the end.
pub const OVERHEAD: usize = 8;

/// What stands before a payload.
const HEAD: usize = 7;

const END: u8 = 0xce;

/// How much longer a payload may be than was agreed: some clients forget what is around it.
const TOLERANCE: usize = OVERHEAD;

/// What opens a connection.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    Method,
    Header,
    Body,
    Heartbeat,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: FrameKind,
    pub channel: u16,
    pub payload: Bytes,
}

/// One frame where it lies in what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameAt<'a> {
    pub kind: FrameKind,
    pub channel: u16,
    pub payload: &'a [u8],
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    #[error("unknown frame type {kind}")]
    KindUnknown { kind: u8 },
    #[error("frame of {length} octets is larger than the {max} that were agreed")]
    TooLarge { length: usize, max: usize },
    #[error("frame end is {end:#04x}, not 0xce")]
    EndMissing { end: u8 },
}

impl FrameKind {
    const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Method),
            2 => Some(Self::Header),
            3 => Some(Self::Body),
            8 => Some(Self::Heartbeat),
            _ => None,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Method => 1,
            Self::Header => 2,
            Self::Body => 3,
            Self::Heartbeat => 8,
        }
    }
}

impl Frame {
    /// Takes one whole frame off the front of what was received; `frame_max` counts what is around the payload, too.
    ///
    /// # Errors
    /// [`FrameError`], as soon as it is clear.
    pub fn take(received: &mut BytesMut, frame_max: usize) -> Result<Option<Self>, FrameError> {
        let Some(seen) = FrameAt::look(received, frame_max)? else { return Ok(None) };
        let (kind, channel, length) = (seen.kind, seen.channel, seen.payload.len());
        received.advance(HEAD);
        let payload = received.split_to(length).freeze();
        received.advance(1);
        Ok(Some(Self { kind, channel, payload }))
    }

    /// Writes a frame.
    pub fn put(out: &mut BytesMut, kind: FrameKind, channel: u16, payload: &[u8]) {
        Self::put_parts(out, (kind, channel), &[payload]);
    }

    /// Writes a frame whose payload is in several parts.
    pub fn put_parts(out: &mut BytesMut, (kind, channel): (FrameKind, u16), parts: &[&[u8]]) {
        let length = parts.iter().fold(0_usize, |length, part| length.saturating_add(part.len()));
        out.reserve(length.saturating_add(OVERHEAD));
        out.put_u8(kind.number());
        out.put_u16(channel);
        out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        parts.iter().for_each(|part| out.put_slice(part));
        out.put_u8(END);
    }
}

impl<'a> FrameAt<'a> {
    /// Looks at the frame at the front of what was received, if all of it is there; `frame_max` counts what is around
    /// the payload, too.
    ///
    /// # Errors
    /// [`FrameError`], as soon as it is clear.
    pub fn look(received: &'a [u8], frame_max: usize) -> Result<Option<Self>, FrameError> {
        let Some((head, rest)) = received.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [kind, channel_high, channel_low, length @ ..] = *head;
        let kind = FrameKind::of(kind).ok_or(FrameError::KindUnknown { kind })?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        let max = frame_max.saturating_sub(OVERHEAD);
        if length > max.saturating_add(TOLERANCE) {
            return Err(FrameError::TooLarge { length, max });
        }
        let (Some(payload), Some(end)) = (rest.get(..length), rest.get(length).copied()) else { return Ok(None) };
        if end != END {
            return Err(FrameError::EndMissing { end });
        }
        Ok(Some(Self { kind, channel: u16::from_be_bytes([channel_high, channel_low]), payload }))
    }

    /// What it takes with what is around the payload.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.payload.len().saturating_add(OVERHEAD)
    }
}

/// Whether what was received begins with a method that a message follows.
#[must_use]
pub fn begins_publish(received: &[u8]) -> bool {
    const PUBLISH: [u8; 4] = [0, 60, 0, 40];
    received.first() == Some(&FrameKind::Method.number())
        && received.get(HEAD..).is_some_and(|method| method.starts_with(&PUBLISH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: FrameKind, payload: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        Frame::put(&mut out, kind, 258, payload);
        out
    }

    #[test]
    fn frame_comes_back_however_it_arrives() {
        let whole = written(FrameKind::Body, b"payload");
        let mut received = BytesMut::new();
        for (place, byte) in whole.iter().enumerate() {
            received.put_u8(*byte);
            let taken = Frame::take(&mut received, 4_096).unwrap();
            assert_eq!(taken.is_some(), place + 1 == whole.len());
            if let Some(frame) = taken {
                let payload = Bytes::from_static(b"payload");
                assert_eq!(frame, Frame { kind: FrameKind::Body, channel: 258, payload });
                assert!(received.is_empty());
            }
        }
    }

    #[test]
    fn frame_is_seen_where_it_lies() {
        let mut received = written(FrameKind::Method, b"first");
        received.unsplit(written(FrameKind::Body, b"second"));
        let first = FrameAt::look(&received, 4_096).unwrap().unwrap();
        assert_eq!(first, FrameAt { kind: FrameKind::Method, channel: 258, payload: b"first" });
        let second = FrameAt::look(&received[first.bytes()..], 4_096).unwrap().unwrap();
        assert_eq!((second.payload, first.bytes() + second.bytes()), (&b"second"[..], received.len()));
        assert_eq!(FrameAt::look(&received[..first.bytes() - 1], 4_096), Ok(None));
    }

    #[test]
    fn limit_has_eight_octets_of_tolerance() {
        assert!(Frame::take(&mut written(FrameKind::Method, &[0; 32]), 32).unwrap().is_some());
        let refused = Frame::take(&mut written(FrameKind::Method, &[0; 33]), 32);
        assert_eq!(refused, Err(FrameError::TooLarge { length: 33, max: 24 }));
    }

    #[test]
    fn wrong_type_and_wrong_end_are_refused() {
        let mut wrong = written(FrameKind::Method, b"x");
        wrong[0] = 4;
        assert_eq!(Frame::take(&mut wrong, 4_096), Err(FrameError::KindUnknown { kind: 4 }));
        let mut wrong = written(FrameKind::Method, b"x");
        wrong[8] = 0;
        assert_eq!(Frame::take(&mut wrong, 4_096), Err(FrameError::EndMissing { end: 0 }));
    }
}
