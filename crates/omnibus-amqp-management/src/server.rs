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
use crate::metrics;
use crate::rates::Rates;
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
    metrics: Vec<Entrance>,
    places: Arc<Semaphore>,
}

impl Default for Server {
    fn default() -> Self {
        Self { entrances: Vec::new(), metrics: Vec::new(), places: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Server {
    /// Listens on `address` for the management API, too; port 0 picks a free one. Returns where clients can connect.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let entrance = self.open(address).await?;
        let address = entrance.listener.local_addr()?;
        self.entrances.push(entrance);
        Ok(address)
    }

    /// Listens on `address` for metrics, too; port 0 picks a free one. Returns where Prometheus can connect.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn listen_for_metrics(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let entrance = self.open(address).await?;
        let address = entrance.listener.local_addr()?;
        self.metrics.push(entrance);
        Ok(address)
    }

    async fn open(&self, address: SocketAddr) -> io::Result<Entrance> {
        Ok(Entrance { listener: TcpListener::bind(address).await?, places: Arc::clone(&self.places) })
    }

    /// Serves until `shutdown` says true, then lets requests finish for a short while.
    pub async fn run(self, site: Site, shutdown: watch::Receiver<bool>) {
        let site = Arc::new(site);
        let mut serving = JoinSet::new();
        let rates = Arc::new(Rates::default());
        if !self.entrances.is_empty() {
            let (site, rates, shutdown) = (Arc::clone(&site), Arc::clone(&rates), shutdown.clone());
            serving.spawn(async move { rates.watch(&site, shutdown).await });
        }
        let (management, metrics) = (router(Arc::clone(&site), rates), metrics::router(site));
        for (entrances, router) in [(self.entrances, management), (self.metrics, metrics)] {
            for entrance in entrances {
                serving.spawn(serve(entrance, router.clone(), shutdown.clone()));
            }
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
