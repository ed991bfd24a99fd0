//! `FindCoordinatorResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindCoordinatorResponse {
    /// Versions 1 to 6.
    pub throttle_time_ms: i32,
    /// Versions 0 to 3.
    pub error_code: i16,
    /// Versions 1 to 3.
    pub error_message: Option<WireString>,
    /// Versions 0 to 3.
    pub node_id: i32,
    /// Versions 0 to 3.
    pub host: WireString,
    /// Versions 0 to 3.
    pub port: i32,
    /// Versions 4 to 6.
    pub coordinators: Vec<Coordinator>,
}

impl FindCoordinatorResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 6 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(3, version);
        let this = Self {
            throttle_time_ms: if version >= 1 { input.i32()? } else { 0 },
            error_code: if version <= 3 { input.i16()? } else { 0 },
            error_message: if (1..=3).contains(&version) { input.nullable_string(form)? } else { None },
            node_id: if version <= 3 { input.i32()? } else { 0 },
            host: if version <= 3 { input.string(form)? } else { WireString::new() },
            port: if version <= 3 { input.i32()? } else { 0 },
            coordinators: if version >= 4 {
                input.array(form, 14, |input| Coordinator::decode(input, version))?
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
        let form = Form::compact_from(3, version);
        if version >= 1 {
            out.put_i32(self.throttle_time_ms);
        }
        if version <= 3 {
            out.put_i16(self.error_code);
        } else {
            lacks(self.error_code != 0, "FindCoordinatorResponse.error_code", version)?;
        }
        if (1..=3).contains(&version) {
            out.put_nullable_string(self.error_message.as_ref(), form)?;
        }
        if version <= 3 {
            out.put_i32(self.node_id);
        } else {
            lacks(self.node_id != 0, "FindCoordinatorResponse.node_id", version)?;
        }
        if version <= 3 {
            out.put_string(&self.host, form)?;
        } else {
            lacks(!self.host.is_empty(), "FindCoordinatorResponse.host", version)?;
        }
        if version <= 3 {
            out.put_i32(self.port);
        } else {
            lacks(self.port != 0, "FindCoordinatorResponse.port", version)?;
        }
        if version >= 4 {
            out.put_array(&self.coordinators, form, |out, item| item.encode(out, version))?;
        } else {
            lacks(!self.coordinators.is_empty(), "FindCoordinatorResponse.coordinators", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `Coordinator` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coordinator {
    pub key: WireString,
    pub node_id: i32,
    pub host: WireString,
    pub port: i32,
    pub error_code: i16,
    pub error_message: Option<WireString>,
}

impl Coordinator {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            key: input.string(Form::Compact)?,
            node_id: input.i32()?,
            host: input.string(Form::Compact)?,
            port: input.i32()?,
            error_code: input.i16()?,
            error_message: input.nullable_string(Form::Compact)?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.key, Form::Compact)?;
        out.put_i32(self.node_id);
        out.put_string(&self.host, Form::Compact)?;
        out.put_i32(self.port);
        out.put_i16(self.error_code);
        out.put_nullable_string(self.error_message.as_ref(), Form::Compact)?;
        out.put_no_tags();
        Ok(())
    }
}
