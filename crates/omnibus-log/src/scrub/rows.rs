//! The index of a sealed file, and the payloads of a pack.

use std::sync::Arc;

use omnibus_io::DiskFile;
use omnibus_model::StreamId;

use super::{At, PAGE, Rot, STEP_BYTES, Scrubbed, Stepped, Window, bare, gravity, leave, lives, rot, rot_of};
use crate::error::Gravity;
use crate::file::{FileKind, LogFile, read_pages};
use crate::footer::{Footer, FooterFound, FooterOf, FooterRun, ROWS_PER_PAGE, RowPage, load_footer};
use crate::pack::header_is_sound;
use crate::row::Row;
use crate::shared::Shared;

/// A sealed file whose index is being read.
#[derive(Debug)]
pub(super) struct RowsPass {
    file: Arc<LogFile>,
    handle: Arc<dyn DiskFile>,
    /// None until it was looked for.
    footer: Option<Footer>,
    /// The row that is next.
    row: u32,
    /// The page that it is on, once it was read.
    page: Option<(u32, Vec<Row>)>,
    /// The run that it belongs to, among the footer's.
    run: usize,
    window: Window,
}

impl RowsPass {
    pub(super) fn begin(shared: &Shared, file: Arc<LogFile>) -> Self {
        let handle = bare(shared, &file);
        Self { file, handle, footer: None, row: 0, page: None, run: 0, window: Window::default() }
    }

    pub(super) fn step(mut self, shared: &Shared) -> Stepped {
        let mut scrubbed = Scrubbed::default();
        let Some(footer) = self.footer.take() else {
            self.footer = self.look_for_footer(shared, &mut scrubbed);
            if !scrubbed.rot.is_empty() {
                leave(&self.file);
            }
            let next = self.footer.is_some().then_some(At::Rows(self));
            return (scrubbed, next);
        };
        while self.row < footer.place.row_count && scrubbed.bytes < STEP_BYTES {
            let number = self.row / ROWS_PER_PAGE;
            if self.page.as_ref().is_none_or(|(known, _)| *known != number) {
                scrubbed.bytes += PAGE;
                match self.read_page(shared, &footer, number) {
                    Some(rows) => self.page = Some((number, rows)),
                    None => {
                        scrubbed.rot.push(self.page_rot(shared, &footer, number));
                        self.row = (number + 1) * ROWS_PER_PAGE;
                        continue;
                    }
                }
            }
            self.look_at_row(shared, &footer, &mut scrubbed);
            self.row += 1;
        }
        if !scrubbed.rot.is_empty() {
            leave(&self.file);
        }
        let is_done = self.row >= footer.place.row_count;
        self.footer = Some(footer);
        (scrubbed, (!is_done).then_some(At::Rows(self)))
    }

    fn look_for_footer(&self, shared: &Shared, scrubbed: &mut Scrubbed) -> Option<Footer> {
        let (is_pack, path) = (self.file.kind == FileKind::Pack, &self.file.path);
        scrubbed.bytes += PAGE;
        if is_pack {
            scrubbed.bytes += PAGE;
            let first = read_pages(self.handle.as_ref(), 0, PAGE);
            if !first.is_ok_and(|first| header_is_sound(&first, shared.identity, self.file.number)) {
                scrubbed.rot.push(rot(path, 0, "the first page of a pack", Gravity::Redundant));
            }
        }
        let position = match load_footer(self.handle.as_ref(), FooterOf::of(shared.identity, &self.file)) {
            Ok(FooterFound::Sound(footer)) => return Some(footer),
            Ok(FooterFound::Damaged { position }) => position,
            Ok(FooterFound::Absent) | Err(_) => self.file.facts.lock().data_end,
        };
        // What it said is in memory; a start would make it anew from a segment, and of a pack it could not.
        scrubbed.rot.push(rot(path, position, "the index of a sealed file", gravity(is_pack)));
        None
    }

    fn read_page(&self, shared: &Shared, footer: &Footer, page: u32) -> Option<Vec<Row>> {
        let position = footer.place.rows_position + u64::from(page) * PAGE;
        let bytes = read_pages(self.handle.as_ref(), position, PAGE).ok()?;
        RowPage::open(FooterOf::of(shared.identity, &self.file), page, &bytes)?.rows()
    }

    /// Nobody knows where the rows of a page begin and end: all of their runs are affected.
    fn page_rot(&self, shared: &Shared, footer: &Footer, page: u32) -> Rot {
        let pages = |run: &FooterRun| run.first / ROWS_PER_PAGE..=(run.first + run.count - 1) / ROWS_PER_PAGE;
        let on_page = footer.runs.iter().filter(|run| run.count > 0 && pages(run).contains(&page));
        let (mut affected, mut bytes) = (Vec::new(), 0);
        for run in on_page {
            let parts = lives::parts(shared, &self.file, run.stream, run.base..run.end);
            bytes += if parts.is_empty() { 0 } else { u64::from(run.bytes) };
            affected.extend(parts);
        }
        let position = footer.place.rows_position + u64::from(page) * PAGE;
        let gravity = gravity(!affected.is_empty());
        rot_of(&self.file.path, position, "a page of the index", (gravity, affected, bytes))
    }

    /// Of a segment the blocks have been looked at; of a pack there are only payloads.
    fn look_at_row(&mut self, shared: &Shared, footer: &Footer, scrubbed: &mut Scrubbed) {
        let row = self.page.as_ref().and_then(|(_, rows)| rows.get((self.row % ROWS_PER_PAGE) as usize).copied());
        let (Some(row), FileKind::Pack) = (row, self.file.kind) else { return };
        let Some(stream) = self.stream(footer) else { return };
        scrubbed.bytes += u64::from(row.stored_bytes());
        if lives::is_sound(&mut self.window, self.handle.as_ref(), &row) {
            return;
        }
        let affected = lives::parts(shared, &self.file, stream, row.base..row.end());
        let bytes = if affected.is_empty() { 0 } else { row.stored_bytes().into() };
        let gravity = gravity(!affected.is_empty());
        scrubbed.rot.push(rot_of(&self.file.path, row.position.into(), "a batch", (gravity, affected, bytes)));
    }

    /// The stream of the next row.
    fn stream(&mut self, footer: &Footer) -> Option<StreamId> {
        while footer.runs.get(self.run).is_some_and(|run| run.first + run.count <= self.row) {
            self.run += 1;
        }
        footer.runs.get(self.run).map(|run| run.stream)
    }
}
