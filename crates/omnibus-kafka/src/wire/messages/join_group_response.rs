//! `JoinGroupResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks, required};
use crate::wire::primitive::{Form, Versions, WireString};
use bytes::Bytes;

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinGroupResponse {
    /// Versions 2 to 9.
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub generation_id: i32,
    /// Versions 7 to 9.
    pub protocol_type: Option<WireString>,
    pub protocol_name: Option<WireString>,
    pub leader: WireString,
    /// Versions 9 only.
    pub skip_assignment: bool,
    pub member_id: WireString,
    pub members: Vec<JoinGroupResponseMember>,
}

impl JoinGroupResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 9 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(6, version);
        let this = Self {
            throttle_time_ms: if version >= 2 { input.i32()? } else { 0 },
            error_code: input.i16()?,
            generation_id: input.i32()?,
            protocol_type: if version >= 7 { input.nullable_string(form)? } else { None },
            protocol_name: if version >= 7 { input.nullable_string(form)? } else { Some(input.string(form)?) },
            leader: input.string(form)?,
            skip_assignment: if version == 9 { input.bool()? } else { false },
            member_id: input.string(form)?,
            members: input.array(form, 4, |input| JoinGroupResponseMember::decode(input, version))?,
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
        let form = Form::compact_from(6, version);
        if version >= 2 {
            out.put_i32(self.throttle_time_ms);
        }
        out.put_i16(self.error_code);
        out.put_i32(self.generation_id);
        if version >= 7 {
            out.put_nullable_string(self.protocol_type.as_ref(), form)?;
        }
        if version >= 7 {
            out.put_nullable_string(self.protocol_name.as_ref(), form)?;
        } else {
            out.put_string(required(self.protocol_name.as_ref(), "JoinGroupResponse.protocol_name", version)?, form)?;
        };
        out.put_string(&self.leader, form)?;
        if version == 9 {
            out.put_bool(self.skip_assignment);
        } else {
            lacks(self.skip_assignment, "JoinGroupResponse.skip_assignment", version)?;
        }
        out.put_string(&self.member_id, form)?;
        out.put_array(&self.members, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for JoinGroupResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            generation_id: -1,
            protocol_type: None,
            protocol_name: Some(WireString::new()),
            leader: WireString::new(),
            skip_assignment: false,
            member_id: WireString::new(),
            members: Vec::new(),
        }
    }
}

/// The struct `JoinGroupResponseMember` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JoinGroupResponseMember {
    pub member_id: WireString,
    /// Versions 5 to 9.
    pub group_instance_id: Option<WireString>,
    pub metadata: Bytes,
}

impl JoinGroupResponseMember {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(6, version);
        let this = Self {
            member_id: input.string(form)?,
            group_instance_id: if version >= 5 { input.nullable_string(form)? } else { None },
            metadata: input.bytes(form)?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(6, version);
        out.put_string(&self.member_id, form)?;
        if version >= 5 {
            out.put_nullable_string(self.group_instance_id.as_ref(), form)?;
        }
        out.put_bytes(&self.metadata, form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
