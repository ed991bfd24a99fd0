//! `OffsetFetchRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks, required};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchRequest {
    /// Versions 1 to 7.
    pub group_id: WireString,
    /// Versions 1 to 7.
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    /// Versions 8 to 10.
    pub groups: Vec<OffsetFetchRequestGroup>,
    /// Versions 7 to 10.
    pub require_stable: bool,
}

impl OffsetFetchRequest {
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
            group_id: if version <= 7 { input.string(form)? } else { WireString::new() },
            topics: if version <= 7 {
                if version >= 2 {
                    input.nullable_array(form, 3, |input| OffsetFetchRequestTopic::decode(input, version))?
                } else {
                    Some(input.array(form, 3, |input| OffsetFetchRequestTopic::decode(input, version))?)
                }
            } else {
                Some(Vec::new())
            },
            groups: if version >= 8 {
                input.array(form, 3, |input| OffsetFetchRequestGroup::decode(input, version))?
            } else {
                Vec::new()
            },
            require_stable: if version >= 7 { input.bool()? } else { false },
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
        if version <= 7 {
            out.put_string(&self.group_id, form)?;
        } else {
            lacks(!self.group_id.is_empty(), "OffsetFetchRequest.group_id", version)?;
        }
        if version <= 7 {
            if version >= 2 {
                out.put_nullable_array(self.topics.as_deref(), form, |out, item| item.encode(out, version))?;
            } else {
                out.put_array(
                    required(self.topics.as_ref(), "OffsetFetchRequest.topics", version)?,
                    form,
                    |out, item| item.encode(out, version),
                )?;
            };
        } else {
            lacks(self.topics != Some(Vec::new()), "OffsetFetchRequest.topics", version)?;
        }
        if version >= 8 {
            out.put_array(&self.groups, form, |out, item| item.encode(out, version))?;
        } else {
            lacks(!self.groups.is_empty(), "OffsetFetchRequest.groups", version)?;
        }
        if version >= 7 {
            out.put_bool(self.require_stable);
        } else {
            lacks(self.require_stable, "OffsetFetchRequest.require_stable", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for OffsetFetchRequest {
    fn default() -> Self {
        Self { group_id: WireString::new(), topics: Some(Vec::new()), groups: Vec::new(), require_stable: false }
    }
}

/// The struct `OffsetFetchRequestTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchRequestTopic {
    pub name: WireString,
    pub partition_indexes: Vec<i32>,
}

impl OffsetFetchRequestTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(6, version);
        let this = Self { name: input.string(form)?, partition_indexes: input.array(form, 4, |input| input.i32())? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(6, version);
        out.put_string(&self.name, form)?;
        out.put_array(&self.partition_indexes, form, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `OffsetFetchRequestGroup` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetFetchRequestGroup {
    pub group_id: WireString,
    /// Versions 9 to 10.
    pub member_id: Option<WireString>,
    /// Versions 9 to 10.
    pub member_epoch: i32,
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

impl OffsetFetchRequestGroup {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: input.string(Form::Compact)?,
            member_id: if version >= 9 { input.nullable_string(Form::Compact)? } else { None },
            member_epoch: if version >= 9 { input.i32()? } else { -1 },
            topics: input.nullable_array(Form::Compact, 3, |input| OffsetFetchRequestTopics::decode(input, version))?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.group_id, Form::Compact)?;
        if version >= 9 {
            out.put_nullable_string(self.member_id.as_ref(), Form::Compact)?;
        }
        if version >= 9 {
            out.put_i32(self.member_epoch);
        }
        out.put_nullable_array(self.topics.as_deref(), Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

impl Default for OffsetFetchRequestGroup {
    fn default() -> Self {
        Self { group_id: WireString::new(), member_id: None, member_epoch: -1, topics: Some(Vec::new()) }
    }
}

/// The struct `OffsetFetchRequestTopics` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchRequestTopics {
    /// Versions 8 to 9.
    pub name: WireString,
    /// Versions 10 only.
    pub topic_id: TopicId,
    pub partition_indexes: Vec<i32>,
}

impl OffsetFetchRequestTopics {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: if version <= 9 { input.string(Form::Compact)? } else { WireString::new() },
            topic_id: if version == 10 { input.uuid()? } else { TopicId::default() },
            partition_indexes: input.array(Form::Compact, 4, |input| input.i32())?,
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
        out.put_array(&self.partition_indexes, Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_no_tags();
        Ok(())
    }
}
