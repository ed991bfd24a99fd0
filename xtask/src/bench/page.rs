//! The figures as people and programs read them.

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use super::figures::{FAMILIES, Family, Figure, Figures, Values, digits};
use super::machine::Machine;
use super::plan::{Part, Plan};

/// Everything that is told of one run.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) part: Part,
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
        for family in self.families() {
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
        let name = self.part.file();
        let Plan {
            rounds,
            seconds,
            batch,
            in_flight,
            latency_records_per_second,
            latency_seconds,
            latency_warm_seconds,
            ..
        } = self.plan;
        let mut text = format!(
            "# {}: Omnibus and Apache Kafka

Made by `cargo xtask bench kafka --part {}`; the same figures for programs are in [{name}.json]({name}.json).

{}

Both brokers run on loopback and are loaded in turn, {rounds} rounds, by one load generator (`omnibus bench`)
on the same machine; each value is the median of the rounds.
Each measurement of throughput lasts {seconds} s after a second of warming up; the other broker runs, too.
For latency and starts the other one is ended: a broker that stands by syncs its files now and then.
Records are sent uncompressed in batches of {batch}, {in_flight} batches in flight for each connection;
one connection for one partition, two for sixteen.
Latency is measured at {latency_records_per_second} msg/s for {latency_seconds} s, after {latency_warm_seconds} s of the same; each record
counts from when it was due, whether it could be sent then or not.
Kafka is one node with the `config/server.properties` that it ships and the Java options that its manual
names for production (a heap of 6 GB, G1); it acknowledges what is in the page cache.
Omnibus has its defaults but for `storage.cache`, a quarter of the machine's memory, as its manual names
for production; it acknowledges what is on the disk. Processor time and memory are those of the broker's
process alone; what the load generator took is told beside it.
Before each measurement the page cache is written back, so that neither pays for the other.

",
            self.part.title(),
            self.part.word(),
            self.made_on()
        );
        for family in self.families() {
            self.section(family, &mut text);
        }
        text
    }

    /// Those that this run measured.
    fn families(&self) -> impl Iterator<Item = Family> + '_ {
        FAMILIES.into_iter().filter(|family| self.figures.of(*family).next().is_some())
    }

    fn section(&self, family: Family, text: &mut String) {
        *text +=
            &format!("## {}\n\n![{}]({}-{}.svg)\n\n", family.title(), family.title(), self.part.file(), family.file());
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
