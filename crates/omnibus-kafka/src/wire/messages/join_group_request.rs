//! `JoinGroupRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};
use bytes::Bytes;

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinGroupRequest {
    pub group_id: WireString,
    pub session_timeout_ms: i32,
    /// Versions 1 to 9.
    pub rebalance_timeout_ms: i32,
    pub member_id: WireString,
    /// Versions 5 to 9.
    pub group_instance_id: Option<WireString>,
    pub protocol_type: WireString,
    pub protocols: Vec<JoinGroupRequestProtocol>,
    /// Versions 8 to 9.
    pub reason: Option<WireString>,
}

impl JoinGroupRequest {
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
            group_id: input.string(form)?,
            session_timeout_ms: input.i32()?,
            rebalance_timeout_ms: if version >= 1 { input.i32()? } else { -1 },
            member_id: input.string(form)?,
            group_instance_id: if version >= 5 { input.nullable_string(form)? } else { None },
            protocol_type: input.string(form)?,
            protocols: input.array(form, 3, |input| JoinGroupRequestProtocol::decode(input, version))?,
            reason: if version >= 8 { input.nullable_string(form)? } else { None },
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
        out.put_string(&self.group_id, form)?;
        out.put_i32(self.session_timeout_ms);
        if version >= 1 {
            out.put_i32(self.rebalance_timeout_ms);
        }
        out.put_string(&self.member_id, form)?;
        if version >= 5 {
            out.put_nullable_string(self.group_instance_id.as_ref(), form)?;
        } else {
            lacks(self.group_instance_id.is_some(), "JoinGroupRequest.group_instance_id", version)?;
        }
        out.put_string(&self.protocol_type, form)?;
        out.put_array(&self.protocols, form, |out, item| item.encode(out, version))?;
        if version >= 8 {
            out.put_nullable_string(self.reason.as_ref(), form)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for JoinGroupRequest {
    fn default() -> Self {
        Self {
            group_id: WireString::new(),
            session_timeout_ms: 0,
            rebalance_timeout_ms: -1,
            member_id: WireString::new(),
            group_instance_id: None,
            protocol_type: WireString::new(),
            protocols: Vec::new(),
            reason: None,
        }
    }
}

/// The struct `JoinGroupRequestProtocol` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JoinGroupRequestProtocol {
    pub name: WireString,
    pub metadata: Bytes,
}

impl JoinGroupRequestProtocol {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(6, version);
        let this = Self { name: input.string(form)?, metadata: input.bytes(form)? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(6, version);
        out.put_string(&self.name, form)?;
        out.put_bytes(&self.metadata, form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
