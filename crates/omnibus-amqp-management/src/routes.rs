//! What is served where.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Extension, Router, middleware};
use tower::ServiceExt;

use crate::rates::Rates;
use crate::requests::{
    bindings, connections, definitions, exchanges, health, hosts, limits, messages, node, parameters, policies, queues,
    users,
};
use crate::site::SharedSite;
use crate::{answers, login};

/// The most bytes that a request may carry: a message may be as long as it becomes in base64.
const BODY_BYTES_MAX: usize = 32 << 20;

/// All paths of the API. Nobody passes who has not logged in, whatever they ask for.
pub(crate) fn router(site: SharedSite, rates: Arc<Rates>) -> Router {
    let routes = Router::new()
        .merge(of_the_node())
        .merge(of_hosts())
        .merge(of_names())
        .merge(of_connections())
        .merge(of_settings())
        .fallback(answers::unknown_path)
        .method_not_allowed_fallback(answers::unknown_method)
        .layer(middleware::from_fn_with_state(site.clone(), login::check))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(Extension(rates))
        .with_state(site);
    Router::new().fallback(move |request| route(routes.clone(), request))
}

/// Finds what a request asks for. Some clients end a path with a slash, which means nothing.
async fn route(routes: Router, mut request: Request) -> Response {
    let uri = request.uri();
    let shorter = uri.path().strip_suffix('/').map(|path| match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    });
    if let Some(Ok(shorter)) = shorter.map(|path| path.parse()) {
        *request.uri_mut() = shorter;
    }
    match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn of_the_node() -> Router<SharedSite> {
    Router::new()
        .route("/api/overview", get(node::overview))
        .route("/api/cluster-name", get(node::cluster_name).put(node::put_cluster_name))
        .route("/api/nodes", get(node::nodes))
        .route("/api/nodes/{node}", get(node::one))
        .route("/api/extensions", get(node::extensions))
        .route("/api/whoami", get(users::whoami))
        .route("/api/auth", get(users::auth))
        .route("/api/aliveness-test/{host}", get(health::aliveness))
        .route("/api/health/checks/alarms", get(health::alarms))
        .route("/api/health/checks/local-alarms", get(health::local_alarms))
        .route("/api/health/checks/virtual-hosts", get(health::virtual_hosts))
        .route("/api/health/checks/port-listener/{port}", get(health::port_listener))
        .route("/api/health/checks/protocol-listener/{protocol}", get(health::protocol_listener))
        .route("/api/health/checks/certificate-expiration/{within}/{unit}", get(health::certificate_expiration))
        .route("/api/health/checks/node-is-quorum-critical", get(health::quorum_critical))
        .route("/api/health/checks/ready-to-serve-clients", get(health::ready))
}

fn of_hosts() -> Router<SharedSite> {
    Router::new()
        .route("/api/vhosts", get(hosts::list))
        .route("/api/vhosts/{host}", get(hosts::one).put(hosts::put).delete(hosts::delete))
        .route("/api/vhosts/{host}/permissions", get(users::permissions_of_host))
        .route("/api/vhosts/{host}/topic-permissions", get(users::topic_permissions_of_host))
        .route("/api/users", get(users::list))
        .route("/api/users/without-permissions", get(users::without_permissions))
        .route("/api/users/bulk-delete", post(users::delete_many))
        .route("/api/users/{user}", get(users::one).put(users::put).delete(users::delete))
        .route("/api/users/{user}/permissions", get(users::permissions_of_user))
        .route("/api/users/{user}/topic-permissions", get(users::topic_permissions_of_user))
        .route("/api/permissions", get(users::permissions))
        .route(
            "/api/permissions/{host}/{user}",
            get(users::permission).put(users::put_permission).delete(users::delete_permission),
        )
        .route("/api/topic-permissions", get(users::topic_permissions))
        .route(
            "/api/topic-permissions/{host}/{user}",
            get(users::topic_permissions_of_both)
                .put(users::put_topic_permissions)
                .delete(users::delete_topic_permissions),
        )
        .route("/api/topic-permissions/{host}/{user}/{exchange}", delete(users::delete_topic_permissions_of_exchange))
}

fn of_names() -> Router<SharedSite> {
    Router::new()
        .route("/api/queues", get(queues::list))
        .route("/api/queues/{host}", get(queues::list_host))
        .route("/api/queues/{host}/{queue}", get(queues::one).put(queues::declare).delete(queues::delete))
        .route("/api/queues/{host}/{queue}/bindings", get(bindings::of_queue))
        .route("/api/queues/{host}/{queue}/contents", delete(queues::purge))
        .route("/api/queues/{host}/{queue}/get", post(messages::get))
        .route("/api/exchanges", get(exchanges::list))
        .route("/api/exchanges/{host}", get(exchanges::list_host))
        .route(
            "/api/exchanges/{host}/{exchange}",
            get(exchanges::one).put(exchanges::declare).delete(exchanges::delete),
        )
        .route("/api/exchanges/{host}/{exchange}/bindings/source", get(bindings::of_source))
        .route("/api/exchanges/{host}/{exchange}/bindings/destination", get(bindings::of_destination))
        .route("/api/exchanges/{host}/{exchange}/publish", post(messages::publish))
        .route("/api/bindings", get(bindings::list))
        .route("/api/bindings/{host}", get(bindings::list_host))
        .route("/api/bindings/{host}/e/{source}/{kind}/{to}", get(bindings::between).post(bindings::bind))
        .route("/api/bindings/{host}/e/{source}/{kind}/{to}/{key}", get(bindings::one).delete(bindings::unbind))
}

fn of_settings() -> Router<SharedSite> {
    Router::new()
        .route("/api/definitions", get(definitions::export).post(definitions::import))
        .route("/api/definitions/{host}", get(definitions::export_host).post(definitions::import_host))
        .route("/api/policies", get(policies::list))
        .route("/api/policies/{host}", get(policies::list_host))
        .route("/api/policies/{host}/{policy}", get(policies::one).put(policies::put).delete(policies::delete))
        .route("/api/operator-policies", get(policies::list_operators))
        .route("/api/operator-policies/{host}", get(policies::list_operators_host))
        .route(
            "/api/operator-policies/{host}/{policy}",
            get(policies::one_operators).put(policies::put_operators).delete(policies::delete_operators),
        )
        .route("/api/parameters", get(parameters::list))
        .route("/api/parameters/{component}", get(parameters::list_component))
        .route("/api/parameters/{component}/{host}", get(parameters::list_host))
        .route(
            "/api/parameters/{component}/{host}/{name}",
            get(parameters::one).put(parameters::put).delete(parameters::delete),
        )
        .route("/api/global-parameters", get(parameters::nothing))
        .route(
            "/api/global-parameters/{name}",
            get(parameters::no_global).put(parameters::put_global).delete(parameters::no_global),
        )
        .route("/api/feature-flags", get(parameters::nothing))
        .route("/api/deprecated-features", get(parameters::nothing))
        .route("/api/deprecated-features/used", get(parameters::nothing))
        .route("/api/vhost-limits", get(limits::hosts))
        .route("/api/vhost-limits/{host}", get(limits::of_host))
        .route("/api/vhost-limits/{host}/{name}", put(limits::put_of_host).delete(limits::delete_of_host))
        .route("/api/user-limits", get(limits::users))
        .route("/api/user-limits/{user}", get(limits::of_user))
        .route("/api/user-limits/{user}/{name}", put(limits::put_of_user).delete(limits::delete_of_user))
}

fn of_connections() -> Router<SharedSite> {
    Router::new()
        .route("/api/connections", get(connections::list))
        .route("/api/connections/{name}", get(connections::one).delete(connections::close))
        .route("/api/connections/{name}/channels", get(connections::channels_of))
        .route("/api/connections/username/{user}", get(connections::of_user).delete(connections::close_user))
        .route("/api/vhosts/{host}/connections", get(connections::list_host))
        .route("/api/vhosts/{host}/channels", get(connections::channels_host))
        .route("/api/channels", get(connections::channels))
        .route("/api/channels/{name}", get(connections::channel))
        .route("/api/consumers", get(connections::consumers))
        .route("/api/consumers/{host}", get(connections::consumers_host))
}
