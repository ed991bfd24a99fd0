//! Messages: length, magic and checksum are made right, so that what is behind them is reached.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use omnibus_model::StreamId;
use omnibus_record::{Message, Rules, SqsMessage, envelope_of, kafka_batch, validate};

fuzz_target!(|bytes: &[u8]| {
    let mut message = bytes.to_vec();
    if message.len() >= 61 {
        message[..8].fill(0);
        message[8..12].copy_from_slice(&u32::try_from(bytes.len() - 12).expect("short").to_be_bytes());
        message[16] = 77;
    }
    let message = Bytes::from(message);
    let envelope = envelope_of(&message);
    let Ok(read) = Message::decode(&message) else { return };
    assert_eq!(envelope, Ok(read.envelope));
    drop(SqsMessage::of(&read, StreamId(1)));
    let again = read.encode().expect("no longer than it was").joined();
    assert_eq!(Message::decode(&again).as_ref(), Ok(&read));
    // Offsets of more than 63 bits are none of Kafka's; here it is 0.
    let batch = kafka_batch(&message).expect("what was read converts");
    assert!(validate(&batch, &Rules::default()).is_ok());
});
