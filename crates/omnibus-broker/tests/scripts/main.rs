//! Scripts: commands in, answers out. Each test is named after the rule it proves.
//! `UPDATE_EXPECT=1 cargo test` writes the answers down; read them before you commit them.

mod configs;
mod exchanges;
mod topics;
mod streams;
mod offsets;
mod classic_rounds;
mod classic_members;
mod consumer_groups;
mod queues;
mod queue_delays;
mod queue_groups;
mod queue_letters;
mod queue_limits;
mod queue_sessions;
mod queue_sweeps;
mod script;
