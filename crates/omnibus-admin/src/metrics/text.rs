//! Prometheus' text format.

use std::fmt::{Display, Write};

/// Metrics, written one family after the other.
#[derive(Debug)]
pub(crate) struct Exposition {
    text: String,
    series_max: u64,
    left_out: u64,
}

/// What a number does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows.
    Counter,
    Gauge,
}

/// A metric's name, what its number does, and what it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric(pub(crate) &'static str, pub(crate) Kind, pub(crate) &'static str);

/// Labels with their values.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// Begins without metrics, of which none shall have more than `series_max` series.
    pub(crate) const fn new(series_max: u64) -> Self {
        Self { text: String::new(), series_max, left_out: 0 }
    }

    /// Writes a metric that has one number.
    pub(crate) fn one(&mut self, metric: Metric, value: impl Display) {
        self.head(metric);
        self.sample(metric, &[], value);
    }

    /// Writes a metric with one number for each thing that is measured.
    pub(crate) fn many<T>(&mut self, metric: Metric, things: &[T], mut write: impl FnMut(&mut Self, Metric, &T)) {
        self.head(metric);
        let kept = usize::try_from(self.series_max).unwrap_or(usize::MAX).min(things.len());
        for thing in &things[..kept] {
            write(self, metric, thing);
        }
        self.left_out += (things.len() - kept) as u64;
    }

    /// Writes one number of a metric.
    pub(crate) fn sample(&mut self, metric: Metric, labels: Labels<'_>, value: impl Display) {
        self.text.push_str(metric.0);
        for (place, (label, value)) in labels.iter().enumerate() {
            self.text.push_str(if place == 0 { "{" } else { "," });
            self.text.push_str(label);
            self.text.push_str("=\"");
            self.push_escaped(value);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        writeln!(self.text, " {value}").expect("a string takes everything");
    }

    /// Counts series that were left out without a look.
    pub(crate) const fn leave_out(&mut self, series: u64) {
        self.left_out += series;
    }

    /// Ends, telling how much was left out.
    pub(crate) fn finish(mut self) -> String {
        let left_out = self.left_out;
        let meaning = "Series that were left out of this answer, see admin.metrics_series_max.";
        self.one(Metric("omnibus_metrics_series_left_out", Kind::Gauge, meaning), left_out);
        self.text
    }

    fn head(&mut self, Metric(name, kind, meaning): Metric) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        write!(self.text, "# HELP {name} {meaning}\n# TYPE {name} {kind}\n").expect("a string takes everything");
    }

    fn push_escaped(&mut self, value: &str) {
        for letter in value.chars() {
            match letter {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                other => self.text.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: Metric = Metric("m", Kind::Gauge, "Means something.");

    #[test]
    fn labels_are_escaped() {
        let mut exposition = Exposition::new(10);
        exposition.many(M, &["a\"b\\c\nd"], |exposition, metric, label| {
            exposition.sample(metric, &[("l", label), ("k", "v")], 1.5);
        });
        let text = exposition.finish();
        assert!(
            text.starts_with("# HELP m Means something.\n# TYPE m gauge\nm{l=\"a\\\"b\\\\c\\nd\",k=\"v\"} 1.5\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut exposition = Exposition::new(2);
        exposition.many(M, &[1, 2, 3, 4, 5], |exposition, metric, value| exposition.sample(metric, &[], value));
        assert!(exposition.finish().ends_with("omnibus_metrics_series_left_out 3\n"));
    }
}
