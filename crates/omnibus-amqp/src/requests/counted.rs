//! What a message says that its queue knows: how often it has come back, or where it stands.

use bytes::Bytes;
use omnibus_model::Offset;

use crate::wire::{Properties, Value};

const DELIVERY_COUNT: &str = "x-delivery-count";
const STREAM_OFFSET: &str = "x-stream-offset";

/// The properties as the message has them when it is delivered: they are written anew only where it comes again from a
/// queue that counts.
pub(super) fn counted(properties: Bytes, counts: bool, deliveries: u32) -> Bytes {
    let Some(before) = deliveries.checked_sub(1).filter(|before| counts && *before > 0) else { return properties };
    // What came by another door, or was checked at this one.
    let mut counted = Properties::read(&properties).unwrap_or_default();
    counted.headers_mut().set(DELIVERY_COUNT, Value::I64(i64::from(before)));
    counted.write()
}

/// The properties as a message of a stream has them when it is delivered.
pub(super) fn placed(properties: Bytes, offset: Offset) -> Bytes {
    // What came by another door, or was checked at this one.
    let mut placed = Properties::read(&properties).unwrap_or_default();
    placed.headers_mut().set(STREAM_OFFSET, Value::I64(i64::try_from(offset.0).unwrap_or(i64::MAX)));
    placed.write()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_again_from_a_queue_that_counts_says_how_often() {
        let sent = Properties { priority: Some(3), ..Properties::default() }.write();
        for (counts, deliveries) in [(true, 0), (true, 1), (false, 5)] {
            assert_eq!(counted(sent.clone(), counts, deliveries), sent);
        }
        let third = Properties::read(&counted(sent, true, 3)).unwrap();
        assert_eq!(third.priority, Some(3));
        assert_eq!(third.headers.unwrap().get(DELIVERY_COUNT), Some(&Value::I64(2)));
    }

    #[test]
    fn message_of_a_stream_says_where_it_stands() {
        let mut sent = Properties { priority: Some(3), ..Properties::default() };
        sent.headers_mut().set(STREAM_OFFSET, Value::text("somewhere else"));
        let read = Properties::read(&placed(sent.write(), Offset(7))).unwrap();
        assert_eq!((read.priority, read.headers.unwrap().get(STREAM_OFFSET)), (Some(3), Some(&Value::I64(7))));
    }
}
