//! `ListConfigResourcesRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListConfigResourcesRequest {
    /// Versions 1 only.
    pub resource_types: Vec<i8>,
}

impl ListConfigResourcesRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 1 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let this = Self {
            resource_types: if version == 1 { input.array(Form::Compact, 1, |input| input.i8())? } else { Vec::new() },
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
        if version == 1 {
            out.put_array(&self.resource_types, Form::Compact, |out, item| {
                out.put_i8(*item);
                Ok(())
            })?;
        } else {
            lacks(!self.resource_types.is_empty(), "ListConfigResourcesRequest.resource_types", version)?;
        }
        out.put_no_tags();
        Ok(())
    }
}
