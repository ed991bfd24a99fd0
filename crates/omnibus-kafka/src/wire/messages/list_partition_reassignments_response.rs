//! `ListPartitionReassignmentsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPartitionReassignmentsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<WireString>,
    pub topics: Vec<OngoingTopicReassignment>,
}

impl ListPartitionReassignmentsResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 0 };

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
            topics: input.array(Form::Compact, 3, |input| OngoingTopicReassignment::decode(input, version))?,
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
        out.put_array(&self.topics, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `OngoingTopicReassignment` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OngoingTopicReassignment {
    pub name: WireString,
    pub partitions: Vec<OngoingPartitionReassignment>,
}

impl OngoingTopicReassignment {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: input.string(Form::Compact)?,
            partitions: input.array(Form::Compact, 8, |input| OngoingPartitionReassignment::decode(input, version))?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.name, Form::Compact)?;
        out.put_array(&self.partitions, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `OngoingPartitionReassignment` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OngoingPartitionReassignment {
    pub partition_index: i32,
    pub replicas: Vec<i32>,
    pub adding_replicas: Vec<i32>,
    pub removing_replicas: Vec<i32>,
}

impl OngoingPartitionReassignment {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: input.i32()?,
            replicas: input.array(Form::Compact, 4, |input| input.i32())?,
            adding_replicas: input.array(Form::Compact, 4, |input| input.i32())?,
            removing_replicas: input.array(Form::Compact, 4, |input| input.i32())?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.partition_index);
        out.put_array(&self.replicas, Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_array(&self.adding_replicas, Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_array(&self.removing_replicas, Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_no_tags();
        Ok(())
    }
}
