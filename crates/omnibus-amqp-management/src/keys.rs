//! How a binding is named in a path: by its key, and by a number for its arguments.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use omnibus_amqp::wire::Table;

/// The name of a binding among those between the same two ends.
pub(crate) fn properties_key(key: &[u8], arguments: &Table) -> String {
    name(&quoted(key), arguments)
}

/// Whether a name from a path is that of a binding. Some clients quote the key once more than others.
pub(crate) fn is_named(given: &str, key: &[u8], arguments: &Table) -> bool {
    given == properties_key(key, arguments) || given == name(&String::from_utf8_lossy(key), arguments)
}

fn name(key: &str, arguments: &Table) -> String {
    match (key.is_empty(), arguments.0.is_empty()) {
        (true, true) => "~".to_owned(),
        (false, true) => key.to_owned(),
        (_, false) => format!("{key}~{}", hash(arguments)),
    }
}

/// A number of the arguments, the same on every node and for ever.
fn hash(arguments: &Table) -> String {
    let mut bytes = Vec::new();
    arguments.put(&mut bytes);
    let hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    BASE64_URL_SAFE_NO_PAD.encode(hash.to_be_bytes())
}

/// Text as it stands in a path.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => text.push(char::from(*byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use omnibus_amqp::wire::Value;

    use super::*;

    #[test]
    fn bindings_are_named_as_rabbitmq_names_them() {
        let none = Table::default();
        assert_eq!(properties_key(b"", &none), "~");
        assert_eq!(properties_key(b"a.#", &none), "a.%23");
        assert!(is_named("a.#", b"a.#", &none) && is_named("a.%23", b"a.#", &none) && !is_named("a", b"a.#", &none));
        let some = Table::from([("k", Value::I64(1))]);
        let other = Table::from([("k", Value::I64(2))]);
        assert!(properties_key(b"a", &some).starts_with("a~"));
        assert_ne!(properties_key(b"a", &some), properties_key(b"a", &other));
        assert!(properties_key(b"", &some).starts_with('~'));
    }
}
