//! When a command happens, and within which bounds.

use omnibus_model::Timestamp;

use crate::limits::BrokerLimits;

/// The stamp of the command at hand and the limits of its broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) now: Timestamp,
    pub(crate) limits: &'a BrokerLimits,
}
