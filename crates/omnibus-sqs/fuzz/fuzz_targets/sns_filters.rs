//! Filter policies and messages: policies, an attribute and a body, one per line. What each policy says alone is what
//! they say together.

#![no_main]

use libfuzzer_sys::fuzz_target;
use omnibus_sqs::sns::filter::{Attribute, FilterIndex, FilterMessage, FilterPolicy, FilterScope};

/// More policies than this find nothing that a few do not.
const POLICIES_MAX: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let (body, name, data_type, value) = (next(&mut lines), next(&mut lines), next(&mut lines), next(&mut lines));
    let attributes = [Attribute { name, data_type, value }, Attribute { name: "a", data_type: "String", value: body }];
    let message = FilterMessage { attributes: &attributes, body };
    let texts: Vec<&str> = lines.take(POLICIES_MAX).collect();
    for scope in [FilterScope::MessageAttributes, FilterScope::MessageBody] {
        let parsed = texts.iter().filter_map(|text| FilterPolicy::parse(text, scope).ok());
        let policies: Vec<FilterPolicy> = parsed.collect();
        let alone: Vec<usize> = (0..policies.len()).filter(|place| policies[*place].matches(&message)).collect();
        assert_eq!(FilterIndex::new(&policies).matching(&message), alone);
    }
});

fn next<'a>(lines: &mut std::str::Lines<'a>) -> &'a str {
    lines.next().unwrap_or_default()
}
