//! One kept field of a topic's configuration, as text.

use omnibus_model::Millis;
use omnibus_model::topic::{Cleanup, Compression, Limit, TimestampSource};

/// The greatest number that Kafka knows: where it is a limit, there is none.
const FOREVER: u64 = i64::MAX as u64;

/// A field of a topic's configuration, by how Kafka writes it.
#[derive(Debug)]
pub(super) enum Field<'a> {
    Cleanup(&'a mut Option<Cleanup>),
    Timestamps(&'a mut Option<TimestampSource>),
    /// A limit that a negative number switches off.
    LimitOrNegative(&'a mut Option<Limit>),
    /// A limit that the greatest number switches off.
    LimitOrForever(&'a mut Option<Limit>),
    Millis(&'a mut Option<Millis>),
    Int(&'a mut Option<u32>),
    Compression(&'a mut Option<Compression>),
    /// How hard a codec works.
    Level(&'a mut Option<i32>, Levels),
    /// A share of 1, kept in thousandths.
    Share(&'a mut Option<u32>),
}

/// The levels that a codec has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    pub(super) min: i32,
    pub(super) max: i32,
    /// Its own choice, which may lie outside.
    pub(super) default: i32,
}

impl Field<'_> {
    /// Writes the value, if there is one.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Cleanup(cleanup) => cleanup.map(|cleanup| cleanup_text(cleanup).to_owned()),
            Self::Timestamps(timestamps) => timestamps.map(|source| timestamps_text(source).to_owned()),
            Self::LimitOrNegative(limit) => limit.map(|limit| limit_text(limit, "-1")),
            Self::LimitOrForever(limit) => limit.map(|limit| limit_text(limit, &FOREVER.to_string())),
            Self::Millis(span) => span.map(|span| span.0.to_string()),
            Self::Int(number) => number.map(|number| number.to_string()),
            Self::Compression(compression) => compression.map(|compression| compression_text(compression).to_owned()),
            Self::Level(level, _) => level.map(|level| level.to_string()),
            Self::Share(thousandths) => thousandths.map(share_text),
        }
    }

    /// Reads a value of at least `min`.
    pub(super) fn set(self, text: &str, min: i64) -> Result<(), String> {
        match self {
            Self::Cleanup(cleanup) => *cleanup = Some(read_cleanup(text)?),
            Self::Timestamps(timestamps) => *timestamps = Some(read_timestamps(text)?),
            Self::LimitOrNegative(limit) => {
                *limit = Some(u64::try_from(read_long(text, min)?).map_or(Limit::Unlimited, Limit::AtMost));
            }
            Self::LimitOrForever(limit) => {
                let number = read_unsigned(text, min)?;
                *limit = Some(if number == FOREVER { Limit::Unlimited } else { Limit::AtMost(number) });
            }
            Self::Millis(span) => *span = Some(Millis(read_unsigned(text, min)?)),
            Self::Int(number) => *number = Some(read_int(text, min)?),
            Self::Compression(compression) => *compression = Some(read_compression(text)?),
            Self::Level(level, levels) => *level = Some(read_level(text, levels)?),
            Self::Share(thousandths) => *thousandths = Some(read_share(text)?),
        }
        Ok(())
    }

    /// Goes back to the default.
    pub(super) fn clear(self) {
        match self {
            Self::Cleanup(cleanup) => *cleanup = None,
            Self::Timestamps(timestamps) => *timestamps = None,
            Self::LimitOrNegative(limit) | Self::LimitOrForever(limit) => *limit = None,
            Self::Millis(span) => *span = None,
            Self::Int(number) | Self::Share(number) => *number = None,
            Self::Compression(compression) => *compression = None,
            Self::Level(level, _) => *level = None,
        }
    }
}

const fn cleanup_text(cleanup: Cleanup) -> &'static str {
    match cleanup {
        Cleanup::Delete => "delete",
        Cleanup::Compact => "compact",
        Cleanup::CompactAndDelete => "compact,delete",
        Cleanup::Keep => "",
    }
}

fn read_cleanup(text: &str) -> Result<Cleanup, String> {
    let (mut compacts, mut deletes) = (false, false);
    for policy in text.split(',').map(str::trim).filter(|policy| !policy.is_empty()) {
        match policy {
            "compact" => compacts = true,
            "delete" => deletes = true,
            _ => return Err(String::from("a cleanup policy is compact, delete or both")),
        }
    }
    Ok(match (compacts, deletes) {
        (true, true) => Cleanup::CompactAndDelete,
        (true, false) => Cleanup::Compact,
        (false, true) => Cleanup::Delete,
        (false, false) => Cleanup::Keep,
    })
}

const fn timestamps_text(source: TimestampSource) -> &'static str {
    match source {
        TimestampSource::Producer => "CreateTime",
        TimestampSource::Broker => "LogAppendTime",
    }
}

fn read_timestamps(text: &str) -> Result<TimestampSource, String> {
    match text.trim() {
        "CreateTime" => Ok(TimestampSource::Producer),
        "LogAppendTime" => Ok(TimestampSource::Broker),
        _ => Err(String::from("a timestamp is CreateTime or LogAppendTime")),
    }
}

const COMPRESSIONS: [(&str, Compression); 6] = [
    ("producer", Compression::Producer),
    ("uncompressed", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

fn compression_text(wanted: Compression) -> &'static str {
    let found = COMPRESSIONS.iter().find(|(_, compression)| *compression == wanted);
    found.map_or("", |(text, _)| text)
}

fn read_compression(text: &str) -> Result<Compression, String> {
    let found = COMPRESSIONS.iter().find(|(name, _)| *name == text.trim());
    let wrong = || String::from("it is producer, uncompressed, gzip, snappy, lz4 or zstd");
    found.map(|(_, compression)| *compression).ok_or_else(wrong)
}

fn read_level(text: &str, levels: Levels) -> Result<i32, String> {
    let Levels { min, max, default } = levels;
    match text.trim().parse() {
        Ok(level) if level == default || (min..=max).contains(&level) => Ok(level),
        _ => Err(format!("it is {min} to {max}, or {default} for the default")),
    }
}

fn limit_text(limit: Limit, unlimited: &str) -> String {
    match limit {
        Limit::Unlimited => unlimited.to_owned(),
        Limit::AtMost(number) => number.to_string(),
    }
}

pub(super) fn read_long(text: &str, min: i64) -> Result<i64, String> {
    let number: i64 = text.trim().parse().map_err(|_| String::from("not a whole number of 64 bits"))?;
    if number < min { Err(format!("it is at least {min}")) } else { Ok(number) }
}

fn read_unsigned(text: &str, min: i64) -> Result<u64, String> {
    u64::try_from(read_long(text, min)?).map_err(|_| String::from("it is at least 0"))
}

pub(super) fn read_int(text: &str, min: i64) -> Result<u32, String> {
    let number: i32 = text.trim().parse().map_err(|_| String::from("not a whole number of 32 bits"))?;
    match u32::try_from(number) {
        Ok(unsigned) if i64::from(number) >= min => Ok(unsigned),
        _ => Err(format!("it is at least {min}")),
    }
}

/// Writes 500 thousandths as 0.5, and 1000 as 1.0.
fn share_text(thousandths: u32) -> String {
    let digits = format!("{:03}", thousandths % 1000);
    let digits = digits.trim_end_matches('0');
    format!("{}.{}", thousandths / 1000, if digits.is_empty() { "0" } else { digits })
}

fn read_share(text: &str) -> Result<u32, String> {
    let share: f64 = text.trim().parse().map_err(|_| String::from("not a number"))?;
    if !(0.0..=1.0).contains(&share) {
        return Err(String::from("it is 0 to 1"));
    }
    let thousandths = share * 1000.0;
    if (thousandths - thousandths.round()).abs() > 1e-9 {
        return Err(String::from("it has at most three decimals here"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 0 to 1000")]
    Ok(thousandths.round() as u32)
}
