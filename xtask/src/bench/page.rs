//! The figures as people and programs read them.

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use super::figures::{FAMILIES, Family, Figure, Figures, Values, digits};
use super::machine::Machine;
use super::plan::Plan;

/// Everything that is told of one run.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) machine: &'a Machine,
    pub(super) plan: &'a Plan,
    pub(super) figures: &'a Figures,
    pub(super) load_after: f64,
}

const HEADINGS: [&str; 7] = ["", "unit", "Omnibus", "min–max", "Kafka", "min–max", "better by"];

impl Page<'_> {
    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let mut text = format!("\n{}\n", self.made_on());
        for family in FAMILIES {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_header(HEADINGS);
            table.add_rows(self.figures.of(family).map(row));
            for column in 2..HEADINGS.len() {
                if let Some(column) = table.column_mut(column) {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
            text += &format!("\n{}\n{table}\n", family.title());
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Result<String> {
        let figures: Vec<_> = self.figures.0.iter().map(|figure| {
            let side = |values: &Values| json!({ "median": values.median(), "min": values.min(), "max": values.max(), "rounds": values });
            json!({
                "family": figure.family, "name": figure.name, "unit": figure.unit,
                "omnibus": side(&figure.omnibus), "kafka": side(&figure.kafka), "better_by": figure.ratio(),
            })
        }).collect();
        let page = json!({
            "machine": self.machine, "plan": self.plan, "load_average_after": self.load_after, "figures": figures,
        });
        Ok(serde_json::to_string_pretty(&page)? + "\n")
    }

    /// For the project's readers.
    pub(super) fn markdown(&self) -> String {
        let Plan { rounds, seconds, batch, in_flight, latency_records_per_second, .. } = self.plan;
        let mut text = format!(
            "# Omnibus and Apache Kafka

Made by `cargo xtask bench kafka`; the same figures for programs are in [kafka.json](kafka.json).

{}

Both brokers run at the same time on loopback and are loaded in turn, {rounds} rounds, by one load
generator (`omnibus bench`) on the same machine; each value is the median of the rounds.
Each measurement lasts {seconds} s after a second of warming up.
Records are sent uncompressed in batches of {batch}, {in_flight} batches in flight for each connection;
one connection for one partition, two for sixteen. Latency is measured at {latency_records_per_second} msg/s.
Kafka is one node with the settings that it ships (`config/server.properties`, a heap of 1 GB, G1);
it acknowledges what is in the page cache, Omnibus what is on the disk.
Before each measurement the page cache is written back, so that neither pays for the other.

",
            self.made_on()
        );
        for family in FAMILIES {
            self.section(family, &mut text);
        }
        text
    }

    fn section(&self, family: Family, text: &mut String) {
        *text += &format!("## {}\n\n![{}](kafka-{}.svg)\n\n", family.title(), family.title(), family.file());
        *text += "| | Omnibus | min–max | Kafka | min–max | better by |\n|---|--:|--:|--:|--:|--:|\n";
        for figure in self.figures.of(family) {
            let [name, unit, cells @ ..] = row(figure);
            *text += &format!("| {name} ({unit}) | {} |\n", cells.join(" | "));
        }
        text.push('\n');
    }

    fn made_on(&self) -> String {
        format!("{} and {:.2} after.", self.machine, self.load_after)
    }
}

fn row(figure: &Figure) -> [String; 7] {
    let span = |values: &Values| format!("{}–{}", digits(values.min()), digits(values.max()));
    [
        figure.name.clone(),
        figure.unit.to_owned(),
        digits(figure.omnibus.median()),
        span(&figure.omnibus),
        digits(figure.kafka.median()),
        span(&figure.kafka),
        format!("{}×", digits(figure.ratio())),
    ]
}
