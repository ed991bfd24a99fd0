//! Bytes as text, for binary attributes and handles.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Reads the bytes of a binary value.
#[must_use]
pub fn read(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Writes the bytes of a binary value.
#[must_use]
pub fn write(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads what [`write_plain`] wrote.
#[must_use]
pub fn read_plain(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Writes bytes in letters that need no escape anywhere.
#[must_use]
pub fn write_plain(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
