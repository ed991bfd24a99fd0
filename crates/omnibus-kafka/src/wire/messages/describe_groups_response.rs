//! `DescribeGroupsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};
use bytes::Bytes;

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeGroupsResponse {
    /// Versions 1 to 6.
    pub throttle_time_ms: i32,
    pub groups: Vec<DescribedGroup>,
}

impl DescribeGroupsResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 6 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(5, version);
        let this = Self {
            throttle_time_ms: if version >= 1 { input.i32()? } else { 0 },
            groups: input.array(form, 12, |input| DescribedGroup::decode(input, version))?,
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
        let form = Form::compact_from(5, version);
        if version >= 1 {
            out.put_i32(self.throttle_time_ms);
        }
        out.put_array(&self.groups, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `DescribedGroup` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedGroup {
    pub error_code: i16,
    /// Versions 6 only.
    pub error_message: Option<WireString>,
    pub group_id: WireString,
    pub group_state: WireString,
    pub protocol_type: WireString,
    pub protocol_data: WireString,
    pub members: Vec<DescribedGroupMember>,
    /// Versions 3 to 6.
    pub authorized_operations: i32,
}

impl DescribedGroup {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(5, version);
        let this = Self {
            error_code: input.i16()?,
            error_message: if version == 6 { input.nullable_string(form)? } else { None },
            group_id: input.string(form)?,
            group_state: input.string(form)?,
            protocol_type: input.string(form)?,
            protocol_data: input.string(form)?,
            members: input.array(form, 7, |input| DescribedGroupMember::decode(input, version))?,
            authorized_operations: if version >= 3 { input.i32()? } else { -2147483648 },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(5, version);
        out.put_i16(self.error_code);
        if version == 6 {
            out.put_nullable_string(self.error_message.as_ref(), form)?;
        } else {
            lacks(self.error_message.is_some(), "DescribedGroup.error_message", version)?;
        }
        out.put_string(&self.group_id, form)?;
        out.put_string(&self.group_state, form)?;
        out.put_string(&self.protocol_type, form)?;
        out.put_string(&self.protocol_data, form)?;
        out.put_array(&self.members, form, |out, item| item.encode(out, version))?;
        if version >= 3 {
            out.put_i32(self.authorized_operations);
        } else {
            lacks(self.authorized_operations != -2147483648, "DescribedGroup.authorized_operations", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for DescribedGroup {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: None,
            group_id: WireString::new(),
            group_state: WireString::new(),
            protocol_type: WireString::new(),
            protocol_data: WireString::new(),
            members: Vec::new(),
            authorized_operations: -2147483648,
        }
    }
}

/// The struct `DescribedGroupMember` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribedGroupMember {
    pub member_id: WireString,
    /// Versions 4 to 6.
    pub group_instance_id: Option<WireString>,
    pub client_id: WireString,
    pub client_host: WireString,
    pub member_metadata: Bytes,
    pub member_assignment: Bytes,
}

impl DescribedGroupMember {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(5, version);
        let this = Self {
            member_id: input.string(form)?,
            group_instance_id: if version >= 4 { input.nullable_string(form)? } else { None },
            client_id: input.string(form)?,
            client_host: input.string(form)?,
            member_metadata: input.bytes(form)?,
            member_assignment: input.bytes(form)?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(5, version);
        out.put_string(&self.member_id, form)?;
        if version >= 4 {
            out.put_nullable_string(self.group_instance_id.as_ref(), form)?;
        }
        out.put_string(&self.client_id, form)?;
        out.put_string(&self.client_host, form)?;
        out.put_bytes(&self.member_metadata, form)?;
        out.put_bytes(&self.member_assignment, form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
