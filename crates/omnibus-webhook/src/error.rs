//! Why a post came to nothing.

use std::io;
use std::net::IpAddr;

/// A poster that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("{file} has no certificates that can be read: {reason}")]
    Certificates { file: String, reason: String },
    #[error("TLS cannot be set up: {reason}")]
    Tls { reason: String },
}

/// A post that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("{url:?} is not a URL that can be called: {reason}")]
    Url { url: String, reason: &'static str },
    #[error("a header cannot be sent: {name}")]
    Header { name: String },
    #[error("{address} must not be called")]
    Forbidden { address: IpAddr },
    #[error("{host} has no address: {error}")]
    Resolve { host: String, error: io::Error },
    #[error("cannot connect: {error}")]
    Connect { error: io::Error },
    #[error("there are no certificates to check others with")]
    NoCertificates,
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection broke: {reason}")]
    Broken { reason: String },
}

impl PostError {
    /// Whether another try can only end the same.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Url { .. } | Self::Header { .. })
    }
}
