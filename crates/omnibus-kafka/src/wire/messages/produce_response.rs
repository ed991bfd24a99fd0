//! `ProduceResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, Tags, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProduceResponse {
    pub responses: Vec<TopicProduceResponse>,
    pub throttle_time_ms: i32,
    /// Versions 10 to 13.
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl ProduceResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 3, max: 13 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(9, version);
        let mut this = Self {
            responses: input.array(form, 3, |input| TopicProduceResponse::decode(input, version))?,
            throttle_time_ms: input.i32()?,
            node_endpoints: Vec::new(),
        };
        if form == Form::Compact {
            input.tags(&mut |tag, input| {
                match tag {
                    0 if version >= 10 => {
                        this.node_endpoints =
                            input.array(Form::Compact, 11, |input| NodeEndpoint::decode(input, version))?
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(this)
    }

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version is not known or cannot say what the message says.
    pub fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        Self::VERSIONS.check_encoded(version)?;
        let form = Form::compact_from(9, version);
        out.put_array(&self.responses, form, |out, item| item.encode(out, version))?;
        out.put_i32(self.throttle_time_ms);
        if version < 10 {
            lacks(!self.node_endpoints.is_empty(), "ProduceResponse.node_endpoints", version)?;
        }
        if form == Form::Compact {
            let mut tags = Tags::default();
            if version >= 10 && !self.node_endpoints.is_empty() {
                tags.add(0, |out| {
                    out.put_array(&self.node_endpoints, Form::Compact, |out, item| item.encode(out, version))
                })?;
            }
            out.put_tags(tags)?;
        }
        Ok(())
    }
}

/// The struct `TopicProduceResponse` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicProduceResponse {
    /// Versions 3 to 12.
    pub name: WireString,
    /// Versions 13 only.
    pub topic_id: TopicId,
    pub partition_responses: Vec<PartitionProduceResponse>,
}

impl TopicProduceResponse {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(9, version);
        let this = Self {
            name: if version <= 12 { input.string(form)? } else { WireString::new() },
            topic_id: if version == 13 { input.uuid()? } else { TopicId::default() },
            partition_responses: input.array(form, 22, |input| PartitionProduceResponse::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(9, version);
        if version <= 12 {
            out.put_string(&self.name, form)?;
        }
        if version == 13 {
            out.put_uuid(self.topic_id);
        }
        out.put_array(&self.partition_responses, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `PartitionProduceResponse` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionProduceResponse {
    pub index: i32,
    pub error_code: i16,
    pub base_offset: i64,
    pub log_append_time_ms: i64,
    /// Versions 5 to 13.
    pub log_start_offset: i64,
    /// Versions 8 to 13.
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    /// Versions 8 to 13.
    pub error_message: Option<WireString>,
    /// Versions 10 to 13.
    pub current_leader: LeaderIdAndEpoch,
}

impl PartitionProduceResponse {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(9, version);
        let mut this = Self {
            index: input.i32()?,
            error_code: input.i16()?,
            base_offset: input.i64()?,
            log_append_time_ms: input.i64()?,
            log_start_offset: if version >= 5 { input.i64()? } else { -1 },
            record_errors: if version >= 8 {
                input.array(form, 6, |input| BatchIndexAndErrorMessage::decode(input, version))?
            } else {
                Vec::new()
            },
            error_message: if version >= 8 { input.nullable_string(form)? } else { None },
            current_leader: LeaderIdAndEpoch::default(),
        };
        if form == Form::Compact {
            input.tags(&mut |tag, input| {
                match tag {
                    0 if version >= 10 => this.current_leader = LeaderIdAndEpoch::decode(input, version)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(9, version);
        out.put_i32(self.index);
        out.put_i16(self.error_code);
        out.put_i64(self.base_offset);
        out.put_i64(self.log_append_time_ms);
        if version >= 5 {
            out.put_i64(self.log_start_offset);
        }
        if version >= 8 {
            out.put_array(&self.record_errors, form, |out, item| item.encode(out, version))?;
        }
        if version >= 8 {
            out.put_nullable_string(self.error_message.as_ref(), form)?;
        }
        if version < 10 {
            lacks(
                self.current_leader != LeaderIdAndEpoch::default(),
                "PartitionProduceResponse.current_leader",
                version,
            )?;
        }
        if form == Form::Compact {
            let mut tags = Tags::default();
            if version >= 10 && self.current_leader != LeaderIdAndEpoch::default() {
                tags.add(0, |out| self.current_leader.encode(out, version))?;
            }
            out.put_tags(tags)?;
        }
        Ok(())
    }
}

impl Default for PartitionProduceResponse {
    fn default() -> Self {
        Self {
            index: 0,
            error_code: 0,
            base_offset: 0,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: LeaderIdAndEpoch::default(),
        }
    }
}

/// The struct `BatchIndexAndErrorMessage` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchIndexAndErrorMessage {
    pub batch_index: i32,
    pub batch_index_error_message: Option<WireString>,
}

impl BatchIndexAndErrorMessage {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(9, version);
        let this = Self { batch_index: input.i32()?, batch_index_error_message: input.nullable_string(form)? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(9, version);
        out.put_i32(self.batch_index);
        out.put_nullable_string(self.batch_index_error_message.as_ref(), form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `LeaderIdAndEpoch` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaderIdAndEpoch {
    pub leader_id: i32,
    pub leader_epoch: i32,
}

impl LeaderIdAndEpoch {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { leader_id: input.i32()?, leader_epoch: input.i32()? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.leader_id);
        out.put_i32(self.leader_epoch);
        out.put_no_tags();
        Ok(())
    }
}

impl Default for LeaderIdAndEpoch {
    fn default() -> Self {
        Self { leader_id: -1, leader_epoch: -1 }
    }
}

/// The struct `NodeEndpoint` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: WireString,
    pub port: i32,
    pub rack: Option<WireString>,
}

impl NodeEndpoint {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            node_id: input.i32()?,
            host: input.string(Form::Compact)?,
            port: input.i32()?,
            rack: input.nullable_string(Form::Compact)?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_i32(self.node_id);
        out.put_string(&self.host, Form::Compact)?;
        out.put_i32(self.port);
        out.put_nullable_string(self.rack.as_ref(), Form::Compact)?;
        out.put_no_tags();
        Ok(())
    }
}
