//! `OffsetDeleteRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetDeleteRequest {
    pub group_id: WireString,
    pub topics: Vec<OffsetDeleteRequestTopic>,
}

impl OffsetDeleteRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 0 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        Ok(Self {
            group_id: input.string(Form::Fixed)?,
            topics: input.array(Form::Fixed, 6, |input| OffsetDeleteRequestTopic::decode(input, version))?,
        })
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        out.put_string(&self.group_id, Form::Fixed)?;
        out.put_array(&self.topics, Form::Fixed, |out, item| item.encode(out, version))?;
        Ok(())
    }
}

/// The struct `OffsetDeleteRequestTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetDeleteRequestTopic {
    pub name: WireString,
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

impl OffsetDeleteRequestTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Ok(Self {
            name: input.string(Form::Fixed)?,
            partitions: input.array(Form::Fixed, 4, |input| OffsetDeleteRequestPartition::decode(input, version))?,
        })
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.name, Form::Fixed)?;
        out.put_array(&self.partitions, Form::Fixed, |out, item| item.encode(out, version))?;
        Ok(())
    }
}

/// The struct `OffsetDeleteRequestPartition` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetDeleteRequestPartition {
    pub partition_index: i32,
}

impl OffsetDeleteRequestPartition {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        Ok(Self { partition_index: input.i32()? })
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.partition_index);
        Ok(())
    }
}
