//! State of one connection's channels, pure: modes, deliveries that are not settled, messages that arrive in parts.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use omnibus_model::queue::{LeaseKey, Settlement};
use omnibus_model::topic::Partition;

use crate::budget::Share;
use crate::errors::Fault;
use crate::registry::ChannelPlace;
use crate::wire::{ContentHeader, Frame, FrameKind, ShortText};

/// The class of messages.
const BASIC: u16 = 60;

/// What one transaction may hold back.
const TRANSACTION_BYTES_MAX: usize = 64 << 20;
const TRANSACTION_COUNT_MAX: usize = 100_000;

/// Which of a connection's consumers, in the order of their beginnings.
pub(crate) type ConsumerNumber = u64;

/// The number of one who waits for direct replies; drawn at random.
pub(crate) type Token = u128;

/// One channel.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    /// Which of the connection's channels: another one of the same number is another.
    pub(crate) opening: u64,
    /// Its place among those that its user may have; none once the server has closed it.
    _place: Option<ChannelPlace>,
    /// The server has closed it and waits for the client's word.
    pub(crate) is_closing: bool,
    pub(crate) has_published: bool,
    pub(crate) mode: Mode,
    /// What consumers that begin from now on may hold; 0 is without limit.
    pub(crate) prefetch: u16,
    /// What all consumers may hold together; 0 is without limit.
    pub(crate) prefetch_all: u16,
    /// What an empty name of a queue stands for.
    pub(crate) last_queue: Option<String>,
    pub(crate) consumers: BTreeMap<ShortText, ConsumerNumber>,
    /// Waits for direct replies.
    pub(crate) replying: Option<(Token, ShortText)>,
    arriving: Option<Arriving>,
    delivered: u64,
    held: BTreeMap<u64, Held>,
    /// How many of them consumers were given.
    held_by_consumers: u32,
}

/// What a channel does with publishes.
#[derive(Debug, Default)]
pub(crate) enum Mode {
    #[default]
    Plain,
    /// Each is confirmed by its number.
    Confirm { published: u64, answered: u64 },
    /// They wait, as settlements do, until the client says that they count.
    Tx(Transaction),
}

/// What was said and does not count yet.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) publishes: Vec<(Content, Share)>,
    pub(crate) settlements: Vec<(Vec<(u64, Held)>, Settlement)>,
    bytes: usize,
}

impl Transaction {
    /// Keeps a publish for later.
    pub(crate) fn publish(&mut self, content: Content, share: Share) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(content.body.len()).saturating_add(content.properties.len());
        if self.bytes > TRANSACTION_BYTES_MAX || self.publishes.len() >= TRANSACTION_COUNT_MAX {
            return Err(Fault::Limit("the transaction is too large".to_owned()));
        }
        self.publishes.push((content, share));
        Ok(())
    }
}

/// A delivery that is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) queue: Partition,
    /// `None` if it was read of a stream, and so is nobody's.
    pub(crate) key: Option<LeaseKey>,
    /// `None` if it was fetched.
    pub(crate) consumer: Option<ConsumerNumber>,
}

/// Where a message shall go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) exchange: ShortText,
    pub(crate) routing_key: ShortText,
    pub(crate) is_mandatory: bool,
}

/// A message that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) publish: Publish,
    pub(crate) properties: Bytes,
    pub(crate) body: Bytes,
}

#[derive(Debug)]
struct Arriving {
    publish: Publish,
    header: Option<ContentHeader>,
    body: Body,
}

/// A body is mostly one frame, which need not be copied.
#[derive(Debug, Default)]
enum Body {
    #[default]
    Empty,
    One(Bytes),
    Many(BytesMut),
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, piece: Bytes) {
        *self = match std::mem::take(self) {
            Self::Empty => Self::One(piece),
            Self::One(first) => {
                let mut all = BytesMut::from(&first[..]);
                all.extend_from_slice(&piece);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&piece);
                Self::Many(all)
            }
        };
    }

    fn whole(self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

impl Channel {
    pub(crate) fn opened(opening: u64, place: ChannelPlace) -> Self {
        Self { opening, _place: Some(place), ..Self::default() }
    }

    /// A channel that the server has closed.
    pub(crate) fn closing() -> Self {
        Self { is_closing: true, ..Self::default() }
    }

    /// Whether the next frame must be a part of a message.
    pub(crate) const fn is_receiving(&self) -> bool {
        self.arriving.is_some()
    }

    /// Begins to receive a message; returns whether it is the channel's first.
    pub(crate) fn begin(&mut self, publish: Publish) -> bool {
        self.arriving = Some(Arriving { publish, header: None, body: Body::Empty });
        !std::mem::replace(&mut self.has_published, true)
    }

    /// Takes a part of a message; returns it once it is whole.
    pub(crate) fn receive(&mut self, frame: Frame, bytes_max: u64) -> Result<Option<Content>, Fault> {
        let Some(arriving) = &mut self.arriving else { return Err(Fault::MethodExpected) };
        match (frame.kind, &mut arriving.header) {
            (FrameKind::Header, header @ None) => {
                let read = ContentHeader::read(frame.payload).ok_or(Fault::Properties)?;
                if read.class != BASIC {
                    return Err(Fault::ContentClass(read.class));
                }
                if read.body_bytes > bytes_max {
                    return Err(Fault::MessageTooLarge { bytes: read.body_bytes, max: bytes_max });
                }
                *header = Some(read);
            }
            (_, None) => return Err(Fault::ContentExpected { expected: "header" }),
            (FrameKind::Body, Some(header)) => {
                let received = arriving.body.len().saturating_add(frame.payload.len());
                let received = u64::try_from(received).unwrap_or(u64::MAX);
                if received > header.body_bytes {
                    return Err(Fault::BodyTooLong { received, declared: header.body_bytes });
                }
                arriving.body.push(frame.payload);
            }
            (_, Some(_)) => return Err(Fault::ContentExpected { expected: "body" }),
        }
        Ok(self.whole())
    }

    fn whole(&mut self) -> Option<Content> {
        let arriving = self.arriving.take_if(|arriving| {
            let bytes = u64::try_from(arriving.body.len()).unwrap_or(u64::MAX);
            arriving.header.as_ref().is_some_and(|header| header.body_bytes == bytes)
        })?;
        let properties = arriving.header?.properties;
        Some(Content { publish: arriving.publish, properties, body: arriving.body.whole() })
    }

    /// Numbers a publish that is confirmed later.
    pub(crate) fn number_publish(&mut self) -> Option<u64> {
        match &mut self.mode {
            Mode::Plain | Mode::Tx(_) => None,
            Mode::Confirm { published, .. } => {
                *published += 1;
                Some(*published)
            }
        }
    }

    /// Notes that a publish was confirmed, or refused: all that came before it were, too.
    pub(crate) const fn note_answer(&mut self, number: u64) -> u64 {
        if let Mode::Confirm { answered, .. } = &mut self.mode {
            *answered = number;
        }
        number
    }

    /// How many publishes wait for their confirm.
    pub(crate) fn unconfirmed(&self) -> usize {
        match &self.mode {
            Mode::Confirm { published, answered } => usize::try_from(published - answered).unwrap_or(usize::MAX),
            Mode::Plain | Mode::Tx(_) => 0,
        }
    }

    /// How many publishes and settlements a transaction holds back.
    pub(crate) fn held_back(&self) -> (usize, usize) {
        match &self.mode {
            Mode::Tx(held) => (held.publishes.len(), held.settlements.iter().map(|(each, _)| each.len()).sum()),
            Mode::Plain | Mode::Confirm { .. } => (0, 0),
        }
    }

    /// How many deliveries are not settled.
    pub(crate) fn held_count(&self) -> usize {
        self.held.len()
    }

    /// Numbers a delivery, and remembers it if it is to be settled.
    pub(crate) fn deliver(&mut self, held: Option<Held>) -> u64 {
        self.delivered += 1;
        if let Some(held) = held {
            self.held_by_consumers += u32::from(held.consumer.is_some());
            self.held.insert(self.delivered, held);
        }
        self.delivered
    }

    /// How much more its consumers may hold together.
    pub(crate) fn room(&self) -> u32 {
        u32::from(self.prefetch_all).saturating_sub(self.held_by_consumers)
    }

    /// Whether its consumers hold together as much as they may.
    pub(crate) fn is_full(&self) -> bool {
        self.prefetch_all > 0 && self.held_by_consumers >= u32::from(self.prefetch_all)
    }

    /// Takes out the deliveries that a tag speaks of.
    pub(crate) fn take_held(&mut self, tag: u64, is_multiple: bool) -> Result<Vec<(u64, Held)>, Fault> {
        let taken = self.held_up_to(tag, is_multiple)?;
        self.held_by_consumers = self.held_by_consumers.saturating_sub(of_consumers(&taken));
        Ok(taken)
    }

    fn held_up_to(&mut self, tag: u64, is_multiple: bool) -> Result<Vec<(u64, Held)>, Fault> {
        if !is_multiple {
            return self.held.remove(&tag).map(|held| vec![(tag, held)]).ok_or(Fault::UnknownDeliveryTag(tag));
        }
        if tag == 0 {
            return Ok(std::mem::take(&mut self.held).into_iter().collect());
        }
        if !self.held.contains_key(&tag) {
            return Err(Fault::UnknownDeliveryTag(tag));
        }
        let later = self.held.split_off(&(tag + 1));
        Ok(std::mem::replace(&mut self.held, later).into_iter().collect())
    }

    /// Takes back that deliveries were settled.
    pub(crate) fn hold_again(&mut self, taken: Vec<(u64, Held)>) {
        self.held_by_consumers += of_consumers(&taken);
        self.held.extend(taken);
    }
}

/// How many of some deliveries consumers were given.
fn of_consumers(taken: &[(u64, Held)]) -> u32 {
    u32::try_from(taken.iter().filter(|(_, held)| held.consumer.is_some()).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use omnibus_model::{LeaseEpoch, Offset, ShardId, StreamId};

    use super::*;

    fn held(offset: u64) -> Held {
        let queue = Partition { stream: StreamId(1), shard: ShardId(1) };
        Held { queue, key: Some(LeaseKey { offset: Offset(offset), epoch: LeaseEpoch(1) }), consumer: None }
    }

    fn offsets(taken: Result<Vec<(u64, Held)>, Fault>) -> Vec<u64> {
        taken.unwrap().iter().map(|(_, held)| held.key.unwrap().offset.0).collect()
    }

    #[test]
    fn tags_are_settled_once_and_in_order() {
        let mut channel = Channel::default();
        let tags: Vec<u64> = (10..15).map(|offset| channel.deliver(Some(held(offset)))).collect();
        assert_eq!(tags, [1, 2, 3, 4, 5]);
        assert_eq!(offsets(channel.take_held(2, false)), [11]);
        assert_eq!(channel.take_held(2, false), Err(Fault::UnknownDeliveryTag(2)));
        assert_eq!(channel.take_held(2, true), Err(Fault::UnknownDeliveryTag(2)));
        assert_eq!(offsets(channel.take_held(3, true)), [10, 12]);
        assert_eq!(offsets(channel.take_held(0, true)), [13, 14]);
        assert_eq!(offsets(channel.take_held(0, true)), [0; 0]);
        assert_eq!(channel.take_held(0, false), Err(Fault::UnknownDeliveryTag(0)));
    }

    #[test]
    fn delivery_without_settlement_has_a_tag_too() {
        let mut channel = Channel::default();
        assert_eq!((channel.deliver(None), channel.deliver(None)), (1, 2));
        assert_eq!(channel.take_held(1, false), Err(Fault::UnknownDeliveryTag(1)));
    }

    fn frame(kind: FrameKind, payload: &[u8]) -> Frame {
        Frame { kind, channel: 1, payload: Bytes::copy_from_slice(payload) }
    }

    fn header(class: u16, bytes: u64) -> Frame {
        let mut payload = ContentHeader::beginning(class, bytes).to_vec();
        payload.extend([0, 0]);
        frame(FrameKind::Header, &payload)
    }

    fn receiving() -> Channel {
        let mut channel = Channel::default();
        channel.begin(Publish { exchange: "".into(), routing_key: "q".into(), is_mandatory: false });
        channel
    }

    #[test]
    fn message_is_whole_when_its_header_says_so() {
        let mut channel = receiving();
        assert_eq!(channel.receive(header(60, 5), 5), Ok(None));
        assert_eq!(channel.receive(frame(FrameKind::Body, b"abc"), 5), Ok(None));
        let whole = channel.receive(frame(FrameKind::Body, b"de"), 5).unwrap().unwrap();
        assert_eq!((&whole.body[..], &whole.properties[..]), (&b"abcde"[..], &[0, 0][..]));
        assert!(!channel.is_receiving());
        assert!(receiving().receive(header(60, 0), 5).unwrap().unwrap().body.is_empty());
    }

    #[test]
    fn parts_out_of_order_are_refused() {
        let expected = |expected| Err(Fault::ContentExpected { expected });
        assert_eq!(receiving().receive(frame(FrameKind::Body, b"a"), 5), expected("header"));
        let mut channel = receiving();
        channel.receive(header(60, 5), 5).unwrap();
        assert_eq!(channel.receive(header(60, 5), 5), expected("body"));
        assert_eq!(receiving().receive(header(50, 5), 5), Err(Fault::ContentClass(50)));
        assert_eq!(receiving().receive(header(60, 6), 5), Err(Fault::MessageTooLarge { bytes: 6, max: 5 }));
        assert_eq!(Channel::default().receive(header(60, 0), 5), Err(Fault::MethodExpected));
    }

    #[test]
    fn longer_body_than_its_header_said_is_refused() {
        let mut channel = receiving();
        channel.receive(header(60, 2), 5).unwrap();
        let refused = channel.receive(frame(FrameKind::Body, b"abc"), 5);
        assert_eq!(refused, Err(Fault::BodyTooLong { received: 3, declared: 2 }));
    }
}
