//! Cursors as versions 2 and 3 of the checkpoint have them: of plain records only.

use std::collections::{BTreeMap, BTreeSet};

use omnibus_model::batch::StreamBounds;
use omnibus_model::queue::CursorConfig;
use omnibus_model::{HolderId, LeaseEpoch, Offset, Timestamp};
use serde::Deserialize;

use super::{Cursor, Place, Record, Tallies};

#[derive(Debug, Deserialize)]
pub(crate) struct CursorThree {
    config: CursorConfig,
    end: Offset,
    next: Offset,
    records: BTreeMap<Offset, RecordThree>,
    ready: BTreeSet<(Offset, Offset)>,
    timers: BTreeSet<(Timestamp, Offset)>,
    leased: u64,
    delayed: u64,
    tallies: TalliesThree,
    epoch_last: LeaseEpoch,
    appointment: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct RecordThree {
    delivery_count: u32,
    first_delivered_at: Timestamp,
    epoch: LeaseEpoch,
    place: PlaceThree,
}

#[derive(Debug, Deserialize)]
enum PlaceThree {
    Leased { until: Timestamp, holder: Option<HolderId> },
    Ready { rank: Offset },
    Delayed { until: Timestamp },
}

#[derive(Debug, Deserialize)]
struct TalliesThree {
    enqueued: u64,
    settled: u64,
    dropped: u64,
}

impl From<CursorThree> for Cursor {
    fn from(old: CursorThree) -> Self {
        let TalliesThree { enqueued, settled, dropped } = old.tallies;
        let mut cursor = Self {
            next: old.next,
            ready: old.ready,
            timers: old.timers,
            leased: old.leased,
            delayed: old.delayed,
            tallies: Tallies { enqueued, settled, dropped, ..Tallies::default() },
            epoch_last: old.epoch_last,
            appointment: old.appointment,
            ..Self::new(old.config, StreamBounds { start: Offset::ZERO, end: old.end })
        };
        for (offset, record) in old.records {
            let RecordThree { delivery_count, first_delivered_at, epoch, place } = record;
            let place = match place {
                PlaceThree::Leased { until, holder } => Place::Leased { until, holder },
                PlaceThree::Ready { rank } => Place::Ready { rank },
                PlaceThree::Delayed { until } => Place::Delayed { until },
            };
            if let Place::Leased { holder: Some(holder), .. } = place {
                cursor.holders.entry(holder).or_default().insert(offset);
            }
            cursor.records.insert(offset, Record { delivery_count, first_delivered_at, epoch, group: None, place });
        }
        cursor
    }
}
