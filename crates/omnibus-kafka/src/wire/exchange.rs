//! What all messages have in common, for those who handle any of them.

use bytes::Bytes;

use super::api_key::ApiKey;
use super::input::{DecodeError, Input};
use super::output::{EncodeError, Output};
use super::primitive::Versions;

/// A request or a response.
pub trait Message: Sized {
    /// The versions that the schema has, unstable ones included.
    const VERSIONS: Versions;

    /// Reads the message as `version` lays it out.
    ///
    /// # Errors
    /// If the bytes are not such a message.
    fn decode(input: &mut Input, version: i16) -> Result<Self, DecodeError>;

    /// Writes the message as `version` lays it out.
    ///
    /// # Errors
    /// If the version cannot say what the message says.
    fn encode(&self, out: &mut Output, version: i16) -> Result<(), EncodeError>;
}

/// A request, and what answers it.
pub trait Request: Message {
    /// What is asked for.
    const KEY: ApiKey;
    /// What answers.
    type Response: Message;
}

/// One message without its type: reads and writes it again. For tests and fuzzing.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    pub name: &'static str,
    pub versions: Versions,
    echo: fn(&mut Input, &mut Output, i16) -> Result<(), EchoError>,
}

/// Why a message could not be read and written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EchoError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Codec {
    pub(super) const fn new(
        name: &'static str,
        versions: Versions,
        echo: fn(&mut Input, &mut Output, i16) -> Result<(), EchoError>,
    ) -> Self {
        Self { name, versions, echo }
    }

    /// Reads a message that takes up all of `bytes`, and writes it again.
    ///
    /// # Errors
    /// If the bytes are not such a message.
    pub fn echo(&self, bytes: Bytes, version: i16) -> Result<Output, EchoError> {
        let mut input = Input::from(bytes);
        let mut out = Output::new();
        (self.echo)(&mut input, &mut out, version)?;
        input.finish()?;
        Ok(out)
    }
}

macro_rules! exchanges {
    ($($key:ident: $request_module:ident::$request:ident => $response_module:ident::$response:ident,)*) => {$(
        exchanges!(@message $request_module::$request);
        exchanges!(@message $response_module::$response);

        impl super::exchange::Request for $request_module::$request {
            const KEY: super::api_key::ApiKey = super::api_key::ApiKey::$key;
            type Response = $response_module::$response;
        }
    )*};
    (@message $module:ident::$message:ident) => {
        impl super::exchange::Message for $module::$message {
            const VERSIONS: super::primitive::Versions = Self::VERSIONS;

            fn decode(input: &mut super::Input, version: i16) -> Result<Self, super::DecodeError> {
                Self::decode(input, version)
            }

            fn encode(&self, out: &mut super::Output, version: i16) -> Result<(), super::EncodeError> {
                self.encode(out, version)
            }
        }
    };
}

macro_rules! codecs {
    ($($module:ident::$message:ident,)*) => {
        /// Every message.
        pub const CODECS: &[Codec] = &[$(
            Codec::new(stringify!($message), $module::$message::VERSIONS, |input, out, version| {
                Ok($module::$message::decode(input, version)?.encode(out, version)?)
            }),
        )*];
    };
}

pub(super) use {codecs, exchanges};
