//! `OffsetCommitRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetCommitRequest {
    pub group_id: WireString,
    pub generation_id_or_member_epoch: i32,
    pub member_id: WireString,
    /// Versions 7 to 10.
    pub group_instance_id: Option<WireString>,
    /// Versions 2 to 4.
    pub retention_time_ms: i64,
    pub topics: Vec<OffsetCommitRequestTopic>,
}

impl OffsetCommitRequest {
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
            group_id: input.string(form)?,
            generation_id_or_member_epoch: input.i32()?,
            member_id: input.string(form)?,
            group_instance_id: if version >= 7 { input.nullable_string(form)? } else { None },
            retention_time_ms: if version <= 4 { input.i64()? } else { -1 },
            topics: input.array(form, 3, |input| OffsetCommitRequestTopic::decode(input, version))?,
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
        out.put_string(&self.group_id, form)?;
        out.put_i32(self.generation_id_or_member_epoch);
        out.put_string(&self.member_id, form)?;
        if version >= 7 {
            out.put_nullable_string(self.group_instance_id.as_ref(), form)?;
        } else {
            lacks(self.group_instance_id.is_some(), "OffsetCommitRequest.group_instance_id", version)?;
        }
        if version <= 4 {
            out.put_i64(self.retention_time_ms);
        }
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for OffsetCommitRequest {
    fn default() -> Self {
        Self {
            group_id: WireString::new(),
            generation_id_or_member_epoch: -1,
            member_id: WireString::new(),
            group_instance_id: None,
            retention_time_ms: -1,
            topics: Vec::new(),
        }
    }
}

/// The struct `OffsetCommitRequestTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitRequestTopic {
    /// Versions 2 to 9.
    pub name: WireString,
    /// Versions 10 only.
    pub topic_id: TopicId,
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

impl OffsetCommitRequestTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(8, version);
        let this = Self {
            name: if version <= 9 { input.string(form)? } else { WireString::new() },
            topic_id: if version == 10 { input.uuid()? } else { TopicId::default() },
            partitions: input.array(form, 14, |input| OffsetCommitRequestPartition::decode(input, version))?,
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

/// The struct `OffsetCommitRequestPartition` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetCommitRequestPartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    /// Versions 6 to 10.
    pub committed_leader_epoch: i32,
    pub committed_metadata: Option<WireString>,
}

impl OffsetCommitRequestPartition {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(8, version);
        let this = Self {
            partition_index: input.i32()?,
            committed_offset: input.i64()?,
            committed_leader_epoch: if version >= 6 { input.i32()? } else { -1 },
            committed_metadata: input.nullable_string(form)?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(8, version);
        out.put_i32(self.partition_index);
        out.put_i64(self.committed_offset);
        if version >= 6 {
            out.put_i32(self.committed_leader_epoch);
        }
        out.put_nullable_string(self.committed_metadata.as_ref(), form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for OffsetCommitRequestPartition {
    fn default() -> Self {
        Self { partition_index: 0, committed_offset: 0, committed_leader_epoch: -1, committed_metadata: None }
    }
}
