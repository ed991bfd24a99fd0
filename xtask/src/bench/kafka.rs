//! Apache Kafka from Maven, set up as its manual says for one node, or as a cluster of nodes that are brokers and
//! controllers at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::figures::System;
use super::server::{Server, free_address};
use super::wire;
use crate::clients;
use crate::shell::must;

/// The heap that Kafka's manual names for production ("Java version", under operations).
const HEAP: [&str; 2] = ["-Xmx6g", "-Xms6g"];

/// The heap that its start script takes if it is told of none: three times six do not fit a machine of 24.
const HEAP_OF_MANY: [&str; 2] = ["-Xmx1G", "-Xms1G"];

/// The collector's settings that the manual names, and what its start script adds.
const JAVA: [&str; 11] = [
    "-XX:MetaspaceSize=96m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:G1HeapRegionSize=16M",
    "-XX:MinMetaspaceFreeRatio=50",
    "-XX:MaxMetaspaceFreeRatio=80",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-server",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
];

/// As the shipped file says.
const ONE_REPLICA: &str = "offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1";

/// As the manual says for several nodes ("replication", "min.insync.replicas").
const THREE_REPLICAS: &str = "default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2";

const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

/// The systems of these measurements, in their turns.
pub(super) const BOTH: [System; 2] = [System::Omnibus, System::Kafka];

/// The jars of an installed Kafka.
#[derive(Clone, Debug)]
pub(super) struct Kafka {
    jars: PathBuf,
}

/// Fetches Kafka.
pub(super) fn install() -> Result<Kafka> {
    Ok(Kafka { jars: clients::kafka_jars()? })
}

impl Kafka {
    /// Which one it is.
    pub(super) fn version(&self) -> Result<String> {
        let jars = fs::read_dir(&self.jars)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let version = jars.filter_map(|name| Some(name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?.to_owned()));
        version.max().context("there is no jar of Kafka's broker")
    }

    /// Starts one of [`BOTH`] as its manual says for production.
    pub(super) fn start_one(&self, system: System, name: &str, data: &Path) -> Result<Server> {
        if system == System::Kafka { self.start(name, data) } else { Server::omnibus_in_production(name, data) }
    }

    /// Starts a cluster of so many nodes of one of [`BOTH`]; one node is no cluster.
    pub(super) fn start_nodes(&self, (system, count): (System, u32), name: &str, data: &Path) -> Result<Server> {
        match (system, count) {
            (system, 1) => self.start_one(system, name, data),
            (System::Kafka, count) => self.start_cluster(name, data, count),
            (_, count) => Server::omnibus_cluster(name, data, count),
        }
    }

    /// Starts it on this data directory, which is formatted if it is new; that is not counted.
    fn start(&self, name: &str, data: &Path) -> Result<Server> {
        let node = Node { number: 1, address: free_address()?, controller: free_address()? };
        let quorum = format!("controller.quorum.bootstrap.servers={}", node.controller);
        let properties = self.prepare(&node, &[&quorum, ONE_REPLICA], data, &["--standalone"])?;
        Server::start(name, self.java("kafka.Kafka", HEAP).arg(&properties), node.address, wire::answers)
    }

    /// Starts so many nodes, each in a directory of its own below this one.
    fn start_cluster(&self, name: &str, data: &Path, count: u32) -> Result<Server> {
        let node = |number| Ok(Node { number, address: free_address()?, controller: free_address()? });
        let nodes = (1..=count).map(node).collect::<Result<Vec<_>>>()?;
        let voters: Vec<String> = nodes.iter().map(|node| format!("{}@{}", node.number, node.controller)).collect();
        let quorum = format!("controller.quorum.voters={}", voters.join(","));
        let mut commands = Vec::new();
        for node in nodes {
            let data = data.join(node.number.to_string());
            fs::create_dir_all(&data)?;
            let properties = self.prepare(&node, &[&quorum, THREE_REPLICAS], &data, &[])?;
            let mut command = self.java("kafka.Kafka", HEAP_OF_MANY);
            command.arg(&properties);
            commands.push((command, node.address));
        }
        Server::start_cluster(name, commands)
    }

    /// Writes a node's settings, and formats its directory if it is new.
    fn prepare(&self, node: &Node, more: &[&str], data: &Path, format: &[&str]) -> Result<PathBuf> {
        let properties = data.join("server.properties");
        let is_new = !properties.exists();
        fs::write(&properties, node.settings(data) + &more.join("\n") + "\n")?;
        if is_new {
            let mut formatting = self.java("kafka.tools.StorageTool", HEAP_OF_MANY);
            formatting.arg("format").args(format).args(["-t", CLUSTER, "-c"]).arg(&properties);
            must("kafka-format", &mut formatting)?;
        }
        Ok(properties)
    }

    fn java(&self, class: &str, heap: [&str; 2]) -> Command {
        let mut command = Command::new("java");
        command.args(heap).args(JAVA).arg("-cp").arg(format!("{}/*", self.jars.display())).arg(class);
        command
    }
}

/// Where a node of this run listens.
struct Node {
    number: u32,
    address: String,
    controller: String,
}

impl Node {
    /// The `config/server.properties` that Kafka ships, with addresses and the directory of this run; who votes, and
    /// how often things are kept, is said beside it.
    fn settings(&self, data: &Path) -> String {
        let Self { number, address, controller } = self;
        format!(
            "process.roles=broker,controller
node.id={number}
listeners=PLAINTEXT://{address},CONTROLLER://{controller}
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://{address},CONTROLLER://{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs={}
num.partitions=1
num.recovery.threads.per.data.dir=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
",
            data.join("logs").display()
        )
    }
}
