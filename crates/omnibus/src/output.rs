//! The one place that prints: tables for people, JSON for programs.

use std::fmt::{self, Display};
use std::io::{self, Write};

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// How results look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Json,
}

/// A column: its heading, and on which side its cells end.
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
}

/// A command line that cannot be done, found out after it was parsed.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// Blanks between columns.
const GAP: u16 = 2;

/// Writes one line to standard output.
pub(crate) fn line(text: impl Display) -> Result<()> {
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Writes bytes as they are.
pub(crate) fn raw(bytes: &[u8]) -> Result<()> {
    io::stdout().lock().write_all(bytes)?;
    Ok(())
}

/// Pushes out what was written; a pipe is buffered otherwise.
pub(crate) fn flush() -> Result<()> {
    io::stdout().lock().flush()?;
    Ok(())
}

/// Writes a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// Tells what was deleted.
pub(crate) fn deleted(names: &[String], format: Format) -> Result<()> {
    match format {
        Format::Json => json(&serde_json::json!({ "deleted": names })),
        Format::Table => names.iter().try_for_each(|name| line(format_args!("deleted {name}"))),
    }
}

/// Writes rows under headings; without frames, so that other tools can cut them.
pub(crate) fn table(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|column| match column {
        Column::Text(heading) | Column::Number(heading) => *heading,
    }));
    for (column, cells) in columns.iter().zip(table.column_iter_mut()) {
        cells.set_padding((0, GAP));
        if matches!(column, Column::Number(_)) {
            cells.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in rows {
        table.add_row(row);
    }
    for text in table.lines() {
        line(text.trim_end())?;
    }
    Ok(())
}

/// Writes a hint or a progress report, on standard error and only for people.
pub(crate) fn note(text: impl Display) {
    // Whoever closed standard error does not want to hear it.
    drop(writeln!(io::stderr().lock(), "{text}"));
}
