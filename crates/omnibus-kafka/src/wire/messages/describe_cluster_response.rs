//! `DescribeClusterResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeClusterResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<WireString>,
    /// Versions 1 to 2.
    pub endpoint_type: i8,
    pub cluster_id: WireString,
    pub controller_id: i32,
    pub brokers: Vec<DescribeClusterBroker>,
    pub cluster_authorized_operations: i32,
}

impl DescribeClusterResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 2 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let this = Self {
            throttle_time_ms: input.i32()?,
            error_code: input.i16()?,
            error_message: input.nullable_string(Form::Compact)?,
            endpoint_type: if version >= 1 { input.i8()? } else { 1 },
            cluster_id: input.string(Form::Compact)?,
            controller_id: input.i32()?,
            brokers: input.array(Form::Compact, 11, |input| DescribeClusterBroker::decode(input, version))?,
            cluster_authorized_operations: input.i32()?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        out.put_i32(self.throttle_time_ms);
        out.put_i16(self.error_code);
        out.put_nullable_string(self.error_message.as_ref(), Form::Compact)?;
        if version >= 1 {
            out.put_i8(self.endpoint_type);
        } else {
            lacks(self.endpoint_type != 1, "DescribeClusterResponse.endpoint_type", version)?;
        }
        out.put_string(&self.cluster_id, Form::Compact)?;
        out.put_i32(self.controller_id);
        out.put_array(&self.brokers, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_i32(self.cluster_authorized_operations);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for DescribeClusterResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            error_message: None,
            endpoint_type: 1,
            cluster_id: WireString::new(),
            controller_id: -1,
            brokers: Vec::new(),
            cluster_authorized_operations: -2147483648,
        }
    }
}

/// The struct `DescribeClusterBroker` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeClusterBroker {
    pub broker_id: i32,
    pub host: WireString,
    pub port: i32,
    pub rack: Option<WireString>,
    /// Versions 2 only.
    pub is_fenced: bool,
}

impl DescribeClusterBroker {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            broker_id: input.i32()?,
            host: input.string(Form::Compact)?,
            port: input.i32()?,
            rack: input.nullable_string(Form::Compact)?,
            is_fenced: if version == 2 { input.bool()? } else { false },
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.broker_id);
        out.put_string(&self.host, Form::Compact)?;
        out.put_i32(self.port);
        out.put_nullable_string(self.rack.as_ref(), Form::Compact)?;
        if version == 2 {
            out.put_bool(self.is_fenced);
        } else {
            lacks(self.is_fenced, "DescribeClusterBroker.is_fenced", version)?;
        }
        out.put_no_tags();
        Ok(())
    }
}
