//! The newest saved state of a shard.

use std::sync::Arc;

use bytes::Bytes;
use omnibus_io::DiskFile;
use omnibus_model::ShardId;

use super::{At, STEP_BYTES, Scrubbed, Stepped, gravity, open_bare, rot};
use crate::checkpoint::{CheckpointName, HEADER_BYTES};
use crate::file::read_pages;
use crate::shared::Shared;

/// A checkpoint that is being read. Should a newer one take its place meanwhile, its bytes stay as they are.
#[derive(Debug)]
pub(super) struct SavedPass {
    name: CheckpointName,
    /// None if there is no such file.
    handle: Option<Arc<dyn DiskFile>>,
    position: u64,
    /// What is behind the first bytes: how much, its checksum, and that of what was read of it.
    body: Option<(u64, u32)>,
    crc: u32,
}

impl SavedPass {
    pub(super) fn begin(shared: &Shared, shard: ShardId) -> Option<Self> {
        // Nobody takes its place until it is open.
        let _alone = shared.maintenance.lock();
        let (term, index) = shared.manifest.lock().list.checkpoints.get(&shard).copied()?;
        let name = CheckpointName { log: shared.identity, shard, term, index };
        let handle = open_bare(shared, &name.path()).ok();
        Some(Self { name, handle, position: 0, body: None, crc: 0 })
    }

    pub(super) fn step(mut self, shared: &Shared) -> Stepped {
        let part = self.read();
        let bytes = part.as_ref().map_or(0, |part| part.len() as u64);
        let is_whole = part.and_then(|part| self.take(&part));
        let mut scrubbed = Scrubbed { bytes, rot: Vec::new() };
        match is_whole {
            Some(false) => return (scrubbed, Some(At::Saved(self))),
            Some(true) => {}
            None => {
                scrubbed.rot.push(rot(&self.name.path(), 0, "a checkpoint", gravity(true)));
                self.note(shared);
            }
        }
        (scrubbed, None)
    }

    /// The same may be saved again, unless something newer was.
    fn note(&self, shared: &Shared) {
        let CheckpointName { shard, term, index, .. } = self.name;
        let newest = shared.manifest.lock().list.checkpoints.get(&shard).copied();
        if newest == Some((term, index)) {
            shared.shards.lock().entry(shard).or_default().checkpoint_has_rotted = true;
        }
    }

    fn read(&self) -> Option<Bytes> {
        read_pages(self.handle.as_ref()?.as_ref(), self.position, STEP_BYTES).ok()
    }

    /// Takes the next part into account; says whether that was all, and nothing if it is not what was written.
    fn take(&mut self, part: &Bytes) -> Option<bool> {
        let mut rest = part.as_ref();
        if self.position == 0 {
            let outline = self.name.outline(part)?;
            self.body = Some((outline.body_bytes, outline.body_crc));
            rest = part.get(HEADER_BYTES..)?;
        }
        let (body_bytes, body_crc) = self.body?;
        self.crc = crc32c::crc32c_append(self.crc, rest);
        self.position += part.len() as u64;
        let (seen, all) = (self.position, HEADER_BYTES as u64 + body_bytes);
        if seen < all {
            // A file that ends too early has nothing more to give.
            return (!part.is_empty()).then_some(false);
        }
        (seen == all && self.crc == body_crc).then_some(true)
    }
}
