//! `ApiVersionsRequest`, written by `cargo xtask codegen` from its schema.

#![allow(clippy::too_many_lines, reason = "generated, in the order of the wire")]

use crate::wire::input::{DecodeError, Input};
use crate::wire::output::{EncodeError, Output};
use crate::wire::primitive::{Form, Versions, WireString};

/// The message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiVersionsRequest {
    /// Versions 3 to 4.
    pub client_software_name: WireString,
    /// Versions 3 to 4.
    pub client_software_version: WireString,
}

impl ApiVersionsRequest {
    /// The versions that the schema has.
    pub const VERSIONS: Versions = Versions { min: 0, max: 4 };

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message, or the version is not known.
    pub fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError> {
        Self::VERSIONS.check_decoded(version)?;
        let form = Form::compact_from(3, version);
        let this = Self {
            client_software_name: if version >= 3 { input.string(form)? } else { WireString::new() },
            client_software_version: if version >= 3 { input.string(form)? } else { WireString::new() },
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
        let form = Form::compact_from(3, version);
        if version >= 3 {
            out.put_string(&self.client_software_name, form)?;
        }
        if version >= 3 {
            out.put_string(&self.client_software_version, form)?;
        }
        if form == Form::Compact {
            out.put_no_tags();
        }
        Ok(())
    }
}
