//! Tells where the broker can be reached: to people and, in a file, to programs.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::output::{self, Format};

/// Where the doors are, once they are open.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Addresses {
    pub(crate) kafka: SocketAddr,
    /// `None` if the door is shut.
    pub(crate) amqp: Option<SocketAddr>,
    /// Where it is, too.
    pub(crate) amqp_too: Vec<SocketAddr>,
    /// Where RabbitMQ's management API is; `None` if it is not served.
    pub(crate) amqp_management: Option<SocketAddr>,
    /// Where its metrics are under RabbitMQ's names; `None` if they are not served.
    pub(crate) amqp_metrics: Option<SocketAddr>,
    /// `None` if the door is shut.
    pub(crate) sqs: Option<SocketAddr>,
    /// Where it is, too.
    pub(crate) sqs_too: Vec<SocketAddr>,
    pub(crate) admin: SocketAddr,
    /// Where other nodes come in; `None` if there are none.
    pub(crate) cluster: Option<SocketAddr>,
    pub(crate) pid: u32,
    pub(crate) cluster_id: String,
}

impl Addresses {
    /// Prints the addresses, and for people what to try first.
    pub(crate) fn print(&self, data_dir: &Path, format: Format) -> Result<()> {
        if format == Format::Json {
            output::line(serde_json::to_string(self)?)?;
            return output::flush();
        }
        let Self { kafka, amqp, amqp_too, amqp_management, amqp_metrics, sqs, sqs_too, admin, cluster, .. } = self;
        output::line(format_args!("kafka  {kafka}"))?;
        output::line(format_args!("admin  {admin}"))?;
        for (door, first, too) in [("amqp", amqp, amqp_too), ("sqs", sqs, sqs_too)] {
            let all: Vec<String> = first.iter().chain(too).map(ToString::to_string).collect();
            if !all.is_empty() {
                output::line(format_args!("{door:<5}  {}", all.join(", ")))?;
            }
        }
        if let Some(management) = amqp_management {
            output::line(format_args!("mgmt   {management}"))?;
        }
        if let Some(metrics) = amqp_metrics {
            output::line(format_args!("prom   {metrics}"))?;
        }
        if let Some(cluster) = cluster {
            output::line(format_args!("nodes  {cluster}"))?;
        }
        output::line(format_args!("data   {}", data_dir.display()))?;
        let (kafka_flag, admin_flag) = (flag("--kafka", *kafka, 9092), flag("--admin", *admin, 9644));
        let omnibus = std::env::args().next().unwrap_or_else(|| "omnibus".to_owned());
        output::line("\ntry")?;
        output::line(format_args!("  {omnibus} pub greetings hello{kafka_flag}"))?;
        output::line(format_args!("  {omnibus} sub greetings --from beginning{kafka_flag}"))?;
        output::line(format_args!("  {omnibus} topic ls{admin_flag}"))?;
        if let Some(sqs) = sqs {
            let endpoint = reachable(*sqs);
            output::line(format_args!("  aws --endpoint-url http://{endpoint} sqs create-queue --queue-name jobs"))?;
        }
        output::flush()
    }

    /// Writes the addresses to a file that is either not there or whole.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let unfinished = path.with_extension("unfinished");
        let mut file = File::create(&unfinished).with_context(|| format!("cannot write {}", unfinished.display()))?;
        serde_json::to_writer(&mut file, self)?;
        file.write_all(b"\n")?;
        fs::rename(&unfinished, path).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The address by which a program on this machine gets to a door.
fn reachable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("127.0.0.1:{}", address.port()) } else { address.to_string() }
}

/// The flag that a client needs if the address is not the usual one.
fn flag(name: &str, address: SocketAddr, usual_port: u16) -> String {
    if address.port() == usual_port && (address.ip().is_loopback() || address.ip().is_unspecified()) {
        return String::new();
    }
    format!(" {name} {}", reachable(address))
}
