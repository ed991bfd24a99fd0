//! `OffsetFetchResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponse {
    /// Versions 3 to 10.
    pub throttle_time_ms: i32,
    /// Versions 1 to 7.
    pub topics: Vec<OffsetFetchResponseTopic>,
    /// Versions 2 to 7.
    pub error_code: i16,
    /// Versions 8 to 10.
    pub groups: Vec<OffsetFetchResponseGroup>,
}

impl OffsetFetchResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 1, max: 10 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(6, version);
        let this = Self {
            throttle_time_ms: if version >= 3 { input.i32()? } else { 0 },
            topics: if version <= 7 {
                input.array(form, 3, |input| OffsetFetchResponseTopic::decode(input, version))?
            } else {
                Vec::new()
            },
            error_code: if (2..=7).contains(&version) { input.i16()? } else { 0 },
            groups: if version >= 8 {
                input.array(form, 5, |input| OffsetFetchResponseGroup::decode(input, version))?
            } else {
                Vec::new()
            },
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
        if version >= 3 {
            out.put_i32(self.throttle_time_ms);
        }
        if version <= 7 {
            out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        } else {
            lacks(!self.topics.is_empty(), "OffsetFetchResponse.topics", version)?;
        }
        if (2..=7).contains(&version) {
            out.put_i16(self.error_code);
        }
        if version >= 8 {
            out.put_array(&self.groups, form, |out, item| item.encode(out, version))?;
        } else {
            lacks(!self.groups.is_empty(), "OffsetFetchResponse.groups", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `OffsetFetchResponseTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponseTopic {
    pub name: WireString,
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

impl OffsetFetchResponseTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(6, version);
        let this = Self {
            name: input.string(form)?,
            partitions: input.array(form, 16, |input| OffsetFetchResponsePartition::decode(input, version))?,
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

/// The struct `OffsetFetchResponsePartition` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchResponsePartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    /// Versions 5 to 7.
    pub committed_leader_epoch: i32,
    pub metadata: Option<WireString>,
    pub error_code: i16,
}

impl OffsetFetchResponsePartition {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(6, version);
        let this = Self {
            partition_index: input.i32()?,
            committed_offset: input.i64()?,
            committed_leader_epoch: if version >= 5 { input.i32()? } else { -1 },
            metadata: input.nullable_string(form)?,
            error_code: input.i16()?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(6, version);
        out.put_i32(self.partition_index);
        out.put_i64(self.committed_offset);
        if version >= 5 {
            out.put_i32(self.committed_leader_epoch);
        }
        out.put_nullable_string(self.metadata.as_ref(), form)?;
        out.put_i16(self.error_code);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for OffsetFetchResponsePartition {
    fn default() -> Self {
        Self { partition_index: 0, committed_offset: 0, committed_leader_epoch: -1, metadata: None, error_code: 0 }
    }
}

/// The struct `OffsetFetchResponseGroup` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponseGroup {
    pub group_id: WireString,
    pub topics: Vec<OffsetFetchResponseTopics>,
    pub error_code: i16,
}

impl OffsetFetchResponseGroup {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: input.string(Form::Compact)?,
            topics: input.array(Form::Compact, 3, |input| OffsetFetchResponseTopics::decode(input, version))?,
            error_code: input.i16()?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.group_id, Form::Compact)?;
        out.put_array(&self.topics, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_i16(self.error_code);
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `OffsetFetchResponseTopics` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchResponseTopics {
    /// Versions 8 to 9.
    pub name: WireString,
    /// Versions 10 only.
    pub topic_id: TopicId,
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

impl OffsetFetchResponseTopics {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: if version <= 9 { input.string(Form::Compact)? } else { WireString::new() },
            topic_id: if version == 10 { input.uuid()? } else { TopicId::default() },
            partitions: input
                .array(Form::Compact, 20, |input| OffsetFetchResponsePartitions::decode(input, version))?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        if version <= 9 {
            out.put_string(&self.name, Form::Compact)?;
        }
        if version == 10 {
            out.put_uuid(self.topic_id);
        }
        out.put_array(&self.partitions, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `OffsetFetchResponsePartitions` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchResponsePartitions {
    pub partition_index: i32,
    pub committed_offset: i64,
    pub committed_leader_epoch: i32,
    pub metadata: Option<WireString>,
    pub error_code: i16,
}

impl OffsetFetchResponsePartitions {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: input.i32()?,
            committed_offset: input.i64()?,
            committed_leader_epoch: input.i32()?,
            metadata: input.nullable_string(Form::Compact)?,
            error_code: input.i16()?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.partition_index);
        out.put_i64(self.committed_offset);
        out.put_i32(self.committed_leader_epoch);
        out.put_nullable_string(self.metadata.as_ref(), Form::Compact)?;
        out.put_i16(self.error_code);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for OffsetFetchResponsePartitions {
    fn default() -> Self {
        Self { partition_index: 0, committed_offset: 0, committed_leader_epoch: -1, metadata: None, error_code: 0 }
    }
}
