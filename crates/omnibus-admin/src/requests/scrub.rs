//! The data at rest.

use axum::Json;
use axum::extract::State;
use omnibus_admin_api::scrub::{DamagedView, MendedView, PassView, PlaceView, RangeView, ScrubView};
use omnibus_engine::{Pass, ScrubStatus};

use crate::node::{Node, SharedNode};

/// Damaged places that are told one by one.
const PLACES_MAX: usize = 100;

pub(crate) async fn describe(State(node): State<SharedNode>) -> Json<ScrubView> {
    Json(view(&node))
}

/// Has all data at rest read again now.
pub(crate) async fn begin(State(node): State<SharedNode>) -> Json<ScrubView> {
    node.engine.begin_scrub();
    Json(view(&node))
}

/// How much has rotted.
pub(crate) fn damaged(status: &ScrubStatus) -> DamagedView {
    DamagedView {
        places: status.damaged.len() as u64,
        records: status.damaged_records(),
        bytes: status.damaged_bytes(),
    }
}

fn view(node: &Node) -> ScrubView {
    let status = node.engine.scrub_status();
    let places = status.damaged.iter().take(PLACES_MAX).map(|rot| {
        let ranges = rot.damage.affected.iter();
        let records = ranges.map(|range| RangeView { stream: range.stream.0, from: range.from.0, to: range.to.0 });
        PlaceView {
            file: rot.damage.file.clone(),
            position: rot.damage.position,
            what: rot.damage.what.to_owned(),
            records: records.collect(),
        }
    });
    ScrubView {
        node: node.node_id,
        pass: status.pass.map(|Pass { began, bytes_read, bytes }| PassView { began: began.0, bytes_read, bytes }),
        passes: status.passes,
        last_end: status.last_end.map(|end| end.0),
        damaged: damaged(&status),
        mended: MendedView { places: status.mended_places, records: status.mended_records },
        redundant_places: status.redundant,
        places: places.collect(),
    }
}
