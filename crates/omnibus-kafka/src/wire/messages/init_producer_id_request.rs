//! `InitProducerIdRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output, lacks};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, PartialEq)]
pub struct InitProducerIdRequest {
    pub transactional_id: Option<WireString>,
    pub transaction_timeout_ms: i32,
    /// Versions 3 to 6.
    pub producer_id: i64,
    /// Versions 3 to 6.
    pub producer_epoch: i16,
    /// Versions 6 only.
    pub enable2_pc: bool,
    /// Versions 6 only.
    pub keep_prepared_txn: bool,
}

impl InitProducerIdRequest {
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
            transactional_id: input.nullable_string(form)?,
            transaction_timeout_ms: input.i32()?,
            producer_id: if version >= 3 { input.i64()? } else { -1 },
            producer_epoch: if version >= 3 { input.i16()? } else { -1 },
            enable2_pc: if version == 6 { input.bool()? } else { false },
            keep_prepared_txn: if version == 6 { input.bool()? } else { false },
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
        out.put_nullable_string(self.transactional_id.as_ref(), form)?;
        out.put_i32(self.transaction_timeout_ms);
        if version >= 3 {
            out.put_i64(self.producer_id);
        } else {
            lacks(self.producer_id != -1, "InitProducerIdRequest.producer_id", version)?;
        }
        if version >= 3 {
            out.put_i16(self.producer_epoch);
        } else {
            lacks(self.producer_epoch != -1, "InitProducerIdRequest.producer_epoch", version)?;
        }
        if version == 6 {
            out.put_bool(self.enable2_pc);
        } else {
            lacks(self.enable2_pc, "InitProducerIdRequest.enable2_pc", version)?;
        }
        if version == 6 {
            out.put_bool(self.keep_prepared_txn);
        } else {
            lacks(self.keep_prepared_txn, "InitProducerIdRequest.keep_prepared_txn", version)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}

impl Default for InitProducerIdRequest {
    fn default() -> Self {
        Self {
            transactional_id: None,
            transaction_timeout_ms: 0,
            producer_id: -1,
            producer_epoch: -1,
            enable2_pc: false,
            keep_prepared_txn: false,
        }
    }
}
