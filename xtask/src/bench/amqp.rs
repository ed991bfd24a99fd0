//! AMQP: Omnibus beside `RabbitMQ`, each load on one, then on the next, again and again.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::amqp_wire::Wire;
use super::figures::{Family, Figures, System};
use super::rabbit::{Node, Rabbit, Told};
use super::rounds::settle;
use super::server::{Server, fresh, remove};
use crate::shell::say;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// Messages that come and go, and how long they take, by `RabbitMQ`'s load generator; a quarter of an hour.
    Load,
    /// The same by our own, `omnibus bench amqp`, which takes less of the machine; a quarter of an hour.
    Wire,
    /// Exclusive queues that come, get answers, and go with their connections; some minutes.
    Replies,
    /// Memory and starts with many queues, connections and messages; half an hour.
    Held,
}

impl Part {
    pub(super) const ALL: [Self; 4] = [Self::Load, Self::Wire, Self::Replies, Self::Held];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Wire => "wire",
            Self::Replies => "replies",
            Self::Held => "held",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Load => "Messages over AMQP: Omnibus and RabbitMQ",
            Self::Wire => "Messages over AMQP by our own load generator: Omnibus and RabbitMQ",
            Self::Replies => "Reply queues over AMQP: Omnibus and RabbitMQ",
            Self::Held => "Queues, connections and messages that are held over AMQP: Omnibus and RabbitMQ",
        }
    }
}

/// In their turns. `RabbitMQ` has two kinds of queues that keep what they are given.
pub(super) const SYSTEMS: [System; 3] = [System::Omnibus, System::RabbitClassic, System::RabbitQuorum];

/// After which a broker that does nothing has come to rest.
const REST: Duration = Duration::from_secs(3);

/// Of the queue that is filled.
const BODY: [u8; 100] = [b'x'; 100];
const UNDER_WAY: usize = 1_000;

/// How much is measured: bounded, so that everything ends by itself.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    pub(super) rounds: u32,
    /// Of each load.
    pub(super) seconds: u64,
    /// Before the first round, so that compilers have seen the load.
    pub(super) warm_seconds: u64,
    /// At which latency is measured.
    pub(super) rate: u32,
    pub(super) queues: u32,
    connections: u32,
    /// Those that ask by reply queues.
    pub(super) askers: u32,
    messages: u64,
}

/// One kind of load, which two tools make.
pub(super) struct Cell {
    pub(super) name: &'static str,
    /// In the words of `PerfTest`.
    perf_test: &'static str,
    /// In those of `omnibus bench amqp`.
    pub(super) ours: &'static str,
    pub(super) family: Family,
}

/// All queues are durable, all messages but the small ones persistent and of 1 KiB.
pub(super) const CELLS: [Cell; 5] = [
    Cell {
        name: "1 queue, 1 KiB, persistent, 256 confirms under way, acks by 50",
        perf_test: "-x 1 -y 1 -u one -s 1024 -f persistent -c 256 -q 500 -A 50",
        ours: "through --record 1KiB --confirms 256 --prefetch 500 --ack-every 50",
        family: Family::AmqpThrough,
    },
    Cell {
        name: "10 queues, 1 KiB, persistent, 256 confirms under way each, acks by 50",
        perf_test: "-x 10 -y 10 --queue-pattern ten-%d --queue-pattern-from 1 --queue-pattern-to 10 -s 1024 -f persistent -c 256 -q 500 -A 50",
        ours: "through --queues 10 --record 1KiB --confirms 256 --prefetch 500 --ack-every 50",
        family: Family::AmqpThrough,
    },
    Cell {
        name: "1 queue, 16 B, unconfirmed, automatic acks",
        perf_test: "-x 1 -y 1 -u small -s 16 -a",
        ours: "through --record 16 --transient --confirms 0 --auto-ack",
        family: Family::AmqpThrough,
    },
    Cell {
        name: "fan-out to 10 queues, 1 KiB, persistent, 256 confirms under way, acks by 50, received by all",
        perf_test: "-x 1 -y 10 -e bench-fanout -t fanout --queue-pattern fan-%d --queue-pattern-from 1 --queue-pattern-to 10 -s 1024 -f persistent -c 256 -q 500 -A 50",
        ours: "through --queues 10 --fan-out --record 1KiB --confirms 256 --prefetch 500 --ack-every 50",
        family: Family::AmqpThrough,
    },
    Cell {
        name: "1 queue, 1 KiB, persistent, confirmed, acked",
        perf_test: "-x 1 -y 1 -u latency -s 1024 -f persistent -c 256 -q 500",
        ours: "latency --record 1KiB --confirms 256 --prefetch 500 --ack-every 1",
        family: Family::AmqpLatency,
    },
];

impl Plan {
    pub(super) const fn full(messages: u64) -> Self {
        Self {
            rounds: 3,
            seconds: 10,
            warm_seconds: 10,
            rate: 2_000,
            queues: 10_000,
            connections: 10_000,
            askers: 100,
            messages,
        }
    }

    pub(super) const fn quick() -> Self {
        Self {
            rounds: 1,
            seconds: 4,
            warm_seconds: 2,
            rate: 2_000,
            queues: 500,
            connections: 500,
            askers: 10,
            messages: 50_000,
        }
    }

    /// How it is measured, for readers.
    pub(super) fn method(&self, part: Part, versions: &str) -> String {
        let Self { rounds, seconds, warm_seconds, rate, queues, connections, askers, messages } = self;
        let (body, rest) = (BODY.len(), REST.as_secs());
        let how = match part {
            Part::Load => format!(
                "The brokers run on loopback and are loaded in turn, {rounds} times, by RabbitMQ's own load generator on
the same machine, whose processor time is part of what they share; each value is the median of the rounds. Each load lasts
{seconds} s after a start of its own; before the first round each broker is loaded for {warm_seconds} s. RabbitMQ's classic and quorum queues
are measured in one process, in turn. What is confirmed is on the disk in Omnibus and in quorum queues; classic queues sync when they have
time. Latency is from the sending of a message to its arrival, at {rate} msg/s."
            ),
            Part::Wire => format!(
                "The brokers run on loopback and are loaded in turn, {rounds} times, by one load generator (`omnibus bench amqp`) on the
same machine, which takes one thread; each value is the median of the rounds. Each load lasts {seconds} s after a second of warming up;
before the first round each broker is loaded for {warm_seconds} s. RabbitMQ's classic and quorum queues are measured in one process, in turn.
What is confirmed is on the disk in Omnibus and in quorum queues; classic queues sync when they have time. An eighth of the messages that
may be unconfirmed are written together. Every message that was confirmed was received, once and in the order in which it was published,
or the run would have ended. Latency is from when a message is due, at {rate} msg/s."
            ),
            Part::Replies => format!(
                "The brokers run on loopback in turn, {rounds} times, each time on an empty directory, and are loaded by one load generator
(`omnibus bench amqp replies`) on the same machine; each value is the median of the rounds. {queues} exclusive queues are declared and consumed over {askers} connections at the
same time; then each connection asks one thing after the other for {seconds} s, with transient messages of 64 B, of one service that answers
into the queue that it is told; then all connections end at the same time, and their queues with them."
            ),
            Part::Held => format!(
                "Each system alone, on an empty directory: memory and starts with {queues} queues, {connections} connections, and
{messages} queued messages of {body} B; what is resident {rest} s later, and from the start of the process to the first answer."
            ),
        };
        format!(
            "{versions}. {how} RabbitMQ is one node as it comes. Omnibus has its defaults but for `storage.cache`, a quarter of the
machine's memory, and the number of connections; its queues are the same thing under both names.
"
        )
    }
}

/// Measures what each system needs for what it holds.
pub(super) fn held(plan: &Plan, rabbit: &Rabbit, figures: &mut Figures) -> Result<()> {
    SYSTEMS.into_iter().try_for_each(|system| holdings(plan, rabbit, system, figures))
}

/// Both brokers run; which kind of queue of `RabbitMQ`'s is loaded, the words say.
pub(super) fn loads(plan: &Plan, rabbit: &Rabbit, figures: &mut Figures) -> Result<()> {
    let [ours, theirs] = [System::Omnibus, System::RabbitClassic].map(home);
    let ((our_node, our_data), (their_node, their_data)) = (ours?, theirs?);
    let (ours, theirs) = (rabbit.start(&our_node)?, rabbit.start(&their_node)?);
    let server = |system: System| if system == System::Omnibus { &ours } else { &theirs };
    for system in SYSTEMS {
        rabbit.load(server(system), &words(&CELLS[0], system, plan), plan.warm_seconds)?;
    }
    for round in 1..=plan.rounds {
        for cell in &CELLS {
            for system in SYSTEMS {
                settle()?;
                let told = rabbit.load(server(system), &words(cell, system, plan), plan.seconds)?;
                note(cell, system, plan, told, figures);
                let Told { received_per_second, p99_ms, .. } = told;
                let what = format!("round {round}, {}, {}", cell.name, system.name());
                say(&format!("{what}: {received_per_second:.0} msg/s, p99 {p99_ms:.1} ms"));
            }
        }
    }
    ours.end()?;
    theirs.end()?;
    remove(&our_data)?;
    remove(&their_data)
}

pub(super) fn home(system: System) -> Result<(Node, PathBuf)> {
    let data = fresh(&system.key())?;
    Ok((Node::fresh(system, data.clone())?, data))
}

/// The words of a load; queues of another kind have other names, for all are of one broker.
fn words(cell: &Cell, system: System, plan: &Plan) -> Vec<String> {
    let mut words: Vec<String> = cell.perf_test.split(' ').map(ToOwned::to_owned).collect();
    if system == System::RabbitQuorum {
        for place in 1..words.len() {
            let names = ["-u", "--queue-pattern", "-e"].contains(&words[place - 1].as_str());
            if names {
                words[place].insert_str(0, "quorum-");
            }
        }
        words.push("--quorum-queue".to_owned());
    } else {
        words.extend(["-ad", "false"].map(ToOwned::to_owned));
        if !cell.perf_test.contains("-f persistent") {
            words.extend(["-qa", "x-queue-type=classic"].map(ToOwned::to_owned));
        }
    }
    if cell.family == Family::AmqpLatency {
        words.extend(["--rate".to_owned(), plan.rate.to_string()]);
    }
    words
}

#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn note(cell: &Cell, system: System, plan: &Plan, told: Told, figures: &mut Figures) {
    if cell.family == Family::AmqpLatency {
        figures.add(Family::AmqpLatency, &format!("{}, p50", cell.name), system, told.p50_ms);
        figures.add(Family::AmqpLatency, &format!("{}, p99", cell.name), system, told.p99_ms);
    } else {
        figures.add(cell.family, cell.name, system, told.received_per_second);
    }
    let messages = (told.received_per_second * plan.seconds as f64).max(1.0);
    figures.add(Family::QueueCpu, cell.name, system, told.processor_seconds * 1e6 / messages);
}

/// One system alone, and where its figures go.
struct Holding<'a> {
    rabbit: &'a Rabbit,
    node: &'a Node,
    system: System,
    figures: &'a mut Figures,
}

/// What a system needs for many queues, connections and messages, and how it starts on them.
fn holdings(plan: &Plan, rabbit: &Rabbit, system: System, figures: &mut Figures) -> Result<()> {
    let (node, data) = home(system)?;
    let mut holding = Holding { rabbit, node: &node, system, figures };
    let server = rabbit.start(&node)?;
    holding.add(Family::Start, "on nothing", millis(server.first_answer));
    rest();
    holding.add(Family::Memory, "at rest", server.memory()?);
    holding.connections(plan, &server)?;
    let server = holding.queues(plan, server)?;
    holding.messages(plan, server)?.end()?;
    say(&format!("{}: memory and starts are measured", system.name()));
    drop(node);
    remove(&data)
}

impl Holding<'_> {
    fn connections(&mut self, plan: &Plan, server: &Server) -> Result<()> {
        let count = plan.connections;
        let connections =
            (0..count).map(|_| Wire::open(&server.address).map(Wire::into_socket)).collect::<Result<Vec<_>>>();
        let _held = connections.with_context(|| format!("{count} connections to {}", self.system.name()))?;
        rest();
        self.add(Family::Memory, &format!("{count} connections with a channel each"), server.memory()?);
        Ok(())
    }

    fn queues(&mut self, plan: &Plan, server: Server) -> Result<Server> {
        let begun_at = Instant::now();
        Wire::open(&server.address)?.declare("many-", plan.queues, self.queue_type())?;
        let per_second = f64::from(plan.queues) / begun_at.elapsed().as_secs_f64();
        let name = format!("{} queues", plan.queues);
        self.add(Family::QueueCreate, &name, per_second);
        self.start_again(server, &name)
    }

    fn messages(&mut self, plan: &Plan, server: Server) -> Result<Server> {
        let mut wire = Wire::open(&server.address)?;
        wire.declare("full-", 1, self.queue_type())?;
        wire.fill("full-0", (plan.messages, &BODY), UNDER_WAY)?;
        drop(wire);
        self.start_again(server, &format!("{} queues and {} messages", plan.queues, plan.messages))
    }

    /// Notes what a broker takes, and how long it takes to start on what it has.
    fn start_again(&mut self, server: Server, what: &str) -> Result<Server> {
        rest();
        self.add(Family::Memory, what, server.memory()?);
        server.end()?;
        let server = self.rabbit.start(self.node)?;
        self.add(Family::Start, &format!("with {what}"), millis(server.first_answer));
        rest();
        self.add(Family::Memory, &format!("{what}, started anew"), server.memory()?);
        Ok(server)
    }

    fn queue_type(&self) -> Option<&'static str> {
        (self.system == System::RabbitQuorum).then_some("quorum")
    }

    fn add(&mut self, family: Family, name: &str, value: f64) {
        self.figures.add(family, name, self.system, value);
    }
}

fn rest() {
    thread::sleep(REST);
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
