//! Apache Kafka from Maven, set up as its manual says for one node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::figures::System;
use super::server::{Server, free_address};
use super::wire;
use crate::clients;
use crate::shell::must;

/// The heap and the collector's settings that Kafka's manual names for production ("Java version",
/// under operations), and what its start script adds.
const JAVA: [&str; 13] = [
    "-Xmx6g",
    "-Xms6g",
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

    /// Starts it on this data directory, which is formatted if it is new; that is not counted.
    fn start(&self, name: &str, data: &Path) -> Result<Server> {
        let address = free_address()?;
        let properties = data.join("server.properties");
        let is_new = !properties.exists();
        fs::write(&properties, settings(&address, &free_address()?, data))?;
        if is_new {
            let mut format = self.java("kafka.tools.StorageTool");
            format.args(["format", "--standalone", "-t", CLUSTER, "-c"]).arg(&properties);
            must("kafka-format", &mut format)?;
        }
        Server::start(name, self.java("kafka.Kafka").arg(&properties), address, wire::answers)
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command.args(JAVA).arg("-cp").arg(format!("{}/*", self.jars.display())).arg(class);
        command
    }
}

/// The `config/server.properties` that Kafka ships, with addresses and the directory of this run.
fn settings(address: &str, controller: &str, data: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={controller}
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
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
",
        data.join("logs").display()
    )
}
