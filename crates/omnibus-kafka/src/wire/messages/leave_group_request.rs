//! `LeaveGroupRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeaveGroupRequest {
    pub group_id: WireString,
    /// Versions 0 to 2.
    pub member_id: WireString,
    /// Versions 3 to 5.
    pub members: Vec<MemberIdentity>,
}

impl LeaveGroupRequest {
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
            group_id: input.string(form)?,
            member_id: if version <= 2 { input.string(form)? } else { WireString::new() },
            members: if version >= 3 {
                input.array(form, 3, |input| MemberIdentity::decode(input, version))?
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
        out.put_string(&self.group_id, form)?;
        if version <= 2 {
            out.put_string(&self.member_id, form)?;
        } else {
            lacks(!self.member_id.is_empty(), "LeaveGroupRequest.member_id", version)?;
        }
        if version >= 3 {
            out.put_array(&self.members, form, |out, item| item.encode(out, version))?;
        } else {
            lacks(!self.members.is_empty(), "LeaveGroupRequest.members", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `MemberIdentity` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberIdentity {
    pub member_id: WireString,
    pub group_instance_id: Option<WireString>,
    /// Versions 5 only.
    pub reason: Option<WireString>,
}

impl MemberIdentity {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(4, version);
        let this = Self {
            member_id: input.string(form)?,
            group_instance_id: input.nullable_string(form)?,
            reason: if version == 5 { input.nullable_string(form)? } else { None },
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
        if version == 5 {
            out.put_nullable_string(self.reason.as_ref(), form)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
