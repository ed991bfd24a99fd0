//! The management API of AMQP: where it is, and what it knows of the node.

use std::io;
use std::net::SocketAddr;

use anyhow::Result;
use omnibus_amqp_management::{Listening, Server, Site};

use super::cannot_listen;
use super::engine::Opened;
use crate::config::Effective;

const KEY: &str = "amqp.management";

/// Opens the door, and says where. Its usual port is `RabbitMQ`'s: if nobody chose it, it is no reason not to serve
/// others; and there is nothing to look after where AMQP is not served.
pub(super) async fn open(effective: &Effective, amqp_is_shut: bool) -> Result<(Server, Vec<SocketAddr>)> {
    let mut server = Server::default();
    let mut addresses = Vec::new();
    let is_chosen = effective.is_chosen(KEY);
    if amqp_is_shut && !is_chosen {
        return Ok((server, addresses));
    }
    for address in &effective.config.amqp.management {
        match server.listen(*address).await {
            Ok(address) => addresses.push(address),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && !is_chosen => {
                tracing::warn!(%address, "AMQP's management is not served: the address is taken; {KEY} chooses another");
            }
            Err(error) => return Err(cannot_listen("set amqp.management", *address, error)),
        }
    }
    Ok((server, addresses))
}

/// What the door tells of the node.
pub(super) fn site(
    effective: &Effective,
    node: &Opened,
    amqp: &omnibus_amqp::Server,
    (amqp_addresses, addresses): (Vec<SocketAddr>, Vec<SocketAddr>),
) -> Site {
    let listening = |protocol| move |address| Listening { protocol, address };
    let amqp_listening = amqp_addresses.into_iter().map(listening("amqp"));
    Site {
        administration: amqp.administration(),
        cluster_id: node.identity.cluster_id.clone(),
        node: node.engine.node(),
        listening: amqp_listening.chain(addresses.into_iter().map(listening("http"))).collect(),
        disk_reserve_bytes: effective.config.storage.reserve.0,
    }
}
