//! `DescribeTopicPartitionsRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeTopicPartitionsRequest {
    pub topics: Vec<TopicRequest>,
    pub response_partition_limit: i32,
    pub cursor: Option<Cursor>,
}

impl DescribeTopicPartitionsRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 0 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let this = Self {
            topics: input.array(Form::Compact, 2, |input| TopicRequest::decode(input, version))?,
            response_partition_limit: input.i32()?,
            cursor: input.nullable_struct(|input| Cursor::decode(input, version))?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        out.put_array(&self.topics, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_i32(self.response_partition_limit);
        out.put_nullable_struct(self.cursor.as_ref(), |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

impl Default for DescribeTopicPartitionsRequest {
    fn default() -> Self {
        Self { topics: Vec::new(), response_partition_limit: 2000, cursor: None }
    }
}

/// The struct `TopicRequest` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicRequest {
    pub name: WireString,
}

impl TopicRequest {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { name: input.string(Form::Compact)? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.name, Form::Compact)?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `Cursor` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cursor {
    pub topic_name: WireString,
    pub partition_index: i32,
}

impl Cursor {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_name: input.string(Form::Compact)?, partition_index: input.i32()? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.topic_name, Form::Compact)?;
        out.put_i32(self.partition_index);
        out.put_no_tags();
        Ok(())
    }
}
