//! Listens, up to a number of connections, until told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::entrance::Entrance;
use crate::login::Peer;
use crate::routes::router;
use crate::site::Site;

/// Connections at a time; one more waits.
const CONNECTIONS_MAX: usize = 256;

/// How long requests that are being answered may take once the door closes.
const FAREWELL: Duration = Duration::from_secs(2);

/// Listeners that serve nothing yet, so that their addresses can be told first.
#[derive(Debug)]
pub struct Server {
    entrances: Vec<Entrance>,
    places: Arc<Semaphore>,
}

impl Default for Server {
    fn default() -> Self {
        Self { entrances: Vec::new(), places: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Server {
    /// Listens on `address`, too; port 0 picks a free one. Returns where clients can connect.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        self.entrances.push(Entrance { listener, places: Arc::clone(&self.places) });
        Ok(address)
    }

    /// Serves until `shutdown` says true, then lets requests finish for a short while.
    pub async fn run(self, site: Site, shutdown: watch::Receiver<bool>) {
        let router = router(Arc::new(site));
        let mut serving = JoinSet::new();
        for entrance in self.entrances {
            serving.spawn(serve(entrance, router.clone(), shutdown.clone()));
        }
        while serving.join_next().await.is_some() {}
    }
}

async fn serve(entrance: Entrance, router: Router, shutdown: watch::Receiver<bool>) {
    let (mut told, mut late) = (shutdown.clone(), shutdown);
    let service = router.into_make_service_with_connect_info::<Peer>();
    let serve = axum::serve(entrance, service).with_graceful_shutdown(async move {
        // A sender that is gone wants the end, too.
        drop(told.wait_for(|stop| *stop).await);
    });
    let give_up = async move {
        drop(late.wait_for(|stop| *stop).await);
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        served = serve => if let Err(error) = served {
            tracing::error!(%error, "the AMQP management door has closed");
        },
        () = give_up => tracing::warn!("a request of AMQP management took too long to wait for"),
    }
}
