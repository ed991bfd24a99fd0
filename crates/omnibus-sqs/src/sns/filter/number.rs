//! Numbers as filter policies compare them.

/// A number in millionths: policies compare six digits behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Millionths(i64);

/// Numbers beyond are not compared.
const MAGNITUDE_MAX: f64 = 5e9;

/// A number that is too large to be compared.
#[derive(Debug, thiserror::Error)]
#[error("Value must be between -5.0E9 and 5.0E9, inclusive")]
pub(super) struct TooLarge;

impl Millionths {
    /// Reads a number as JSON writes it.
    pub(super) fn read(text: &str) -> Result<Self, TooLarge> {
        let number: f64 = text.parse().map_err(|_| TooLarge)?;
        if !(-MAGNITUDE_MAX..=MAGNITUDE_MAX).contains(&number) {
            return Err(TooLarge);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the magnitude is below 2^53 and digits beyond are dropped"
        )]
        Ok(Self((number * 1e6).round() as i64))
    }
}
