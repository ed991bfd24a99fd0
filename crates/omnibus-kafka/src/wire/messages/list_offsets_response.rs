//! `ListOffsetsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsResponse {
    /// Versions 2 to 11.
    pub throttle_time_ms: i32,
    pub topics: Vec<ListOffsetsTopicResponse>,
}

impl ListOffsetsResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 1, max: 11 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(6, version);
        let this = Self {
            throttle_time_ms: if version >= 2 { input.i32()? } else { 0 },
            topics: input.array(form, 3, |input| ListOffsetsTopicResponse::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        let form = Form::compact_from(6, version);
        if version >= 2 {
            out.put_i32(self.throttle_time_ms);
        }
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `ListOffsetsTopicResponse` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsTopicResponse {
    pub name: WireString,
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

impl ListOffsetsTopicResponse {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(6, version);
        let this = Self {
            name: input.string(form)?,
            partitions: input.array(form, 22, |input| ListOffsetsPartitionResponse::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(6, version);
        out.put_string(&self.name, form)?;
        out.put_array(&self.partitions, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `ListOffsetsPartitionResponse` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct ListOffsetsPartitionResponse {
    pub partition_index: i32,
    pub error_code: i16,
    pub timestamp: i64,
    pub offset: i64,
    /// Versions 4 to 11.
    pub leader_epoch: i32,
}

impl ListOffsetsPartitionResponse {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(6, version);
        let this = Self {
            partition_index: input.i32()?,
            error_code: input.i16()?,
            timestamp: input.i64()?,
            offset: input.i64()?,
            leader_epoch: if version >= 4 { input.i32()? } else { -1 },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(6, version);
        out.put_i32(self.partition_index);
        out.put_i16(self.error_code);
        out.put_i64(self.timestamp);
        out.put_i64(self.offset);
        if version >= 4 {
            out.put_i32(self.leader_epoch);
        } else {
            lacks(self.leader_epoch != -1, "ListOffsetsPartitionResponse.leader_epoch", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for ListOffsetsPartitionResponse {
    fn default() -> Self {
        Self { partition_index: 0, error_code: 0, timestamp: -1, offset: -1, leader_epoch: -1 }
    }
}
