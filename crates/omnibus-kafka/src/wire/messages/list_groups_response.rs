//! `ListGroupsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListGroupsResponse {
    /// Versions 1 to 5.
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub groups: Vec<ListedGroup>,
}

impl ListGroupsResponse {
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
            throttle_time_ms: if version >= 1 { input.i32()? } else { 0 },
            error_code: input.i16()?,
            groups: input.array(form, 3, |input| ListedGroup::decode(input, version))?,
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
        out.put_i16(self.error_code);
        out.put_array(&self.groups, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `ListedGroup` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListedGroup {
    pub group_id: WireString,
    pub protocol_type: WireString,
    /// Versions 4 to 5.
    pub group_state: WireString,
    /// Versions 5 only.
    pub group_type: WireString,
}

impl ListedGroup {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(3, version);
        let this = Self {
            group_id: input.string(form)?,
            protocol_type: input.string(form)?,
            group_state: if version >= 4 { input.string(form)? } else { WireString::new() },
            group_type: if version == 5 { input.string(form)? } else { WireString::new() },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(3, version);
        out.put_string(&self.group_id, form)?;
        out.put_string(&self.protocol_type, form)?;
        if version >= 4 {
            out.put_string(&self.group_state, form)?;
        }
        if version == 5 {
            out.put_string(&self.group_type, form)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
