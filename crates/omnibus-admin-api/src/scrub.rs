//! The data at rest on one node: `/v1/scrub`.

use serde::{Deserialize, Serialize};

/// How the data at rest is, as far as the node has read it again since its process began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubView {
    /// The node that says so.
    pub node: u32,
    /// The pass that goes on; none between passes.
    pub pass: Option<PassView>,
    /// How many have come to their end.
    pub passes: u64,
    /// When the last of them did, in milliseconds since 1970.
    pub last_end: Option<i64>,
    /// What has rotted and is not mended.
    pub damaged: DamagedView,
    /// What had, and was mended from memory or from other nodes.
    #[serde(default)]
    pub mended: MendedView,
    /// Places that have rotted where the disk holds the same elsewhere, or where nobody needs it any more.
    pub redundant_places: u64,
    /// The first of the damaged places.
    pub places: Vec<PlaceView>,
}

/// A pass that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassView {
    /// When it began, in milliseconds since 1970.
    pub began: i64,
    pub bytes_read: u64,
    /// What there is to read, about.
    pub bytes: u64,
}

/// How much has rotted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedView {
    pub places: u64,
    pub records: u64,
    pub bytes: u64,
}

/// How much was mended since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MendedView {
    pub places: u64,
    pub records: u64,
}

/// A place on disk that is not what was written there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceView {
    pub file: String,
    pub position: u64,
    pub what: String,
    /// The records that cannot be read.
    pub records: Vec<RangeView>,
}

/// Some offsets of a stream, the last one not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeView {
    pub stream: u64,
    pub from: u64,
    pub to: u64,
}
