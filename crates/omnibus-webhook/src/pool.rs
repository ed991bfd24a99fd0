//! Connections that may be used again.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::connecting::Connection;
use crate::target::Server;

/// Connections kept for one server, and for all.
const PER_SERVER_MAX: usize = 4;
const ALL_MAX: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<Server, Vec<Connection>>>,
}

impl Pool {
    /// Takes a connection that is still open.
    pub(crate) fn take(&self, server: &Server) -> Option<Connection> {
        let mut idle = self.idle.lock();
        let connections = idle.get_mut(server)?;
        let found = std::iter::from_fn(|| connections.pop()).find(Connection::is_ready);
        if connections.is_empty() {
            idle.remove(server);
        }
        found
    }

    /// Keeps a connection if there is room and it takes another request.
    pub(crate) fn put(&self, server: Server, connection: Connection) {
        if !connection.is_ready() {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.values().map(Vec::len).sum::<usize>() >= ALL_MAX {
            idle.retain(|_, connections| {
                connections.retain(|connection| !connection.is_closed());
                !connections.is_empty()
            });
        }
        let is_full = idle.values().map(Vec::len).sum::<usize>() >= ALL_MAX;
        let connections = idle.entry(server).or_default();
        if !is_full && connections.len() < PER_SERVER_MAX {
            connections.push(connection);
        }
    }
}
