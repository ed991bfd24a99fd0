//! The servers that queues are compared with: `ElasticMQ` from Maven, moto from `PyPI`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::figures::System;
use super::machine;
use super::server::{Server, free_address};
use super::wire;
use crate::{broker, clients, shell};

/// The part of the machine's memory that the cache of Omnibus gets.
const CACHE_SHARE: u64 = 4;

/// A heap that no measurement fills: both keep their messages there.
const JAVA: [&str; 3] = ["-Xmx6g", "-Xms6g", "-XX:+UseG1GC"];

/// The installed servers.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    elasticmq: PathBuf,
    moto: PathBuf,
}

pub(super) fn install() -> Result<Peers> {
    Ok(Peers { elasticmq: clients::elasticmq_jars()?, moto: clients::moto_server()? })
}

impl Peers {
    /// Which they are.
    pub(super) fn versions(&self) -> String {
        format!("ElasticMQ {} and moto {}", clients::ELASTICMQ, clients::MOTO)
    }

    /// Starts one of them, or Omnibus, as each manual says, and waits for its first answer.
    pub(super) fn start(&self, system: System, data: &Path) -> Result<Server> {
        let address = free_address()?;
        let mut command = match system {
            System::ElasticMq => self.elasticmq(&address, data)?,
            System::Moto => {
                let (host, port) = address.rsplit_once(':').context("an address has a port")?;
                let mut command = shell::command(&self.moto);
                command.args(["-H", host, "-p", port]);
                command
            }
            System::Omnibus | System::Kafka | System::RabbitClassic | System::RabbitQuorum => {
                let cache = format!("storage.cache={}MiB", machine::memory_mebibytes()? / CACHE_SHARE);
                omnibus(&address, data, &["--set", &cache])
            }
        };
        Server::start(&system.key(), &mut command, address, wire::answers_http)
    }

    fn elasticmq(&self, address: &str, data: &Path) -> Result<Command> {
        let (host, port) = address.rsplit_once(':').context("an address has a port")?;
        let settings = data.join("elasticmq.conf");
        fs::write(
            &settings,
            format!(
                "include classpath(\"application.conf\")
node-address {{ protocol = http, host = \"*\", port = {port}, context-path = \"\" }}
rest-sqs {{ enabled = true, bind-port = {port}, bind-hostname = \"{host}\", sqs-limits = strict }}
rest-stats {{ enabled = false }}
"
            ),
        )?;
        let mut command = shell::command("java");
        command.args(JAVA).arg(format!("-Dconfig.file={}", settings.display()));
        command.arg("-cp").arg(format!("{}/*", self.elasticmq.display())).arg("org.elasticmq.server.Main");
        Ok(command)
    }
}

/// Starts Omnibus with its defaults.
pub(super) fn omnibus_as_it_comes(name: &str, data: &Path) -> Result<Server> {
    let address = free_address()?;
    Server::start(name, &mut omnibus(&address, data, &[]), address, wire::answers_http)
}

fn omnibus(address: &str, data: &Path, more: &[&str]) -> Command {
    let mut command = shell::command(broker::binary());
    command.args(["serve", "--kafka", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--sqs", address]);
    command.arg("--data-dir").arg(data).args(more);
    command
}
