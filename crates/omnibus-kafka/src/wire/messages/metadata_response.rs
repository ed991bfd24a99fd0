//! `MetadataResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks, required};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataResponse {
    /// Versions 3 to 13.
    pub throttle_time_ms: i32,
    pub brokers: Vec<MetadataResponseBroker>,
    /// Versions 2 to 13.
    pub cluster_id: Option<WireString>,
    /// Versions 1 to 13.
    pub controller_id: i32,
    pub topics: Vec<MetadataResponseTopic>,
    /// Versions 8 to 10.
    pub cluster_authorized_operations: i32,
    /// Versions 13 only.
    pub error_code: i16,
}

impl MetadataResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 13 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(9, version);
        let this = Self {
            throttle_time_ms: if version >= 3 { input.i32()? } else { 0 },
            brokers: input.array(form, 10, |input| MetadataResponseBroker::decode(input, version))?,
            cluster_id: if version >= 2 { input.nullable_string(form)? } else { None },
            controller_id: if version >= 1 { input.i32()? } else { -1 },
            topics: input.array(form, 8, |input| MetadataResponseTopic::decode(input, version))?,
            cluster_authorized_operations: if (8..=10).contains(&version) { input.i32()? } else { -2147483648 },
            error_code: if version == 13 { input.i16()? } else { 0 },
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
        let form = Form::compact_from(9, version);
        if version >= 3 {
            out.put_i32(self.throttle_time_ms);
        }
        out.put_array(&self.brokers, form, |out, item| item.encode(out, version))?;
        if version >= 2 {
            out.put_nullable_string(self.cluster_id.as_ref(), form)?;
        }
        if version >= 1 {
            out.put_i32(self.controller_id);
        }
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        if (8..=10).contains(&version) {
            out.put_i32(self.cluster_authorized_operations);
        } else {
            lacks(
                self.cluster_authorized_operations != -2147483648,
                "MetadataResponse.cluster_authorized_operations",
                version,
            )?;
        }
        if version == 13 {
            out.put_i16(self.error_code);
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for MetadataResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            brokers: Vec::new(),
            cluster_id: None,
            controller_id: -1,
            topics: Vec::new(),
            cluster_authorized_operations: -2147483648,
            error_code: 0,
        }
    }
}

/// The struct `MetadataResponseBroker` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataResponseBroker {
    pub node_id: i32,
    pub host: WireString,
    pub port: i32,
    /// Versions 1 to 13.
    pub rack: Option<WireString>,
}

impl MetadataResponseBroker {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(9, version);
        let this = Self {
            node_id: input.i32()?,
            host: input.string(form)?,
            port: input.i32()?,
            rack: if version >= 1 { input.nullable_string(form)? } else { None },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(9, version);
        out.put_i32(self.node_id);
        out.put_string(&self.host, form)?;
        out.put_i32(self.port);
        if version >= 1 {
            out.put_nullable_string(self.rack.as_ref(), form)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `MetadataResponseTopic` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataResponseTopic {
    pub error_code: i16,
    pub name: Option<WireString>,
    /// Versions 10 to 13.
    pub topic_id: TopicId,
    /// Versions 1 to 13.
    pub is_internal: bool,
    pub partitions: Vec<MetadataResponsePartition>,
    /// Versions 8 to 13.
    pub topic_authorized_operations: i32,
}

impl MetadataResponseTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(9, version);
        let this = Self {
            error_code: input.i16()?,
            name: if version >= 12 { input.nullable_string(form)? } else { Some(input.string(form)?) },
            topic_id: if version >= 10 { input.uuid()? } else { TopicId::default() },
            is_internal: if version >= 1 { input.bool()? } else { false },
            partitions: input.array(form, 18, |input| MetadataResponsePartition::decode(input, version))?,
            topic_authorized_operations: if version >= 8 { input.i32()? } else { -2147483648 },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(9, version);
        out.put_i16(self.error_code);
        if version >= 12 {
            out.put_nullable_string(self.name.as_ref(), form)?;
        } else {
            out.put_string(required(self.name.as_ref(), "MetadataResponseTopic.name", version)?, form)?;
        };
        if version >= 10 {
            out.put_uuid(self.topic_id);
        }
        if version >= 1 {
            out.put_bool(self.is_internal);
        }
        out.put_array(&self.partitions, form, |out, item| item.encode(out, version))?;
        if version >= 8 {
            out.put_i32(self.topic_authorized_operations);
        } else {
            lacks(
                self.topic_authorized_operations != -2147483648,
                "MetadataResponseTopic.topic_authorized_operations",
                version,
            )?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for MetadataResponseTopic {
    fn default() -> Self {
        Self {
            error_code: 0,
            name: Some(WireString::new()),
            topic_id: TopicId::default(),
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: -2147483648,
        }
    }
}

/// The struct `MetadataResponsePartition` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataResponsePartition {
    pub error_code: i16,
    pub partition_index: i32,
    pub leader_id: i32,
    /// Versions 7 to 13.
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    /// Versions 5 to 13.
    pub offline_replicas: Vec<i32>,
}

impl MetadataResponsePartition {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(9, version);
        let this = Self {
            error_code: input.i16()?,
            partition_index: input.i32()?,
            leader_id: input.i32()?,
            leader_epoch: if version >= 7 { input.i32()? } else { -1 },
            replica_nodes: input.array(form, 4, |input| input.i32())?,
            isr_nodes: input.array(form, 4, |input| input.i32())?,
            offline_replicas: if version >= 5 { input.array(form, 4, |input| input.i32())? } else { Vec::new() },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(9, version);
        out.put_i16(self.error_code);
        out.put_i32(self.partition_index);
        out.put_i32(self.leader_id);
        if version >= 7 {
            out.put_i32(self.leader_epoch);
        }
        out.put_array(&self.replica_nodes, form, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        out.put_array(&self.isr_nodes, form, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        if version >= 5 {
            out.put_array(&self.offline_replicas, form, |out, item| {
                out.put_i32(*item);
                Ok(())
            })?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for MetadataResponsePartition {
    fn default() -> Self {
        Self {
            error_code: 0,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            offline_replicas: Vec::new(),
        }
    }
}
