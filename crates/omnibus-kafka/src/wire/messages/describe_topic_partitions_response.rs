//! `DescribeTopicPartitionsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeTopicPartitionsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<DescribeTopicPartitionsResponseTopic>,
    pub next_cursor: Option<Cursor>,
}

impl DescribeTopicPartitionsResponse {
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
            topics: input
                .array(Form::Compact, 26, |input| DescribeTopicPartitionsResponseTopic::decode(input, version))?,
            next_cursor: input.nullable_struct(|input| Cursor::decode(input, version))?,
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
        out.put_nullable_struct(self.next_cursor.as_ref(), |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `DescribeTopicPartitionsResponseTopic` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeTopicPartitionsResponseTopic {
    pub error_code: i16,
    pub name: Option<WireString>,
    pub topic_id: TopicId,
    pub is_internal: bool,
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    pub topic_authorized_operations: i32,
}

impl DescribeTopicPartitionsResponseTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: input.i16()?,
            name: input.nullable_string(Form::Compact)?,
            topic_id: input.uuid()?,
            is_internal: input.bool()?,
            partitions: input
                .array(Form::Compact, 20, |input| DescribeTopicPartitionsResponsePartition::decode(input, version))?,
            topic_authorized_operations: input.i32()?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_i16(self.error_code);
        out.put_nullable_string(self.name.as_ref(), Form::Compact)?;
        out.put_uuid(self.topic_id);
        out.put_bool(self.is_internal);
        out.put_array(&self.partitions, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_i32(self.topic_authorized_operations);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for DescribeTopicPartitionsResponseTopic {
    fn default() -> Self {
        Self {
            error_code: 0,
            name: None,
            topic_id: TopicId::default(),
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: -2147483648,
        }
    }
}

/// The struct `DescribeTopicPartitionsResponsePartition` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeTopicPartitionsResponsePartition {
    pub error_code: i16,
    pub partition_index: i32,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    pub eligible_leader_replicas: Option<Vec<i32>>,
    pub last_known_elr: Option<Vec<i32>>,
    pub offline_replicas: Vec<i32>,
}

impl DescribeTopicPartitionsResponsePartition {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: input.i16()?,
            partition_index: input.i32()?,
            leader_id: input.i32()?,
            leader_epoch: input.i32()?,
            replica_nodes: input.array(Form::Compact, 4, |input| input.i32())?,
            isr_nodes: input.array(Form::Compact, 4, |input| input.i32())?,
            eligible_leader_replicas: input.nullable_array(Form::Compact, 4, |input| input.i32())?,
            last_known_elr: input.nullable_array(Form::Compact, 4, |input| input.i32())?,
            offline_replicas: input.array(Form::Compact, 4, |input| input.i32())?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i16(self.error_code);
        out.put_i32(self.partition_index);
        out.put_i32(self.leader_id);
        out.put_i32(self.leader_epoch);
        out.put_array(&self.replica_nodes, Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_array(&self.isr_nodes, Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_nullable_array(self.eligible_leader_replicas.as_deref(), Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_nullable_array(self.last_known_elr.as_deref(), Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_array(&self.offline_replicas, Form::Compact, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_no_tags();
        Ok(())
    }
}

impl Default for DescribeTopicPartitionsResponsePartition {
    fn default() -> Self {
        Self {
            error_code: 0,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            eligible_leader_replicas: None,
            last_known_elr: None,
            offline_replicas: Vec::new(),
        }
    }
}

/// The struct `Cursor` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cursor {
    pub topic_name: WireString,
    pub partition_index: i32,
}

impl Cursor {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_name: input.string(Form::Compact)?, partition_index: input.i32()? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.topic_name, Form::Compact)?;
        out.put_i32(self.partition_index);
        out.put_no_tags();
        Ok(())
    }
}
