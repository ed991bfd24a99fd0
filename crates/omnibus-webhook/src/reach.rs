//! Which addresses may be called: subscribers choose URLs, so the broker must not be their way into
//! networks that they cannot reach themselves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be called. Checked for each address that a name resolves to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// This machine, its networks, and all others; but not link-local addresses, where clouds tell
    /// machines their secrets, nor what is not one machine's.
    #[default]
    Local,
    /// Only addresses that are everybody's to call.
    Public,
}

impl Reach {
    /// Whether an address may be called.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        // One address in two spellings is one address.
        let address = match address {
            IpAddr::V6(wide) => inner_ipv4(wide).map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        if is_nobodys(address) {
            return false;
        }
        match self {
            Self::Local => true,
            Self::Public => !is_private(address),
        }
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, or behind a translator.
fn inner_ipv4(wide: Ipv6Addr) -> Option<Ipv4Addr> {
    let [prefix, well_known, .., high, low] = wide.segments();
    let translated = (prefix, well_known) == (0x64, 0xff9b) && wide.segments()[2..6] == [0; 4];
    let inner = Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    wide.to_ipv4_mapped().or(translated.then_some(inner))
}

/// Link-local, multicast, broadcast, unspecified.
fn is_nobodys(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.octets()[0] == 0 || address.is_link_local() || address.is_multicast() || address.octets()[0] >= 240
        }
        IpAddr::V6(address) => address.is_unspecified() || address.is_multicast() || address.is_unicast_link_local(),
    }
}

/// This machine's, or a network's that is not everybody's.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            let is_for_tests = (first, second) == (198, 18) || (first, second) == (198, 19);
            let is_for_protocols = (first, second, third) == (192, 0, 0);
            let is_special = is_shared || is_for_tests || is_for_protocols;
            address.is_loopback() || address.is_private() || address.is_documentation() || is_special
        }
        IpAddr::V6(address) => {
            // All that is handed out to the world begins with 001.
            let is_handed_out = address.segments()[0] & 0xe000 == 0x2000;
            let is_documentation = address.segments()[..2] == [0x2001, 0xdb8];
            // Tunnels that name an IPv4 address of whoever chose the name.
            let is_tunnel = address.segments()[0] == 0x2002 || address.segments()[..2] == [0x2001, 0];
            !is_handed_out || is_documentation || is_tunnel
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reach: Reach, address: &str, expected: bool) {
        assert_eq!(reach.allows(address.parse().unwrap()), expected, "{reach:?} {address}");
    }

    #[test]
    fn everybody_may_be_called_who_is_public() {
        for address in ["1.1.1.1", "203.0.114.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"] {
            check(Reach::Local, address, true);
            check(Reach::Public, address, true);
        }
    }

    #[test]
    fn private_networks_are_near_only() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "::127.0.0.1",
        ] {
            check(Reach::Local, address, true);
            check(Reach::Public, address, false);
        }
    }

    #[test]
    fn where_clouds_keep_secrets_nobody_calls() {
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            check(Reach::Local, address, false);
            check(Reach::Public, address, false);
        }
    }
}
