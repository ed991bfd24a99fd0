//! `HeartbeatRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeartbeatRequest {
    pub group_id: WireString,
    pub generation_id: i32,
    pub member_id: WireString,
    /// Versions 3 to 4.
    pub group_instance_id: Option<WireString>,
}

impl HeartbeatRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 4 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(4, version);
        let this = Self {
            group_id: input.string(form)?,
            generation_id: input.i32()?,
            member_id: input.string(form)?,
            group_instance_id: if version >= 3 { input.nullable_string(form)? } else { None },
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
        out.put_string(&self.group_id, form)?;
        out.put_i32(self.generation_id);
        out.put_string(&self.member_id, form)?;
        if version >= 3 {
            out.put_nullable_string(self.group_instance_id.as_ref(), form)?;
        } else {
            lacks(self.group_instance_id.is_some(), "HeartbeatRequest.group_instance_id", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
