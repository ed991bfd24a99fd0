use omnibus_model::Timestamp;
use omnibus_model::exchange::{BindingId, ExchangeKey, ExchangeKind};

use super::*;
use crate::wire::Value;

/// An exchange with bindings to queues that are called after their places.
fn exchange(kind: &str, arguments: &Table, bindings: &[(&str, Table)]) -> Compiled {
    let nature = ExchangeNature::wished(kind, (false, false, false), arguments).unwrap();
    let binding = |(place, (key, arguments)): (u64, &(&str, Table))| {
        let wish = BindingWish { key: Bytes::copy_from_slice(key.as_bytes()), arguments: arguments.clone() };
        let id = BindingId(u128::from(place));
        let binding = Binding {
            id,
            label: place.to_string(),
            target: BindingTarget::Queue(TopicName::new(&place.to_string()).unwrap()),
            config: wish.config(),
            created_at: Timestamp(i64::try_from(place).unwrap()),
        };
        (id, Arc::new(binding))
    };
    let name = ExchangeName::new("x").unwrap();
    Compiled::of(&Exchange {
        key: ExchangeKey { kind: ExchangeKind::Amqp, name },
        config: nature.config(),
        created_at: Timestamp(0),
        bindings: (0..).zip(bindings).map(binding).collect(),
    })
}

fn routed(exchange: &Compiled, keys: &[&str], headers: Table) -> Vec<String> {
    let keys: Vec<Bytes> = keys.iter().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect();
    let properties = Properties { headers: Some(headers), ..Properties::default() };
    let mut found = Vec::new();
    let any = exchange.route(Routed { keys: &keys, properties: &properties }, &mut found);
    assert_eq!(any, !found.is_empty());
    found.sort();
    found.dedup();
    let name = |destination: &Destination| match destination {
        Destination::Queue(queue) => queue.as_str().to_owned(),
        Destination::Exchange(exchange) => exchange.as_str().to_owned(),
    };
    found.iter().map(name).collect()
}

fn none() -> Table {
    Table::default()
}

#[test]
fn direct_wants_the_key_and_fanout_wants_nothing() {
    let bindings = [("a", none()), ("b", none()), ("a", none())];
    let direct = exchange("direct", &none(), &bindings);
    assert_eq!(routed(&direct, &["a"], none()), ["0", "2"]);
    assert_eq!(routed(&direct, &["b", "a"], none()), ["0", "1", "2"]);
    assert_eq!(routed(&direct, &["c"], none()), [""; 0]);
    assert_eq!(routed(&exchange("fanout", &none(), &bindings), &["c"], none()), ["0", "1", "2"]);
}

#[test]
fn topics_match_as_in_rabbitmq() {
    for (pattern, key, matches) in [
        ("#", "", true),
        ("*", "", false),
        ("a.#", "a", true),
        ("a.*", "a", false),
        ("#.#", "a", true),
        ("*.#", "a", true),
        ("a..b", "a..b", true),
        ("a.*.b", "a..b", true),
        ("", "", true),
        ("*.*", "a.", true),
        ("#.b", "a.b.b", true),
        ("#.b.#", "a.c.b.d", true),
        ("a.#.b", "a.b", true),
        ("a.#.b", "a.b.c", false),
        ("a.b", "a.b.c", false),
        ("*.b.*", "a.b.c", true),
    ] {
        let topic = exchange("topic", &none(), &[(pattern, none())]);
        assert_eq!(!routed(&topic, &[key], none()).is_empty(), matches, "{pattern:?} {key:?}");
    }
}

#[test]
fn many_wildcards_cost_no_more_than_their_number() {
    let pattern = vec!["#"; 60].join(".*.");
    let topic = exchange("topic", &none(), &[(&pattern, none())]);
    let key = vec!["a"; 120].join(".");
    assert_eq!(routed(&topic, &[&key], none()), ["0"]);
}

#[test]
fn headers_match_as_in_rabbitmq() {
    let of = |kind: &str| ("x-match", Value::text(kind));
    for (wanted, headers, matches) in [
        (Table::from([of("all")]), none(), true),
        (Table::from([of("any")]), none(), false),
        (Table::from([of("all"), ("a", Value::I32(1))]), Table::from([("a", Value::I64(1))]), true),
        (Table::from([of("all"), ("a", Value::I32(1))]), Table::from([("a", Value::text("1"))]), false),
        (Table::from([of("all"), ("a", Value::Void)]), Table::from([("a", Value::I32(5))]), true),
        (
            Table::from([of("any"), ("a", Value::I32(1)), ("b", Value::I32(2))]),
            Table::from([("b", Value::I32(2))]),
            true,
        ),
        (Table::from([("a", Value::I32(1))]), Table::from([("a", Value::I32(1))]), true),
        (Table::from([of("all"), ("x-foo", Value::I32(1))]), none(), true),
        (Table::from([of("all-with-x"), ("x-foo", Value::I32(1))]), none(), false),
        (Table::from([of("any-with-x"), ("x-foo", Value::I32(1))]), Table::from([("x-foo", Value::I32(1))]), true),
    ] {
        let found = routed(&exchange("headers", &none(), &[("", wanted.clone())]), &["k"], headers.clone());
        assert_eq!(!found.is_empty(), matches, "{wanted:?} {headers:?}");
    }
    let refused = Criteria::of(&Table::from([of("foo")])).unwrap_err().to_string();
    let text = "Invalid x-match field value <<\"foo\">>; expected all, any, all-with-x, or any-with-x";
    assert_eq!(refused, text);
}

#[test]
fn hash_shares_out_by_weight_and_moves_few() {
    let three = exchange("x-consistent-hash", &none(), &[("1", none()), ("2", none()), ("1", none())]);
    let four = exchange("x-consistent-hash", &none(), &[("1", none()), ("2", none()), ("1", none()), ("1", none())]);
    let (mut counts, mut moved) = ([0; 3], 0);
    for number in 0..4_000 {
        let key = number.to_string();
        let (of_three, of_four) = (routed(&three, &[&key], none()), routed(&four, &[&key], none()));
        assert_eq!((of_three.len(), of_four.len()), (1, 1));
        counts[of_three[0].parse::<usize>().unwrap()] += 1;
        moved += usize::from(of_three != of_four);
    }
    assert!((800..1_200).contains(&counts[0]) && (1_700..2_300).contains(&counts[1]), "{counts:?}");
    assert!((600..1_000).contains(&moved), "{moved}");
}
