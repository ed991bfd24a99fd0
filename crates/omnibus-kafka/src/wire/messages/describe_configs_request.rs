//! `DescribeConfigsRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeConfigsRequest {
    pub resources: Vec<DescribeConfigsResource>,
    pub include_synonyms: bool,
    /// Versions 3 to 4.
    pub include_documentation: bool,
}

impl DescribeConfigsRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 1, max: 4 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(4, version);
        let this = Self {
            resources: input.array(form, 4, |input| DescribeConfigsResource::decode(input, version))?,
            include_synonyms: input.bool()?,
            include_documentation: if version >= 3 { input.bool()? } else { false },
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
        let form = Form::compact_from(4, version);
        out.put_array(&self.resources, form, |out, item| item.encode(out, version))?;
        out.put_bool(self.include_synonyms);
        if version >= 3 {
            out.put_bool(self.include_documentation);
        } else {
            lacks(self.include_documentation, "DescribeConfigsRequest.include_documentation", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `DescribeConfigsResource` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeConfigsResource {
    pub resource_type: i8,
    pub resource_name: WireString,
    pub configuration_keys: Option<Vec<WireString>>,
}

impl DescribeConfigsResource {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(4, version);
        let this = Self {
            resource_type: input.i8()?,
            resource_name: input.string(form)?,
            configuration_keys: input.nullable_array(form, 1, |input| input.string(form))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(4, version);
        out.put_i8(self.resource_type);
        out.put_string(&self.resource_name, form)?;
        out.put_nullable_array(self.configuration_keys.as_deref(), form, |out, item| out.put_string(item, form))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for DescribeConfigsResource {
    fn default() -> Self {
        Self { resource_type: 0, resource_name: WireString::new(), configuration_keys: Some(Vec::new()) }
    }
}
