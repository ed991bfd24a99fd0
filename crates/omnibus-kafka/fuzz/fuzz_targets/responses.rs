//! Bodies of responses: the first two bytes choose message and version.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use omnibus_kafka::wire::messages::CODECS;

fuzz_target!(|bytes: &[u8]| {
    let [which, version, body @ ..] = bytes else { return };
    let mut codecs = CODECS.iter().filter(|codec| codec.name.ends_with("Response"));
    let Some(codec) = codecs.nth(usize::from(*which)) else { return };
    let version = codec.versions.min + i16::from(*version);
    if let Ok(echoed) = codec.echo(Bytes::copy_from_slice(body), version) {
        // What was understood is understood again.
        assert!(codec.echo(echoed.into_bytes(), version).is_ok());
    }
});
