//! `InitProducerIdResponse`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct InitProducerIdResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// Versions 6 only.
    pub ongoing_txn_producer_id: i64,
    /// Versions 6 only.
    pub ongoing_txn_producer_epoch: i16,
}

impl InitProducerIdResponse {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 6 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(2, version);
        let this = Self {
            throttle_time_ms: input.i32()?,
            error_code: input.i16()?,
            producer_id: input.i64()?,
            producer_epoch: input.i16()?,
            ongoing_txn_producer_id: if version == 6 { input.i64()? } else { -1 },
            ongoing_txn_producer_epoch: if version == 6 { input.i16()? } else { -1 },
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
        out.put_i16(self.error_code);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        if version == 6 {
            out.put_i64(self.ongoing_txn_producer_id);
        } else {
            lacks(self.ongoing_txn_producer_id != -1, "InitProducerIdResponse.ongoing_txn_producer_id", version)?;
        }
        if version == 6 {
            out.put_i16(self.ongoing_txn_producer_epoch);
        } else {
            lacks(self.ongoing_txn_producer_epoch != -1, "InitProducerIdResponse.ongoing_txn_producer_epoch", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for InitProducerIdResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            producer_id: -1,
            producer_epoch: 0,
            ongoing_txn_producer_id: -1,
            ongoing_txn_producer_epoch: -1,
        }
    }
}
