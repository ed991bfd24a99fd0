//! `ApiVersionsResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, Tags};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiVersionsResponse {
    pub error_code: i16,
    pub api_keys: Vec<ApiVersion>,
    /// Versions 1 to 4.
    pub throttle_time_ms: i32,
    /// Versions 3 to 4.
    pub supported_features: Vec<SupportedFeatureKey>,
    /// Versions 3 to 4.
    pub finalized_features_epoch: i64,
    /// Versions 3 to 4.
    pub finalized_features: Vec<FinalizedFeatureKey>,
    /// Versions 3 to 4.
    pub zk_migration_ready: bool,
}

impl ApiVersionsResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 4 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(3, version);
        let mut this = Self {
            error_code: input.i16()?,
            api_keys: input.array(form, 6, |input| ApiVersion::decode(input, version))?,
            throttle_time_ms: if version >= 1 { input.i32()? } else { 0 },
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        };
        if form == Form::Compact {
            input.tags(&mut |tag, input| {
                match tag {
                    0 => {
                        this.supported_features =
                            input.array(Form::Compact, 6, |input| SupportedFeatureKey::decode(input, version))?
                    }
                    1 => this.finalized_features_epoch = input.i64()?,
                    2 => {
                        this.finalized_features =
                            input.array(Form::Compact, 6, |input| FinalizedFeatureKey::decode(input, version))?
                    }
                    3 => this.zk_migration_ready = input.bool()?,
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
        let form = Form::compact_from(3, version);
        out.put_i16(self.error_code);
        out.put_array(&self.api_keys, form, |out, item| item.encode(out, version))?;
        if version >= 1 {
            out.put_i32(self.throttle_time_ms);
        }
        if form == Form::Compact {
            let mut tags = Tags::default();
            if !self.supported_features.is_empty() {
                tags.add(0, |out| {
                    out.put_array(&self.supported_features, Form::Compact, |out, item| item.encode(out, version))
                })?;
            }
            if self.finalized_features_epoch != -1 {
                tags.add(1, |out| {
                    out.put_i64(self.finalized_features_epoch);
                    Ok(())
                })?;
            }
            if !self.finalized_features.is_empty() {
                tags.add(2, |out| {
                    out.put_array(&self.finalized_features, Form::Compact, |out, item| item.encode(out, version))
                })?;
            }
            if self.zk_migration_ready {
                tags.add(3, |out| {
                    out.put_bool(self.zk_migration_ready);
                    Ok(())
                })?;
            }
            out.put_tags(tags)?;
        }
        Ok(())
    }
}

impl Default for ApiVersionsResponse {
    fn default() -> Self {
        Self {
            error_code: 0,
            api_keys: Vec::new(),
            throttle_time_ms: 0,
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        }
    }
}

/// The struct `ApiVersion` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiVersion {
    pub api_key: i16,
    pub min_version: i16,
    pub max_version: i16,
}

impl ApiVersion {
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        let form = Form::compact_from(3, version);
        let this = Self { api_key: input.i16()?, min_version: input.i16()?, max_version: input.i16()? };
        if form == Form::Compact {
            input.skip_tags()?;
        }
        Ok(this)
    }

    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError> {
        let form = Form::compact_from(3, version);
        out.put_i16(self.api_key);
        out.put_i16(self.min_version);
        out.put_i16(self.max_version);
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

/// The struct `SupportedFeatureKey` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SupportedFeatureKey {
    pub name: WireString,
    pub min_version: i16,
    pub max_version: i16,
}

impl SupportedFeatureKey {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self { name: input.string(Form::Compact)?, min_version: input.i16()?, max_version: input.i16()? };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.name, Form::Compact)?;
        out.put_i16(self.min_version);
        out.put_i16(self.max_version);
        out.put_no_tags();
        Ok(())
    }
}

/// The struct `FinalizedFeatureKey` of this message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FinalizedFeatureKey {
    pub name: WireString,
    pub max_version_level: i16,
    pub min_version_level: i16,
}

impl FinalizedFeatureKey {
    fn decode(input: &mut Input, _version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: input.string(Form::Compact)?,
            max_version_level: input.i16()?,
            min_version_level: input.i16()?,
        };
        input.skip_tags()?;
        Ok(this)
    }

    fn encode(&self, out: &mut Output, _version: i16) -> Result<(), EncodeError> {
        out.put_string(&self.name, Form::Compact)?;
        out.put_i16(self.max_version_level);
        out.put_i16(self.min_version_level);
        out.put_no_tags();
        Ok(())
    }
}
