//! What one replica of a shard says to another; what is read is written as it was.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| omnibus_raft::testing::read_and_write(&Bytes::copy_from_slice(bytes)));
