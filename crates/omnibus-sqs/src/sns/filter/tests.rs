use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn message<'a>(attributes: &'a [Attribute<'a>], body: &'a str) -> FilterMessage<'a> {
    FilterMessage { attributes, body }
}

fn attribute<'a>(name: &'a str, data_type: &'a str, value: &'a str) -> Attribute<'a> {
    Attribute { name, data_type, value }
}

/// Whether a policy for attributes wants a message with these: `name:type=value`, `String` if no type is named.
#[track_caller]
fn check_attributes(policy: Json, attributes: &[&str], expected: bool) {
    let parsed: Vec<Attribute<'_>> = attributes
        .iter()
        .map(|text| {
            let (name, value) = text.split_once('=').unwrap();
            let (name, data_type) = name.split_once(':').unwrap_or((name, "String"));
            attribute(name, data_type, value)
        })
        .collect();
    let policy = FilterPolicy::parse(&policy.to_string(), FilterScope::MessageAttributes).unwrap();
    assert_eq!(policy.matches(&message(&parsed, "")), expected, "{attributes:?}");
}

#[track_caller]
fn check_body(policy: &Json, body: &Json, expected: bool) {
    let policy = FilterPolicy::parse(&policy.to_string(), FilterScope::MessageBody).unwrap();
    assert_eq!(policy.matches(&message(&[], &body.to_string())), expected, "{body}");
}

#[track_caller]
fn check_error(policy: &str, expected: &str) {
    let error = FilterPolicy::parse(policy, FilterScope::MessageAttributes).unwrap_err().to_string();
    assert_eq!(error, expected, "{policy}");
}

/// A refusal that names a column of the first line.
#[track_caller]
fn check_refusal(policy: &str, reason: &str, column: usize) {
    let place = format!("\n at [Source: (String)\"{policy}\"; line: 1, column: {column}]");
    check_error(policy, &format!("FilterPolicy: {reason}{place}"));
}

#[test]
fn texts_match_in_all_their_ways() {
    check_attributes(json!({"a": ["x", "y"]}), &["a=y"], true);
    check_attributes(json!({"a": ["x", "y"]}), &["a=z"], false);
    check_attributes(json!({"a": ["x"]}), &["b=x"], false);
    check_attributes(json!({"a": [{"exactly": "x"}]}), &["a=x"], true);
    check_attributes(json!({"a": [{"prefix": "ab"}]}), &["a=abc"], true);
    check_attributes(json!({"a": [{"prefix": "ab"}]}), &["a=cab"], false);
    check_attributes(json!({"a": [{"suffix": "bc"}]}), &["a=abc"], true);
    check_attributes(json!({"a": [{"suffix": "bc"}]}), &["a=bcd"], false);
    check_attributes(json!({"a": [{"equals-ignore-case": "TenNIS"}]}), &["a=tEnnis"], true);
    check_attributes(json!({"a": [{"equals-ignore-case": "TenNIS"}]}), &["a=tennis "], false);
    check_attributes(json!({"a": ["X"]}), &["a=x"], false);
    check_attributes(json!({"a": ["x"], "b": ["y"]}), &["a=x", "b=y"], true);
    check_attributes(json!({"a": ["x"], "b": ["y"]}), &["a=x"], false);
}

#[test]
fn anything_but_matches_all_else() {
    check_attributes(json!({"a": [{"anything-but": "x"}]}), &["a=x"], false);
    check_attributes(json!({"a": [{"anything-but": "x"}]}), &["a=y"], true);
    check_attributes(json!({"a": [{"anything-but": ["x", "y"]}]}), &["a=y"], false);
    check_attributes(json!({"a": [{"anything-but": {"prefix": "ty"}}]}), &["a=type"], false);
    check_attributes(json!({"a": [{"anything-but": {"prefix": "ty"}}]}), &["a=tape"], true);
    check_attributes(json!({"a": [{"anything-but": [100, 5e2]}]}), &["a:Number=500.0"], false);
    check_attributes(json!({"a": [{"anything-but": [100, 500]}]}), &["a:Number=100.1"], true);
    check_attributes(json!({"a": [{"anything-but": 1}, {"anything-but": 2}]}), &["a:Number=1"], true);
    check_attributes(json!({"a": [{"anything-but": "x"}]}), &["b=y"], false);
    check_attributes(json!({"a": [null, {"anything-but": "x"}]}), &[], false);
    // One other element is enough.
    check_attributes(json!({"a": [{"anything-but": ["x", "y"]}]}), &[r#"a:String.Array=["x","z"]"#], true);
    check_attributes(json!({"a": [{"anything-but": ["x", "y"]}]}), &[r#"a:String.Array=["x"]"#], false);
    check_body(&json!({"a": [{"anything-but": "x"}]}), &json!({"a": null}), true);
}

#[test]
fn numbers_are_compared_as_numbers() {
    check_attributes(json!({"a": [{"numeric": ["=", 301.5]}]}), &["a:Number=3.015e2"], true);
    check_attributes(json!({"a": [{"numeric": ["=", 301.5]}]}), &["a=301.5"], false);
    check_attributes(json!({"a": [301.5]}), &["a:Number=301.50"], true);
    check_attributes(json!({"a": [12_345_678_901_234_567_u64]}), &["a:Number=12345678901234567"], true);
    check_attributes(json!({"a": [{"numeric": [">", 0, "<=", 150]}]}), &["a:Number.int=150"], true);
    for (range, inside, outside) in [("<", "299.99999", "300"), ("<=", "300", "300.00001"), (">", "301", "300")] {
        check_attributes(json!({"a": [{"numeric": [range, 300]}]}), &[&format!("a:Number={inside}")], true);
        check_attributes(json!({"a": [{"numeric": [range, 300]}]}), &[&format!("a:Number={outside}")], false);
    }
    check_attributes(json!({"a": [{"numeric": [">", 0, "<=", 150]}]}), &["a:Number=0"], false);
    check_attributes(json!({"a": [{"numeric": [">=", -5, "<", 5]}]}), &["a:Number=-5"], true);
    check_attributes(json!({"a": [{"numeric": ["<", 5]}]}), &["a:Number=what"], false);
}

#[test]
fn exists_asks_for_a_value_that_is_something() {
    check_attributes(json!({"a": [{"exists": true}]}), &["a:Number=1", "b=2"], true);
    check_attributes(json!({"a": [{"exists": true}]}), &["b=2"], false);
    check_attributes(json!({"a": [{"exists": false}]}), &["b=2"], true);
    check_attributes(json!({"a": [{"exists": false}]}), &["a=2"], false);
    check_attributes(json!({"a": [{"exists": false}, "x"]}), &["a=x"], true);
    check_attributes(json!({"a": [{"exists": false}, "x"]}), &["b=x"], true);
    // A message with no attribute, or none that is looked at, is never wanted.
    check_attributes(json!({"a": [{"exists": false}]}), &[], false);
    check_attributes(json!({"a": [{"exists": false}]}), &["b:Binary=?"], false);
    check_attributes(json!({}), &[], true);
    for (body, there) in [(json!({"a": 1}), true), (json!({"a": null}), false), (json!({"a": ""}), false)] {
        check_body(&json!({"a": [{"exists": true}]}), &body, there);
        check_body(&json!({"a": [{"exists": false}]}), &body, false);
    }
    for body in [json!({}), json!({"a": []}), json!({"a": {"b": 1}})] {
        check_body(&json!({"a": [{"exists": true}]}), &body, false);
        check_body(&json!({"a": [{"exists": false}]}), &body, true);
    }
}

#[test]
fn arrays_of_attributes_match_by_any_element() {
    check_attributes(json!({"a": ["x"]}), &[r#"a:String.Array=["w", "x"]"#], true);
    check_attributes(json!({"a": [{"suffix": "gby"}]}), &[r#"a:String.Array=["w","rugby"]"#], true);
    check_attributes(json!({"a": ["v"]}), &[r#"a:String.Array=["w","x"]"#], false);
    check_attributes(json!({"a": [true]}), &["a:String.Array=[true]"], true);
    check_attributes(json!({"a": [null, 5]}), &["a:String.Array=[1,5.0]"], true);
    check_attributes(json!({"a": ["x"]}), &["a:String.Array=['x']"], false);
    check_attributes(json!({"a": [{"anything-but": "x"}]}), &["a:String.Array=x"], false);
    check_attributes(json!({"a": [{"exists": true}]}), &["a:String.Array=x"], true);
}

#[test]
fn addresses_match_in_any_spelling() {
    check_attributes(json!({"a": [{"cidr": "10.0.0.0/24"}]}), &["a=10.0.0.255"], true);
    for other in ["10.0.1.0", "10.0.0.256", "::ffff", ""] {
        check_attributes(json!({"a": [{"cidr": "10.0.0.0/24"}]}), &[&format!("a={other}")], false);
    }
    let wide = json!({"a": [{"cidr": "2001:db8:1234:1a00::/64"}]});
    check_attributes(wide.clone(), &["a=2001:0db8:1234:1a00:0000:0000:0000:0001"], true);
    check_attributes(wide, &["a=2001:db8:1234:1a01::"], false);
    check_attributes(json!({"a": [{"cidr": "9.9.9.9/0"}]}), &["a=200.1.1.1"], true);
    check_attributes(json!({"a": ["2001:DB8::1"]}), &["a=2001:db8:0::1"], true);
    check_attributes(json!({"a": ["10.0.0.1"]}), &["a=10.0.0.10"], false);
}

#[test]
fn alternatives_are_each_enough() {
    let policy = json!({
        "a": ["1"],
        "$or": [{"b": ["2", "3"]}, {"c": ["4"], "$or": [{"d": ["5"]}, {"e": ["6"]}]}],
    });
    check_attributes(policy.clone(), &["a=1", "b=3"], true);
    check_attributes(policy.clone(), &["a=1", "c=4", "e=6"], true);
    check_attributes(policy.clone(), &["a=1", "c=4"], false);
    check_attributes(policy.clone(), &["b=3", "c=4", "d=5"], false);
    // Without two objects, or with an operator's name, it is a name like others.
    check_attributes(json!({"$or": ["x"]}), &["$or=x"], true);
    check_error(
        r#"{"$or":[{"prefix":["x"]},{"b":["y"]}]}"#,
        "FilterPolicy: prefix match pattern must be a string\n at [Source: \
         (String)\"{\"$or\":[{\"prefix\":[\"x\"]},{\"b\":[\"y\"]}]}\"; line: 1, column: 20]",
    );
}

#[test]
fn paths_in_bodies_take_dots_either_way() {
    for policy in [json!({"a.b.c": ["x"]}), json!({"a": {"b": {"c": ["x"]}}}), json!({"a": {"b.c": ["x"]}})] {
        for body in [json!({"a": {"b": {"c": "x"}}}), json!({"a.b.c": "x"}), json!({"a.b": {"c": "x"}})] {
            check_body(&policy, &body, true);
        }
        check_body(&policy, &json!({"a": {"b": {"c": {"d": "x"}}}}), false);
        check_body(&policy, &json!({"a": {"b": "x"}}), false);
    }
    check_body(&json!({"a": [null, true]}), &json!({"a": null}), true);
    check_body(&json!({"a": [null, true]}), &json!({"a": false}), false);
    check_body(&json!({"a": ["true"]}), &json!({"a": true}), false);
    check_body(&json!({"a": [""]}), &json!({"b": [], "a": "", "c": null}), true);
}

#[test]
fn a_body_that_is_no_object_is_not_wanted() {
    let policy = FilterPolicy::parse(r#"{"a":[{"exists":false}]}"#, FilterScope::MessageBody).unwrap();
    for body in ["", "text", "[]", "\"a\"", "{\"b\":1", "{\"b\":1} x", "{\"b\":01}", "{'b':1}", "{\"b\":1,}"] {
        assert!(!policy.matches(&message(&[], body)), "{body}");
    }
    assert!(policy.matches(&message(&[], " {\"b\" : [ {\"c\":\"\\ud83d\\ude00\"} , -1.5e+3 ] } \n")));
    let deep = format!("{{\"b\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(!policy.matches(&message(&[], &deep)));
}

#[test]
fn what_is_asked_inside_an_array_is_asked_of_one_element() {
    let policy = json!({"r": {"o": {"k": [{"prefix": "auto-"}]}, "e": [{"prefix": "Created:"}]}});
    let record = |key: &str, event: &str| json!({"o": {"k": key, "s": 17}, "e": event});
    check_body(&policy, &json!({"r": [record("auto-1", "Created:Put")]}), true);
    check_body(&policy, &json!({"r": [record("home-1", "Created:Put")]}), false);
    check_body(&policy, &json!({"r": [record("auto-1", "Gone"), record("home-1", "Created:Put")]}), false);
    check_body(&policy, &json!({"r": [record("home-1", "Gone"), record("auto-1", "Created:Put")]}), true);
    check_body(&policy, &json!({"r": [{"o": [[{"k": "x"}, {"k": "auto-1"}]], "e": "Created:Put"}]}), true);
    check_body(&policy, &json!({"r": [[record("auto-1", "Gone")], {"e": "Created:Put"}]}), false);
    // Single values of an array go with any element.
    check_body(&json!({"a": ["x"], "a.b": [1]}), &json!({"a": ["w", "x", {"b": 2}, {"b": 1}]}), true);
    // What must be absent must be so in the element that has the rest, or if there is no rest in all.
    let policy = json!({"r": {"x": [{"exists": false}], "y": ["v"]}});
    check_body(&policy, &json!({"r": [{"x": 1}, {"y": "v"}]}), true);
    check_body(&policy, &json!({"r": [{"x": 1, "y": "v"}, {"y": "w"}]}), false);
    check_body(&policy, &json!({"r": [{"x": 1, "y": "v"}, {"y": "v"}]}), true);
    check_body(&json!({"r": {"x": [{"exists": false}]}}), &json!({"r": [{"x": 1}, {"y": 2}]}), false);
}

#[test]
fn refusals_name_the_place_as_aws_does() {
    check_refusal(r#"{"key":[["value"]]}"#, "Match value must be String, number, true, false, or null", 10);
    check_refusal(r#"{"key":[{"wrong-operator":true}]}"#, "Unrecognized match type wrong-operator", 31);
    let two = r#"{"key":[{"suffix":"value","prefix":"value2"}]}"#;
    check_refusal(two, "Only one key allowed in match expression", 37);
    check_refusal(r#"{"key":[]}"#, "Empty arrays are not allowed", 10);
    for (operand, column) in [("100", 22), ("null", 23), ("[]", 20), (r#"["test","test2"]"#, 20)] {
        let policy = format!(r#"{{"key":[{{"suffix":{operand}}}]}}"#);
        check_refusal(&policy, "suffix match pattern must be a string", column);
    }
    check_refusal(r#"{"key":{"suffix":"value"}}"#, "\"suffix\" must be an object or an array", 19);
    check_refusal(r#"{"key_a":"value_one"}"#, "\"key_a\" must be an object or an array", 11);
    check_refusal(r#"{"key":[{"cidr":["bad-filter"]}]}"#, "prefix match pattern must be a string", 18);
    check_refusal(r#"{"key":[{"exists":null}]}"#, "exists match pattern must be either true or false.", 23);
    check_refusal(r#"{"key":[{"exists":"no"}]}"#, "exists match pattern must be either true or false.", 20);
    check_refusal(r#"{"key":{}}"#, "Empty objects are not allowed", 10);
    check_refusal("[]", "Filter is not an object", 2);
    for (inner, reason, column) in [
        (r#"{"wrong-operator":null}"#, "Unsupported anything-but pattern: wrong-operator", 47),
        (r#"{"suffix":"test"}"#, "Unsupported anything-but pattern: suffix", 36),
        (r#"{"exists":false}"#, "Unsupported anything-but pattern: exists", 40),
        (r#"{"prefix":false}"#, "prefix match pattern must be a string", 40),
    ] {
        check_refusal(&format!(r#"{{"key":[{{"anything-but":{inner}}}]}}"#), reason, column);
    }
}

#[test]
fn ranges_are_refused_as_aws_does() {
    for (range, reason, column) in [
        ("[]", "Invalid member in numeric match: ]", 22),
        (r#"["operator"]"#, "Unrecognized numeric range operator: operator", 32),
        (r#"[1,"<="]"#, "Invalid member in numeric match: 1", 22),
        (r#"["=","000"]"#, "Value of equals must be numeric", 26),
        (r#"[">="]"#, "Value of >= must be numeric", 26),
        (r#"["<",100,">",10]"#, "Too many elements in numeric expression", 30),
        (r#"[">=",1,">",2]"#, "Bad numeric range operator: >", 31),
        (r#"[">",3,"<",1]"#, "Bottom must be less than top", 33),
        (r#"[">",20,"<="]"#, "Value of <= must be numeric", 33),
        (r#"[">",20,30]"#, "Bad value in numeric range: 30", 30),
        (r#"[">",20,"test"]"#, "Bad numeric range operator: test", 34),
        (r#"[">","20","<","30"]"#, "Value of > must be numeric", 26),
        (r#"[">",20,"<","30"]"#, "Value of < must be numeric", 33),
        (r#"[">",20,"<",30,"<",50]"#, "Too many terms in numeric range expression", 36),
        (r#"["<",1e10]"#, "Value must be between -5.0E9 and 5.0E9, inclusive", 30),
    ] {
        check_refusal(&format!(r#"{{"key":[{{"numeric":{range}}}]}}"#), reason, column);
    }
}

#[test]
fn networks_are_refused_without_a_place() {
    for (network, reason) in [
        ("bad-filter", "Malformed CIDR, one '/' required"),
        ("bad-filter/64", "Nonstandard IP address: bad-filter"),
        ("bad-/64filter", "Malformed CIDR, mask bits must be an integer"),
        ("xx.11.xx/8", "Nonstandard IP address: xx.11.xx"),
        ("xxxx:db8:1234:1a00::/64", "Nonstandard IP address: xxxx:db8:1234:1a00::"),
        ("10.0.0.300/8", "Invalid IP address: 10.0.0.300"),
        ("10.0.0.1/32", "IPv4 mask bits must be < 32"),
        ("::1/128", "IPv6 mask bits must be < 128"),
        ("::1/-1", "Malformed CIDR, mask bits must not be negative"),
    ] {
        check_error(&format!(r#"{{"key":[{{"cidr":"{network}"}}]}}"#), &format!("FilterPolicy: {reason}"));
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let place = |column: u32| {
        let source = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";
        format!("\n at [Source: {source}; line: 1, column: {column}]")
    };
    let choice = "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
    for (text, reason, column) in [
        ("{invalid", "Unexpected character ('i' (code 105)): was expecting double-quote to start field name", 2),
        ("invalid-json", &format!("Unrecognized token 'invalid': {choice}"), 8),
    ] {
        check_error(text, &format!("FilterPolicy: failed to parse JSON. {reason}{}", place(column)));
    }
}

#[test]
fn long_policies_are_shown_cut() {
    let policy = format!("{{\"key\":\"{}\"}}", "é".repeat(600));
    let error = FilterPolicy::parse(&policy, FilterScope::MessageBody).unwrap_err().to_string();
    let shown = format!("{{\"key\":\"{}\"[truncated 110 chars]; line: 1, column: 9]", "é".repeat(492));
    assert!(error.ends_with(&shown), "{error}");
    let long = format!("{{\"key\":[\"{}\"]}}", "x".repeat(256 * 1024));
    assert_eq!(FilterPolicy::parse(&long, FilterScope::MessageBody).unwrap_err(), PolicyError::TooLong);
}

#[test]
fn policies_that_ask_too_much_are_refused() {
    fn refusal(policy: &Json, scope: FilterScope) -> Option<PolicyError> {
        FilterPolicy::parse(&policy.to_string(), scope).err()
    }
    use FilterScope::{MessageAttributes, MessageBody};
    let values = |count: usize| (0..count).map(|value| format!("v{value}")).collect::<Vec<_>>();
    let too_complex = Some(PolicyError::TooComplex);
    assert_eq!(refusal(&json!({"a": values(151)}), MessageAttributes), too_complex);
    assert_eq!(refusal(&json!({"a": values(150)}), MessageAttributes), None);
    assert_eq!(refusal(&json!({"a": values(100), "b": values(51)}), MessageAttributes), too_complex);
    let six: Json = (0..6).map(|key| (format!("k{key}"), json!(["v"]))).collect::<serde_json::Map<_, _>>().into();
    assert_eq!(refusal(&six, MessageAttributes), Some(PolicyError::TooManyKeys));
    // 3 x 4 x 2 x 3 x 1 x 3 = 216
    let nested = json!({"a": {"b": {"c": values(4)}}, "d": {"e": values(3)}, "f": values(3)});
    assert_eq!(refusal(&nested, MessageBody), too_complex);
    assert_eq!(refusal(&json!({"a": {"b": values(1)}}), MessageAttributes), Some(PolicyError::Nested));
    let flat = |spaces: usize| {
        json!({"s": values(3), "$or": [
            {"n": values(6)},
            {"t": values(4), "$or": [{"i": values(4)}, {"p": values(spaces)}]},
        ]})
    };
    assert_eq!(refusal(&flat(7), MessageAttributes), None);
    assert_eq!(refusal(&flat(8), MessageAttributes), too_complex);
    let nested = json!({
        "$or": [{"m": values(3)}, {"n": values(2)}],
        "d": {"s": values(2), "$or": [{"x": values(1)}, {"y": values(3)}]},
    });
    assert_eq!(refusal(&nested, MessageBody), too_complex);
    let deep = format!("{}[1]{}", "{\"a\":".repeat(300), "}".repeat(300));
    assert_eq!(FilterPolicy::parse(&deep, MessageBody).unwrap_err(), PolicyError::TooComplex);
}

#[test]
fn a_message_made_to_be_hard_ends_soon() {
    // Many arrays under one path whose elements each fulfil another part.
    let names: Vec<String> = (0..40).map(|name| format!("n{name}")).collect();
    let inner: serde_json::Map<_, _> = names.iter().map(|name| (format!("x.{name}"), json!([1]))).collect();
    let policy = json!({"$or": [{"a": ["never"]}, inner]});
    let policy = FilterPolicy::parse(&policy.to_string(), FilterScope::MessageBody).unwrap();
    let array = |count: usize| Json::from_iter(names[..count].iter().map(|name| json!({name.clone(): 1})));
    let body = |count: usize| format!("{{{}}}", vec![format!("\"x\":{}", array(count)); 40].join(","));
    assert!(!policy.matches(&message(&[], &body(40))));
    let few = json!({"$or": [{"a": ["never"]}, {"x.n0": [1], "x.n1": [1], "x.n2": [1]}]});
    let few = FilterPolicy::parse(&few.to_string(), FilterScope::MessageBody).unwrap();
    assert!(few.matches(&message(&[], &body(3))));
}

/// Policies for bodies with the names `a` and `b` at two levels.
fn any_policy() -> impl Strategy<Value = Json> {
    let pattern = prop_oneof![
        4 => prop_oneof![Just(json!("x")), Just(json!("y")), Just(json!(1)), Just(json!(null)), Just(json!(true))],
        1 => Just(json!({"exists": true})),
        1 => Just(json!({"exists": false})),
        1 => Just(json!({"prefix": "x"})),
        1 => Just(json!({"anything-but": ["x", "y"]})),
        1 => Just(json!({"numeric": [">", 0, "<=", 2]})),
    ];
    let values = proptest::collection::vec(pattern, 1..3).prop_map(Json::from);
    let object = proptest::collection::btree_map("[ab]", values.clone(), 1..3)
        .prop_map(|map| Json::from(map.into_iter().collect::<serde_json::Map<_, _>>()));
    let alternatives = proptest::collection::vec(object.clone(), 2..3).prop_map(Json::from);
    let part = prop_oneof![
        3 => ("[ab]", values),
        3 => ("[ab]", object),
        1 => (Just("$or".to_owned()), alternatives),
    ];
    proptest::collection::vec(part, 1..3)
        .prop_map(|parts| Json::from(parts.into_iter().collect::<serde_json::Map<_, _>>()))
}

/// Bodies with the same names, texts and numbers, and arrays.
fn any_body() -> impl Strategy<Value = Json> {
    let single = prop_oneof![
        Just(json!("x")),
        Just(json!("y")),
        Just(json!("xy")),
        Just(json!(1)),
        Just(json!(3)),
        Just(json!(null)),
        Just(json!(true)),
        Just(json!("")),
    ];
    let value = single.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            proptest::collection::btree_map("[ab]|a\\.b", inner, 0..3)
                .prop_map(|map| Json::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    });
    proptest::collection::btree_map("[ab]|a\\.b", value, 0..3)
        .prop_map(|map| Json::from(map.into_iter().collect::<serde_json::Map<_, _>>()))
}

mod naive;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The index, each policy alone, and a matcher that tries all choices of elements agree.
    #[test]
    fn compiled_policies_agree_with_a_plain_matcher(
        policies in proptest::collection::vec(any_policy(), 1..6),
        body in any_body(),
    ) {
        // Some ask too much.
        let read = |policy: &Json| FilterPolicy::parse(&policy.to_string(), FilterScope::MessageBody).ok();
        let (policies, parsed): (Vec<Json>, Vec<FilterPolicy>) =
            policies.into_iter().filter_map(|policy| read(&policy).map(|parsed| (policy, parsed))).unzip();
        let text = body.to_string();
        let together = FilterIndex::new(&parsed).matching(&message(&[], &text));
        let alone: Vec<usize> = (0..parsed.len()).filter(|at| parsed[*at].matches(&message(&[], &text))).collect();
        prop_assert_eq!(&together, &alone);
        let plain: Vec<usize> = (0..policies.len()).filter(|at| naive::wants(&policies[*at], &body)).collect();
        prop_assert_eq!(together, plain, "{:?} {}", policies, body);
    }

    #[test]
    fn any_text_is_a_policy_or_refused(text in ".{0,60}", scope in any::<bool>()) {
        let scope = if scope { FilterScope::MessageBody } else { FilterScope::MessageAttributes };
        drop(FilterPolicy::parse(&text, scope));
    }

    #[test]
    fn any_json_is_a_policy_or_refused(
        at in 0usize..200, with in r#"[\[\]{}",:0-9a$é\\]{0,3}"#, cut in 0usize..200, body in ".{0,30}",
    ) {
        let text = r#"{"a":[{"numeric":[">",1e2,"<=",200]},{"anything-but":["é",""]}],"$or":[{"b":[1]},{"c":{"d":[{"cidr":"::/8"}]}}]}"#;
        let mut damaged: Vec<char> = text.chars().collect();
        let at = at % damaged.len();
        damaged.splice(at..(at + 1), with.chars());
        damaged.truncate(cut.max(1));
        let damaged: String = damaged.into_iter().collect();
        if let Ok(policy) = FilterPolicy::parse(&damaged, FilterScope::MessageBody) {
            policy.matches(&message(&[], &body));
        }
        // A policy is JSON, so it can be a body, too, whole or damaged.
        let policy = FilterPolicy::parse(text, FilterScope::MessageBody).unwrap();
        policy.matches(&message(&[], &damaged));
    }

    /// What this parser takes as JSON, others do, and the reverse.
    #[test]
    fn bodies_are_json_as_others_know_it(text in r#"\{("[a-z\\"]{0,3}" ?: ?[-+0-9.eE]{0,4}(true|null|\[\]|\{\}|"\\u00e4")?,?){0,3}\}"#) {
        let policy = FilterPolicy::parse(r#"{"never":[{"exists":false}]}"#, FilterScope::MessageBody).unwrap();
        let is_json = serde_json::from_str::<serde_json::Map<String, Json>>(&text);
        // A number too large for a double is an error for serde_json only.
        if !is_json.as_ref().is_err_and(|error| error.to_string().contains("out of range")) {
            prop_assert_eq!(policy.matches(&message(&[], &text)), is_json.is_ok(), "{}", text);
        }
    }
}
