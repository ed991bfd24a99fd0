//! Accepts connections, up to a limit, until told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use omnibus_engine::Engine;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::administration::Administration;
use crate::connection;
use crate::deaths::Router;
use crate::door::Door;
use crate::registry::Ends;
use crate::settings::Settings;

/// How long connections may take to end once the door closes.
const FAREWELL: Duration = Duration::from_secs(4);

const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The listeners for AMQP clients; they share one door.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    door: Arc<Door>,
}

impl Server {
    /// Prepares a door that nobody comes to yet.
    #[must_use]
    pub fn new(engine: Engine, settings: Settings) -> Self {
        let door = Arc::new(Door::new(engine, settings));
        // Also where nobody can come in: those of other nodes, and of earlier, have queues here.
        door.engine.route_dead_letters(Arc::new(Router { door: Arc::downgrade(&door) }));
        Self { listeners: Vec::new(), door }
    }

    /// Listens on `address`, too; port 0 picks a free one. Returns where clients can connect.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        self.listeners.push(listener);
        Ok(address)
    }

    /// What those may do who look after the door.
    #[must_use]
    pub fn administration(&self) -> Administration {
        Administration::new(Arc::clone(&self.door))
    }

    /// Serves until `shutdown` says true, then tells every client and ends every connection.
    pub async fn run(self, shutdown: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        // Also where nobody can come in.
        let (door, told) = (Arc::clone(&self.door), shutdown.clone());
        tasks.spawn(async move { door.expire_queues(told).await });
        let (door, told) = (Arc::clone(&self.door), shutdown.clone());
        tasks.spawn(async move { door.look_for_shortages(told).await });
        if !self.listeners.is_empty() {
            // Before anybody can come who owns queues.
            self.door.forget_old_owners().await;
            self.door.create_first_hosts(shutdown.clone()).await;
        }
        let door = Arc::clone(&self.door);
        tasks.spawn(async move { door.hold_at_start().await });
        let places = Arc::new(Semaphore::new(self.door.settings.connections_max));
        for listener in self.listeners {
            tasks.spawn(admit(listener, Arc::clone(&self.door), Arc::clone(&places), shutdown.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// Serves whoever comes to one listener.
async fn admit(listener: TcpListener, door: Arc<Door>, places: Arc<Semaphore>, mut shutdown: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        // Nothing around it: a future that is moved into another one has its room twice.
                        connections.spawn(serve(socket, (peer, place), Arc::clone(&door), shutdown.clone()));
                    }
                    Err(_) => tracing::warn!(%peer, "too many connections: one more was closed"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // Out of file descriptors: let some go before trying again.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = connection::told_to_stop(&mut shutdown) => break,
        }
    }
    let farewell = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        connections.shutdown().await;
    }
}

async fn serve(
    socket: TcpStream,
    (peer, _place): (SocketAddr, OwnedSemaphorePermit),
    door: Arc<Door>,
    shutdown: watch::Receiver<bool>,
) {
    // Frames are whole: waiting to fill a packet only delays them.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the connection is gone already");
        return;
    }
    let Ok(local) = socket.local_addr() else { return };
    if let Err(error) = connection::serve(socket, Ends { peer, local }, door, shutdown).await {
        tracing::debug!(%peer, %error, "connection closed");
    }
}
