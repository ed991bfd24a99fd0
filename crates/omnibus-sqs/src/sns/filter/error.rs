//! Why a filter policy is refused, in AWS's words.

/// The scopes' own names, as FilterPolicyScope has them.
pub(super) const FLAT: &str = "MessageAttributes";

/// A filter policy that cannot be. Its text is what AWS says behind "Invalid parameter: ", or behind
/// "Invalid parameter: Attributes Reason: " in an answer to Subscribe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The text is not JSON.
    #[error("FilterPolicy: failed to parse JSON. {reason}")]
    Syntax {
        /// What was found, and where.
        reason: String,
    },
    /// The JSON is not a policy.
    #[error("FilterPolicy: {reason}")]
    Rule {
        /// What is wrong, and mostly where.
        reason: String,
    },
    /// A policy for attributes has an object below a name.
    #[error("Filter policy scope {FLAT} does not support nested filter policy")]
    Nested,
    /// More than five names at the top.
    #[error("FilterPolicy: Filter policy can not have more than 5 keys")]
    TooManyKeys,
    /// More than 150 combinations of values.
    #[error("FilterPolicy: Filter policy is too complex")]
    TooComplex,
    /// More than 256 KiB.
    #[error("FilterPolicy: Filter policy is too long")]
    TooLong,
}
