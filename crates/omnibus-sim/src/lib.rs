//! Plays the whole of one node, seed by seed: the real log, writer, shards and brokers, on a
//! disk that fails, under clocks that jump, with clients that know what they were promised.
//!
//! A run follows from its seed alone: one thread, no clock, no chance of its own. The
//! scheduler (`run`) lets one thing happen after the other; `clients` act and look for their
//! answers; `faults` end lives and begin new ones; what can be observed becomes a `fact`,
//! and every file in `checks` holds one rule against all facts. The `oracle` knows the fate
//! of each attempt. What is being tested has bugs on purpose only if they are asked for
//! (ADR 0050).
//!
//! Clusters are played by `cluster` (ADR 0052): real engines in one runtime, whose clock waits for them.
//!
//! **Never:** the machine's clock, its disk or its randomness, or more than one thread for a seed.

mod campaign;
mod cluster;
mod run;
mod draining;
mod clients;
mod faults;
mod audit;
mod housekeeping;
mod stage;
mod reading;
mod payload;
mod checks;
mod fact;
mod shadow;
mod scenario;
mod node;
mod witness;
mod oracle;
mod queue_memory;
mod deed;
mod doing;
mod report;
mod tally;
mod time;
mod random;
mod trace;
mod violation;
mod panics;

pub use campaign::{Campaign, Summary, Theatre, hunt};
pub use report::{Options, Report};
pub use trace::Keep;
pub use violation::Violation;
