//! `DeleteGroupsRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteGroupsRequest {
    pub groups_names: Vec<WireString>,
}

impl DeleteGroupsRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 2 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(2, version);
        let this = Self { groups_names: input.array(form, 1, |input| input.string(form))? };
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
        out.put_array(&self.groups_names, form, |out, item| out.put_string(item, form))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
