//! `DescribeQuorumResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeQuorumResponse {
    pub error_code: i16,
    /// Versions 2 only.
    pub error_message: Option<WireString>,
    pub topics: Vec<TopicData>,
    /// Versions 2 only.
    pub nodes: Vec<Node>,
}

impl DescribeQuorumResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 2 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let this = Self {
            error_code: input.i16()?,
            error_message: if version == 2 { input.nullable_string(Form::Compact)? } else { None },
            topics: input.array(Form::Compact, 3, |input| TopicData::decode(input, version))?,
            nodes: if version == 2 {
                input.array(Form::Compact, 6, |input| Node::decode(input, version))?
            } else {
                Vec::new()
            },
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
        out.put_i16(self.error_code);
        if version == 2 {
            out.put_nullable_string(self.error_message.as_ref(), Form::Compact)?;
        }
        out.put_array(&self.topics, Form::Compact, |out, item| item.encode(out, version))?;
        if version == 2 {
            out.put_array(&self.nodes, Form::Compact, |out, item| item.encode(out, version))?;
        } else {
            lacks(!self.nodes.is_empty(), "DescribeQuorumResponse.nodes", version)?;
        }
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `TopicData` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicData {
    pub topic_name: WireString,
    pub partitions: Vec<PartitionData>,
}

impl TopicData {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topic_name: input.string(Form::Compact)?,
            partitions: input.array(Form::Compact, 25, |input| PartitionData::decode(input, version))?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.topic_name, Form::Compact)?;
        out.put_array(&self.partitions, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `PartitionData` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionData {
    pub partition_index: i32,
    pub error_code: i16,
    /// Versions 2 only.
    pub error_message: Option<WireString>,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub high_watermark: i64,
    pub current_voters: Vec<ReplicaState>,
    pub observers: Vec<ReplicaState>,
}

impl PartitionData {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: input.i32()?,
            error_code: input.i16()?,
            error_message: if version == 2 { input.nullable_string(Form::Compact)? } else { None },
            leader_id: input.i32()?,
            leader_epoch: input.i32()?,
            high_watermark: input.i64()?,
            current_voters: input.array(Form::Compact, 13, |input| ReplicaState::decode(input, version))?,
            observers: input.array(Form::Compact, 13, |input| ReplicaState::decode(input, version))?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.partition_index);
        out.put_i16(self.error_code);
        if version == 2 {
            out.put_nullable_string(self.error_message.as_ref(), Form::Compact)?;
        }
        out.put_i32(self.leader_id);
        out.put_i32(self.leader_epoch);
        out.put_i64(self.high_watermark);
        out.put_array(&self.current_voters, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_array(&self.observers, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `ReplicaState` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaState {
    pub replica_id: i32,
    /// Versions 2 only.
    pub replica_directory_id: TopicId,
    pub log_end_offset: i64,
    /// Versions 1 to 2.
    pub last_fetch_timestamp: i64,
    /// Versions 1 to 2.
    pub last_caught_up_timestamp: i64,
}

impl ReplicaState {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            replica_id: input.i32()?,
            replica_directory_id: if version == 2 { input.uuid()? } else { TopicId::default() },
            log_end_offset: input.i64()?,
            last_fetch_timestamp: if version >= 1 { input.i64()? } else { -1 },
            last_caught_up_timestamp: if version >= 1 { input.i64()? } else { -1 },
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.replica_id);
        if version == 2 {
            out.put_uuid(self.replica_directory_id);
        } else {
            lacks(self.replica_directory_id != TopicId::default(), "ReplicaState.replica_directory_id", version)?;
        }
        out.put_i64(self.log_end_offset);
        if version >= 1 {
            out.put_i64(self.last_fetch_timestamp);
        }
        if version >= 1 {
            out.put_i64(self.last_caught_up_timestamp);
        }
        out.put_no_tags();
        Ok(())
    }
}

impl Default for ReplicaState {
    fn default() -> Self {
        Self {
            replica_id: 0,
            replica_directory_id: TopicId::default(),
            log_end_offset: 0,
            last_fetch_timestamp: -1,
            last_caught_up_timestamp: -1,
        }
    }
}

/// The struct `Node` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    pub node_id: i32,
    pub listeners: Vec<Listener>,
}

impl Node {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            node_id: input.i32()?,
            listeners: input.array(Form::Compact, 5, |input| Listener::decode(input, version))?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.node_id);
        out.put_array(&self.listeners, Form::Compact, |out, item| item.encode(out, version))?;
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `Listener` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listener {
    pub name: WireString,
    pub host: WireString,
    pub port: u16,
}

impl Listener {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { name: input.string(Form::Compact)?, host: input.string(Form::Compact)?, port: input.u16()? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.name, Form::Compact)?;
        out.put_string(&self.host, Form::Compact)?;
        out.put_u16(self.port);
        out.put_no_tags();
        Ok(())
    }
}
