//! `DescribeLogDirsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeLogDirsResponse {
    pub throttle_time_ms: i32,
    /// Versions 3 to 5.
    pub error_code: i16,
    pub results: Vec<DescribeLogDirsResult>,
}

impl DescribeLogDirsResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 1, max: 5 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(2, version);
        let this = Self {
            throttle_time_ms: input.i32()?,
            error_code: if version >= 3 { input.i16()? } else { 0 },
            results: input.array(form, 5, |input| DescribeLogDirsResult::decode(input, version))?,
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
        out.put_i32(self.throttle_time_ms);
        if version >= 3 {
            out.put_i16(self.error_code);
        }
        out.put_array(&self.results, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `DescribeLogDirsResult` of this message.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeLogDirsResult {
    pub error_code: i16,
    pub log_dir: WireString,
    pub topics: Vec<DescribeLogDirsTopic>,
    /// Versions 4 to 5.
    pub total_bytes: i64,
    /// Versions 4 to 5.
    pub usable_bytes: i64,
    /// Versions 5 only.
    pub is_cordoned: bool,
}

impl DescribeLogDirsResult {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this = Self {
            error_code: input.i16()?,
            log_dir: input.string(form)?,
            topics: input.array(form, 3, |input| DescribeLogDirsTopic::decode(input, version))?,
            total_bytes: if version >= 4 { input.i64()? } else { -1 },
            usable_bytes: if version >= 4 { input.i64()? } else { -1 },
            is_cordoned: if version == 5 { input.bool()? } else { false },
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
        out.put_i16(self.error_code);
        out.put_string(&self.log_dir, form)?;
        out.put_array(&self.topics, form, |out, item| item.encode(out, version))?;
        if version >= 4 {
            out.put_i64(self.total_bytes);
        }
        if version >= 4 {
            out.put_i64(self.usable_bytes);
        }
        if version == 5 {
            out.put_bool(self.is_cordoned);
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for DescribeLogDirsResult {
    fn default() -> Self {
        Self {
            error_code: 0,
            log_dir: WireString::new(),
            topics: Vec::new(),
            total_bytes: -1,
            usable_bytes: -1,
            is_cordoned: false,
        }
    }
}

/// The struct `DescribeLogDirsTopic` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeLogDirsTopic {
    pub name: WireString,
    pub partitions: Vec<DescribeLogDirsPartition>,
}

impl DescribeLogDirsTopic {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this = Self {
            name: input.string(form)?,
            partitions: input.array(form, 21, |input| DescribeLogDirsPartition::decode(input, version))?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
        out.put_string(&self.name, form)?;
        out.put_array(&self.partitions, form, |out, item| item.encode(out, version))?;
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `DescribeLogDirsPartition` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeLogDirsPartition {
    pub partition_index: i32,
    pub partition_size: i64,
    pub offset_lag: i64,
    pub is_future_key: bool,
}

impl DescribeLogDirsPartition {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(2, version);
        let this = Self {
            partition_index: input.i32()?,
            partition_size: input.i64()?,
            offset_lag: input.i64()?,
            is_future_key: input.bool()?,
        };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(2, version);
        out.put_i32(self.partition_index);
        out.put_i64(self.partition_size);
        out.put_i64(self.offset_lag);
        out.put_bool(self.is_future_key);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
