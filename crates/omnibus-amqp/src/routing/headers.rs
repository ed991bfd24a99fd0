//! What a binding to a headers exchange wants of a message's headers.

use bytes::Bytes;

use crate::errors::Fault;
use crate::wire::{Table, Value};

const MATCH: &str = "x-match";

/// The headers that are wanted.
#[derive(Debug)]
pub(crate) struct Criteria {
    wants_all: bool,
    fields: Vec<(Bytes, Value)>,
}

impl Criteria {
    /// Reads the arguments of a binding.
    pub(crate) fn of(arguments: &Table) -> Result<Self, Fault> {
        let (wants_all, counts_x) = match arguments.get(MATCH) {
            None => (true, false),
            Some(value) => match value.str() {
                Some("all") => (true, false),
                Some("any") => (false, false),
                Some("all-with-x") => (true, true),
                Some("any-with-x") => (false, true),
                _ => {
                    let got = value.str().map_or_else(|| format!("{value:?}"), |text| format!("<<\"{text}\">>"));
                    let text =
                        format!("Invalid x-match field value {got}; expected all, any, all-with-x, or any-with-x");
                    return Err(Fault::Precondition(text));
                }
            },
        };
        let counts = |(name, _): &&(Bytes, Value)| name != MATCH.as_bytes() && (counts_x || !name.starts_with(b"x-"));
        Ok(Self { wants_all, fields: arguments.0.iter().filter(counts).cloned().collect() })
    }

    pub(crate) fn match_with(&self, headers: &Table) -> bool {
        let fits = |(name, wanted): &(Bytes, Value)| {
            let present = headers.0.iter().find(|(each, _)| each == name).map(|(_, value)| value);
            present.is_some_and(|present| *wanted == Value::Void || same(present, wanted))
        };
        if self.wants_all { self.fields.iter().all(fits) } else { self.fields.iter().any(fits) }
    }
}

/// Whole numbers are the same whatever their width; else types count.
fn same(one: &Value, other: &Value) -> bool {
    match (one.integer(), other.integer()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
