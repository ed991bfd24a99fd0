//! Writes the Kafka codec from Kafka's own message schemas (ADR 0030), and the messages of AWS's
//! protocols from their models (ADR 0060).

mod pages;
mod aws;
mod table;
mod emit;
mod model;
mod rust_type;
mod schema;
mod versions;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use schema::Message;

/// What to do about files that differ from what the schemas say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Writes them.
    Rewrite,
    /// Fails and names them.
    Verify,
}

/// Generates the codecs of Kafka and SQS, the table of API keys, and the pages of the command line.
///
/// # Errors
/// If a schema cannot be understood, a file cannot be written, or, when verifying, one is stale.
pub(crate) fn run(check: Check) -> Result<()> {
    let kafka = workspace().join("crates/omnibus-kafka");
    let messages = read_schemas(&kafka.join("schemas"))?;
    let mut files = BTreeMap::new();
    for message in &messages {
        files.insert(format!("messages/{}.rs", rust_type::snake(&message.name)), emit::message(message)?);
    }
    files.insert("messages/mod.rs".to_owned(), table::modules(&messages));
    files.insert("api_key.rs".to_owned(), table::api_keys(&messages)?);
    let wire = kafka.join("src/wire");
    let mut stale = leftovers(&wire, &files)?;
    for (name, source) in &files {
        stale.extend(refresh(check, wire.join(name), source)?);
    }
    let sqs = workspace().join("crates/omnibus-sqs");
    stale.extend(refresh(check, sqs.join("src/wire/messages.rs"), &aws::messages(&sqs.join("schemas/sqs.json"))?)?);
    stale.extend(refresh(check, sqs.join("src/wire/sns.rs"), &aws::messages(&sqs.join("schemas/sns.json"))?)?);
    stale.extend(pages::refresh(check)?);
    ensure!(stale.is_empty(), "stale, run `cargo xtask codegen` (and delete what has no schema): {stale:?}");
    Ok(())
}

/// Writes one file, or returns its path if it is stale.
fn refresh(check: Check, path: PathBuf, source: &str) -> Result<Option<PathBuf>> {
    let wanted = format(source).with_context(|| format!("formatting {}", path.display()))?;
    if std::fs::read_to_string(&path).ok().as_ref() == Some(&wanted) {
        return Ok(None);
    }
    if check == Check::Verify {
        return Ok(Some(path));
    }
    std::fs::create_dir_all(path.parent().context("no parent")?)?;
    std::fs::write(&path, wanted)?;
    Ok(None)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read_schemas(folder: &Path) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "json") {
            let text = std::fs::read_to_string(&path)?;
            messages.push(schema::parse(&text).with_context(|| format!("parsing {}", path.display()))?);
        }
    }
    messages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(messages)
}

/// Files that no schema accounts for.
fn leftovers(wire: &Path, files: &BTreeMap<String, String>) -> Result<Vec<PathBuf>> {
    let folder = wire.join("messages");
    let mut found = Vec::new();
    if folder.exists() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if !files.contains_key(&format!("messages/{}", entry.file_name().to_string_lossy())) {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

fn format(source: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--config-path"])
        .arg(workspace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting rustfmt")?;
    rustfmt.stdin.take().context("rustfmt has no input")?.write_all(source.as_bytes())?;
    let output = rustfmt.wait_with_output()?;
    if !output.status.success() {
        bail!("rustfmt refused:\n{source}");
    }
    Ok(String::from_utf8(output.stdout)?)
}
