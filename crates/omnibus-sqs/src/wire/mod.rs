//! The protocols, pure: AWS JSON 1.0 and Query, both from one model.
//!
//! JSON is read into the structures of [`messages`] and written from them. Query names the same
//! things in another way: its parameters are first put in the shape that JSON has.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod messages;
pub mod sns;
pub mod query;
pub mod xml;
pub mod wrapped;
pub mod form;
pub mod base64;
pub mod md5;
mod bounded;
pub mod shape;

use thiserror::Error;

/// Why a request could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("the body is not JSON of the right form: {reason}")]
    Json { reason: String },
    #[error("the query string is malformed")]
    Form,
    #[error("a request has at most {max} parameters")]
    TooManyParameters { max: usize },
    #[error("the parameter {name} is not a number: {value}")]
    NotANumber { name: String, value: String },
}

/// Reads the body of a JSON request; an empty one says nothing.
///
/// # Errors
/// [`DecodeError::Json`].
pub fn read_json<T: serde::de::DeserializeOwned + Default>(body: &[u8]) -> Result<T, DecodeError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    // A structure could be read from a list of its members, which no client means.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(DecodeError::Json { reason: "not an object".to_owned() });
    }
    serde_json::from_slice(body).map_err(|error| DecodeError::Json { reason: error.to_string() })
}
