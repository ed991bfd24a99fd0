//! `DescribeConfigsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeConfigsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<DescribeConfigsResult>,
}

impl DescribeConfigsResponse {
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
            throttle_time_ms: input.i32()?,
            results: input.array(form, 7, |input| DescribeConfigsResult::decode(input, version))?,
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
        out.put_i32(self.throttle_time_ms);
        out.put_array(&self.results, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `DescribeConfigsResult` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeConfigsResult {
    pub error_code: i16,
    pub error_message: Option<WireString>,
    pub resource_type: i8,
    pub resource_name: WireString,
    pub configs: Vec<DescribeConfigsResourceResult>,
}

impl DescribeConfigsResult {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(4, version);
        let this = Self {
            error_code: input.i16()?,
            error_message: input.nullable_string(form)?,
            resource_type: input.i8()?,
            resource_name: input.string(form)?,
            configs: input.array(form, 9, |input| DescribeConfigsResourceResult::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(4, version);
        out.put_i16(self.error_code);
        out.put_nullable_string(self.error_message.as_ref(), form)?;
        out.put_i8(self.resource_type);
        out.put_string(&self.resource_name, form)?;
        out.put_array(&self.configs, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `DescribeConfigsResourceResult` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeConfigsResourceResult {
    pub name: WireString,
    pub value: Option<WireString>,
    pub read_only: bool,
    pub config_source: i8,
    pub is_sensitive: bool,
    pub synonyms: Vec<DescribeConfigsSynonym>,
    /// Versions 3 to 4.
    pub config_type: i8,
    /// Versions 3 to 4.
    pub documentation: Option<WireString>,
}

impl DescribeConfigsResourceResult {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(4, version);
        let this = Self {
            name: input.string(form)?,
            value: input.nullable_string(form)?,
            read_only: input.bool()?,
            config_source: input.i8()?,
            is_sensitive: input.bool()?,
            synonyms: input.array(form, 4, |input| DescribeConfigsSynonym::decode(input, version))?,
            config_type: if version >= 3 { input.i8()? } else { 0 },
            documentation: if version >= 3 { input.nullable_string(form)? } else { None },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(4, version);
        out.put_string(&self.name, form)?;
        out.put_nullable_string(self.value.as_ref(), form)?;
        out.put_bool(self.read_only);
        out.put_i8(self.config_source);
        out.put_bool(self.is_sensitive);
        out.put_array(&self.synonyms, form, |out, item| item.encode(out, version))?;
        if version >= 3 {
            out.put_i8(self.config_type);
        }
        if version >= 3 {
            out.put_nullable_string(self.documentation.as_ref(), form)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for DescribeConfigsResourceResult {
    fn default() -> Self {
        Self {
            name: WireString::new(),
            value: None,
            read_only: false,
            config_source: -1,
            is_sensitive: false,
            synonyms: Vec::new(),
            config_type: 0,
            documentation: None,
        }
    }
}

/// The struct `DescribeConfigsSynonym` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeConfigsSynonym {
    pub name: WireString,
    pub value: Option<WireString>,
    pub source: i8,
}

impl DescribeConfigsSynonym {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(4, version);
        let this = Self { name: input.string(form)?, value: input.nullable_string(form)?, source: input.i8()? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(4, version);
        out.put_string(&self.name, form)?;
        out.put_nullable_string(self.value.as_ref(), form)?;
        out.put_i8(self.source);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
