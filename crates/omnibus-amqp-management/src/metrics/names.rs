//! What the whole cluster has: virtual hosts, exchanges and their bindings. Every node tells the same.

use std::collections::BTreeMap;

use omnibus_amqp::administration::{ExchangeInfo, Host, plain};

use super::text::{Exposition, Kind, Metric};
use crate::site::Site;

use Kind::Gauge;

/// Which virtual hosts are wanted.
pub(super) type Wanted<'a> = &'a dyn Fn(&Host) -> bool;

pub(super) fn write_hosts(site: &Site, exposition: &mut Exposition) {
    let name = "rabbitmq_cluster_vhost_status";
    exposition.head(Metric(name, Gauge, "Whether a virtual host can be used; always 1."));
    for host in site.administration.hosts() {
        exposition.sample(name, &[("vhost", host.name())], 1);
    }
}

pub(super) fn write_exchanges(site: &Site, is_wanted: Wanted<'_>, exposition: &mut Exposition) {
    let name = "rabbitmq_cluster_exchange_name";
    exposition.head(Metric(name, Gauge, "An exchange; always 1."));
    for exchange in exchanges(site, is_wanted) {
        write(&exchange, (name, 1), exposition);
    }
}

pub(super) fn write_bindings(site: &Site, is_wanted: Wanted<'_>, exposition: &mut Exposition) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for binding in site.administration.bindings() {
        *counts.entry(binding.source).or_default() += 1;
    }
    let name = "rabbitmq_cluster_exchange_bindings";
    exposition.head(Metric(name, Gauge, "Bindings of an exchange."));
    for exchange in exchanges(site, is_wanted) {
        let count = counts.get(exchange.name.as_str()).copied().unwrap_or_default();
        write(&exchange, (name, count), exposition);
    }
}

/// Those that clients may publish to by their names.
fn exchanges(site: &Site, is_wanted: Wanted<'_>) -> Vec<ExchangeInfo> {
    let mut exchanges = site.administration.exchanges();
    exchanges.retain(|exchange| {
        let name = exchange.name.as_str();
        !exchange.is_internal && !plain(name).is_empty() && is_wanted(&Host::of(name))
    });
    exchanges
}

fn write(exchange: &ExchangeInfo, (metric, number): (&str, usize), exposition: &mut Exposition) {
    let (host, name) = (Host::of(exchange.name.as_str()), plain(exchange.name.as_str()));
    let labels = [("vhost", host.name()), ("exchange", name), ("type", &*exchange.kind)];
    exposition.sample(metric, &labels, number);
}
