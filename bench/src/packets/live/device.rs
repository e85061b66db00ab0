//! The devices by which packets leave and come back, as the kernel shows them.

use std::collections::BTreeMap;
use std::io;

use crate::packets::BenchError;
use crate::packets::bed::{MACS, Veth};

/// Number of a device of the calling thread's namespace.
pub(super) fn interface(name: &str) -> io::Result<u32> {
    use rustix::net::{AddressFamily, SocketType, netdevice, socket};
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    Ok(netdevice::name_to_index(any, name)?)
}

/// Both hardware addresses as a frame from the phones to the relay begins.
pub(super) fn ethernet() -> [u64; 2] {
    let [relay, phones] = MACS;
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&relay);
    bytes[6..12].copy_from_slice(&phones);
    let words = bytes.as_chunks::<8>().0;
    [0, 1].map(|word| words.get(word).copied().map_or(0, u64::from_le_bytes))
}

/// Packets that the pair of devices dropped since it exists, by place.
pub(super) fn drops(veth: &Veth) -> Result<BTreeMap<String, u64>, BenchError> {
    let read = || std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let relay = veth.relay_side().inside(&[], read)?;
    let phones = veth.phones_side().inside(&[], read)?;
    let [phones_rx, phones_tx] = dropped(&phones, veth.phones_device());
    let [relay_rx, relay_tx] = dropped(&relay, veth.relay_device());
    // What the queue between the two has no room for is counted at both of its ends.
    let drops = [
        ("in the relay device's queue", phones_tx),
        ("by the relay's device", relay_rx.saturating_sub(phones_tx)),
        ("in the phones device's queue", relay_tx),
        ("by the phones' device", phones_rx.saturating_sub(relay_tx)),
    ];
    Ok(drops.map(|(place, count)| (place.to_owned(), count)).into())
}

/// Packets that a device dropped when receiving and when sending, of `/proc/net/dev`.
fn dropped(text: &str, device: &str) -> [u64; 2] {
    let counts = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'));
    let column = |number| {
        let word = counts?.split_whitespace().nth(number)?;
        word.parse().ok()
    };
    [3, 11].map(|number| column(number).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_packets_are_read_from_the_devices_table() {
        let text = "Inter-| Receive | Transmit\n face |bytes\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  pbr: 0 0 0 7 0 0 0 0 0 0 0 9 0 0 0 0\n";
        assert_eq!(dropped(text, "pbr"), [7, 9]);
        assert_eq!(dropped(text, "pb"), [0, 0]);
        assert_eq!(dropped("", "pbr"), [0, 0]);
    }
}
