//! `OffsetDeleteResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetDeleteResponse {
    pub error_code: i16,
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetDeleteResponseTopic>,
}

impl OffsetDeleteResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 0 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        Ok(Self {
            error_code: input.i16()?,
            throttle_time_ms: input.i32()?,
            topics: input.array(Form::Fixed, 6, |input| OffsetDeleteResponseTopic::decode(input, version))?,
        })
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        out.put_i16(self.error_code);
        out.put_i32(self.throttle_time_ms);
        out.put_array(&self.topics, Form::Fixed, |out, item| item.encode(out, version))?;
        Ok(())
    }
}

/// The struct `OffsetDeleteResponseTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetDeleteResponseTopic {
    pub name: WireString,
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

impl OffsetDeleteResponseTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Ok(Self {
            name: input.string(Form::Fixed)?,
            partitions: input.array(Form::Fixed, 6, |input| OffsetDeleteResponsePartition::decode(input, version))?,
        })
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.name, Form::Fixed)?;
        out.put_array(&self.partitions, Form::Fixed, |out, item| item.encode(out, version))?;
        Ok(())
    }
}

/// The struct `OffsetDeleteResponsePartition` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetDeleteResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
}

impl OffsetDeleteResponsePartition {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        Ok(Self { partition_index: input.i32()?, error_code: input.i16()? })
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.partition_index);
        out.put_i16(self.error_code);
        Ok(())
    }
}
