//! What comes from a socket of another node: a hello and the headers of frames, as they are and with checksums that fit.

#![no_main]

use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use omnibus_peers::testing::{FrameHeader, HEADER_BYTES, read_hello};

const CRC_BYTES: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if let Some((said, _)) = bytes.split_last_chunk::<CRC_BYTES>() {
        read(&[said, &crc32c::crc32c(said).to_le_bytes()].concat());
    }
});

fn read(bytes: &[u8]) {
    // A slice never keeps its reader waiting.
    drop(read_hello(&mut &bytes[..]).now_or_never().expect("it is all there"));
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return };
    if let Ok(read) = FrameHeader::decode(header) {
        assert_eq!(FrameHeader::decode(&read.encode()), Ok(read));
    }
}
