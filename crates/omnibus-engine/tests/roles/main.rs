//! Shards of three nodes: who follows remembers the same, and a change of leader loses nothing that was
//! acknowledged and shows nothing that was lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod pushing;
mod consuming;
mod cut_off;
mod failovers;
mod wires;
mod deleting;
mod forwarding;
mod engines;
mod changes;
mod retries;
mod seeds;
mod trio;
mod node;
