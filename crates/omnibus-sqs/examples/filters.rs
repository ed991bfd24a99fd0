//! Measures what filter policies cost a publish: µs per message with the topic's policies compiled together,
//! and with each asked alone. Run it with `--release`.

#![expect(clippy::print_stdout, reason = "a measurement is for reading")]
#![expect(clippy::disallowed_methods, reason = "the filters have no clock, their measurer has")]

use std::time::Instant;

use omnibus_sqs::sns::filter::{Attribute, FilterIndex, FilterMessage, FilterPolicy, FilterScope};

const MESSAGES: u32 = 2_000;

fn main() {
    println!("{:>9} {:>11} {:>9} {:>12} {:>12}", "policies", "looks at", "asks", "together µs", "alone µs");
    for count in [1, 20, 200, 1_000] {
        for (scope, name) in [(FilterScope::MessageAttributes, "attributes"), (FilterScope::MessageBody, "body")] {
            for (operator, policy) in [("a text", text as fn(u32) -> String), ("a prefix", prefix)] {
                let policies: Vec<FilterPolicy> = (0..count)
                    .map(|number| FilterPolicy::parse(&policy(number), scope).expect("the policy is one"))
                    .collect();
                let together = FilterIndex::new(&policies);
                let alone: Vec<FilterIndex> = policies.iter().map(|policy| FilterIndex::new([policy])).collect();
                let together = measure(count, |message| together.matching(message).len());
                let alone = measure(count, |message| alone.iter().map(|one| one.matching(message).len()).sum());
                println!("{count:>9} {name:>11} {operator:>9} {together:>12.2} {alone:>12.2}");
            }
        }
    }
}

fn text(number: u32) -> String {
    format!(r#"{{"tenant":["tenant-{number}"],"kind":["created","changed"]}}"#)
}

fn prefix(number: u32) -> String {
    format!(r#"{{"tenant":[{{"prefix":"tenant-{number}x"}}],"kind":["created","changed"]}}"#)
}

/// Microseconds per message; each is wanted by one policy if policies ask for texts.
fn measure(policies: u32, matching: impl Fn(&FilterMessage<'_>) -> usize) -> f64 {
    let bodies: Vec<(String, String)> = (0..64)
        .map(|number| {
            let tenant = format!("tenant-{}", number % policies);
            let lines = r#"{"sku":"4711","count":3,"price":12.5},"#.repeat(20);
            let lines = lines.trim_end_matches(',');
            let body = format!(r#"{{"id":{number},"lines":[{lines}],"tenant":"{tenant}","kind":"changed"}}"#);
            (tenant, body)
        })
        .collect();
    let begin = Instant::now();
    let mut wanted = 0;
    for (tenant, body) in bodies.iter().cycle().take(MESSAGES as usize) {
        let attributes = [
            Attribute { name: "tenant", data_type: "String", value: tenant },
            Attribute { name: "kind", data_type: "String", value: "changed" },
        ];
        wanted += matching(&FilterMessage { attributes: &attributes, body });
    }
    assert!(wanted == 0 || wanted == MESSAGES as usize, "each is wanted once, or none is");
    begin.elapsed().as_secs_f64() * 1e6 / f64::from(MESSAGES)
}
