//! `CreateTopicsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, Tags};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateTopicsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<CreatableTopicResult>,
}

impl CreateTopicsResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 2, max: 7 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(5, version);
        let this = Self {
            throttle_time_ms: input.i32()?,
            topics: input.array(form, 6, |input| CreatableTopicResult::decode(input, version))?,
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
        let form = Form::compact_from(5, version);
        out.put_i32(self.throttle_time_ms);
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `CreatableTopicResult` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatableTopicResult {
    pub name: WireString,
    /// Versions 7 only.
    pub topic_id: TopicId,
    pub error_code: i16,
    pub error_message: Option<WireString>,
    /// Versions 5 to 7.
    pub topic_config_error_code: i16,
    /// Versions 5 to 7.
    pub num_partitions: i32,
    /// Versions 5 to 7.
    pub replication_factor: i16,
    /// Versions 5 to 7.
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

impl CreatableTopicResult {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(5, version);
        let mut this = Self {
            name: input.string(form)?,
            topic_id: if version == 7 { input.uuid()? } else { TopicId::default() },
            error_code: input.i16()?,
            error_message: input.nullable_string(form)?,
            topic_config_error_code: 0,
            num_partitions: if version >= 5 { input.i32()? } else { -1 },
            replication_factor: if version >= 5 { input.i16()? } else { -1 },
            configs: if version >= 5 {
                input.nullable_array(form, 6, |input| CreatableTopicConfigs::decode(input, version))?
            } else {
                Some(Vec::new())
            },
        };
        if form == Form::Compact {
            input.tags(&mut |tag, input| {
                match tag {
                    0 => this.topic_config_error_code = input.i16()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(5, version);
        out.put_string(&self.name, form)?;
        if version == 7 {
            out.put_uuid(self.topic_id);
        }
        out.put_i16(self.error_code);
        out.put_nullable_string(self.error_message.as_ref(), form)?;
        if version >= 5 {
            out.put_i32(self.num_partitions);
        }
        if version >= 5 {
            out.put_i16(self.replication_factor);
        }
        if version >= 5 {
            out.put_nullable_array(self.configs.as_deref(), form, |out, item| item.encode(out, version))?;
        }
        if form == Form::Compact {
            let mut tags = Tags::default();
            if self.topic_config_error_code != 0 {
                tags.add(0, |out| {
                    out.put_i16(self.topic_config_error_code);
                    Ok(())
                })?;
            }
            out.put_tags(tags)?;
        }
        Ok(())
    }
}

impl Default for CreatableTopicResult {
    fn default() -> Self {
        Self {
            name: WireString::new(),
            topic_id: TopicId::default(),
            error_code: 0,
            error_message: None,
            topic_config_error_code: 0,
            num_partitions: -1,
            replication_factor: -1,
            configs: Some(Vec::new()),
        }
    }
}

/// The struct `CreatableTopicConfigs` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatableTopicConfigs {
    pub name: WireString,
    pub value: Option<WireString>,
    pub read_only: bool,
    pub config_source: i8,
    pub is_sensitive: bool,
}

impl CreatableTopicConfigs {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: input.string(Form::Compact)?,
            value: input.nullable_string(Form::Compact)?,
            read_only: input.bool()?,
            config_source: input.i8()?,
            is_sensitive: input.bool()?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.name, Form::Compact)?;
        out.put_nullable_string(self.value.as_ref(), Form::Compact)?;
        out.put_bool(self.read_only);
        out.put_i8(self.config_source);
        out.put_bool(self.is_sensitive);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for CreatableTopicConfigs {
    fn default() -> Self {
        Self { name: WireString::new(), value: None, read_only: false, config_source: -1, is_sensitive: false }
    }
}
