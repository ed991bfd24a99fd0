//! What input and output share.

use super::input::DecodeError;
use super::output::EncodeError;

/// An immutable string that shares the frame it arrived in.
///
/// A string that outlives its request keeps the whole frame: copy it into a name.
pub use bytestring::ByteString as WireString;

/// How lengths are written: KIP-482 made them compact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In two or four bytes.
    Fixed,
    /// As an unsigned varint, one more than the length.
    Compact,
}

impl Form {
    /// Returns the form in `version` of a message that is compact from `first` on.
    #[must_use]
    pub const fn compact_from(first: i16, version: i16) -> Self {
        if version >= first { Self::Compact } else { Self::Fixed }
    }
}

/// An inclusive range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub min: i16,
    pub max: i16,
}

impl Versions {
    /// Whether `version` is one of them.
    #[must_use]
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// Iterates from the oldest to the newest.
    pub fn iter(self) -> impl Iterator<Item = i16> + use<> {
        self.min..=self.max
    }

    pub(super) fn check_decoded(self, version: i16) -> Result<(), DecodeError> {
        if self.contains(version) { Ok(()) } else { Err(DecodeError::VersionUnknown { version }) }
    }

    pub(super) fn check_encoded(self, version: i16) -> Result<(), EncodeError> {
        if self.contains(version) { Ok(()) } else { Err(EncodeError::VersionUnknown { version }) }
    }
}
