//! `CreatePartitionsRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatePartitionsRequest {
    pub topics: Vec<CreatePartitionsTopic>,
    pub timeout_ms: i32,
    pub validate_only: bool,
}

impl CreatePartitionsRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 3 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(2, version);
        let this = Self {
            topics: input.array(form, 7, |input| CreatePartitionsTopic::decode(input, version))?,
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
        let form = Form::compact_from(2, version);
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        out.put_i32(self.timeout_ms);
        out.put_bool(self.validate_only);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `CreatePartitionsTopic` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatePartitionsTopic {
    pub name: WireString,
    pub count: i32,
    pub assignments: Option<Vec<CreatePartitionsAssignment>>,
}

impl CreatePartitionsTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this = Self {
            name: input.string(form)?,
            count: input.i32()?,
            assignments: input.nullable_array(form, 2, |input| CreatePartitionsAssignment::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
        out.put_string(&self.name, form)?;
        out.put_i32(self.count);
        out.put_nullable_array(self.assignments.as_deref(), form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for CreatePartitionsTopic {
    fn default() -> Self {
        Self { name: WireString::new(), count: 0, assignments: Some(Vec::new()) }
    }
}

/// The struct `CreatePartitionsAssignment` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreatePartitionsAssignment {
    pub broker_ids: Vec<i32>,
}

impl CreatePartitionsAssignment {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this = Self { broker_ids: input.array(form, 4, |input| input.i32())? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
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
