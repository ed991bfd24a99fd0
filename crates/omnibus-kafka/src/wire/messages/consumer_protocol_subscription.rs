//! `ConsumerProtocolSubscription`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};
use bytes::Bytes;

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerProtocolSubscription {
    pub topics: Vec<WireString>,
    pub user_data: Option<Bytes>,
    /// Versions 1 to 3.
    pub owned_partitions: Vec<TopicPartition>,
    /// Versions 2 to 3.
    pub generation_id: i32,
    /// Versions 3 only.
    pub rack_id: Option<WireString>,
}

impl ConsumerProtocolSubscription {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 3 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        Ok(Self {
            topics: input.array(Form::Fixed, 2, |input| input.string(Form::Fixed))?,
            user_data: input.nullable_bytes(Form::Fixed)?,
            owned_partitions: if version >= 1 {
                input.array(Form::Fixed, 6, |input| TopicPartition::decode(input, version))?
            } else {
                Vec::new()
            },
            generation_id: if version >= 2 { input.i32()? } else { -1 },
            rack_id: if version == 3 { input.nullable_string(Form::Fixed)? } else { None },
        })
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        out.put_array(&self.topics, Form::Fixed, |out, item| out.put_string(item, Form::Fixed))?;
        out.put_nullable_bytes(self.user_data.as_ref(), Form::Fixed)?;
        if version >= 1 {
            out.put_array(&self.owned_partitions, Form::Fixed, |out, item| item.encode(out, version))?;
        }
        if version >= 2 {
            out.put_i32(self.generation_id);
        }
        if version == 3 {
            out.put_nullable_string(self.rack_id.as_ref(), Form::Fixed)?;
        }
        Ok(())
    }
}

impl Default for ConsumerProtocolSubscription {
    fn default() -> Self {
        Self { topics: Vec::new(), user_data: None, owned_partitions: Vec::new(), generation_id: -1, rack_id: None }
    }
}

/// The struct `TopicPartition` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicPartition {
    pub topic: WireString,
    pub partitions: Vec<i32>,
}

impl TopicPartition {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        Ok(Self { topic: input.string(Form::Fixed)?, partitions: input.array(Form::Fixed, 4, |input| input.i32())? })
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.topic, Form::Fixed)?;
        out.put_array(&self.partitions, Form::Fixed, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        Ok(())
    }
}
