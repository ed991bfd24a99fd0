//! One file per kind of thing that requests speak of.

pub(crate) mod definitions;
pub(crate) mod parameters;
pub(crate) mod policies;
pub(crate) mod node;
pub(crate) mod health;
pub(crate) mod hosts;
pub(crate) mod users;
pub(crate) mod limits;
pub(crate) mod queues;
pub(crate) mod exchanges;
pub(crate) mod bindings;
pub(crate) mod messages;
pub(crate) mod connections;
