//! Bodies of requests, as JSON and as a form, of whatever action; what is written in base64 reads back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use omnibus_sqs::wire::messages::{
    Action, ChangeMessageVisibilityBatchRequest, CreateQueueRequest, ReceiveMessageRequest, SendMessageBatchRequest,
    SendMessageRequest, SetQueueAttributesRequest,
};
use omnibus_sqs::wire::shape::Structure;
use omnibus_sqs::wire::{base64, form, query, read_json};

fuzz_target!(|bytes: &[u8]| {
    read::<CreateQueueRequest>(bytes);
    read::<SetQueueAttributesRequest>(bytes);
    read::<SendMessageRequest>(bytes);
    read::<SendMessageBatchRequest>(bytes);
    read::<ReceiveMessageRequest>(bytes);
    read::<ChangeMessageVisibilityBatchRequest>(bytes);
    for action in Action::ALL {
        drop(form::read(bytes).and_then(|parameters| query::read(parameters, action.request())));
    }
    let plain = base64::write(bytes);
    assert_eq!(base64::read(&plain).as_deref(), Some(bytes));
});

/// Reads a request in both protocols.
fn read<T: Structure + Default + serde::de::DeserializeOwned>(bytes: &[u8]) {
    drop(read_json::<T>(bytes));
    let value = form::read(bytes).and_then(|parameters| query::read(parameters, T::MEMBERS));
    if let Ok(value) = value {
        drop(serde_json::from_value::<T>(value));
    }
}
