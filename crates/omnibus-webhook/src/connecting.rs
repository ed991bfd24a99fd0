//! New connections.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::error::PostError;
use crate::reach::Reach;
use crate::target::Server;

/// One connection: a request at a time.
pub(crate) type Connection = SendRequest<Full<Bytes>>;

/// Connects to the first of a server's addresses that may be called and answers.
pub(crate) async fn connect(
    server: &Server,
    reach: Reach,
    tls: Option<&TlsConnector>,
) -> Result<Connection, PostError> {
    let stream = reach_one(server, reach).await?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small requests may wait");
    }
    if !server.is_secure {
        return speak(TokioIo::new(stream)).await;
    }
    let tls = tls.ok_or(PostError::NoCertificates)?;
    let name = ServerName::try_from(server.host.clone())
        .map_err(|_| PostError::Url { url: server.host.clone(), reason: "its host is no name" })?;
    let stream = tls.connect(name, stream).await.map_err(|error| PostError::Connect { error })?;
    speak(TokioIo::new(stream)).await
}

/// The address that is checked is the address that is called: a name may resolve to another the next time.
async fn reach_one(server: &Server, reach: Reach) -> Result<TcpStream, PostError> {
    let unknown = |error| PostError::Resolve { host: server.host.clone(), error };
    let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await.map_err(unknown)?;
    let mut failure = None;
    for address in found {
        match reach_at(address, reach).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| unknown(io::Error::from(io::ErrorKind::NotFound))))
}

async fn reach_at(address: SocketAddr, reach: Reach) -> Result<TcpStream, PostError> {
    if !reach.allows(address.ip()) {
        return Err(PostError::Forbidden { address: address.ip() });
    }
    TcpStream::connect(address).await.map_err(|error| PostError::Connect { error })
}

async fn speak<T: Read + Write + Unpin + Send + 'static>(stream: T) -> Result<Connection, PostError> {
    let broken = |error: hyper::Error| PostError::Broken { reason: error.to_string() };
    let (sender, connection) = handshake(stream).await.map_err(broken)?;
    // Ends with the sender; what breaks it the sender is told, too.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
