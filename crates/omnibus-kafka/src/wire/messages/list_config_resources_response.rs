//! `ListConfigResourcesResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListConfigResourcesResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub config_resources: Vec<ConfigResource>,
}

impl ListConfigResourcesResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 1 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let this = Self {
            throttle_time_ms: input.i32()?,
            error_code: input.i16()?,
            config_resources: input.array(Form::Compact, 2, |input| ConfigResource::decode(input, version))?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        out.put_i32(self.throttle_time_ms);
        out.put_i16(self.error_code);
        out.put_array(&self.config_resources, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `ConfigResource` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigResource {
    pub resource_name: WireString,
    /// Versions 1 only.
    pub resource_type: i8,
}

impl ConfigResource {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            resource_name: input.string(Form::Compact)?,
            resource_type: if version == 1 { input.i8()? } else { 16 },
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.resource_name, Form::Compact)?;
        if version == 1 {
            out.put_i8(self.resource_type);
        }
        out.put_no_tags();
        Ok(())
    }
}

impl Default for ConfigResource {
    fn default() -> Self {
        Self { resource_name: WireString::new(), resource_type: 16 }
    }
}
