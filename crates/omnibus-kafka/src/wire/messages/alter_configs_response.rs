//! `AlterConfigsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlterConfigsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<AlterConfigsResourceResponse>,
}

impl AlterConfigsResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 2 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(2, version);
        let this = Self {
            throttle_time_ms: input.i32()?,
            responses: input.array(form, 6, |input| AlterConfigsResourceResponse::decode(input, version))?,
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
        let form = Form::compact_from(2, version);
        out.put_i32(self.throttle_time_ms);
        out.put_array(&self.responses, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `AlterConfigsResourceResponse` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlterConfigsResourceResponse {
    pub error_code: i16,
    pub error_message: Option<WireString>,
    pub resource_type: i8,
    pub resource_name: WireString,
}

impl AlterConfigsResourceResponse {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this = Self {
            error_code: input.i16()?,
            error_message: input.nullable_string(form)?,
            resource_type: input.i8()?,
            resource_name: input.string(form)?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
        out.put_i16(self.error_code);
        out.put_nullable_string(self.error_message.as_ref(), form)?;
        out.put_i8(self.resource_type);
        out.put_string(&self.resource_name, form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
