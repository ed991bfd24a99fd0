//! `ConsumerGroupHeartbeatResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumerGroupHeartbeatResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<WireString>,
    pub member_id: Option<WireString>,
    pub member_epoch: i32,
    pub heartbeat_interval_ms: i32,
    pub assignment: Option<Assignment>,
}

impl ConsumerGroupHeartbeatResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 1 };

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
            member_id: input.nullable_string(Form::Compact)?,
            member_epoch: input.i32()?,
            heartbeat_interval_ms: input.i32()?,
            assignment: input.nullable_struct(|input| Assignment::decode(input, version))?,
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
        out.put_nullable_string(self.member_id.as_ref(), Form::Compact)?;
        out.put_i32(self.member_epoch);
        out.put_i32(self.heartbeat_interval_ms);
        out.put_nullable_struct(self.assignment.as_ref(), |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `Assignment` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    pub topic_partitions: Vec<TopicPartitions>,
}

impl Assignment {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this =
            Self { topic_partitions: input.array(Form::Compact, 18, |input| TopicPartitions::decode(input, version))? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_array(&self.topic_partitions, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `TopicPartitions` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicPartitions {
    pub topic_id: TopicId,
    pub partitions: Vec<i32>,
}

impl TopicPartitions {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_id: input.uuid()?, partitions: input.array(Form::Compact, 4, |input| input.i32())? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_uuid(self.topic_id);
        out.put_array(&self.partitions, Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_no_tags();
        Ok(())
    }
}
