//! `ListOffsetsRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsRequest {
    pub replica_id: i32,
    /// Versions 2 to 11.
    pub isolation_level: i8,
    pub topics: Vec<ListOffsetsTopic>,
    /// Versions 10 to 11.
    pub timeout_ms: i32,
}

impl ListOffsetsRequest {
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
            replica_id: input.i32()?,
            isolation_level: if version >= 2 { input.i8()? } else { 0 },
            topics: input.array(form, 3, |input| ListOffsetsTopic::decode(input, version))?,
            timeout_ms: if version >= 10 { input.i32()? } else { 0 },
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
        out.put_i32(self.replica_id);
        if version >= 2 {
            out.put_i8(self.isolation_level);
        } else {
            lacks(self.isolation_level != 0, "ListOffsetsRequest.isolation_level", version)?;
        }
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        if version >= 10 {
            out.put_i32(self.timeout_ms);
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `ListOffsetsTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsTopic {
    pub name: WireString,
    pub partitions: Vec<ListOffsetsPartition>,
}

impl ListOffsetsTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(6, version);
        let this = Self {
            name: input.string(form)?,
            partitions: input.array(form, 12, |input| ListOffsetsPartition::decode(input, version))?,
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

/// The struct `ListOffsetsPartition` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct ListOffsetsPartition {
    pub partition_index: i32,
    /// Versions 4 to 11.
    pub current_leader_epoch: i32,
    pub timestamp: i64,
}

impl ListOffsetsPartition {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(6, version);
        let this = Self {
            partition_index: input.i32()?,
            current_leader_epoch: if version >= 4 { input.i32()? } else { -1 },
            timestamp: input.i64()?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(6, version);
        out.put_i32(self.partition_index);
        if version >= 4 {
            out.put_i32(self.current_leader_epoch);
        }
        out.put_i64(self.timestamp);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for ListOffsetsPartition {
    fn default() -> Self {
        Self { partition_index: 0, current_leader_epoch: -1, timestamp: 0 }
    }
}
