//! Names that clients choose, checked once where they enter.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most bytes a name may have; every protocol's own limit is lower.
pub const NAME_BYTES_MAX: usize = 512;

/// Why a string is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum NameError {
    #[error("a name has at least one character")]
    Empty,
    #[error("a name has at most {NAME_BYTES_MAX} bytes, this one has {bytes}")]
    TooLong { bytes: usize },
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $bytes:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks length only; each protocol checks its own alphabet.
            ///
            /// # Errors
            /// [`NameError`] if the name is too short or longer than [`NAME_BYTES_MAX`].
            pub fn new(name: &str) -> Result<Self, NameError> {
                check(name, $bytes).map(|()| Self(name.into()))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// A topic's name.
    TopicName: 1;
    /// A consumer group's name. The empty one is that of those who never chose one: nobody can
    /// join it, but it keeps offsets.
    GroupName: 0;
    /// One member of a consumer group, for one life of the client.
    MemberId: 1;
    /// A static member: the same id after a restart of the client.
    InstanceId: 1;
    /// An exchange's name. Some protocols have one that is called nothing.
    ExchangeName: 0;
}

fn check(name: &str, bytes_min: usize) -> Result<(), NameError> {
    match name.len() {
        bytes if bytes < bytes_min => Err(NameError::Empty),
        bytes if bytes > NAME_BYTES_MAX => Err(NameError::TooLong { bytes }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_group_may_have_no_name() {
        assert!(GroupName::new("").is_ok());
        assert_eq!(MemberId::new(""), Err(NameError::Empty));
        assert_eq!(InstanceId::new(""), Err(NameError::Empty));
    }

    #[test]
    fn name_has_one_to_512_bytes() {
        assert_eq!(TopicName::new(""), Err(NameError::Empty));
        assert_eq!(TopicName::new(&"x".repeat(513)), Err(NameError::TooLong { bytes: 513 }));
        assert!(TopicName::new(&"x".repeat(512)).is_ok());
    }
}
