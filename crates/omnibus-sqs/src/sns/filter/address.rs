//! IP addresses and the networks of `cidr`.

use std::net::{IpAddr, Ipv6Addr};

/// Addresses with the same leading bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Network {
    first: IpAddr,
    last: IpAddr,
}

/// Reads an address; one that wraps IPv4 in IPv6 is the IPv4 address.
pub(super) fn read(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    match address {
        IpAddr::V6(wide) => Some(wide.to_ipv4_mapped().map_or(address, IpAddr::V4)),
        IpAddr::V4(_) => Some(address),
    }
}

impl Network {
    /// Reads `address/bits`; the error is AWS's text.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        // As Java splits: empty parts at the end do not count.
        let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
        let [address, bits] = parts.as_slice() else {
            return Err("Malformed CIDR, one '/' required".to_owned());
        };
        let bits: i32 = bits.parse().map_err(|_| "Malformed CIDR, mask bits must be an integer".to_owned())?;
        let bits = u32::try_from(bits).map_err(|_| "Malformed CIDR, mask bits must not be negative".to_owned())?;
        match read(address) {
            Some(IpAddr::V4(_)) if bits > 31 => Err("IPv4 mask bits must be < 32".to_owned()),
            Some(IpAddr::V4(address)) => {
                let rest = u32::MAX.checked_shr(bits).unwrap_or_default();
                let base = u32::from(address);
                Ok(Self { first: IpAddr::V4((base & !rest).into()), last: IpAddr::V4((base | rest).into()) })
            }
            Some(IpAddr::V6(_)) if bits > 127 => Err("IPv6 mask bits must be < 128".to_owned()),
            Some(IpAddr::V6(address)) => {
                let rest = u128::MAX.checked_shr(bits).unwrap_or_default();
                let base = u128::from(address);
                let wide = |bits: u128| IpAddr::V6(Ipv6Addr::from(bits));
                Ok(Self { first: wide(base & !rest), last: wide(base | rest) })
            }
            None if looks_like_ipv4(address) => Err(format!("Invalid IP address: {address}")),
            None => Err(format!("Nonstandard IP address: {address}")),
        }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && (self.first..=self.last).contains(&address)
    }
}

/// Four runs of digits; other texts are never asked whether they are an address.
fn looks_like_ipv4(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').count() == 4 && text.split('.').all(digits)
}
