//! Listens, up to a number of connections, until told to stop.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Sleep;

use crate::node::Node;
use crate::routes::router;

/// Connections at a time; one more waits.
const CONNECTIONS_MAX: usize = 256;

/// How long a connection may neither send nor take anything.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long requests that are being answered may take once the door closes.
const FAREWELL: Duration = Duration::from_secs(2);

/// A listener that serves nothing yet, so that its address can be told first.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Listener {
    /// Listens on `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, places: Arc::new(Semaphore::new(CONNECTIONS_MAX)) })
    }

    /// The address that clients can connect to.
    ///
    /// # Errors
    /// If the socket has none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` says true, then lets requests finish for a short while.
    pub async fn run(self, node: Arc<Node>, shutdown: watch::Receiver<bool>) {
        let (mut told, mut late) = (shutdown.clone(), shutdown);
        let serve = axum::serve(self, router(node)).with_graceful_shutdown(async move {
            // A sender that is gone wants the end, too.
            drop(told.wait_for(|stop| *stop).await);
        });
        let give_up = async move {
            drop(late.wait_for(|stop| *stop).await);
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            served = serve => if let Err(error) = served {
                tracing::error!(%error, "the admin door has closed");
            },
            () = give_up => tracing::warn!("an admin request took too long to wait for"),
        }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let (socket, peer) = axum::serve::Listener::accept(&mut self.listener).await;
        (Connection { socket, silence: Box::pin(tokio::time::sleep(SILENCE_MAX)), _place: place.ok() }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that gives its place back when it ends, or when it was silent for too long.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    silence: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Passes on what the socket says, or ends the connection if it says nothing for too long.
    fn heard<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.silence = Box::pin(tokio::time::sleep(SILENCE_MAX));
            return polled;
        }
        self.silence.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_read(cx, into);
        self.heard(cx, polled)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.heard(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_flush(cx);
        self.heard(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silent_connection_gives_its_place_back() {
        let mut listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = axum::serve::Listener::accept(&mut listener).await;
        assert_eq!(listener.places.available_permits(), CONNECTIONS_MAX - 1);
        let error = connection.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        assert_eq!(listener.places.available_permits(), CONNECTIONS_MAX);
        drop(client);
    }
}
