//! The management API and the metrics of AMQP: where they are, and what they know of the node.

use std::io;
use std::net::SocketAddr;

use anyhow::Result;
use omnibus_admin::process::{Usage, open_files, open_files_max};
use omnibus_amqp_management::{Listening, Process, Server, Site};

use super::cannot_listen;
use super::engine::Opened;
use crate::config::Effective;

const MANAGEMENT: &str = "amqp.management";
const METRICS: &str = "amqp.metrics";

/// Where AMQP is served, and what looks after it.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) amqp: Vec<SocketAddr>,
    pub(super) management: Vec<SocketAddr>,
    pub(super) metrics: Vec<SocketAddr>,
}

/// Opens the doors where AMQP is served, and says where. Their usual ports are `RabbitMQ`'s: if nobody chose them, they
/// are no reason not to serve others; and there is nothing to look after where AMQP is not served.
pub(super) async fn open(effective: &Effective, amqp: Vec<SocketAddr>) -> Result<(Server, Places)> {
    let mut server = Server::default();
    let mut places = Places { amqp, ..Places::default() };
    let is_wanted = |key| !places.amqp.is_empty() || effective.is_chosen(key);
    let config = &effective.config.amqp;
    let management: &[SocketAddr] = if is_wanted(MANAGEMENT) { &config.management } else { &[] };
    let metrics: &[SocketAddr] = if is_wanted(METRICS) { &config.metrics } else { &[] };
    for address in management {
        places.management.extend(taken(effective, (MANAGEMENT, *address), server.listen(*address).await)?);
    }
    for address in metrics {
        places.metrics.extend(taken(effective, (METRICS, *address), server.listen_for_metrics(*address).await)?);
    }
    Ok((server, places))
}

/// The address that is listened on; none if another has it and nobody chose it.
fn taken(
    effective: &Effective,
    (key, address): (&str, SocketAddr),
    listening: io::Result<SocketAddr>,
) -> Result<Option<SocketAddr>> {
    match listening {
        Ok(address) => Ok(Some(address)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !effective.is_chosen(key) => {
            tracing::warn!(%address, "not served: the address is taken; {key} chooses another");
            Ok(None)
        }
        Err(error) => Err(cannot_listen(&format!("set {key}"), address, error)),
    }
}

/// What the doors tell of the node.
pub(super) fn site(effective: &Effective, node: &Opened, amqp: &omnibus_amqp::Server, places: &Places) -> Site {
    let Places { amqp: amqp_places, management, metrics } = places;
    let listening = [("amqp", amqp_places), ("http", management), ("http/prometheus", metrics)];
    let listening = listening.into_iter().flat_map(|(protocol, addresses)| {
        addresses.iter().map(move |address| Listening { protocol, address: *address })
    });
    Site {
        administration: amqp.administration(),
        cluster_id: node.identity.cluster_id.clone(),
        node: node.engine.node(),
        listening: listening.collect(),
        disk_reserve_bytes: effective.config.storage.reserve.0,
        metrics_series_max: effective.config.admin.metrics_series_max,
        read_process,
    }
}

fn read_process() -> Process {
    Process {
        memory_bytes: Usage::own().ok().map(|usage| usage.memory_bytes),
        open_files: open_files().ok(),
        open_files_max: open_files_max().ok(),
    }
}
