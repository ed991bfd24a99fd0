//! Ranges of versions as schemas write them: `3`, `0-8`, `4+`, `none`.

use anyhow::{Context, Result};

/// An inclusive range; empty if `min > max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) min: i16,
    pub(super) max: i16,
}

impl Versions {
    pub(super) const NONE: Self = Self { min: 0, max: -1 };

    pub(super) fn parse(text: &str) -> Result<Self> {
        let number = |part: &str| part.trim().parse::<i16>().with_context(|| format!("versions {text:?}"));
        if text == "none" {
            Ok(Self::NONE)
        } else if let Some(min) = text.strip_suffix('+') {
            Ok(Self { min: number(min)?, max: i16::MAX })
        } else if let Some((min, max)) = text.split_once('-') {
            Ok(Self { min: number(min)?, max: number(max)? })
        } else {
            number(text).map(|only| Self { min: only, max: only })
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.min > self.max
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { min: self.min.max(other.min), max: self.max.min(other.max) }
    }

    pub(super) fn covers(self, other: Self) -> bool {
        other.is_empty() || (self.min <= other.min && self.max >= other.max)
    }

    /// The test that tells these versions from the others of `among`: `None` if there are no others.
    pub(super) fn condition(self, among: Self) -> Option<String> {
        let here = self.and(among);
        if here.is_empty() {
            Some("false".to_owned())
        } else if here == among {
            None
        } else if here.min == here.max {
            Some(format!("version == {}", here.min))
        } else if here.min == among.min {
            Some(format!("version <= {}", here.max))
        } else if here.max == among.max {
            Some(format!("version >= {}", here.min))
        } else {
            Some(format!("({}..={}).contains(&version)", here.min, here.max))
        }
    }
}
