//! `SyncGroupResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};
use bytes::Bytes;

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncGroupResponse {
    /// Versions 1 to 5.
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// Versions 5 only.
    pub protocol_type: Option<WireString>,
    /// Versions 5 only.
    pub protocol_name: Option<WireString>,
    pub assignment: Bytes,
}

impl SyncGroupResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 5 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(4, version);
        let this = Self {
            throttle_time_ms: if version >= 1 { input.i32()? } else { 0 },
            error_code: input.i16()?,
            protocol_type: if version == 5 { input.nullable_string(form)? } else { None },
            protocol_name: if version == 5 { input.nullable_string(form)? } else { None },
            assignment: input.bytes(form)?,
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
        if version >= 1 {
            out.put_i32(self.throttle_time_ms);
        }
        out.put_i16(self.error_code);
        if version == 5 {
            out.put_nullable_string(self.protocol_type.as_ref(), form)?;
        }
        if version == 5 {
            out.put_nullable_string(self.protocol_name.as_ref(), form)?;
        }
        out.put_bytes(&self.assignment, form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
