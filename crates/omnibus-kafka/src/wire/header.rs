//! How a frame begins.

use super::api_key::ApiKey;
use super::input::{DecodeError, Input};
use super::messages::request_header::RequestHeader;
use super::messages::response_header::ResponseHeader;
use super::output::{EncodeError, Output};

/// Returns the version of the header of a request.
#[must_use]
pub const fn request_header_version(key: ApiKey, version: i16) -> i16 {
    if version >= key.flexible_from() { 2 } else { 1 }
}

/// Returns the version of the header of a response.
///
/// That of ApiVersions is always 0: who asks cannot know yet what the broker speaks (KIP-511).
#[must_use]
pub fn response_header_version(key: ApiKey, version: i16) -> i16 {
    if version >= key.flexible_from() && key != ApiKey::ApiVersions { 1 } else { 0 }
}

/// Reads the header of a request of any version, known or not.
///
/// # Errors
/// [`DecodeError::ApiKeyUnknown`] if the codec does not know what is asked for, so that not even
/// the header's layout is known; any other if the bytes are not a header.
pub fn read_request_header(input: &mut Input) -> Result<(ApiKey, RequestHeader), DecodeError> {
    let mut peek = input.clone();
    let number = peek.i16()?;
    let key = ApiKey::from_number(number).ok_or(DecodeError::ApiKeyUnknown { key: number })?;
    let version = peek.i16()?;
    let header = RequestHeader::decode(input, request_header_version(key, version))?;
    Ok((key, header))
}

/// Writes the header of the response to a request of `key` and `version`.
///
/// # Errors
/// None in practice: a header can always be written.
pub fn write_response_header(
    out: &mut Output,
    key: ApiKey,
    version: i16,
    correlation_id: i32,
) -> Result<(), EncodeError> {
    ResponseHeader { correlation_id }.encode(out, response_header_version(key, version))
}
