//! What was measured: every value of every round, and what is quoted of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Which server a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum System {
    Omnibus,
    Kafka,
    ElasticMq,
    Moto,
    RabbitClassic,
    RabbitQuorum,
}

impl System {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Omnibus => "Omnibus",
            Self::Kafka => "Kafka",
            Self::ElasticMq => "ElasticMQ",
            Self::Moto => "moto",
            Self::RabbitClassic => "RabbitMQ classic",
            Self::RabbitQuorum => "RabbitMQ quorum",
        }
    }

    /// Of files, logs and JSON.
    pub(super) fn key(self) -> String {
        self.name().to_lowercase().replace(' ', "-")
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(rename = "queue-send")]
    QueueSend,
    #[serde(rename = "queue-drain")]
    QueueDrain,
    #[serde(rename = "queue-cycle")]
    QueueCycle,
    #[serde(rename = "queue-cpu")]
    QueueCpu,
    #[serde(rename = "queue-latency")]
    QueueLatency,
    #[serde(rename = "queue-drain-latency")]
    QueueDrainLatency,
    #[serde(rename = "queue-wait")]
    QueueWait,
    #[serde(rename = "queue-create")]
    QueueCreate,
    #[serde(rename = "queue-idle")]
    QueueIdle,
    #[serde(rename = "amqp-through")]
    AmqpThrough,
    #[serde(rename = "amqp-latency")]
    AmqpLatency,
    #[serde(rename = "amqp-answers")]
    AmqpAnswers,
    #[serde(rename = "amqp-reply")]
    AmqpReply,
    #[serde(rename = "amqp-generator")]
    AmqpGenerator,
}

pub(super) const FAMILIES: [Family; 25] = [
    Family::Produce,
    Family::Sustained,
    Family::Consume,
    Family::Cold,
    Family::Tail,
    Family::ProduceCpu,
    Family::ConsumeCpu,
    Family::GeneratorCpu,
    Family::Latency,
    Family::AmqpThrough,
    Family::AmqpLatency,
    Family::AmqpAnswers,
    Family::AmqpReply,
    Family::Start,
    Family::QueueSend,
    Family::QueueDrain,
    Family::QueueCycle,
    Family::QueueCpu,
    Family::AmqpGenerator,
    Family::QueueLatency,
    Family::QueueDrainLatency,
    Family::QueueWait,
    Family::QueueCreate,
    Family::QueueIdle,
    Family::Memory,
];

/// One line of the table.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) family: Family,
    pub(super) name: String,
    pub(super) values: BTreeMap<System, Values>,
}

/// The values of all rounds.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Values(Vec<f64>);

/// Everything that was measured, in the order in which it was.
#[derive(Clone, Debug, Default)]
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
            Self::GeneratorCpu | Self::AmqpGenerator => "Processor time of the load generator beside it",
            Self::Latency => "From when a record is due to its arrival at a consumer",
            Self::Start => "From start to the first answer, and to the first record that is taken",
            Self::Memory => "Resident memory",
            Self::QueueSend => "Messages sent",
            Self::QueueDrain => "Messages received and deleted, from a queue that was filled before",
            Self::QueueCycle => "Messages sent, received and deleted, by the same connections",
            Self::QueueCpu => "Processor time of the server",
            Self::QueueLatency => "How long requests take, one message each, while messages go through",
            Self::QueueDrainLatency => "How long requests take, ten messages each, while a queue is drained",
            Self::QueueWait => "Processor time while receivers wait for messages that do not come",
            Self::QueueCreate => "Queues made, and gone",
            Self::QueueIdle => "Processor time while queues lie idle",
            Self::AmqpThrough => "Messages published, delivered and acknowledged at the same time, as fast as they go",
            Self::AmqpLatency => "From publishing to the consumer, at a fixed rate",
            Self::AmqpAnswers => "Answers, of a request and a reply each, as fast as they go",
            Self::AmqpReply => "From asking to the answer",
        }
    }

    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Produce | Self::Sustained | Self::Consume | Self::Cold | Self::Tail => "MB/s",
            Self::ProduceCpu | Self::ConsumeCpu | Self::GeneratorCpu => "CPU s/GB",
            Self::Latency | Self::Start => "ms",
            Self::Memory => "MiB",
            Self::QueueSend | Self::QueueDrain | Self::QueueCycle | Self::AmqpThrough => "msg/s",
            Self::QueueCpu | Self::AmqpGenerator => "CPU µs/msg",
            Self::QueueLatency | Self::QueueDrainLatency | Self::AmqpLatency | Self::AmqpReply => "ms",
            Self::QueueWait | Self::QueueIdle => "% of a core",
            Self::QueueCreate => "queues/s",
            Self::AmqpAnswers => "answers/s",
        }
    }

    fn is_better_when_higher(self) -> bool {
        matches!(self.unit(), "MB/s" | "msg/s" | "queues/s" | "answers/s")
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
            Self::GeneratorCpu | Self::AmqpGenerator => "generator-cpu",
            Self::Latency => "latency",
            Self::Start => "start",
            Self::Memory => "memory",
            Self::QueueSend => "send",
            Self::QueueDrain => "drain",
            Self::QueueCycle => "cycle",
            Self::QueueCpu => "cpu",
            Self::QueueLatency | Self::QueueDrainLatency | Self::AmqpLatency | Self::AmqpReply => "latency",
            Self::AmqpThrough => "through",
            Self::AmqpAnswers => "answers",
            Self::QueueWait => "wait",
            Self::QueueCreate => "create",
            Self::QueueIdle => "idle",
        }
    }
}

impl Figures {
    /// Adds a value of one round.
    pub(super) fn add(&mut self, family: Family, name: &str, system: System, value: f64) {
        let place = self.0.iter().position(|figure| figure.family == family && figure.name == name);
        let place = place.unwrap_or_else(|| {
            self.0.push(Figure { family, name: name.to_owned(), values: BTreeMap::new() });
            self.0.len() - 1
        });
        self.0[place].values.entry(system).or_default().add(value);
    }

    /// The servers that were measured; Omnibus comes first.
    pub(super) fn systems(&self) -> BTreeSet<System> {
        self.0.iter().flat_map(|figure| figure.values.keys().copied()).collect()
    }

    pub(super) fn of(&self, family: Family) -> impl Iterator<Item = &Figure> {
        self.0.iter().filter(move |figure| figure.family == family)
    }
}

impl Figure {
    /// The values of one server; none if it was not measured.
    pub(super) fn of(&self, system: System) -> Values {
        self.values.get(&system).cloned().unwrap_or_default()
    }

    /// How many times better Omnibus is than the best of the others: more where more is better,
    /// less where less is.
    pub(super) fn ratio(&self) -> f64 {
        let higher = self.family.is_better_when_higher();
        let ours = self.of(System::Omnibus).median();
        let others = self.values.iter().filter(|(system, _)| **system != System::Omnibus);
        let better = if higher { f64::max } else { f64::min };
        let best = others.map(|(_, values)| values.median()).fold(f64::NAN, better);
        if higher { ours / best } else { best / ours }
    }
}

impl Values {
    pub(super) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

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
        assert_eq!(digits(figures.0[0].of(System::Omnibus).median()), "3.00");
        assert_eq!(digits(123.456), "123");
    }
}
