//! `ElectLeadersRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct ElectLeadersRequest {
    /// Versions 1 to 2.
    pub election_type: i8,
    pub topic_partitions: Option<Vec<TopicPartitions>>,
    pub timeout_ms: i32,
}

impl ElectLeadersRequest {
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
            election_type: if version >= 1 { input.i8()? } else { 0 },
            topic_partitions: input.nullable_array(form, 3, |input| TopicPartitions::decode(input, version))?,
            timeout_ms: input.i32()?,
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
        if version >= 1 {
            out.put_i8(self.election_type);
        } else {
            lacks(self.election_type != 0, "ElectLeadersRequest.election_type", version)?;
        }
        out.put_nullable_array(self.topic_partitions.as_deref(), form, |out, item| item.encode(out, version))?;
        out.put_i32(self.timeout_ms);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for ElectLeadersRequest {
    fn default() -> Self {
        Self { election_type: 0, topic_partitions: Some(Vec::new()), timeout_ms: 60000 }
    }
}

/// The struct `TopicPartitions` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicPartitions {
    pub topic: WireString,
    pub partitions: Vec<i32>,
}

impl TopicPartitions {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this = Self { topic: input.string(form)?, partitions: input.array(form, 4, |input| input.i32())? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
        out.put_string(&self.topic, form)?;
        out.put_array(&self.partitions, form, |out, item| {
            out.put_i32(*item);
            Ok(())
        })?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
