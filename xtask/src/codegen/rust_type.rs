//! How names and types of the schemas are spelled in Rust.

use anyhow::{Result, ensure};

/// What a field holds, arrays and nullability aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// A number or a flag: its Rust type, and its size on the wire.
    Fixed(&'static str, usize),
    Uuid,
    String,
    Bytes,
    /// Record batches: a list of slices, so that they are sent without being copied together.
    Records,
    Struct(String),
}

impl Scalar {
    /// Reads a schema's type, without its `[]`.
    pub(super) fn parse(wire_type: &str) -> Result<Self> {
        Ok(match wire_type {
            "bool" => Self::Fixed("bool", 1),
            "int8" => Self::Fixed("i8", 1),
            "int16" => Self::Fixed("i16", 2),
            "uint16" => Self::Fixed("u16", 2),
            "int32" => Self::Fixed("i32", 4),
            "int64" => Self::Fixed("i64", 8),
            "uuid" => Self::Uuid,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "records" => Self::Records,
            name => {
                ensure!(name.starts_with(char::is_uppercase), "the codec has no type {name} yet");
                Self::Struct(name.to_owned())
            }
        })
    }

    /// The Rust type.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Fixed(name, _) => name,
            Self::Uuid => "TopicId",
            Self::String => "WireString",
            Self::Bytes => "Bytes",
            Self::Records => "Records",
            Self::Struct(name) => name,
        }
    }
}

/// `TopicData` → `topic_data`; a run of capitals is one word.
pub(super) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let starts_word = letter.is_uppercase()
            && at > 0
            && (letters[at - 1].is_lowercase() || letters.get(at + 1).is_some_and(|next| next.is_lowercase()));
        if starts_word {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    if out == "type" { "r#type".to_owned() } else { out }
}
