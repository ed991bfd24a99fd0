//! The decoders on damaged and random bytes: none panics, and none takes more than it was given.

use omnibus_sqs::wire::messages::{
    Action, ReceiveMessageRequest, SendMessageBatchRequest, SendMessageRequest, SetQueueAttributesRequest,
};
use omnibus_sqs::wire::shape::Structure;
use omnibus_sqs::wire::{base64, form, query, read_json};
use proptest::prelude::*;
use serde::de::DeserializeOwned;

const BATCH: &str = r#"{"QueueUrl":"http://localhost:9324/000000000000/q","Entries":[
    {"Id":"a","MessageBody":"ä\n\u0000","DelaySeconds":3,"MessageAttributes":{"n":{"DataType":"Binary","BinaryValue":"aGk="}}},
    {"Id":"b","MessageBody":"","MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"String","StringValue":"x"}}}]}"#;

const FORM: &str = "Action=SendMessageBatch&SendMessageBatchRequestEntry.1.Id=a\
    &SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n\
    &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String\
    &SendMessageBatchRequestEntry.4294967296.Id=b&SendMessageBatchRequestEntry..Id=&QueueUrl=%2Fa%2Fb&a.b.c.d.e.f.g.h.i=1";

fn read_all(bytes: &[u8]) {
    fn read<T: DeserializeOwned + Default>(bytes: &[u8]) {
        drop(read_json::<T>(bytes));
    }
    read::<SendMessageRequest>(bytes);
    read::<SendMessageBatchRequest>(bytes);
    read::<ReceiveMessageRequest>(bytes);
    read::<SetQueueAttributesRequest>(bytes);
    for action in Action::ALL {
        if let Ok(parameters) = form::read(bytes) {
            drop(query::read(parameters, action.request()));
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read_all(&bytes);
    }

    #[test]
    fn damaged_requests_are_read_or_refused(at in 0usize..400, byte in any::<u8>(), cut in 0usize..500) {
        for text in [BATCH, FORM] {
            let mut bytes = text.as_bytes().to_vec();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(cut.min(length));
            read_all(&bytes);
        }
    }

    #[test]
    fn forms_read_back(pairs in proptest::collection::vec((".{1,9}", ".{0,9}"), 0..20)) {
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let written: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        prop_assert_eq!(form::read(written.join("&").as_bytes()).unwrap(), pairs);
    }

    #[test]
    fn base64_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
        prop_assert_eq!(base64::read(&base64::write(&bytes)), Some(bytes.clone()));
        prop_assert_eq!(base64::read_plain(&base64::write_plain(&bytes)), Some(bytes));
    }
}

#[test]
fn both_protocols_say_the_same() {
    let form = "QueueUrl=q&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=b\
        &SendMessageBatchRequestEntry.1.DelaySeconds=5&SendMessageBatchRequestEntry.1.MessageGroupId=g";
    let value = query::read(form::read(form.as_bytes()).unwrap(), SendMessageBatchRequest::MEMBERS).unwrap();
    let of_query: SendMessageBatchRequest = serde_json::from_value(value).unwrap();
    let json = r#"{"QueueUrl":"q","Entries":[{"Id":"a","MessageBody":"b","DelaySeconds":5,"MessageGroupId":"g"}]}"#;
    assert_eq!(of_query, read_json(json.as_bytes()).unwrap());
}

#[test]
fn null_is_as_good_as_absent_and_a_wrong_type_is_refused() {
    let nulls = r#"{"QueueUrl":null,"Entries":null}"#;
    assert_eq!(read_json::<SendMessageBatchRequest>(nulls.as_bytes()).unwrap(), SendMessageBatchRequest::default());
    assert!(read_json::<SendMessageRequest>(br#"{"DelaySeconds":"5"}"#).is_err());
    assert!(read_json::<SendMessageRequest>(b"[]").is_err());
    assert_eq!(read_json::<SendMessageRequest>(b"").unwrap(), SendMessageRequest::default());
}

#[test]
fn lists_have_an_end() {
    let entries = "{},".repeat(2_000);
    let body = format!("{{\"Entries\":[{}{{}}]}}", entries);
    assert!(read_json::<SendMessageBatchRequest>(body.as_bytes()).is_err());
    let deep = "[".repeat(100_000);
    assert!(read_json::<SendMessageBatchRequest>(format!("{{\"Entries\":{deep}").as_bytes()).is_err());
}
