//! Who has logged in, and what his tags let him see and do, as in RabbitMQ. Pure.

use axum::http::Method;
use omnibus_amqp::administration::{Host, UserInfo};

/// What a request needs of whoever asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Need {
    /// Any of the tags that let somebody in at all.
    #[default]
    Tagged,
    Monitor,
    Policymaker,
    Administrator,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
    /// Those that he may come into.
    hosts: Vec<Host>,
}

impl From<UserInfo> for Caller {
    fn from(UserInfo { name, tags, permissions, .. }: UserInfo) -> Self {
        Self { name, tags, hosts: permissions.into_iter().map(|(host, _)| host).collect() }
    }
}

impl Caller {
    fn has(&self, tags: &[&str]) -> bool {
        self.tags.iter().any(|tag| tags.contains(&tag.as_str()))
    }

    pub(crate) fn is_administrator(&self) -> bool {
        self.has(&["administrator"])
    }

    /// Whether he sees what others do.
    pub(crate) fn is_monitor(&self) -> bool {
        self.has(&["administrator", "monitoring"])
    }

    /// Whether he sees what a virtual host has.
    pub(crate) fn sees(&self, host: &Host) -> bool {
        self.is_administrator() || self.hosts.contains(host)
    }

    /// Whether he sees what is called so by the engine.
    pub(crate) fn sees_name(&self, full: &str) -> bool {
        self.is_administrator() || self.hosts.contains(&Host::of(full))
    }

    /// Whether he sees that there is a virtual host.
    pub(crate) fn knows(&self, host: &Host) -> bool {
        self.is_monitor() || self.hosts.contains(host)
    }

    /// Whether he sees a user's connections.
    pub(crate) fn sees_connections_of(&self, user: &str) -> bool {
        self.is_monitor() || self.name == user
    }

    /// Whether he closes a user's connections.
    pub(crate) fn closes_connections_of(&self, user: &str) -> bool {
        self.is_administrator() || self.name == user
    }

    /// Says why he may not do what needs this, in RabbitMQ's words.
    pub(crate) fn check(&self, need: Need) -> Result<(), &'static str> {
        if !self.has(&["administrator", "monitoring", "policymaker", "management"]) {
            return Err("Not management user");
        }
        match need {
            Need::Tagged => Ok(()),
            Need::Monitor if self.is_monitor() => Ok(()),
            Need::Monitor => Err("Not monitor user"),
            Need::Policymaker if self.has(&["administrator", "policymaker"]) => Ok(()),
            Need::Policymaker => Err("User not authorised to access object"),
            Need::Administrator if self.is_administrator() => Ok(()),
            Need::Administrator => Err("Not administrator user"),
        }
    }
}

/// How paths begin that are administrators' whatever is done.
const OF_ADMINISTRATORS: [&str; 4] = ["/api/users", "/api/permissions", "/api/topic-permissions", "/api/definitions"];

/// What a request needs.
pub(crate) fn need(method: &Method, path: &str) -> Need {
    let changes = *method != Method::GET && *method != Method::HEAD;
    match path {
        _ if OF_ADMINISTRATORS.iter().any(|beginning| path.starts_with(beginning)) => Need::Administrator,
        "/api/vhosts/{host}" | "/api/vhosts/{host}/permissions" | "/api/vhosts/{host}/topic-permissions" => {
            Need::Administrator
        }
        "/api/operator-policies/{host}/{policy}" => Need::Administrator,
        _ if path.starts_with("/api/user-limits/") && changes => Need::Administrator,
        _ if path.starts_with("/api/vhost-limits/") && changes => Need::Administrator,
        "/api/cluster-name" if changes => Need::Administrator,
        "/api/policies/{host}/{policy}" => Need::Policymaker,
        _ if path.starts_with("/api/parameters") || path.starts_with("/api/global-parameters") => Need::Policymaker,
        _ if path.starts_with("/api/nodes") => Need::Monitor,
        _ => Need::Tagged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(tags: &[&str]) -> Caller {
        Caller { name: "ada".into(), tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), hosts: Vec::new() }
    }

    #[test]
    fn tags_say_what_somebody_may_do() {
        let needs = [Need::Tagged, Need::Monitor, Need::Policymaker, Need::Administrator];
        for (tags, wanted) in [
            (&[][..], [false; 4]),
            (&["team-a"], [false; 4]),
            (&["management"], [true, false, false, false]),
            (&["monitoring"], [true, true, false, false]),
            (&["policymaker"], [true, false, true, false]),
            (&["monitoring", "policymaker"], [true, true, true, false]),
            (&["administrator"], [true; 4]),
        ] {
            assert_eq!(needs.map(|need| caller(tags).check(need).is_ok()), wanted, "{tags:?}");
        }
    }

    #[test]
    fn users_and_definitions_are_administrators() {
        for (method, path, wanted) in [
            (Method::GET, "/api/whoami", Need::Tagged),
            (Method::GET, "/api/users/{user}", Need::Administrator),
            (Method::POST, "/api/definitions", Need::Administrator),
            (Method::GET, "/api/vhosts", Need::Tagged),
            (Method::PUT, "/api/vhosts/{host}", Need::Administrator),
            (Method::GET, "/api/vhosts/{host}/connections", Need::Tagged),
            (Method::GET, "/api/vhost-limits/{host}", Need::Tagged),
            (Method::PUT, "/api/vhost-limits/{host}/{name}", Need::Administrator),
            (Method::GET, "/api/user-limits/{user}", Need::Tagged),
            (Method::DELETE, "/api/user-limits/{user}/{name}", Need::Administrator),
            (Method::GET, "/api/parameters/{component}/{host}", Need::Policymaker),
            (Method::PUT, "/api/policies/{host}/{policy}", Need::Policymaker),
            (Method::GET, "/api/policies/{host}", Need::Tagged),
            (Method::GET, "/api/nodes/{node}", Need::Monitor),
            (Method::PUT, "/api/queues/{host}/{queue}", Need::Tagged),
        ] {
            assert_eq!(need(&method, path), wanted, "{method} {path}");
        }
    }
}
