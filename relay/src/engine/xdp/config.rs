//! What the program at the device is told when it is loaded.

use std::ops::RangeInclusive;
use std::time::Duration;

use patchbay_route::limits;
use patchbay_route::settled::{FlowKey, Row};

use super::DriverError;

/// Flows of one device program: four for each pair.
const MAX_FLOWS: u32 = 4 * limits::MAX_PAIRS as u32;

/// Configuration of the program at the device.
#[derive(Clone, Debug)]
pub struct XdpConfig {
    /// Flows that may be in its table at once, 1 to four times [`limits::MAX_PAIRS`]. Their memory
    /// is taken at once: see [`XdpConfig::memory_bytes`].
    pub max_flows: u32,
    /// Ports for media. The program looks at no other.
    pub ports: RangeInclusive<u16>,
    /// Datagrams a second that one unknown source may send to these ports, 1 to 1,000,000.
    pub source_rate: u64,
    /// The same at once, after a pause: 1 to 1,000,000.
    pub source_burst: u64,
    /// The same as `source_rate` for all unknown sources together, on each core.
    pub unknown_rate: u64,
    /// The same at once, after a pause.
    pub unknown_burst: u64,
    /// Packets that one settled flow may have in each [`limits::FLOW_WINDOW_NS`], 1 to 1,000,000.
    pub packets_per_window: u32,
    /// For how long a flow's next hop is not asked for again, up to a minute; 0 asks for each packet.
    pub hop_age: Duration,
    /// How often one packet to each next hop goes up, so that the kernel notices one that has gone:
    /// 1 second to a day.
    pub neighbour_age: Duration,
    /// Of how many RTP packets of a flow one is taken for its jitter: a power of two, 1 to 256. The
    /// mean is that of all packets, if their jitter does not depend on their number. It moves by a
    /// 16th with each that is taken (RFC 3550 section 6.4.1 takes all).
    pub jitter_every: u16,
}

impl Default for XdpConfig {
    fn default() -> XdpConfig {
        XdpConfig {
            max_flows: 40_000,
            ports: 20_000..=59_999,
            source_rate: limits::DEVICE_SOURCE_RATE,
            source_burst: limits::DEVICE_SOURCE_BURST,
            unknown_rate: limits::DEVICE_UNKNOWN_RATE,
            unknown_burst: limits::DEVICE_UNKNOWN_BURST,
            packets_per_window: limits::MAX_PACKETS_PER_WINDOW,
            hop_age: Duration::from_nanos(limits::DEVICE_HOP_AGE_NS),
            neighbour_age: Duration::from_nanos(limits::DEVICE_NEIGHBOUR_AGE_NS),
            jitter_every: limits::DEVICE_JITTER_EVERY,
        }
    }
}

/// Bytes that the kernel keeps beside key and value of an entry of a hash table.
const ENTRY_BYTES: u64 = 48;
/// Bytes of one of its buckets, of which there are as many as entries, in a power of two.
const BUCKET_BYTES: u64 = 16;

impl XdpConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DriverError::Config`] names the field and its range.
    pub fn check(&self) -> Result<(), DriverError> {
        let numbers = [
            ("max_flows", u64::from(self.max_flows), u64::from(MAX_FLOWS)),
            ("source_rate", self.source_rate, 1_000_000),
            ("source_burst", self.source_burst, 1_000_000),
            ("unknown_rate", self.unknown_rate, 1_000_000),
            ("unknown_burst", self.unknown_burst, 1_000_000),
            (
                "packets_per_window",
                u64::from(self.packets_per_window),
                1_000_000,
            ),
            ("neighbour_age in s", self.neighbour_age.as_secs(), 86_400),
        ];
        for (what, number, most) in numbers {
            if !(1..=most).contains(&number) {
                return Err(DriverError::Config {
                    what: format!("{what} is {number}, allowed are 1 to {most}"),
                });
            }
        }
        if self.ports.is_empty() || *self.ports.start() == 0 {
            return Err(DriverError::Config {
                what: "ports is empty, or begins with 0".to_owned(),
            });
        }
        if !self.jitter_every.is_power_of_two() || self.jitter_every > 256 {
            return Err(DriverError::Config {
                what: format!(
                    "jitter_every is {}, allowed are powers of two up to 256",
                    self.jitter_every
                ),
            });
        }
        if self.hop_age > Duration::from_secs(60) {
            return Err(DriverError::Config {
                what: format!("hop_age is {:?}, a minute is allowed", self.hop_age),
            });
        }
        Ok(())
    }

    /// Memory of the program's tables in bytes, on a machine with that many possible cores. It is
    /// the kernel's, and is taken when the program is loaded.
    #[must_use]
    pub fn memory_bytes(&self, cores: u32) -> u64 {
        let cores = u64::from(cores);
        let rows = table::<FlowKey, Row>(u64::from(self.max_flows), cores);
        let sources = table::<u64, u64>(u64::from(limits::DEVICE_SOURCES), 0);
        let ways = table::<u32, u64>(u64::from(limits::MAX_WAYS_OUT), cores);
        let neighbours = limits::DEVICE_NEIGHBOURS as u64 * (8 + cores * 16);
        rows + sources + ways + neighbours
    }
}

/// Memory of a hash table; the kernel keeps an entry for each core to replace others with.
fn table<K, V>(entries: u64, spare: u64) -> u64 {
    let entry = ENTRY_BYTES
        + size_of::<K>().next_multiple_of(8) as u64
        + size_of::<V>().next_multiple_of(8) as u64;
    (entries + spare) * entry + entries.next_power_of_two() * BUCKET_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        assert!(XdpConfig::default().check().is_ok());
        let bad = XdpConfig {
            max_flows: 0,
            ..XdpConfig::default()
        };
        let Err(error) = bad.check() else {
            unreachable!("0 flows are refused");
        };
        assert!(error.to_string().contains("max_flows is 0"));
    }

    #[test]
    fn a_flow_costs_its_row_whatever_the_number_of_cores() {
        let of = |max_flows| XdpConfig {
            max_flows,
            ..XdpConfig::default()
        };
        let more = of(8192).memory_bytes(2) - of(4096).memory_bytes(2);
        assert_eq!(more / 4096, 48 + 24 + 168 + 16);
    }
}
