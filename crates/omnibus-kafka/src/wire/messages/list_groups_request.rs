//! `ListGroupsRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListGroupsRequest {
    /// Versions 4 to 5.
    pub states_filter: Vec<WireString>,
    /// Versions 5 only.
    pub types_filter: Vec<WireString>,
}

impl ListGroupsRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 5 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(3, version);
        let this = Self {
            states_filter: if version >= 4 { input.array(form, 1, |input| input.string(form))? } else { Vec::new() },
            types_filter: if version == 5 { input.array(form, 1, |input| input.string(form))? } else { Vec::new() },
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
        if version >= 4 {
            out.put_array(&self.states_filter, form, |out, item| out.put_string(item, form))?;
        } else {
            lacks(!self.states_filter.is_empty(), "ListGroupsRequest.states_filter", version)?;
        }
        if version == 5 {
            out.put_array(&self.types_filter, form, |out, item| out.put_string(item, form))?;
        } else {
            lacks(!self.types_filter.is_empty(), "ListGroupsRequest.types_filter", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
