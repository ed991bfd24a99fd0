//! Whom a node is told of: numbers and addresses, as `1@host:port`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use omnibus_model::NodeId;
use omnibus_model::node::Address;
use thiserror::Error;

/// A node, and where other nodes reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub node: NodeId,
    pub address: Address,
}

/// Nodes by number, each named once. Written with commas between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(BTreeMap<NodeId, Address>);

/// Why a text names no nodes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadMember {
    #[error("{text:?} is not a node; write NUMBER@HOST:PORT, as in 1@10.0.0.1:9643")]
    Form { text: String },
    #[error("node {node} is named twice")]
    Twice { node: NodeId },
}

impl Members {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a node is reached.
    #[must_use]
    pub fn address(&self, node: NodeId) -> Option<&Address> {
        self.0.get(&node)
    }

    /// All numbers.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.keys().copied()
    }

    /// Adds nodes. Where one is named already, what was said first counts.
    pub fn extend(&mut self, others: Self) {
        for (node, address) in others.0 {
            self.0.entry(node).or_insert(address);
        }
    }

    /// All nodes.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Address)> {
        self.0.iter().map(|(node, address)| (*node, address))
    }
}

impl FromIterator<Member> for Members {
    fn from_iter<T: IntoIterator<Item = Member>>(members: T) -> Self {
        Self(members.into_iter().map(|Member { node, address }| (node, address)).collect())
    }
}

impl FromStr for Member {
    type Err = BadMember;

    fn from_str(text: &str) -> Result<Self, BadMember> {
        let wrong = || BadMember::Form { text: text.to_owned() };
        let (node, address) = text.trim().split_once('@').ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let (node, port) = (node.parse().map_err(|_| wrong())?, port.parse().map_err(|_| wrong())?);
        let is_bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if node == 0 || port == 0 || is_bare_v6 || host.is_empty() || host.contains(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self { node: NodeId(node), address: Address { host: host.to_owned(), port } })
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.node, self.address)
    }
}

impl FromStr for Members {
    type Err = BadMember;

    fn from_str(text: &str) -> Result<Self, BadMember> {
        let mut members = BTreeMap::new();
        for member in text.split(',').filter(|member| !member.trim().is_empty()) {
            let Member { node, address } = member.parse()?;
            if members.insert(node, address).is_some() {
                return Err(BadMember::Twice { node });
            }
        }
        Ok(Self(members))
    }
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (node, address)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{node}@{}", address)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_written_as_they_are_read() {
        for text in ["", "1@10.0.0.1:9643", "1@a.example:1,2@[::1]:2,300@c:65535"] {
            assert_eq!(text.parse::<Members>().unwrap().to_string(), text);
        }
        assert_eq!(" 2@b:2 , 1@a:1,".parse::<Members>().unwrap().to_string(), "1@a:1,2@b:2");
    }

    #[test]
    fn what_names_no_node_is_refused() {
        for text in ["1", "a:1", "0@a:1", "1@a", "1@:1", "1@a:0", "1@a:70000", "1@::1:1", "-1@a:1", "1@a b:1"] {
            assert!(text.parse::<Members>().is_err(), "{text}");
        }
        let twice = "1@a:1,1@b:1".parse::<Members>();
        assert_eq!(twice, Err(BadMember::Twice { node: NodeId(1) }));
    }
}
