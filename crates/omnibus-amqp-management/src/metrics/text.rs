//! Prometheus' text format.

use std::fmt::{Display, Write};

/// What a number does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows.
    Counter,
    Gauge,
    /// Counts by size.
    Histogram,
    /// It says something else, mostly by its labels.
    Untyped,
}

/// A metric's name, what its number does, and what it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric<'a>(pub(crate) &'a str, pub(crate) Kind, pub(crate) &'static str);

/// Labels with their values.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

/// Metrics, written one family after the other.
#[derive(Debug, Default)]
pub(crate) struct Exposition(String);

impl Exposition {
    /// Writes a metric that has one number.
    pub(crate) fn one(&mut self, metric: Metric<'_>, labels: Labels<'_>, value: impl Display) {
        self.head(metric);
        self.sample(metric.0, labels, value);
    }

    /// Begins a metric.
    pub(crate) fn head(&mut self, Metric(name, kind, meaning): Metric<'_>) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Untyped => "untyped",
        };
        self.push(format_args!("# HELP {name} {meaning}\n# TYPE {name} {kind}\n"));
    }

    /// Writes one number.
    pub(crate) fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        for (place, (label, value)) in labels.iter().enumerate() {
            self.push(format_args!("{}{label}=\"{}\"", if place == 0 { '{' } else { ',' }, escaped(value)));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.push(format_args!(" {value}\n"));
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a string takes everything");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut exposition = Exposition::default();
        let metric = Metric("m", Kind::Gauge, "Means something.");
        exposition.one(metric, &[("l", "a\"b\\c\nd"), ("k", "v")], 1.5);
        exposition.one(metric, &[], 2);
        let head = "# HELP m Means something.\n# TYPE m gauge\n";
        let wanted = format!("{head}m{{l=\"a\\\"b\\\\c\\nd\",k=\"v\"}} 1.5\n{head}m 2\n");
        assert_eq!(exposition.finish(), wanted);
    }
}
