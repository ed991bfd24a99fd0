//! The compressions that Kafka's records come in.

use std::fmt;

use omnibus_model::topic::{Compression, EffectiveConfig};

/// How records are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// How batches are to be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub codec: Codec,
    /// How hard; `None` for the codec's own choice.
    pub level: Option<i32>,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Returns the name that configurations use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    pub(crate) const fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }
}

impl Target {
    /// Returns what a topic wants of batches of all codecs; `None` if they stay as they are.
    #[must_use]
    pub fn of_topic(config: &EffectiveConfig) -> Option<Self> {
        let plain = |codec| Self { codec, level: None };
        match config.compression {
            Compression::Producer => None,
            Compression::None => Some(plain(Codec::None)),
            Compression::Gzip => Some(Self { codec: Codec::Gzip, level: Some(config.gzip_level) }),
            Compression::Snappy => Some(plain(Codec::Snappy)),
            Compression::Lz4 => Some(plain(Codec::Lz4)),
            Compression::Zstd => Some(Self { codec: Codec::Zstd, level: Some(config.zstd_level) }),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
