//! What was measured: every value of every round, and what is quoted of it.

use serde::Serialize;

/// Which broker a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    Omnibus,
    Kafka,
}

pub(super) const BOTH: [System; 2] = [System::Omnibus, System::Kafka];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Family {
    #[serde(rename = "produce")]
    Produce,
    #[serde(rename = "sustained")]
    Sustained,
    #[serde(rename = "consume")]
    Consume,
    #[serde(rename = "cold")]
    Cold,
    #[serde(rename = "tail")]
    Tail,
    #[serde(rename = "produce-cpu")]
    ProduceCpu,
    #[serde(rename = "consume-cpu")]
    ConsumeCpu,
    #[serde(rename = "generator-cpu")]
    GeneratorCpu,
    #[serde(rename = "latency")]
    Latency,
    #[serde(rename = "start")]
    Start,
    #[serde(rename = "memory")]
    Memory,
}

pub(super) const FAMILIES: [Family; 11] = [
    Family::Produce,
    Family::Sustained,
    Family::Consume,
    Family::Cold,
    Family::Tail,
    Family::ProduceCpu,
    Family::ConsumeCpu,
    Family::GeneratorCpu,
    Family::Latency,
    Family::Start,
    Family::Memory,
];

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    pub(super) family: Family,
    pub(super) name: String,
    pub(super) unit: &'static str,
    pub(super) omnibus: Values,
    pub(super) kafka: Values,
}

/// The values of all rounds.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Values(Vec<f64>);

/// Everything that was measured, in the order in which it was.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Figures(pub(super) Vec<Figure>);

impl Family {
    /// Its heading.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Produce => "Produce, acks=all",
            Self::Sustained => "Produce, acks=all, for longer than memory can hide the disk",
            Self::Consume => "Consume from the beginning what was just written",
            Self::Cold => "Consume from the beginning, from the disk: just started, and the page cache dropped",
            Self::Tail => "Consume at the tail, while a producer writes flat out",
            Self::ProduceCpu => "Processor time of the broker while producing",
            Self::ConsumeCpu => "Processor time of the broker while consuming from the beginning",
            Self::GeneratorCpu => "Processor time of the load generator beside it",
            Self::Latency => "From when a record is due to its arrival at a consumer",
            Self::Start => "From start to the first answer, and to the first record that is taken",
            Self::Memory => "Resident memory",
        }
    }

    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Produce | Self::Sustained | Self::Consume | Self::Cold | Self::Tail => "MB/s",
            Self::ProduceCpu | Self::ConsumeCpu | Self::GeneratorCpu => "CPU s/GB",
            Self::Latency | Self::Start => "ms",
            Self::Memory => "MiB",
        }
    }

    const fn is_better_when_higher(self) -> bool {
        matches!(self, Self::Produce | Self::Sustained | Self::Consume | Self::Cold | Self::Tail)
    }

    /// The name of its plot.
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Sustained => "sustained",
            Self::Consume => "consume",
            Self::Cold => "cold",
            Self::Tail => "tail",
            Self::ProduceCpu => "produce-cpu",
            Self::ConsumeCpu => "consume-cpu",
            Self::GeneratorCpu => "generator-cpu",
            Self::Latency => "latency",
            Self::Start => "start",
            Self::Memory => "memory",
        }
    }
}

impl Figures {
    /// Adds a value of one round.
    pub(super) fn add(&mut self, family: Family, name: &str, system: System, value: f64) {
        let place = self.0.iter().position(|figure| figure.family == family && figure.name == name);
        let place = place.unwrap_or_else(|| {
            let (omnibus, kafka) = (Values::default(), Values::default());
            self.0.push(Figure { family, name: name.to_owned(), unit: family.unit(), omnibus, kafka });
            self.0.len() - 1
        });
        let figure = &mut self.0[place];
        match system {
            System::Omnibus => figure.omnibus.0.push(value),
            System::Kafka => figure.kafka.0.push(value),
        }
    }

    pub(super) fn of(&self, family: Family) -> impl Iterator<Item = &Figure> {
        self.0.iter().filter(move |figure| figure.family == family)
    }
}

impl Figure {
    /// How many times better Omnibus is: more where more is better, less where less is.
    pub(super) fn ratio(&self) -> f64 {
        let (ours, theirs) = (self.omnibus.median(), self.kafka.median());
        if self.family.is_better_when_higher() { ours / theirs } else { theirs / ours }
    }
}

impl Values {
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    pub(super) fn min(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    pub(super) fn max(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// A number to three digits.
pub(super) fn digits(value: f64) -> String {
    match value {
        _ if value.is_nan() => "–".to_owned(),
        _ if value >= 99.95 => format!("{value:.0}"),
        _ if value >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_better_where_it_is() {
        let mut figures = Figures::default();
        for (system, milliseconds) in [(System::Omnibus, 2.0), (System::Kafka, 6.0), (System::Omnibus, 4.0)] {
            figures.add(Family::Latency, "p99", system, milliseconds);
        }
        assert!((figures.0[0].ratio() - 2.0).abs() < 1e-9);
        assert_eq!(digits(figures.0[0].omnibus.median()), "3.00");
        assert_eq!(digits(123.456), "123");
    }
}
