//! `RabbitMQ` from the system's packages, and its own load generator, `PerfTest` from Maven, which drives any broker.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use regex::Regex;

use super::amqp_wire;
use super::figures::System;
use super::machine;
use super::server::{Server, free_address};
use crate::{broker, clients, shell};

/// The part of the machine's memory that the cache of Omnibus gets.
const CACHE_SHARE: u64 = 4;

/// More than are opened.
const CONNECTIONS_MAX: u32 = 20_000;

/// Of the load generator, which shares the machine with what it measures.
const JAVA: [&str; 3] = ["-Xmx1g", "-Xms1g", "-XX:+UseG1GC"];

/// What is installed.
#[derive(Clone, Debug)]
pub(super) struct Rabbit {
    script: PathBuf,
    /// Where it is needed.
    perf_test: Option<PathBuf>,
}

/// One broker and where it keeps its things.
#[derive(Debug)]
pub(super) struct Node {
    system: System,
    data: PathBuf,
    address: String,
    /// Of Erlang's directory of names, which `RabbitMQ` starts and leaves behind: one of its own.
    names_port: String,
}

/// What `PerfTest` tells at its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) received_per_second: f64,
    /// From sending to the consumer.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Of the broker, while it ran.
    pub(super) processor_seconds: f64,
}

pub(super) fn install() -> Result<Rabbit> {
    Ok(Rabbit { script: clients::rabbitmq_server()?, perf_test: None })
}

impl Rabbit {
    /// Installs the load generator, too.
    pub(super) fn with_perf_test(self) -> Result<Self> {
        Ok(Self { perf_test: Some(clients::perf_test_jars()?), ..self })
    }

    /// Which it is.
    pub(super) fn versions(&self) -> Result<String> {
        let output = Command::new("dpkg-query").args(["-W", "-f", "${Version}", "rabbitmq-server"]).output()?;
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(!version.is_empty(), "the version of RabbitMQ is not known");
        let generator =
            self.perf_test.as_ref().map_or_else(String::new, |_| format!(", PerfTest {}", clients::PERF_TEST));
        Ok(format!("RabbitMQ {version}{generator}"))
    }

    /// Starts a broker on what it left behind, if it did.
    pub(super) fn start(&self, node: &Node) -> Result<Server> {
        let mut command = match node.system {
            System::RabbitClassic | System::RabbitQuorum => self.rabbit(node)?,
            _ => {
                let cache = format!("storage.cache={}MiB", machine::memory_mebibytes()? / CACHE_SHARE);
                let connections = format!("amqp.connections_max={CONNECTIONS_MAX}");
                let mut command = shell::command(broker::binary());
                command.args(["serve", "--kafka", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--sqs", "127.0.0.1:0"]);
                command.args([
                    "--amqp",
                    &node.address,
                    "--set",
                    &cache,
                    "--set",
                    &connections,
                    "--set",
                    "amqp.management=off",
                    "--set",
                    "amqp.metrics=off",
                ]);
                command.arg("--data-dir").arg(node.data.join("data"));
                command
            }
        };
        Server::start(&node.system.key(), &mut command, node.address.clone(), amqp_wire::answers)
    }

    /// As it comes, but that it listens on loopback only and keeps all below one directory. It runs in the process that the
    /// script starts as, so that it can be ended by its number.
    fn rabbit(&self, node: &Node) -> Result<Command> {
        let (_, port) = node.address.rsplit_once(':').context("an address has a port")?;
        let (_, nodes_port) = free_address()?
            .rsplit_once(':')
            .map(|(host, port)| (host.to_owned(), port.to_owned()))
            .context("a port")?;
        fs::write(node.data.join("enabled_plugins"), "[].")?;
        let place = |name: &str| node.data.join(name);
        let mut command = shell::command(&self.script);
        command
            .env("RABBITMQ_NODENAME", format!("bench{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port)
            .env("RABBITMQ_DIST_PORT", nodes_port)
            .env("ERL_EPMD_PORT", &node.names_port)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", place("mnesia"))
            .env("RABBITMQ_LOG_BASE", place("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", place("enabled_plugins"))
            .env("RABBITMQ_CONFIG_FILE", place("none"))
            .env("RABBITMQ_PID_FILE", place("pid"))
            .env("HOME", &node.data)
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-noinput -kernel inet_dist_use_interface {127,0,0,1}");
        Ok(command)
    }

    /// Loads a broker with what `words` say, for some seconds.
    pub(super) fn load(&self, server: &Server, words: &[String], seconds: u64) -> Result<Told> {
        let jars = self.perf_test.as_ref().context("PerfTest is not installed")?;
        let mut command = Command::new("java");
        command.args(JAVA).arg("-cp").arg(format!("{}/*", jars.display())).arg("com.rabbitmq.perf.PerfTest");
        command.args(["--uri", &format!("amqp://{}", server.address), "--time", &seconds.to_string()]);
        let before = processor_seconds(server)?;
        let output = shell::must("bench-perf-test", command.args(words))?;
        let processor_seconds = processor_seconds(server)? - before;
        Ok(Told { processor_seconds, ..read(&output)? })
    }
}

impl Node {
    /// One that has nothing yet.
    pub(super) fn fresh(system: System, data: PathBuf) -> Result<Self> {
        let names = free_address()?;
        let names_port = names.rsplit_once(':').map(|(_, port)| port.to_owned()).context("an address has a port")?;
        Ok(Self { system, data, address: free_address()?, names_port })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.system, System::RabbitClassic | System::RabbitQuorum) {
            let mut command = Command::new("epmd");
            // Nobody else knows its port; where none was started, it says so.
            drop(command.arg("-kill").env("ERL_EPMD_PORT", &self.names_port).output());
        }
    }
}

/// What the broker's processes have used up to now.
fn processor_seconds(server: &Server) -> Result<f64> {
    server.pids().map(|pid| processor_seconds_of(Path::new("/proc").join(pid.to_string()).as_path())).sum()
}

fn processor_seconds_of(process: &Path) -> Result<f64> {
    /// What the kernel counts in, on every machine that this runs on.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(process.join("stat"))?;
    // The name, in parentheses, may have blanks.
    let (_, rest) = stat.rsplit_once(')').context("what the kernel tells of a process")?;
    let mut times = rest.split_whitespace().skip(11).map(str::parse::<f64>);
    let [user, system] =
        [times.next(), times.next()].map(|time| time.context("a time")).map(|time| time?.context("a time"));
    Ok((user? + system?) / TICKS_PER_SECOND)
}

/// Reads the lines that sum up.
fn read(output: &str) -> Result<Told> {
    let rate = Regex::new(r"receiving rate avg: ([\d.]+) msg/s").context("the pattern")?;
    let latency = Regex::new(r"consumer latency min/median/75th/95th/99th (\S+)").context("the pattern")?;
    let found = rate.captures(output).with_context(|| format!("PerfTest tells no rate: {output}"))?;
    let mut told = Told { received_per_second: found[1].parse()?, ..Told::default() };
    if let Some(found) = latency.captures(output) {
        let micros = found[1].split('/').map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?;
        let [_, p50, _, _, p99] = micros[..] else { anyhow::bail!("PerfTest tells {}", &found[1]) };
        (told.p50_ms, told.p99_ms) = (p50 / 1e3, p99 / 1e3);
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perf_test_sums_up_is_read() {
        let told = read(
            "id: t, time 1.0 s, received: 9 msg/s, min/median/75th/95th/99th consumer latency: 9/9/9/9/9 µs\n\
             id: t, sending rate avg: 870 msg/s\n\
             id: t, receiving rate avg: 863 msg/s\n\
             id: t, consumer latency min/median/75th/95th/99th 7018/71351/149510/403839/449407 µs\n",
        )
        .unwrap();
        assert!((told.received_per_second - 863.0).abs() < 1e-9);
        assert!((told.p50_ms - 71.351).abs() < 1e-9);
        assert!((told.p99_ms - 449.407).abs() < 1e-9);
        assert!(read("nothing").is_err());
    }
}
