//! `ProduceRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use omnibus_model::TopicId;

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, Records};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProduceRequest {
    pub transactional_id: Option<WireString>,
    pub acks: i16,
    pub timeout_ms: i32,
    pub topic_data: Vec<TopicProduceData>,
}

impl ProduceRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 3, max: 13 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(9, version);
        let this = Self {
            transactional_id: input.nullable_string(form)?,
            acks: input.i16()?,
            timeout_ms: input.i32()?,
            topic_data: input.array(form, 3, |input| TopicProduceData::decode(input, version))?,
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
        out.put_nullable_string(self.transactional_id.as_ref(), form)?;
        out.put_i16(self.acks);
        out.put_i32(self.timeout_ms);
        out.put_array(&self.topic_data, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `TopicProduceData` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicProduceData {
    /// Versions 3 to 12.
    pub name: WireString,
    /// Versions 13 only.
    pub topic_id: TopicId,
    pub partition_data: Vec<PartitionProduceData>,
}

impl TopicProduceData {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(9, version);
        let this = Self {
            name: if version <= 12 { input.string(form)? } else { WireString::new() },
            topic_id: if version == 13 { input.uuid()? } else { TopicId::default() },
            partition_data: input.array(form, 6, |input| PartitionProduceData::decode(input, version))?,
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
        out.put_array(&self.partition_data, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `PartitionProduceData` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionProduceData {
    pub index: i32,
    pub records: Option<Records>,
}

impl PartitionProduceData {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(9, version);
        let this = Self { index: input.i32()?, records: input.nullable_records(form)? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(9, version);
        out.put_i32(self.index);
        out.put_nullable_records(self.records.as_ref(), form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
