//! `LeaveGroupResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeaveGroupResponse {
    /// Versions 1 to 5.
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// Versions 3 to 5.
    pub members: Vec<MemberResponse>,
}

impl LeaveGroupResponse {
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
            members: if version >= 3 {
                input.array(form, 5, |input| MemberResponse::decode(input, version))?
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
        let form = Form::compact_from(4, version);
        if version >= 1 {
            out.put_i32(self.throttle_time_ms);
        }
        out.put_i16(self.error_code);
        if version >= 3 {
            out.put_array(&self.members, form, |out, item| item.encode(out, version))?;
        } else {
            lacks(!self.members.is_empty(), "LeaveGroupResponse.members", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `MemberResponse` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberResponse {
    pub member_id: WireString,
    pub group_instance_id: Option<WireString>,
    pub error_code: i16,
}

impl MemberResponse {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(4, version);
        let this = Self {
            member_id: input.string(form)?,
            group_instance_id: input.nullable_string(form)?,
            error_code: input.i16()?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(4, version);
        out.put_string(&self.member_id, form)?;
        out.put_nullable_string(self.group_instance_id.as_ref(), form)?;
        out.put_i16(self.error_code);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
