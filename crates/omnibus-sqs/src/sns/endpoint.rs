//! Endpoints that are told by HTTP, which may ask who tells them: `https://user:password@host/path`.

use crate::wire::base64;

/// What stands where a password is, for whoever lists subscriptions.
const HIDDEN: &str = "****";

/// A URL, taken apart at the name of its user.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endpoint<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    /// The host and what follows.
    rest: &'a str,
}

impl<'a> Endpoint<'a> {
    /// Takes a URL apart; what is none has no user.
    pub(crate) fn of(url: &'a str) -> Self {
        let (scheme, rest) = url.find("://").map_or(("", url), |at| url.split_at(at + "://".len()));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A password may have an @ in it: the last one ends it.
        let Some(at) = authority.rfind('@') else {
            return Self { scheme, user: None, password: None, rest };
        };
        let (login, rest) = (&rest[..at], &rest[at + 1..]);
        match login.split_once(':') {
            Some((user, password)) => Self { scheme, user: Some(user), password: Some(password), rest },
            None => Self { scheme, user: Some(login), password: None, rest },
        }
    }

    /// What is called, and may be told everybody.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.scheme, self.rest)
    }

    /// What is listed: all but the password.
    pub(crate) fn listed(&self) -> String {
        let Self { scheme, user, password, rest } = *self;
        match (user, password) {
            (None, _) => self.url(),
            (Some(user), None) => format!("{scheme}{user}@{rest}"),
            (Some(user), Some(_)) => format!("{scheme}{user}:{HIDDEN}@{rest}"),
        }
    }

    /// What the header Authorization says to a server that asks for it by the scheme Basic. `None` if the URL names
    /// no user.
    pub(crate) fn authorization(&self) -> Option<String> {
        let mut login = unescaped(self.user?);
        login.push(b':');
        login.extend(unescaped(self.password.unwrap_or_default()));
        Some(format!("Basic {}", base64::write(&login)))
    }
}

/// The bytes that a part of a URL stands for; a percent sign that begins no escape is itself.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.split_first_chunk()).flatten();
        match escaped.and_then(|(digits, after)| Some((byte(*digits)?, after))) {
            Some((byte, after)) => {
                out.push(byte);
                rest = after;
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

fn byte(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, called: &str, listed: &str, login: Option<&str>) {
        let endpoint = Endpoint::of(url);
        assert_eq!((endpoint.url().as_str(), endpoint.listed().as_str()), (called, listed));
        let login = login.map(|login| format!("Basic {}", base64::write(login.as_bytes())));
        assert_eq!(endpoint.authorization(), login, "{url}");
    }

    #[test]
    fn login_is_taken_out_of_a_url() {
        check("https://h/p", "https://h/p", "https://h/p", None);
        check("https://u@h/p", "https://h/p", "https://u@h/p", Some("u:"));
        check("https://u:p@h:1/p?q", "https://h:1/p?q", "https://u:****@h:1/p?q", Some("u:p"));
        check("http://u:@h", "http://h", "http://u:****@h", Some("u:"));
        check("http://u:p:p@p@h", "http://h", "http://u:****@h", Some("u:p:p@p"));
        check("http://u%40x:%3a%%4@h/", "http://h/", "http://u%40x:****@h/", Some("u@x::%%4"));
    }

    #[test]
    fn at_sign_behind_the_host_is_nobody() {
        for url in ["https://h/a@b", "https://h?a:b@c", "https://h#a:b@c", "", "arn:aws:sqs:r:a:q"] {
            check(url, url, url, None);
        }
    }
}
