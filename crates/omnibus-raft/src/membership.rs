//! Who replicates a shard, as bytes: `version u8, configs u8, nodes u8`, then for each config
//! `count u8` and that many node numbers `u64`, then for each node `number u64, length u16,
//! address`. Little-endian; described in `docs/formats/segment.md`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::{BasicNode, Membership};

const VERSION: u8 = 1;

/// Writes a membership down.
///
/// # Panics
/// If there are more than 255 nodes, or an address is longer than 65,535 bytes.
pub(crate) fn encode_membership(membership: &Membership<u64, BasicNode>) -> Bytes {
    let count = |length: usize| u8::try_from(length).expect("a shard has few replicas");
    let configs = membership.get_joint_config();
    let nodes: Vec<_> = membership.nodes().collect();
    let mut bytes = vec![VERSION, count(configs.len()), count(nodes.len())];
    for config in configs {
        bytes.push(count(config.len()));
        config.iter().for_each(|node| bytes.extend_from_slice(&node.to_le_bytes()));
    }
    for (number, node) in nodes {
        let length = u16::try_from(node.addr.len()).expect("an address is short");
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(node.addr.as_bytes());
    }
    Bytes::from(bytes)
}

/// Reads a membership; none if the bytes are not one.
pub(crate) fn decode_membership(bytes: &[u8]) -> Option<Membership<u64, BasicNode>> {
    let mut rest = bytes;
    let [version, config_count, node_count] = take(&mut rest)?;
    if version != VERSION {
        return None;
    }
    let mut configs = Vec::new();
    for _ in 0..config_count {
        let [count] = take(&mut rest)?;
        let numbers = (0..count).map(|_| take(&mut rest).map(u64::from_le_bytes));
        configs.push(numbers.collect::<Option<BTreeSet<u64>>>()?);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..node_count {
        let number = u64::from_le_bytes(take(&mut rest)?);
        let length = u16::from_le_bytes(take(&mut rest)?);
        let (addr, behind) = rest.split_at_checked(usize::from(length))?;
        rest = behind;
        nodes.insert(number, BasicNode { addr: String::from_utf8(addr.to_vec()).ok()? });
    }
    let membership = Membership::new(configs, nodes).ok()?;
    rest.is_empty().then_some(membership)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_is_read_as_it_was_written_and_nothing_shorter_or_longer_is_one() {
        let node = |addr: &str| BasicNode { addr: addr.to_owned() };
        let nodes = BTreeMap::from([(1, node("a:1")), (2, node("b:2")), (3, node(""))]);
        let configs = vec![BTreeSet::from([1, 2]), BTreeSet::from([2])];
        let membership = Membership::new(configs, nodes).unwrap();
        let bytes = encode_membership(&membership);
        assert_eq!(decode_membership(&bytes), Some(membership));
        for length in 0..bytes.len() {
            assert_eq!(decode_membership(&bytes[..length]), None, "{length} bytes");
        }
        assert_eq!(decode_membership(&[&bytes[..], b"!"].concat()), None);
    }
}
