//! What comes from a socket: frames, and what is in them.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use omnibus_amqp::wire::{ContentHeader, Frame, FrameKind, Method, Properties};

fuzz_target!(|bytes: &[u8]| {
    let mut received = BytesMut::from(bytes);
    while let Ok(Some(frame)) = Frame::take(&mut received, 131_072) {
        match frame.kind {
            FrameKind::Method => {
                // What was understood is understood again.
                if let Ok(method) = Method::read(&frame.payload) {
                    assert_eq!(Method::read(&method.write().into()), Ok(method));
                }
            }
            FrameKind::Header => {
                let header = ContentHeader::read(frame.payload);
                if let Some(Ok(properties)) = header.map(|header| Properties::read(&header.properties)) {
                    assert_eq!(Properties::read(&properties.write()), Ok(properties));
                }
            }
            FrameKind::Body | FrameKind::Heartbeat => {}
        }
    }
});
