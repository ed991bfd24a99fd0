//! `DeleteTopicsRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteTopicsRequest {
    /// Versions 6 only.
    pub topics: Vec<DeleteTopicState>,
    /// Versions 1 to 5.
    pub topic_names: Vec<WireString>,
    pub timeout_ms: i32,
}

impl DeleteTopicsRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 1, max: 6 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(4, version);
        let this = Self {
            topics: if version == 6 {
                input.array(form, 18, |input| DeleteTopicState::decode(input, version))?
            } else {
                Vec::new()
            },
            topic_names: if version <= 5 { input.array(form, 1, |input| input.string(form))? } else { Vec::new() },
            timeout_ms: input.i32()?,
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
        if version == 6 {
            out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        } else {
            lacks(!self.topics.is_empty(), "DeleteTopicsRequest.topics", version)?;
        }
        if version <= 5 {
            out.put_array(&self.topic_names, form, |out, item| out.put_string(item, form))?;
        }
        out.put_i32(self.timeout_ms);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `DeleteTopicState` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteTopicState {
    pub name: Option<WireString>,
    pub topic_id: TopicId,
}

impl DeleteTopicState {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { name: input.nullable_string(Form::Compact)?, topic_id: input.uuid()? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_nullable_string(self.name.as_ref(), Form::Compact)?;
        out.put_uuid(self.topic_id);
        out.put_no_tags();
        Ok(())
    }
}
