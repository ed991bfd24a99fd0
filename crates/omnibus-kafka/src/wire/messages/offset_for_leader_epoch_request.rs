//! `OffsetForLeaderEpochRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetForLeaderEpochRequest {
    /// Versions 3 to 4.
    pub replica_id: i32,
    pub topics: Vec<OffsetForLeaderTopic>,
}

impl OffsetForLeaderEpochRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 2, max: 4 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(4, version);
        let this = Self {
            replica_id: if version >= 3 { input.i32()? } else { -2 },
            topics: input.array(form, 3, |input| OffsetForLeaderTopic::decode(input, version))?,
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
        let form = Form::compact_from(4, version);
        if version >= 3 {
            out.put_i32(self.replica_id);
        }
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for OffsetForLeaderEpochRequest {
    fn default() -> Self {
        Self { replica_id: -2, topics: Vec::new() }
    }
}

/// The struct `OffsetForLeaderTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetForLeaderTopic {
    pub topic: WireString,
    pub partitions: Vec<OffsetForLeaderPartition>,
}

impl OffsetForLeaderTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(4, version);
        let this = Self {
            topic: input.string(form)?,
            partitions: input.array(form, 12, |input| OffsetForLeaderPartition::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(4, version);
        out.put_string(&self.topic, form)?;
        out.put_array(&self.partitions, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `OffsetForLeaderPartition` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetForLeaderPartition {
    pub partition: i32,
    pub current_leader_epoch: i32,
    pub leader_epoch: i32,
}

impl OffsetForLeaderPartition {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(4, version);
        let this = Self { partition: input.i32()?, current_leader_epoch: input.i32()?, leader_epoch: input.i32()? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(4, version);
        out.put_i32(self.partition);
        out.put_i32(self.current_leader_epoch);
        out.put_i32(self.leader_epoch);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for OffsetForLeaderPartition {
    fn default() -> Self {
        Self { partition: 0, current_leader_epoch: -1, leader_epoch: 0 }
    }
}
