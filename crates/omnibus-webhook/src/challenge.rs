//! How servers ask who calls.

use hyper::HeaderMap;
use hyper::header::WWW_AUTHENTICATE;

/// The schemes that a server would take, in lower case.
pub(crate) fn schemes(headers: &HeaderMap) -> Vec<String> {
    let said = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|value| value.to_str().ok());
    said.flat_map(parts).filter_map(scheme).collect()
}

/// What stands between commas that are not quoted: the schemes with their first parameter, and more parameters.
fn parts(header: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_end = |letter: char| {
        let is_end = letter == ',' && !is_quoted;
        is_quoted ^= letter == '"' && !is_escaped;
        is_escaped = is_quoted && letter == '\\' && !is_escaped;
        is_end
    };
    header.split(is_end).collect()
}

/// The scheme that a part begins with: a word that is not the name of a parameter.
fn scheme(part: &str) -> Option<String> {
    let part = part.trim();
    let end = part.find([' ', '\t', '=']).unwrap_or(part.len());
    let (word, rest) = part.split_at(end);
    let is_scheme = !word.is_empty() && !rest.trim_start().starts_with('=');
    is_scheme.then(|| word.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(headers: &[&str], expected: &[&str]) {
        let headers = headers.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap()));
        assert_eq!(schemes(&headers.collect()), expected);
    }

    #[test]
    fn schemes_are_told_from_their_parameters() {
        check(&[], &[]);
        check(&["Basic"], &["basic"]);
        check(&[r#"BASIC realm="a b""#], &["basic"]);
        check(&[r#"Digest realm="a, Basic b", nonce = "c\", Basic", qop=auth"#], &["digest"]);
        check(
            &[r#"Negotiate, Digest realm="a", nonce=b , Basic realm="c", charset="UTF-8""#],
            &["negotiate", "digest", "basic"],
        );
        check(&["Digest a=b", "Basic a=b"], &["digest", "basic"]);
        check(&[",, =x, \""], &["\""]);
    }
}
