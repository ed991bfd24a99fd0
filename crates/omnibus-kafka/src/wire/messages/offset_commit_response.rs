//! `OffsetCommitResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitResponse {
    /// Versions 3 to 10.
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetCommitResponseTopic>,
}

impl OffsetCommitResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 2, max: 10 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(8, version);
        let this = Self {
            throttle_time_ms: if version >= 3 { input.i32()? } else { 0 },
            topics: input.array(form, 3, |input| OffsetCommitResponseTopic::decode(input, version))?,
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
        let form = Form::compact_from(8, version);
        if version >= 3 {
            out.put_i32(self.throttle_time_ms);
        }
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `OffsetCommitResponseTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitResponseTopic {
    /// Versions 2 to 9.
    pub name: WireString,
    /// Versions 10 only.
    pub topic_id: TopicId,
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

impl OffsetCommitResponseTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(8, version);
        let this = Self {
            name: if version <= 9 { input.string(form)? } else { WireString::new() },
            topic_id: if version == 10 { input.uuid()? } else { TopicId::default() },
            partitions: input.array(form, 6, |input| OffsetCommitResponsePartition::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(8, version);
        if version <= 9 {
            out.put_string(&self.name, form)?;
        }
        if version == 10 {
            out.put_uuid(self.topic_id);
        }
        out.put_array(&self.partitions, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `OffsetCommitResponsePartition` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
}

impl OffsetCommitResponsePartition {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(8, version);
        let this = Self { partition_index: input.i32()?, error_code: input.i16()? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(8, version);
        out.put_i32(self.partition_index);
        out.put_i16(self.error_code);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
