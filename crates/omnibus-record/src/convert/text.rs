//! Bytes as text.

use bytestring::ByteString;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes bytes as base64 (RFC 4648, with padding).
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (place, shift) in [18_u32, 12, 6, 0].into_iter().enumerate() {
            out.push(if place <= chunk.len() { letter(bits >> shift) } else { '=' });
        }
    }
    out
}

fn letter(bits: u32) -> char {
    let at = usize::try_from(bits & 63).unwrap_or(0);
    ALPHABET.get(at).map_or('=', |letter| char::from(*letter))
}

/// Takes bytes as text, if they are text that SQS allows: what XML 1.0 can hold.
pub(super) fn sqs_text(bytes: &bytes::Bytes) -> Option<ByteString> {
    let text = ByteString::try_from(bytes.clone()).ok()?;
    let allowed = |character: char| match character {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        character => character >= ' ',
    };
    text.chars().all(allowed).then_some(text)
}

/// Writes an id as SQS does.
pub(super) fn uuid(id: u128) -> String {
    let hex = format!("{id:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let vectors = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (bytes, text) in vectors {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn text_is_what_xml_can_hold() {
        for (bytes, is_text) in [
            (&b"plain\t\r\n"[..], true),
            (b"\x00", false),
            (b"\x1b", false),
            (b"\xff", false),
            ("\u{fffe}".as_bytes(), false),
        ] {
            assert_eq!(sqs_text(&bytes::Bytes::copy_from_slice(bytes)).is_some(), is_text, "{bytes:?}");
        }
    }
}
