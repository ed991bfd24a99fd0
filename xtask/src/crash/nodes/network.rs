//! A network of our own: every node on a host of its own, and the clients on another. Who does not
//! hear whom is a matter of neighbours: a node that sends to a hardware address nobody has is heard
//! by nobody, and hears all the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::clients::need;
use crate::shell::{self, finish};

/// The hosts' first part of address. The last part is the node's number.
const SUBNET: &str = "10.98.0";
/// Where clients are.
const CLIENTS: u32 = 254;
/// Without namespaces all are on this machine's loopback, and nobody can be cut off.
const LOOPBACK: &str = "127.98.0";
/// What the names of our namespaces begin with; the rest is our process and the host's number.
const PREFIX: &str = "omnibus-xtask";
/// No host of ours has this hardware address.
const NOBODY: u32 = 255;

/// Hosts with one bridge between them, for as long as this lives.
#[derive(Debug)]
pub(super) struct Network {
    nodes: u32,
    /// Why there are no namespaces, if there are none.
    refused: Option<String>,
}

impl Network {
    /// Makes hosts for so many nodes, in namespaces if this machine lets us.
    pub(super) fn make(nodes: u32) -> Self {
        remove_left_over();
        let mut network = Self { nodes, refused: None };
        if let Err(error) = network.build() {
            network.remove();
            network.refused = Some(format!("no network namespaces: {error:#}"));
        }
        network
    }

    /// Why nobody can be cut off, if nobody can.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    pub(super) fn address(&self, node: u32) -> String {
        let subnet = if self.refused.is_some() { LOOPBACK } else { SUBNET };
        format!("{subnet}.{node}")
    }

    /// A command that runs on a node's host.
    pub(super) fn on_node(&self, node: u32, program: &Path) -> Command {
        if self.refused.is_some() {
            return shell::command(program);
        }
        // Not `ip netns exec`, which would keep what is mounted now mounted for as long as the program runs.
        let mut command = shell::command("nsenter");
        command.arg(format!("--net=/run/netns/{}", name(node))).arg(program);
        command
    }

    /// A command that runs where the clients are.
    pub(super) fn on_clients(&self, program: &Path) -> Command {
        self.on_node(CLIENTS, program)
    }

    /// From now on what one node sends does not reach another.
    pub(super) fn cut(&self, from: u32, to: u32) -> Result<()> {
        neighbour(from, to, NOBODY)
    }

    /// All hear each other again.
    pub(super) fn mend(&self) -> Result<()> {
        if self.refused.is_some() {
            return Ok(());
        }
        self.ways().try_for_each(|(from, to)| neighbour(from, to, to))
    }

    fn ways(&self) -> impl Iterator<Item = (u32, u32)> {
        let nodes = 1..=self.nodes;
        nodes.clone().flat_map(move |from| nodes.clone().map(move |to| (from, to))).filter(|(from, to)| from != to)
    }

    fn build(&self) -> Result<()> {
        need("ip", "iproute2")?;
        need("nsenter", "util-linux")?;
        let hub = name(CLIENTS);
        let own = format!("{SUBNET}.{CLIENTS}/24");
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "set", "lo", "up"])?;
        ip(&["-n", &hub, "link", "add", "bridge0", "type", "bridge"])?;
        ip(&["-n", &hub, "addr", "add", &own, "dev", "bridge0"])?;
        ip(&["-n", &hub, "link", "set", "bridge0", "up"])?;
        (1..=self.nodes).try_for_each(|node| {
            let (host, port) = (name(node), format!("port{node}"));
            let (hardware, address) = (hardware(node), format!("{SUBNET}.{node}/24"));
            ip(&["netns", "add", &host])?;
            let link = ["-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0"];
            ip(&[&link[..], &["netns", &host, "address", &hardware]].concat())?;
            ip(&["-n", &hub, "link", "set", &port, "master", "bridge0", "up"])?;
            ip(&["-n", &host, "link", "set", "lo", "up"])?;
            ip(&["-n", &host, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &host, "link", "set", "eth0", "up"])
        })
    }

    fn remove(&self) {
        if self.refused.is_none() {
            (1..=self.nodes).chain([CLIENTS]).for_each(|host| remove(&name(host)));
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.remove();
    }
}

fn neighbour(from: u32, to: u32, hardware_of: u32) -> Result<()> {
    let (host, address, hardware) = (name(from), format!("{SUBNET}.{to}"), hardware(hardware_of));
    ip(&["-n", &host, "neigh", "replace", &address, "lladdr", &hardware, "dev", "eth0", "nud", "permanent"])
}

fn name(host: u32) -> String {
    format!("{PREFIX}-{}-{host}", std::process::id())
}

fn hardware(host: u32) -> String {
    format!("02:00:00:00:00:{host:02x}")
}

fn ip(arguments: &[&str]) -> Result<()> {
    let ended = finish("ip", Command::new("ip").args(arguments))?;
    if !ended.status.success() {
        bail!("ip {}: {}", arguments.join(" "), ended.output.trim());
    }
    Ok(())
}

fn remove(namespace: &str) {
    // It may not have been made.
    drop(finish("ip-remove", Command::new("ip").args(["netns", "delete", namespace])));
}

/// Removes what runs left that were killed.
fn remove_left_over() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.trim_start_matches('-').split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            remove(&name);
        }
    }
}
