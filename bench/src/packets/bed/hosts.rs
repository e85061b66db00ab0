//! The addresses of the namespaces: both have several on each side, because an address has ports for
//! some 30,000 calls only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::Addresses;

/// First port of the phones; each call has two.
const FIRST_PORT: u16 = 10_000;
/// Calls whose phones are at one address.
const CALLS_A_PHONE_IP: usize = (u16::MAX - FIRST_PORT) as usize / 2 + 1;
/// Ports of the relay's addresses: all that are not reserved, because nobody else is on them.
pub(super) const PORTS: RangeInclusive<u16> = 1024..=65535;
/// Pairs of ports of each address that are left for calls that come and go.
const SPARE_PAIRS: usize = 2000;
/// Addresses of each namespace on each side. The relay's are all that it can steer, eight.
const EACH: usize = 4;

const _: () = assert!(
    crate::packets::MAX_CALLS + super::SPARE_CALLS <= EACH * CALLS_A_PHONE_IP
        && crate::packets::MAX_CALLS <= most_calls(&PORTS)
);

/// An address of the relay's namespace (`end` 0) or the phones' (1), towards callers (`side` 0) or
/// callees (1).
pub(super) fn ip(addresses: Addresses, end: usize, side: usize, number: usize) -> IpAddr {
    match (addresses, side) {
        (Addresses::V4, _) | (Addresses::V4ToV6, 0) => v4(end, side, number),
        _ => v6(end, side, number),
    }
}

/// All addresses of a namespace.
pub(super) fn all(end: usize) -> Vec<IpAddr> {
    let places = || (0..EACH).flat_map(|number| [(0, number), (1, number)]);
    let v4 = places().map(|(side, number)| v4(end, side, number));
    v4.chain(places().map(|(side, number)| v6(end, side, number)))
        .collect()
}

fn v4(end: usize, side: usize, number: usize) -> IpAddr {
    Ipv4Addr::new(10, 99, end as u8, host(side, number) as u8).into()
}

fn v6(end: usize, side: usize, number: usize) -> IpAddr {
    let host = host(side, number);
    Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, end as u16, host).into()
}

/// From 1 to twice [`EACH`].
fn host(side: usize, number: usize) -> u16 {
    (2 * (number % EACH) + side + 1) as u16
}

/// Calls that an address of the relay has room for with these ports, two for each call.
pub(super) const fn calls_on(ports: &RangeInclusive<u16>) -> usize {
    let (first, last) = (*ports.start() as usize, *ports.end() as usize);
    let pairs = (last + 1).saturating_sub(first.next_multiple_of(2)) / 2;
    if first < *PORTS.start() as usize {
        0
    } else {
        pairs.saturating_sub(SPARE_PAIRS)
    }
}

/// Calls that all its addresses have room for.
pub(super) const fn most_calls(ports: &RangeInclusive<u16>) -> usize {
    EACH * calls_on(ports)
}

/// Addresses that the relay needs on each side for so many calls; it may have no more than there are.
pub(super) fn addresses_for(calls: usize, ports: &RangeInclusive<u16>) -> usize {
    calls.div_ceil(calls_on(ports).max(1)).clamp(1, EACH)
}

/// The number of a call's phones' addresses, and the port that they have in common.
pub(super) fn phone(call: usize) -> (usize, u16) {
    let port = FIRST_PORT + 2 * (call % CALLS_A_PHONE_IP) as u16;
    (call / CALLS_A_PHONE_IP, port)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::packets::MAX_CALLS;
    use crate::packets::bed::SPARE_CALLS;

    #[test]
    fn every_phone_has_an_address_and_ports_of_its_own() {
        let all: HashSet<(usize, u16)> = (0..MAX_CALLS + SPARE_CALLS).map(phone).collect();
        assert_eq!(all.len(), MAX_CALLS + SPARE_CALLS);
        assert!(
            all.iter()
                .all(|(number, port)| *number < EACH && port % 2 == 0)
        );
        assert_eq!(phone(0), (0, 10_000));
        assert_eq!(phone(CALLS_A_PHONE_IP), (1, 10_000));
    }

    #[test]
    fn addresses_are_as_many_as_the_calls_need() {
        let needed = [1, 500, 30_256, 30_257, 100_000].map(|calls| addresses_for(calls, &PORTS));
        assert_eq!(needed, [1, 1, 1, 2, 4]);
        assert_eq!(addresses_for(30_000, &(20_000..=39_999)), 4);
        assert_eq!(calls_on(&(20_001..=39_999)), 7999);
        assert_eq!((calls_on(&(80..=39_999)), calls_on(&(5000..=6000))), (0, 0));
        let mut ips: Vec<IpAddr> = (0..2).flat_map(all).collect();
        ips.sort();
        ips.dedup();
        assert_eq!(ips.len(), 2 * 2 * 2 * EACH);
        let caller = ip(Addresses::V4ToV6, 0, 0, 1).to_string();
        let callee = ip(Addresses::V4ToV6, 1, 1, 3).to_string();
        assert_eq!([caller.as_str(), &callee], ["10.99.0.3", "fd99::1:8"]);
    }
}
