//! `AlterConfigsRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlterConfigsRequest {
    pub resources: Vec<AlterConfigsResource>,
    pub validate_only: bool,
}

impl AlterConfigsRequest {
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
            resources: input.array(form, 4, |input| AlterConfigsResource::decode(input, version))?,
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
        out.put_array(&self.resources, form, |out, item| item.encode(out, version))?;
        out.put_bool(self.validate_only);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `AlterConfigsResource` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlterConfigsResource {
    pub resource_type: i8,
    pub resource_name: WireString,
    pub configs: Vec<AlterableConfig>,
}

impl AlterConfigsResource {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this = Self {
            resource_type: input.i8()?,
            resource_name: input.string(form)?,
            configs: input.array(form, 3, |input| AlterableConfig::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
        out.put_i8(self.resource_type);
        out.put_string(&self.resource_name, form)?;
        out.put_array(&self.configs, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `AlterableConfig` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlterableConfig {
    pub name: WireString,
    pub value: Option<WireString>,
}

impl AlterableConfig {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this = Self { name: input.string(form)?, value: input.nullable_string(form)? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
        out.put_string(&self.name, form)?;
        out.put_nullable_string(self.value.as_ref(), form)?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
