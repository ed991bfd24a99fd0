//! Where a URL leads.

use hyper::Uri;

use crate::error::PostError;

/// A server, as connections to it are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) is_secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) server: Server,
    /// What the Host header says.
    pub(crate) authority: String,
    pub(crate) path: String,
}

impl Target {
    pub(crate) fn read(url: &str) -> Result<Self, PostError> {
        let refused = |reason| PostError::Url { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|_| refused("it cannot be read"))?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refused("it is neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| refused("it names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(refused("it names no host"));
        }
        if authority.as_str().contains('@') {
            return Err(refused("it names a user"));
        }
        let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let server = Server { is_secure, host: host.to_ascii_lowercase(), port };
        Ok(Self { server, authority: authority.as_str().to_owned(), path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, is_secure, host, port, path) in [
            ("http://Example.org", false, "example.org", 80, "/"),
            ("https://example.org/a?b=c", true, "example.org", 443, "/a?b=c"),
            ("http://[::1]:8080/x", false, "::1", 8080, "/x"),
            ("http://127.0.0.1:1/", false, "127.0.0.1", 1, "/"),
        ] {
            let target = Target::read(url).unwrap();
            assert_eq!(target.server, Server { is_secure, host: host.to_owned(), port });
            assert_eq!(target.path, path);
        }
        for url in ["", "example.org", "ftp://example.org", "http://", "http:///x", "http://u:p@example.org", "a b"] {
            assert!(matches!(Target::read(url), Err(PostError::Url { .. })), "{url}");
        }
    }
}
