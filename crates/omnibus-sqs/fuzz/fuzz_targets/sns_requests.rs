//! Forms, as SNS reads them for whatever action; and what it reads is what it was told.

#![no_main]

use libfuzzer_sys::fuzz_target;
use omnibus_sqs::wire::shape::Structure;
use omnibus_sqs::wire::sns::{
    Action, CreateTopicInput, PublishBatchInput, PublishInput, SetSubscriptionAttributesInput, SubscribeInput,
    TagResourceRequest,
};
use omnibus_sqs::wire::{form, query};

fuzz_target!(|bytes: &[u8]| {
    read::<CreateTopicInput>(bytes);
    read::<PublishInput>(bytes);
    read::<PublishBatchInput>(bytes);
    read::<SubscribeInput>(bytes);
    read::<SetSubscriptionAttributesInput>(bytes);
    read::<TagResourceRequest>(bytes);
    for action in Action::ALL {
        drop(form::read(bytes).and_then(|parameters| query::read(parameters, action.request())));
    }
    whole(bytes);
});

fn read<T: Structure + Default + serde::de::DeserializeOwned>(bytes: &[u8]) {
    let value = form::read(bytes).and_then(|parameters| query::read(parameters, T::MEMBERS));
    if let Ok(value) = value {
        drop(serde_json::from_value::<T>(value));
    }
}

/// A message is published as it was written, whatever is in it.
fn whole(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let escaped: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    let form = format!("Action=Publish&TopicArn=a&Message={escaped}");
    let parameters = form::read(form.as_bytes()).expect("every byte is escaped");
    let value = query::read(parameters, PublishInput::MEMBERS).expect("it has three parameters");
    let request: PublishInput = serde_json::from_value(value).expect("they are texts");
    assert_eq!(request.message.as_deref(), Some(text));
}
