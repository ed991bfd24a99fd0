//! `RequestHeader`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestHeader {
    pub request_api_key: i16,
    pub request_api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<WireString>,
}

impl RequestHeader {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 1, max: 2 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(2, version);
        let this = Self {
            request_api_key: input.i16()?,
            request_api_version: input.i16()?,
            correlation_id: input.i32()?,
            client_id: input.nullable_string(Form::Fixed)?,
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
        out.put_i16(self.request_api_key);
        out.put_i16(self.request_api_version);
        out.put_i32(self.correlation_id);
        out.put_nullable_string(self.client_id.as_ref(), Form::Fixed)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
