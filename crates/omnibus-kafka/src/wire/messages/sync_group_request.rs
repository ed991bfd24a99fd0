//! `SyncGroupRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};
use bytes::Bytes;

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncGroupRequest {
    pub group_id: WireString,
    pub generation_id: i32,
    pub member_id: WireString,
    /// Versions 3 to 5.
    pub group_instance_id: Option<WireString>,
    /// Versions 5 only.
    pub protocol_type: Option<WireString>,
    /// Versions 5 only.
    pub protocol_name: Option<WireString>,
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

impl SyncGroupRequest {
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
            generation_id: input.i32()?,
            member_id: input.string(form)?,
            group_instance_id: if version >= 3 { input.nullable_string(form)? } else { None },
            protocol_type: if version == 5 { input.nullable_string(form)? } else { None },
            protocol_name: if version == 5 { input.nullable_string(form)? } else { None },
            assignments: input.array(form, 3, |input| SyncGroupRequestAssignment::decode(input, version))?,
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
            lacks(self.group_instance_id.is_some(), "SyncGroupRequest.group_instance_id", version)?;
        }
        if version == 5 {
            out.put_nullable_string(self.protocol_type.as_ref(), form)?;
        }
        if version == 5 {
            out.put_nullable_string(self.protocol_name.as_ref(), form)?;
        }
        out.put_array(&self.assignments, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `SyncGroupRequestAssignment` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncGroupRequestAssignment {
    pub member_id: WireString,
    pub assignment: Bytes,
}

impl SyncGroupRequestAssignment {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(4, version);
        let this = Self { member_id: input.string(form)?, assignment: input.bytes(form)? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(4, version);
        out.put_string(&self.member_id, form)?;
        out.put_bytes(&self.assignment, form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
