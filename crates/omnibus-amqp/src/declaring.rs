//! The queues that this node is creating, so that no two of them share the last place of their virtual host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::hosts::Host;

/// Names of queues, each with how many are creating it.
#[derive(Debug, Default)]
pub(crate) struct Declaring {
    names: Mutex<BTreeMap<String, u64>>,
}

/// A queue that is being created.
#[derive(Debug)]
pub(crate) struct Underway {
    declaring: Arc<Declaring>,
    name: String,
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut names = self.declaring.names.lock();
        match names.get_mut(&self.name) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(names.remove(&self.name)),
        }
    }
}

impl Declaring {
    /// Notes a queue as one that is being created, if its virtual host, which has so many at most, has room for it
    /// beside those that are there and those that come, or if it is one of them.
    pub(crate) fn enter(
        self: &Arc<Self>,
        host: &Host,
        name: &str,
        (max, present): (u64, impl FnOnce() -> BTreeSet<String>),
    ) -> Option<Underway> {
        let mut names = self.names.lock();
        // Looked at while nobody leaves: whoever is not under way any more is there, if it was created.
        let mut all = present();
        all.extend(names.keys().filter(|name| Host::of(name) == *host).cloned());
        if all.len() as u64 >= max && !all.contains(name) {
            return None;
        }
        *names.entry(name.to_owned()).or_default() += 1;
        Some(Underway { declaring: Arc::clone(self), name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_created_counts_once_and_until_it_is_there() {
        let declaring = Arc::<Declaring>::default();
        let (here, there) = (Host::default(), Host::new("there"));
        let enter = |host: &Host, name: &str, present: &[&str]| {
            let present = present.iter().map(|name| (*name).to_owned()).collect();
            declaring.enter(host, name, (2, || present))
        };
        let first = enter(&here, "b", &["a"]).unwrap();
        assert!(enter(&here, "c", &["a"]).is_none());
        // It is among the names before it is left.
        assert!(enter(&here, "c", &["b"]).is_some());
        assert!(enter(&here, "c", &["a", "b"]).is_none());
        let same = enter(&here, "b", &["a"]).unwrap();
        assert!(enter(&there, "/there/c", &["/there/a"]).is_some());
        drop(first);
        assert!(enter(&here, "c", &["a"]).is_none());
        drop(same);
        assert!(enter(&here, "c", &["a"]).is_some());
        assert!(declaring.names.lock().is_empty());
    }
}
