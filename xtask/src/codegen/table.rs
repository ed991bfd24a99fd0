//! Writes the list of messages and the table of API keys.

use std::fmt::Write;

use anyhow::{Context, Result};

use super::rust_type::snake;
use super::schema::{Kind, Message};

/// Versions that are advertised below what is served: (key, from).
///
/// librdkafka before 2.8 sends uncompressed batches to a broker that does not list Produce 0
/// (KAFKA-18659), so Kafka lists it and we do. JoinGroup 0 (KAFKA-19444) is in the schema again.
const ADVERTISED_FROM: [(&str, i16); 1] = [("Produce", 0)];

/// Returns `messages/mod.rs`.
pub(super) fn modules(messages: &[Message]) -> String {
    let mut out = "//! Every message of the schemas, written by `cargo xtask codegen`.\n\n".to_owned();
    for message in messages {
        writeln!(out, "pub mod {};", snake(&message.name)).expect("a string takes all");
    }
    out.push_str("\nuse super::exchange::{Codec, codecs, exchanges};\n\nexchanges! {\n");
    for name in names(messages) {
        let path = snake(name);
        writeln!(out, "    {name}: {path}_request::{name}Request => {path}_response::{name}Response,")
            .expect("a string takes all");
    }
    out.push_str("}\n\ncodecs! {\n");
    for message in messages {
        writeln!(out, "    {}::{},", snake(&message.name), message.name).expect("a string takes all");
    }
    out.push_str("}\n");
    out
}

/// The names of the requests, by API key.
fn requests(messages: &[Message]) -> Vec<(i16, &str, &Message)> {
    let mut found: Vec<_> = messages
        .iter()
        .filter(|message| message.kind == Kind::Request)
        .filter_map(|message| Some((message.api_key?, message.name.strip_suffix("Request")?, message)))
        .collect();
    found.sort_by_key(|(key, ..)| *key);
    found
}

fn names(messages: &[Message]) -> Vec<&str> {
    requests(messages).into_iter().map(|(_, name, _)| name).collect()
}

/// Returns `api_key.rs`.
pub(super) fn api_keys(messages: &[Message]) -> Result<String> {
    let mut out = "//! The requests that the codec knows, written by `cargo xtask codegen`.\n\n".to_owned();
    out.push_str("use super::key_table::api_keys;\nuse super::primitive::Versions;\n\napi_keys! {\n");
    for (key, name, message) in requests(messages) {
        let valid = message.valid()?;
        let stable = if message.latest_version_unstable { valid.max - 1 } else { valid.max };
        let from = ADVERTISED_FROM.iter().find(|(of, _)| *of == name).map_or(valid.min, |(_, from)| *from);
        let flexible = message.flexible()?;
        let flexible_from = if flexible.is_empty() { "i16::MAX".to_owned() } else { flexible.min.to_string() };
        writeln!(
            out,
            "    {name} = {key}, served {}..={stable}, advertised {from}..={stable}, flexible {flexible_from};",
            valid.min
        )
        .context("a string takes all")?;
    }
    out.push_str("}\n");
    Ok(out)
}
