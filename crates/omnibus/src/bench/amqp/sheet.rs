//! Messages as they go over the wire, many of them beside each other, made once: before they are sent anew only the
//! first bytes of each body change.

use std::time::Duration;

use bytes::BytesMut;
use omnibus_amqp::wire::frame::OVERHEAD;
use omnibus_amqp::wire::method::put_content;
use omnibus_amqp::wire::{ContentHeader, Method, Properties};

use super::client::CHANNEL;
use crate::bench::meter::nanos;

/// About how much is sent at a time.
const SHEET_BYTES: usize = 128 << 10;

/// What stands before the payload of a frame; one octet stands behind it.
const HEAD: usize = OVERHEAD - 1;

/// Which message of which publisher it is, and when it was due: the first bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) publisher: u16,
    /// From 0 on.
    pub(super) number: u64,
    pub(super) due: Duration,
}

impl Stamp {
    pub(super) const BYTES: usize = 16;
    const NUMBER_BITS: u32 = 48;

    pub(super) fn write(self) -> [u8; Self::BYTES] {
        let name = (u64::from(self.publisher) << Self::NUMBER_BITS) | (self.number & ((1 << Self::NUMBER_BITS) - 1));
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&name.to_le_bytes());
        bytes[8..].copy_from_slice(&nanos(self.due).to_le_bytes());
        bytes
    }

    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let (name, rest) = body.split_first_chunk()?;
        let name = u64::from_le_bytes(*name);
        Some(Self {
            publisher: u16::try_from(name >> Self::NUMBER_BITS).ok()?,
            number: name & ((1 << Self::NUMBER_BITS) - 1),
            due: Duration::from_nanos(u64::from_le_bytes(*rest.first_chunk()?)),
        })
    }
}

/// What all messages of a publisher have in common.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) is_persistent: bool,
    pub(super) body: Vec<u8>,
}

/// Copies of one message, of which some are being sent.
#[derive(Debug)]
pub(super) struct Sheet {
    bytes: Vec<u8>,
    message_bytes: usize,
    /// Where the stamp stands in a message.
    stamp_at: usize,
    /// What is still to be sent.
    begin: usize,
    end: usize,
}

impl Sheet {
    pub(super) fn new(model: &Model, frame_max: usize) -> Self {
        let mut message = BytesMut::new();
        let publish = Method::BasicPublish {
            reserved: 0,
            exchange: model.exchange.as_str().into(),
            routing_key: model.routing_key.as_str().into(),
            mandatory: false,
            immediate: false,
        };
        publish.put(&mut message, CHANNEL);
        let delivery_mode = Some(if model.is_persistent { 2 } else { 1 });
        let properties = Properties { delivery_mode, ..Properties::default() }.write();
        let stamp_at = message.len() + OVERHEAD + ContentHeader::BYTES + properties.len() + HEAD;
        put_content(&mut message, (CHANNEL, frame_max), &properties, &model.body);
        let copies = (SHEET_BYTES / message.len()).max(1);
        Self { bytes: message.repeat(copies), message_bytes: message.len(), stamp_at, begin: 0, end: 0 }
    }

    /// How many messages can be sent at a time.
    pub(super) const fn copies(&self) -> usize {
        self.bytes.len() / self.message_bytes
    }

    /// Stamps messages to be sent, when all earlier ones have been; no more than there are copies.
    pub(super) fn fill(&mut self, stamps: impl Iterator<Item = Stamp>) {
        let messages = self.bytes.chunks_exact_mut(self.message_bytes);
        let filled = messages.zip(stamps).map(|(message, stamp)| {
            message[self.stamp_at..self.stamp_at + Stamp::BYTES].copy_from_slice(&stamp.write());
        });
        self.end = filled.count() * self.message_bytes;
        self.begin = 0;
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.begin..self.end]
    }

    pub(super) const fn is_sent(&self) -> bool {
        self.begin == self.end
    }

    /// So many bytes of it have been sent.
    pub(super) const fn sent(&mut self, bytes: usize) {
        self.begin += bytes;
    }
}

#[cfg(test)]
mod tests {
    use omnibus_amqp::wire::{Frame, FrameKind};

    use super::*;

    fn model(body_bytes: usize) -> Model {
        let body = vec![b'x'; body_bytes];
        Model { exchange: String::new(), routing_key: "orders".to_owned(), is_persistent: true, body }
    }

    #[test]
    fn stamp_comes_back() {
        let stamp = Stamp { publisher: 65_535, number: (1 << 48) - 1, due: Duration::from_nanos(1_234_567_890_123) };
        assert_eq!(Stamp::read(&stamp.write()), Some(stamp));
        assert_eq!(Stamp::read(&stamp.write()[..15]), None);
    }

    #[test]
    fn every_message_of_a_sheet_is_whole_and_has_its_stamp() {
        for (body_bytes, frame_max) in [(16, 4_096), (1_024, 4_096), (10_000, 4_096), (300_000, 131_072)] {
            let mut sheet = Sheet::new(&model(body_bytes), frame_max);
            let stamp = |number| Stamp { publisher: 7, number, due: Duration::from_micros(number) };
            for round in 0..2 {
                let count = sheet.copies().min(50) as u64;
                sheet.fill((0..count).map(|place| stamp(round * 100 + place)));
                let mut received = BytesMut::from(sheet.unsent());
                for place in 0..count {
                    let method = Frame::take(&mut received, frame_max).unwrap().unwrap();
                    let publish = Method::read(&method.payload).unwrap();
                    assert!(
                        matches!(publish, Method::BasicPublish { routing_key, .. } if routing_key == "orders".into())
                    );
                    let header = Frame::take(&mut received, frame_max).unwrap().unwrap().payload;
                    let header = ContentHeader::read(header).unwrap();
                    assert_eq!(Properties::read(&header.properties).unwrap().delivery_mode, Some(2));
                    assert_eq!(header.body_bytes, body_bytes as u64);
                    let mut body = Vec::new();
                    while body.len() < body_bytes {
                        let frame = Frame::take(&mut received, frame_max).unwrap().unwrap();
                        assert_eq!(frame.kind, FrameKind::Body);
                        body.extend_from_slice(&frame.payload);
                    }
                    assert_eq!((body.len(), Stamp::read(&body)), (body_bytes, Some(stamp(round * 100 + place))));
                }
                assert!(received.is_empty());
                sheet.sent(sheet.unsent().len());
                assert!(sheet.is_sent());
            }
        }
    }
}
