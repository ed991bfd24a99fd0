//! `DeleteTopicsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, required};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteTopicsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<DeletableTopicResult>,
}

impl DeleteTopicsResponse {
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
            throttle_time_ms: input.i32()?,
            responses: input.array(form, 4, |input| DeletableTopicResult::decode(input, version))?,
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
        out.put_i32(self.throttle_time_ms);
        out.put_array(&self.responses, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `DeletableTopicResult` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletableTopicResult {
    pub name: Option<WireString>,
    /// Versions 6 only.
    pub topic_id: TopicId,
    pub error_code: i16,
    /// Versions 5 to 6.
    pub error_message: Option<WireString>,
}

impl DeletableTopicResult {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(4, version);
        let this = Self {
            name: if version == 6 { input.nullable_string(form)? } else { Some(input.string(form)?) },
            topic_id: if version == 6 { input.uuid()? } else { TopicId::default() },
            error_code: input.i16()?,
            error_message: if version >= 5 { input.nullable_string(form)? } else { None },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(4, version);
        if version == 6 {
            out.put_nullable_string(self.name.as_ref(), form)?;
        } else {
            out.put_string(required(self.name.as_ref(), "DeletableTopicResult.name", version)?, form)?;
        };
        if version == 6 {
            out.put_uuid(self.topic_id);
        }
        out.put_i16(self.error_code);
        if version >= 5 {
            out.put_nullable_string(self.error_message.as_ref(), form)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for DeletableTopicResult {
    fn default() -> Self {
        Self { name: Some(WireString::new()), topic_id: TopicId::default(), error_code: 0, error_message: None }
    }
}
