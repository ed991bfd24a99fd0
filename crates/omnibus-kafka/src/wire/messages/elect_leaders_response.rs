//! `ElectLeadersResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ElectLeadersResponse {
    pub throttle_time_ms: i32,
    /// Versions 1 to 2.
    pub error_code: i16,
    pub replica_election_results: Vec<ReplicaElectionResult>,
}

impl ElectLeadersResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 2 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(2, version);
        let this = Self {
            throttle_time_ms: input.i32()?,
            error_code: if version >= 1 { input.i16()? } else { 0 },
            replica_election_results: input.array(form, 3, |input| ReplicaElectionResult::decode(input, version))?,
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
        let form = Form::compact_from(2, version);
        out.put_i32(self.throttle_time_ms);
        if version >= 1 {
            out.put_i16(self.error_code);
        } else {
            lacks(self.error_code != 0, "ElectLeadersResponse.error_code", version)?;
        }
        out.put_array(&self.replica_election_results, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `ReplicaElectionResult` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplicaElectionResult {
    pub topic: WireString,
    pub partition_result: Vec<PartitionResult>,
}

impl ReplicaElectionResult {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this = Self {
            topic: input.string(form)?,
            partition_result: input.array(form, 8, |input| PartitionResult::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
        out.put_string(&self.topic, form)?;
        out.put_array(&self.partition_result, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `PartitionResult` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionResult {
    pub partition_id: i32,
    pub error_code: i16,
    pub error_message: Option<WireString>,
}

impl PartitionResult {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this =
            Self { partition_id: input.i32()?, error_code: input.i16()?, error_message: input.nullable_string(form)? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
        out.put_i32(self.partition_id);
        out.put_i16(self.error_code);
        out.put_nullable_string(self.error_message.as_ref(), form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
