//! `DescribeProducersResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeProducersResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<TopicResponse>,
}

impl DescribeProducersResponse {
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
            topics: input.array(Form::Compact, 3, |input| TopicResponse::decode(input, version))?,
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
        out.put_array(&self.topics, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `TopicResponse` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicResponse {
    pub name: WireString,
    pub partitions: Vec<PartitionResponse>,
}

impl TopicResponse {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: input.string(Form::Compact)?,
            partitions: input.array(Form::Compact, 9, |input| PartitionResponse::decode(input, version))?,
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

/// The struct `PartitionResponse` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionResponse {
    pub partition_index: i32,
    pub error_code: i16,
    pub error_message: Option<WireString>,
    pub active_producers: Vec<ProducerState>,
}

impl PartitionResponse {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: input.i32()?,
            error_code: input.i16()?,
            error_message: input.nullable_string(Form::Compact)?,
            active_producers: input.array(Form::Compact, 37, |input| ProducerState::decode(input, version))?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.partition_index);
        out.put_i16(self.error_code);
        out.put_nullable_string(self.error_message.as_ref(), Form::Compact)?;
        out.put_array(&self.active_producers, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `ProducerState` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducerState {
    pub producer_id: i64,
    pub producer_epoch: i32,
    pub last_sequence: i32,
    pub last_timestamp: i64,
    pub coordinator_epoch: i32,
    pub current_txn_start_offset: i64,
}

impl ProducerState {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            producer_id: input.i64()?,
            producer_epoch: input.i32()?,
            last_sequence: input.i32()?,
            last_timestamp: input.i64()?,
            coordinator_epoch: input.i32()?,
            current_txn_start_offset: input.i64()?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i64(self.producer_id);
        out.put_i32(self.producer_epoch);
        out.put_i32(self.last_sequence);
        out.put_i64(self.last_timestamp);
        out.put_i32(self.coordinator_epoch);
        out.put_i64(self.current_txn_start_offset);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for ProducerState {
    fn default() -> Self {
        Self {
            producer_id: 0,
            producer_epoch: 0,
            last_sequence: -1,
            last_timestamp: -1,
            coordinator_epoch: 0,
            current_txn_start_offset: -1,
        }
    }
}
