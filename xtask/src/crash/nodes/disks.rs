//! Disks of their own for nodes, so that their power can be cut: ext4 in files on XFS, which copies a file at once as it
//! is at one moment (see the power cuts of one node).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::crash::image::{self, Mounted};
use crate::crash::verify;
use crate::shell::{must, workshop};

const DISK_BYTES: u64 = 1 << 30;
/// Room for what copies do not share with what they were made of.
const OUTER_BYTES: u64 = 8 << 30;

/// A disk for each node. They go before what they are on.
#[derive(Debug)]
pub(super) struct Disks {
    place: PathBuf,
    nodes: BTreeMap<u32, Mounted>,
    outer: Mounted,
}

impl Disks {
    /// Makes empty ones; the reason if this machine does not let us.
    pub(super) fn make(nodes: u32) -> Result<Result<Self, String>> {
        let place = workshop("power-cut-nodes")?;
        let outer = match image::make(&place.join("outer.img"), "xfs", OUTER_BYTES, &place.join("outer"))? {
            Ok(outer) => outer,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut disks = Self { place, nodes: BTreeMap::new(), outer };
        for node in 1..=nodes {
            match image::make(&disks.image(node), "ext4", DISK_BYTES, &disks.place.join(node.to_string()))? {
                Ok(disk) => drop(disks.nodes.insert(node, disk)),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        Ok(Ok(disks))
    }

    /// Where a node keeps its data.
    pub(super) fn data(&self, node: u32) -> PathBuf {
        self.place.join(node.to_string()).join("data")
    }

    /// Keeps what is on a node's disk now, and not what the kernel has in its caches.
    pub(super) fn keep(&self, node: u32) -> Result<()> {
        let (disk, kept) = (self.image(node), self.kept(node));
        must("reflink", Command::new("cp").arg("--reflink=always").arg(disk).arg(kept)).map(drop)
    }

    /// Goes back to what was kept. Nobody may use the disk.
    pub(super) fn go_back(&mut self, node: u32) -> Result<()> {
        drop(self.nodes.remove(&node));
        fs::rename(self.kept(node), self.image(node))?;
        let mounted = image::mount(&self.image(node), &self.place.join(node.to_string()))?;
        let mounted = mounted.map_err(anyhow::Error::msg).context("ext4 does not recover")?;
        self.nodes.insert(node, mounted);
        let verified = verify(&self.data(node))?;
        ensure!(verified.sound, "omnibus verify calls node {node} unsound: {:?}", verified.damage);
        Ok(())
    }

    fn image(&self, node: u32) -> PathBuf {
        self.outer.at.join(format!("{node}.img"))
    }

    fn kept(&self, node: u32) -> PathBuf {
        self.outer.at.join(format!("{node}.kept.img"))
    }
}
