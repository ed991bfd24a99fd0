//! One file per noun of the API: from JSON, engine call, to JSON.

pub(crate) mod node;
pub(crate) mod cluster;
pub(crate) mod queue_records;
pub(crate) mod queues;
pub(crate) mod topics;
pub(crate) mod records;
pub(crate) mod groups;
pub(crate) mod scrub;
pub(crate) mod seek;
