//! `CreateTopicsRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTopicsRequest {
    pub topics: Vec<CreatableTopic>,
    pub timeout_ms: i32,
    pub validate_only: bool,
}

impl CreateTopicsRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 2, max: 7 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(5, version);
        let this = Self {
            topics: input.array(form, 10, |input| CreatableTopic::decode(input, version))?,
            timeout_ms: input.i32()?,
            validate_only: input.bool()?,
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
        let form = Form::compact_from(5, version);
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        out.put_i32(self.timeout_ms);
        out.put_bool(self.validate_only);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for CreateTopicsRequest {
    fn default() -> Self {
        Self { topics: Vec::new(), timeout_ms: 60000, validate_only: false }
    }
}

/// The struct `CreatableTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatableTopic {
    pub name: WireString,
    pub num_partitions: i32,
    pub replication_factor: i16,
    pub assignments: Vec<CreatableReplicaAssignment>,
    pub configs: Vec<CreatableTopicConfig>,
}

impl CreatableTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(5, version);
        let this = Self {
            name: input.string(form)?,
            num_partitions: input.i32()?,
            replication_factor: input.i16()?,
            assignments: input.array(form, 6, |input| CreatableReplicaAssignment::decode(input, version))?,
            configs: input.array(form, 3, |input| CreatableTopicConfig::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(5, version);
        out.put_string(&self.name, form)?;
        out.put_i32(self.num_partitions);
        out.put_i16(self.replication_factor);
        out.put_array(&self.assignments, form, |out, item| item.encode(out, version))?;
        out.put_array(&self.configs, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `CreatableReplicaAssignment` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatableReplicaAssignment {
    pub partition_index: i32,
    pub broker_ids: Vec<i32>,
}

impl CreatableReplicaAssignment {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(5, version);
        let this = Self { partition_index: input.i32()?, broker_ids: input.array(form, 4, |input| input.i32())? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(5, version);
        out.put_i32(self.partition_index);
        out.put_array(&self.broker_ids, form, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `CreatableTopicConfig` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatableTopicConfig {
    pub name: WireString,
    pub value: Option<WireString>,
}

impl CreatableTopicConfig {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(5, version);
        let this = Self { name: input.string(form)?, value: input.nullable_string(form)? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(5, version);
        out.put_string(&self.name, form)?;
        out.put_nullable_string(self.value.as_ref(), form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
