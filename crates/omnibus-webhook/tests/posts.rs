//! Posts to a server that answers as it is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omnibus_webhook::{Answer, Post, PostError, Poster, Reach, Settings, SetupError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates");

/// What a server saw: which connection, and the request.
type Seen = (usize, String);

/// A server on this machine.
struct Server {
    port: u16,
    seen: mpsc::Receiver<Seen>,
}

/// What one connection does after each request; it closes when there is no more.
type Script = &'static [&'static str];

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

impl Server {
    /// Serves one connection after the other by its script, then takes no more.
    async fn start(scripts: &'static [Script], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, seen) = mpsc::channel(100);
        tokio::spawn(async move {
            for (number, script) in scripts.iter().enumerate() {
                let (stream, _) = listener.accept().await.unwrap();
                match &tls {
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve(stream, number, script, &sender).await,
                        Err(_) => continue,
                    },
                    None => serve(stream, number, script, &sender).await,
                }
            }
            // Who comes now is connected by the system and never served.
            std::future::pending::<()>().await;
            drop(listener);
        });
        Self { port, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    number: usize,
    script: Script,
    seen: &mpsc::Sender<Seen>,
) {
    for answer in script {
        let Some(request) = read(&mut stream).await else { return };
        seen.send((number, request)).await.unwrap();
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    drop(stream.shutdown().await);
}

/// Reads one request to the end of its body.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

fn post(url: String) -> Post {
    Post {
        url,
        headers: vec![("x-kind".to_owned(), "news".to_owned())],
        body: Bytes::from_static(b"{}"),
        authorization: None,
    }
}

fn poster(settings: Settings) -> Poster {
    Poster::new(settings).unwrap()
}

#[tokio::test]
async fn posts_share_a_connection_and_say_what_they_are() {
    let mut server = Server::start(&[&[OK, OK]], None).await;
    let poster = poster(Settings::default());
    for path in ["/a?b=c", "/d"] {
        let answer = poster.post(&post(server.url(path))).await.unwrap();
        assert_eq!((answer.status, &answer.body[..], answer.is_success()), (200, &b"hi"[..], true));
        let (connection, request) = server.seen.recv().await.unwrap();
        assert_eq!(connection, 0);
        assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{request}");
        assert!(request.contains(&format!("host: 127.0.0.1:{}\r\n", server.port)), "{request}");
        assert!(request.contains("x-kind: news\r\n") && request.ends_with("\r\n\r\n{}"), "{request}");
    }
}

#[tokio::test]
async fn connection_that_was_closed_is_replaced() {
    let server = Server::start(&[&[OK], &[OK]], None).await;
    let poster = poster(Settings::default());
    assert!(poster.post(&post(server.url("/"))).await.unwrap().is_success());
    // Whether the end was seen before the next post or is seen by it: it arrives.
    let answered = poster.post(&post(server.url("/"))).await;
    assert!(
        matches!(&answered, Ok(answer) if answer.is_success()) || matches!(answered, Err(PostError::Broken { .. }))
    );
}

#[tokio::test]
async fn redirects_are_not_followed_and_long_answers_not_read() {
    const MOVED: &str = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    const LONG: &str = "HTTP/1.1 500 No\r\ncontent-length: 1000000000\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    const LATER: &str = "HTTP/1.1 429 Later\r\ncontent-length: 0\r\n\r\n";
    const NEVER: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(&[&[MOVED, LATER, NEVER, LONG]], None).await;
    let poster = poster(Settings { answer_bytes_max: 10, ..Settings::default() });
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(poster.post(&post(server.url("/"))).await.unwrap());
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [302, 429, 404, 500]);
    let permanent: Vec<bool> = answers.iter().map(Answer::is_permanent).collect();
    assert_eq!(permanent, [false, false, true, false]);
    assert!(answers.iter().all(|answer| answer.body.is_empty() && !answer.is_success()));
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let mut server = Server::start(&[&[""]], None).await;
    let poster = poster(Settings { time_max: Duration::from_millis(300), ..Settings::default() });
    let request = post(server.url("/"));
    let (answered, seen) = tokio::join!(poster.post(&request), server.seen.recv());
    assert!(matches!(answered, Err(PostError::TimedOut)));
    assert!(seen.is_some());
}

#[tokio::test]
async fn who_is_not_there_is_told_of() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let refused = poster(Settings::default()).post(&post(url)).await.unwrap_err();
    assert!(matches!(refused, PostError::Connect { .. }) && !refused.is_permanent());
}

#[tokio::test]
async fn what_must_not_be_called_is_not() {
    let server = Server::start(&[&[OK]], None).await;
    let public = poster(Settings { reach: Reach::Public, ..Settings::default() });
    for url in [server.url("/"), format!("http://localhost:{}/", server.port), format!("http://[::1]:{}/", server.port)]
    {
        let refused = public.post(&post(url)).await.unwrap_err();
        assert!(matches!(refused, PostError::Forbidden { .. }), "{refused}");
    }
    let refused = poster(Settings::default()).post(&post("http://169.254.169.254/".to_owned())).await.unwrap_err();
    assert!(matches!(refused, PostError::Forbidden { .. }));
    assert!(poster(Settings::default()).post(&post(server.url("/"))).await.unwrap().is_success());
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_for_good() {
    let poster = poster(Settings::default());
    let refused = poster.post(&post("gopher://x".to_owned())).await.unwrap_err();
    assert!(refused.is_permanent());
    let headers = vec![("x".to_owned(), "a\r\nb".to_owned())];
    let split = Post { headers, ..post("http://127.0.0.1:1/".to_owned()) };
    assert!(poster.post(&split).await.unwrap_err().is_permanent());
}

fn acceptor() -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(format!("{CERTIFICATES}/server.pem")).unwrap().flatten().collect();
    let key = PrivateKeyDer::from_pem_file(format!("{CERTIFICATES}/server.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

#[tokio::test]
async fn servers_prove_who_they_are() {
    let server = Server::start(&[&[], &[OK, OK], &[]], Some(acceptor())).await;
    let url = |host: &str| post(format!("https://{host}:{}/", server.port));
    let file = |name: &str| Some(format!("{CERTIFICATES}/{name}"));
    // Its own certificate is nobody's word for it.
    let other = poster(Settings { certificates_file: file("other.pem"), ..Settings::default() });
    assert!(matches!(other.post(&url("127.0.0.1")).await, Err(PostError::Connect { .. })));
    let poster = poster(Settings { certificates_file: file("authority.pem"), ..Settings::default() });
    for _ in 0..2 {
        assert!(poster.post(&url("127.0.0.1")).await.unwrap().is_success());
    }
    let missing = Poster::new(Settings { certificates_file: file("nothing.pem"), ..Settings::default() });
    assert!(matches!(missing.err(), Some(SetupError::Certificates { .. })));
}

fn with_login(url: String) -> Post {
    Post { authorization: Some("Basic dTpw".to_owned()), ..post(url) }
}

const WHO: &str = "HTTP/1.1 401 Who\r\nwww-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn who_calls_is_told_who_asks() {
    let mut server = Server::start(&[&[WHO, OK, OK]], None).await;
    let poster = poster(Settings::default());
    for asked in [[false, true].as_slice(), &[false]] {
        assert!(poster.post(&with_login(server.url("/"))).await.unwrap().is_success());
        for is_told in asked {
            let (connection, request) = server.seen.recv().await.unwrap();
            assert_eq!((connection, request.contains("authorization: Basic dTpw\r\n")), (0, *is_told), "{request}");
            assert!(request.contains("x-kind: news\r\n") && request.ends_with("\r\n\r\n{}"), "{request}");
        }
    }
}

#[tokio::test]
async fn nobody_is_told_twice_or_by_another_scheme() {
    const DIGEST: &str = "HTTP/1.1 401 Who\r\nwww-authenticate: Digest nonce=x\r\ncontent-length: 0\r\n\r\n";
    let mut server = Server::start(&[&[WHO, WHO, DIGEST, WHO]], None).await;
    let poster = poster(Settings::default());
    let posts = [with_login(server.url("/")), with_login(server.url("/")), post(server.url("/"))];
    for (post, scheme) in posts.iter().zip(["basic", "digest", "basic"]) {
        let answer = poster.post(post).await.unwrap();
        assert!(answer.asks_who_by(scheme) && answer.is_permanent());
    }
    for is_told in [false, true, false, false] {
        let (_, request) = server.seen.recv().await.unwrap();
        assert_eq!(request.contains("authorization: "), is_told, "{request}");
    }
}
