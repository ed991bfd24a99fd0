//! What a message of a quorum queue says of how often it has come back.

use bytes::Bytes;

use crate::wire::{Properties, Value};

const DELIVERY_COUNT: &str = "x-delivery-count";

/// The properties as the message has them when it is delivered: they are written anew only where it comes again from a
/// queue that counts.
pub(super) fn counted(properties: Bytes, counts: bool, deliveries: u32) -> Bytes {
    let Some(before) = deliveries.checked_sub(1).filter(|before| counts && *before > 0) else { return properties };
    // What came by another door, or was checked at this one.
    let mut counted = Properties::read(&properties).unwrap_or_default();
    counted.headers_mut().set(DELIVERY_COUNT, Value::I64(i64::from(before)));
    counted.write()
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
}
