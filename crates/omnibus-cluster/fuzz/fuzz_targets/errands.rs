//! What one node's engine asks of another's, and what it answers.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| omnibus_engine::testing::read_errand(bytes));
