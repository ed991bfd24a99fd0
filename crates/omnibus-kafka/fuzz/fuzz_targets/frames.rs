//! Whole frames as they come from a socket.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use omnibus_kafka::wire::header::read_request_header;
use omnibus_kafka::wire::messages::CODECS;
use omnibus_kafka::wire::Input;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::from(Bytes::copy_from_slice(bytes));
    let Ok((key, header)) = read_request_header(&mut input) else { return };
    let codec = CODECS.iter().find(|codec| codec.name.strip_suffix("Request") == Some(key.name()));
    drop(codec.expect("every key has a request").echo(input.rest(), header.request_api_version));
});
