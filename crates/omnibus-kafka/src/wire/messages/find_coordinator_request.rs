//! `FindCoordinatorRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindCoordinatorRequest {
    /// Versions 0 to 3.
    pub key: WireString,
    /// Versions 1 to 6.
    pub key_type: i8,
    /// Versions 4 to 6.
    pub coordinator_keys: Vec<WireString>,
}

impl FindCoordinatorRequest {
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
            key: if version <= 3 { input.string(form)? } else { WireString::new() },
            key_type: if version >= 1 { input.i8()? } else { 0 },
            coordinator_keys: if version >= 4 { input.array(form, 1, |input| input.string(form))? } else { Vec::new() },
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
        if version <= 3 {
            out.put_string(&self.key, form)?;
        } else {
            lacks(!self.key.is_empty(), "FindCoordinatorRequest.key", version)?;
        }
        if version >= 1 {
            out.put_i8(self.key_type);
        } else {
            lacks(self.key_type != 0, "FindCoordinatorRequest.key_type", version)?;
        }
        if version >= 4 {
            out.put_array(&self.coordinator_keys, form, |out, item| out.put_string(item, form))?;
        } else {
            lacks(!self.coordinator_keys.is_empty(), "FindCoordinatorRequest.coordinator_keys", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
