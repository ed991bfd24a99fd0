//! `DescribeClusterRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::Versions;

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeClusterRequest {
    pub include_cluster_authorized_operations: bool,
    /// Versions 1 to 2.
    pub endpoint_type: i8,
    /// Versions 2 only.
    pub include_fenced_brokers: bool,
}

impl DescribeClusterRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 2 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let this = Self {
            include_cluster_authorized_operations: input.bool()?,
            endpoint_type: if version >= 1 { input.i8()? } else { 1 },
            include_fenced_brokers: if version == 2 { input.bool()? } else { false },
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
        out.put_bool(self.include_cluster_authorized_operations);
        if version >= 1 {
            out.put_i8(self.endpoint_type);
        } else {
            lacks(self.endpoint_type != 1, "DescribeClusterRequest.endpoint_type", version)?;
        }
        if version == 2 {
            out.put_bool(self.include_fenced_brokers);
        } else {
            lacks(self.include_fenced_brokers, "DescribeClusterRequest.include_fenced_brokers", version)?;
        }
        out.put_no_tags();
        Ok(())
    }
}

impl Default for DescribeClusterRequest {
    fn default() -> Self {
        Self { include_cluster_authorized_operations: false, endpoint_type: 1, include_fenced_brokers: false }
    }
}
