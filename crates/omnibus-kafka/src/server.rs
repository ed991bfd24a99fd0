//! Accepts connections, up to a limit, until told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use omnibus_engine::Engine;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::budget::Budget;
use crate::connection::Connection;
use crate::patterns::Patterns;
use crate::session::{Client, Context, Ends, Settings};

/// A Kafka listener.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    engine: Engine,
    settings: Arc<Settings>,
    budget: Budget,
    patterns: Patterns,
}

impl Server {
    /// Listens on `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn bind(address: SocketAddr, engine: Engine, settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let budget = Budget::new(settings.memory_bytes_max);
        Ok(Self { listener, engine, settings: Arc::new(settings), budget, patterns: Patterns::default() })
    }

    /// The address that clients can connect to.
    ///
    /// # Errors
    /// If the socket has none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` says true, then ends every connection.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, peer)) => {
                        while connections.try_join_next().is_some() {}
                        if connections.len() < self.connections_max() {
                            connections.spawn(self.serve(socket, peer));
                        } else {
                            tracing::warn!(%peer, "too many connections: one more was closed");
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        // Out of file descriptors: let some go before trying again.
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                () = told_to_stop(&mut shutdown) => break,
            }
        }
        connections.shutdown().await;
    }

    /// The limit of now; connections that there are stay if it is lowered.
    fn connections_max(&self) -> usize {
        let set = self.engine.configs().connections_max();
        set.map_or(self.settings.connections_max, |max| usize::try_from(max).unwrap_or(usize::MAX))
    }

    fn serve(&self, socket: TcpStream, peer: SocketAddr) -> impl Future<Output = ()> + use<> {
        let (engine, settings) = (self.engine.clone(), Arc::clone(&self.settings));
        let (budget, patterns) = (self.budget.clone(), self.patterns.clone());
        async move {
            let Ok(local) = socket.local_addr() else { return };
            // Answers are whole frames: waiting to fill a packet only delays them.
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%peer, %error, "the connection is gone already");
                return;
            }
            let client = Client { id: "".into(), host: format!("/{}", peer.ip()).into() };
            let context = Context { engine, settings, budget, patterns, client, ends: Ends { local, peer } };
            if let Err(error) = Connection::new(socket, context).serve().await {
                tracing::debug!(%peer, %error, "connection closed");
            }
        }
    }
}

const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// Waits for the word; a sender that is gone means the same.
async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|stop| *stop).await);
}
