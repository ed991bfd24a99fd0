//! What of a file somebody could still read.

use std::ops::Range;
use std::sync::Arc;

use omnibus_io::DiskFile;
use omnibus_model::{Offset, StreamId};

use super::Window;
use crate::error::Affected;
use crate::file::LogFile;
use crate::index::Run;
use crate::row::{Reference, Row};
use crate::rows::{Patience, Reader};
use crate::shared::Shared;

/// The parts of a stream's range for which a file speaks.
pub(super) fn parts(shared: &Shared, file: &Arc<LogFile>, stream: StreamId, range: Range<Offset>) -> Vec<Affected> {
    shared.index.with(stream, |known| {
        let Some(known) = known else { return Vec::new() };
        let of_file = known.runs.iter().filter(|run| Arc::ptr_eq(&run.file, file));
        let parts = of_file.map(|run| Affected {
            stream,
            from: run.base.max(range.start).max(known.start),
            to: run.end.min(range.end),
        });
        parts.filter(|part| part.from < part.to).collect()
    })
}

/// The records of a file that lie in a part of it, each looked at by itself: those that cannot be read, and their bytes.
pub(super) fn unsound(
    shared: &Shared,
    (file, handle): (&Arc<LogFile>, &dyn DiskFile),
    places: &Range<u64>,
) -> (Vec<Affected>, u64) {
    let (mut affected, mut bytes) = (Vec::new(), 0);
    let mut window = Window::default();
    for (stream, row) in live_rows(shared, file, places) {
        if !is_sound(&mut window, handle, &row) {
            affected.push(Affected { stream, from: row.base, to: row.end() });
            bytes += u64::from(row.stored_bytes());
        }
    }
    (affected, bytes)
}

/// A row whose page of the index cannot be read is not among them: the page is found by itself.
fn live_rows(shared: &Shared, file: &Arc<LogFile>, places: &Range<u64>) -> Vec<(StreamId, Row)> {
    let reader = Reader { shared, patience: Patience::Disk };
    let mut rows = Vec::new();
    for stream in shared.index.streams() {
        let (start, runs) = shared.index.with(stream, |known| {
            let of_file = |run: &&Run| Arc::ptr_eq(&run.file, file);
            let known =
                known.map(|known| (known.start, known.runs.iter().filter(of_file).cloned().collect::<Vec<_>>()));
            known.unwrap_or_default()
        });
        for run in &runs {
            let read = reader.rows_from(stream, run, start.max(run.base), |row| {
                if places.contains(&u64::from(row.position)) {
                    rows.push((stream, row));
                }
                true
            });
            if let Err(error) = read {
                tracing::debug!(?error, path = file.path, "rows of a damaged file cannot be read, either");
            }
        }
    }
    rows.sort_unstable_by_key(|(_, row)| row.position);
    rows
}

/// Whether what a row stands for is on the disk, with what it shares.
pub(super) fn is_sound(window: &mut Window, handle: &dyn DiskFile, row: &Row) -> bool {
    let Ok(stored) = window.get(handle, row.position.into(), row.stored_bytes().into()) else { return false };
    if !row.is_sound(&stored) {
        return false;
    }
    let Some(sharing) = row.shares() else { return true };
    let body = Reference::decode(&stored).and_then(|reference| Some((reference.body_of(row)?, reference.crc)));
    let Some((body, crc)) = body else { return false };
    let place = (body, sharing.body_bytes, crc);
    if window.bodies.contains(&place) {
        return true;
    }
    let found = window.get(handle, body.into(), sharing.body_bytes.into());
    let is_sound = found.is_ok_and(|body| crc32c::crc32c(&body) == crc);
    if is_sound {
        window.bodies.insert(place);
    }
    is_sound
}
