//! What SNS knows of a message that was published to a topic.

use bytes::BufMut;
use bytestring::ByteString;
use omnibus_model::exchange::BindingId;
use omnibus_model::{StreamId, Timestamp};

use super::input::Input;
use super::native::SqsAttribute;
use super::output;
use crate::error::InvalidBatch;
use crate::varint;

const WHAT: &str = "SNS section";

/// A message as SNS knows it, without its body. All queues of a shard that got it share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnsNative {
    pub id: u128,
    pub published_at: Timestamp,
    /// The ARN of the topic.
    pub topic: ByteString,
    pub subject: Option<ByteString>,
    pub group: Option<ByteString>,
    pub dedup: Option<ByteString>,
    /// Its number in a FIFO topic.
    pub sequence: Option<u64>,
    pub signing: Signing,
    /// In the order of names.
    pub attributes: Vec<SqsAttribute>,
    pub system_attributes: Vec<SqsAttribute>,
    /// Whom it was for, in the order of streams.
    pub targets: Vec<SnsTarget>,
}

/// How the envelope around a message is signed when it is handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signing {
    #[default]
    None,
    Sha1,
    Sha256,
}

/// One subscription that a message was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnsTarget {
    /// The stream it went to.
    pub stream: StreamId,
    pub binding: BindingId,
    pub form: SnsForm,
}

/// What a subscriber wanted to see when the message was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SnsForm {
    /// The message within JSON that says where it is from.
    Envelope,
    /// The message alone.
    Raw,
}

impl SnsNative {
    /// The id that the message has in the queue of a stream: another in each, and always the same.
    #[must_use]
    pub const fn delivery_id(&self, stream: StreamId) -> u128 {
        const VERSION_AND_VARIANT: u128 = 0xf << 76 | 0b11 << 62;
        const RANDOM: u128 = 4 << 76 | 0b10 << 62;
        // Odd factors map streams to patterns one to one.
        let low = stream.0.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let high = low.rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let pattern = (high as u128) << 64 | low as u128;
        (self.id ^ pattern) & !VERSION_AND_VARIANT | RANDOM
    }

    /// The subscription by which the message came to a stream.
    #[must_use]
    pub fn target(&self, stream: StreamId) -> Option<SnsTarget> {
        let place = self.targets.partition_point(|target| target.stream < stream);
        self.targets.get(place).copied().filter(|target| target.stream == stream)
    }

    /// Whose topic it was.
    #[must_use]
    pub fn sender(&self) -> ByteString {
        self.topic.split(':').nth(4).unwrap_or_default().into()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let optional = |out: &mut Vec<u8>, text: &Option<ByteString>| {
            output::optional(out, text.as_ref().map(|text| text.as_bytes().as_ref()));
        };
        out.put_u128(self.id);
        out.put_i64(self.published_at.0);
        output::text(out, &self.topic);
        [&self.subject, &self.group, &self.dedup].into_iter().for_each(|text| optional(out, text));
        out.put_u64(self.sequence.unwrap_or(0));
        out.put_u8(match self.signing {
            Signing::None => 0,
            Signing::Sha1 => 1,
            Signing::Sha256 => 2,
        });
        for attributes in [&self.attributes, &self.system_attributes] {
            varint::put(out, output::length(attributes.len()));
            attributes.iter().for_each(|attribute| attribute.write(out));
        }
        varint::put(out, output::length(self.targets.len()));
        for target in &self.targets {
            out.put_u64(target.stream.0);
            out.put_u128(target.binding.0);
            out.put_u8(match target.form {
                SnsForm::Envelope => 0,
                SnsForm::Raw => 1,
            });
        }
    }

    pub(super) fn read(mut input: Input) -> Result<Self, InvalidBatch> {
        let native = Self {
            id: input.u128(WHAT)?,
            published_at: Timestamp(input.i64(WHAT)?),
            topic: input.text(WHAT)?,
            subject: input.optional_text(WHAT)?,
            group: input.optional_text(WHAT)?,
            dedup: input.optional_text(WHAT)?,
            sequence: Some(input.u64(WHAT)?).filter(|sequence| *sequence != 0),
            signing: match input.u8(WHAT)? {
                0 => Signing::None,
                1 => Signing::Sha1,
                2 => Signing::Sha256,
                _ => return Err(malformed()),
            },
            attributes: input.list(WHAT, SqsAttribute::read)?,
            system_attributes: input.list(WHAT, SqsAttribute::read)?,
            targets: input.list(WHAT, SnsTarget::read)?,
        };
        input.end(WHAT).map(|()| native)
    }
}

impl SnsTarget {
    fn read(input: &mut Input) -> Result<Self, InvalidBatch> {
        let (stream, binding) = (StreamId(input.u64(WHAT)?), BindingId(input.u128(WHAT)?));
        let form = match input.u8(WHAT)? {
            0 => SnsForm::Envelope,
            1 => SnsForm::Raw,
            _ => return Err(malformed()),
        };
        Ok(Self { stream, binding, form })
    }
}

const fn malformed() -> InvalidBatch {
    InvalidBatch::MessageMalformed { part: WHAT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_has_another_id_in_every_queue() {
        let native = SnsNative { id: 7 << 100, ..SnsNative::default() };
        let mut ids: Vec<u128> = (0..1_000).map(|stream| native.delivery_id(StreamId(stream))).collect();
        assert!(ids.iter().all(|id| id >> 76 & 0xf == 4 && id >> 62 & 0b11 == 0b10));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 1_000);
    }
}
