//! Socket addresses in the kernel's form, at places that do not move.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Room for a `sockaddr_in6`, the longer of the two, aligned as it wants.
type Raw = [u32; 8];

/// Length of a `sockaddr_in`.
const LEN_V4: u32 = 16;
/// Length of a `sockaddr_in6`.
const LEN_V6: u32 = 28;

/// One address for each socket of the table.
#[derive(Debug)]
pub struct Addresses {
    raw: Box<[Raw]>,
}

impl Addresses {
    /// All of them unspecified. Memory is touched as they are set.
    pub fn new(slots: u32) -> Addresses {
        Addresses {
            raw: vec![[0; 8]; slots as usize].into_boxed_slice(),
        }
    }

    /// Sets one; a slot beyond the end is ignored.
    pub fn set(&mut self, slot: u32, address: SocketAddr) {
        if let Some(raw) = self.raw.get_mut(slot as usize) {
            *raw = encode(address);
        }
    }

    /// Where one is and how long. It stays there as long as `self` lives; `None` if not set.
    pub fn get(&self, slot: u32) -> Option<(*const libc::sockaddr, libc::socklen_t)> {
        let raw = self.raw.get(slot as usize)?;
        let len = match family(raw) {
            libc::AF_INET => LEN_V4,
            libc::AF_INET6 => LEN_V6,
            _ => return None,
        };
        Some((std::ptr::from_ref(raw).cast(), len))
    }
}

/// An address of family `AF_UNSPEC`: connecting to it disconnects a UDP socket.
pub fn unspecified() -> (*const libc::sockaddr, libc::socklen_t) {
    static UNSPECIFIED: Raw = [0; 8];
    (std::ptr::from_ref(&UNSPECIFIED).cast(), LEN_V4)
}

fn family(raw: &Raw) -> i32 {
    let [a, b, ..] = raw[0].to_ne_bytes();
    i32::from(u16::from_ne_bytes([a, b]))
}

/// `sockaddr_in`: family (host order), port, address (network order), padding.
/// `sockaddr_in6`: family, port, flow information, address, scope (host order).
fn encode(address: SocketAddr) -> Raw {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let [f0, f1] = u16::try_from(family).unwrap_or(0).to_ne_bytes();
    let [p0, p1] = address.port().to_be_bytes();
    let mut raw: Raw = [0; 8];
    raw[0] = u32::from_ne_bytes([f0, f1, p0, p1]);
    match address {
        SocketAddr::V4(v4) => raw[1] = u32::from_ne_bytes(v4.ip().octets()),
        SocketAddr::V6(v6) => {
            for (word, bytes) in raw[2..6].iter_mut().zip(v6.ip().octets().chunks_exact(4)) {
                *word = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
            raw[6] = v6.scope_id();
        }
    }
    raw
}

/// Reads an address as the kernel writes it; `None` if it is neither IPv4 nor IPv6.
pub fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let ip = rest.first_chunk::<4>()?;
            Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(*ip)), port))
        }
        libc::AF_INET6 => {
            let (_flow, rest) = rest.split_first_chunk::<4>()?;
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let scope = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
            Some(SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(*ip),
                port,
                0,
                scope,
            )))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_keep_their_value_and_place() {
        let mut addresses = Addresses::new(3);
        assert_eq!(addresses.get(0), None);
        assert_eq!(addresses.get(3), None);
        for (text, len) in [
            ("192.0.2.1:4000", 16),
            ("[2001:db8::1:2]:65535", 28),
            ("[fe80::1%7]:1", 28),
        ] {
            let address: SocketAddr = text.parse().unwrap();
            addresses.set(1, address);
            let (place, found) = addresses.get(1).unwrap();
            assert_eq!(
                (place, found),
                (std::ptr::from_ref(&addresses.raw[1]).cast(), len)
            );
            let bytes: Vec<u8> = addresses.raw[1]
                .iter()
                .flat_map(|word| word.to_ne_bytes())
                .collect();
            assert_eq!(decode(&bytes[..len as usize]), Some(address));
        }
        addresses.set(9, "192.0.2.1:1".parse().unwrap());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[2, 0, 1]), None);
        assert_eq!(decode(&[0; 28]), None);
        assert_eq!(decode(&[10, 0, 1, 1, 0, 0, 0, 0, 1, 2]), None);
    }
}
