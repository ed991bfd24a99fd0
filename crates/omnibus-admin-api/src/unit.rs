//! Spans of time and sizes as people write them: `7d`, `1h30m`, `500ms`; `64MiB`, `1048576`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a text is neither a span nor a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitError {
    /// Not a span.
    Span { text: String },
    /// Not a size.
    Size { text: String },
}

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub u64);

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub u64);

/// Longest first, as they are printed.
const SPANS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Largest first, as they are printed.
const SIZES: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Only read: the units that are a thousand times each other.
const DECIMAL_SIZES: [(&str, u64); 4] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];

impl Span {
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Span {
    type Err = UnitError;

    /// Adds up numbers with units. A bare number could be anything from milliseconds to days, so
    /// only 0 goes without.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::Span { text: text.to_owned() };
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self(0));
        }
        let mut total = 0u64;
        while !rest.is_empty() {
            let (number, behind) = take_number(rest).ok_or_else(wrong)?;
            let unit_ends = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
            let (unit, left) = behind.split_at(unit_ends);
            let millis = SPANS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis).ok_or_else(wrong)?;
            let part = number.checked_mul(millis).ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            rest = left.trim_start();
        }
        if text.trim().is_empty() { Err(wrong()) } else { Ok(Self(total)) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, millis) = whole(self.0, &SPANS).unwrap_or(("ms", 1));
        write!(f, "{}{unit}", self.0 / millis)
    }
}

impl FromStr for Size {
    type Err = UnitError;

    /// A bare number is in bytes.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::Size { text: text.to_owned() };
        let (number, unit) = take_number(text.trim()).ok_or_else(wrong)?;
        let unit = if unit.trim().is_empty() { "B" } else { unit.trim() };
        let known = SIZES.iter().chain(&DECIMAL_SIZES).find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let bytes = known.map(|(_, bytes)| *bytes).ok_or_else(wrong)?;
        number.checked_mul(bytes).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match whole(self.0, &SIZES) {
            None | Some(("B", _)) => write!(f, "{}", self.0),
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
        }
    }
}

/// The largest unit that `amount` is a whole number of.
fn whole(amount: u64, units: &[(&'static str, u64)]) -> Option<(&'static str, u64)> {
    let fits = |unit: &&(&str, u64)| amount != 0 && amount.is_multiple_of(unit.1);
    units.iter().find(fits).copied()
}

fn take_number(text: &str) -> Option<(u64, &str)> {
    let ends = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(ends);
    Some((digits.parse().ok()?, rest))
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Span { text } => write!(f, "{text:?} is not a span of time; write 500ms, 30s, 1h30m or 7d"),
            Self::Size { text } => write!(f, "{text:?} is not a size; write 4096, 64KiB, 256MiB or 1GiB"),
        }
    }
}

impl std::error::Error for UnitError {}

macro_rules! through_text {
    ($($name:ident)*) => {$(
        impl TryFrom<String> for $name {
            type Error = UnitError;

            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

through_text!(Span Size);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_back() {
        for text in ["7d", "90m", "30s", "1500ms", "0ms"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("1h30m".parse(), Ok(Span(5_400_000)));
        assert_eq!("0".parse(), Ok(Span(0)));
        assert!("7".parse::<Span>().is_err());
    }

    #[test]
    fn sizes_read_back() {
        for text in ["1GiB", "64MiB", "1048588", "0"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert_eq!("2 MB".parse(), Ok(Size(2_000_000)));
        assert_eq!("64kib".parse(), Ok(Size(65_536)));
    }

    #[test]
    fn nonsense_is_told() {
        for text in ["", "d", "7 weeks", "-1s", "99999999999999999999d", "1h30"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["", "MiB", "1 box", "-1", "99999999999TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
