//! Network prefixes (`203.0.113.0/24`, `2001:db8::/32`).

use core::net::IpAddr;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    bits: u128,
    length: u32,
    v6: bool,
}

impl Prefix {
    /// Reads an address or a prefix; none for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (v6, width) = (address.is_ipv6(), if address.is_ipv6() { 128 } else { 32 });
        let length = length.unwrap_or(width);
        (length <= width).then(|| Self {
            bits: left_aligned(address),
            length,
            v6,
        })
    }

    /// Whether an address lies in it. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let differing = self.bits ^ left_aligned(address);
        self.v6 == address.is_ipv6() && differing.leading_zeros() >= self.length
    }
}

fn left_aligned(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_lie_in_their_networks_only() {
        let within = |prefix: &str, address: &str| {
            Prefix::parse(prefix)
                .unwrap()
                .contains(address.parse().unwrap())
        };
        assert!(within("203.0.113.0/24", "203.0.113.255"));
        assert!(within("203.0.113.0/24", "::ffff:203.0.113.9"));
        assert!(!within("203.0.113.0/24", "203.0.114.0"));
        assert!(within("0.0.0.0/0", "198.51.100.1") && !within("0.0.0.0/0", "::1"));
        assert!(within("2001:db8::/32", "2001:db8:1::1") && !within("2001:db8::/32", "2001:db9::"));
        assert!(within("192.0.2.7", "192.0.2.7") && !within("192.0.2.7", "192.0.2.6"));
        for wrong in [
            "",
            "x",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/",
            "192.0.2.0/-1",
        ] {
            assert_eq!(Prefix::parse(wrong), None, "{wrong}");
        }
    }
}
