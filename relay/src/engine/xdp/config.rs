//! What the program at the device is told when it is loaded.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use patchbay_route::limits;
use patchbay_route::settled::{Hop, Row};

use super::DriverError;
use crate::engine::blocks::Blocks;

/// Configuration of the program at the device.
#[derive(Clone, Debug)]
pub struct XdpConfig {
    /// Ports for media. The program looks at no other. There is a row for each at each of
    /// [`limits::MAX_STEERED_IPS`] addresses: see [`XdpConfig::memory_bytes`].
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
    /// Of how many RTP packets of a flow one is taken for its jitter: a power of two, 1 to 256. The
    /// mean is that of all packets, if their jitter does not depend on their number. It moves by a
    /// 16th with each that is taken (RFC 3550 section 6.4.1 takes all).
    pub jitter_every: u16,
    /// A directory of a BPF file system, of this relay alone, in which program and tables are kept,
    /// so that they can be [left](super::Driver::leave) to the process after this one. `None`:
    /// nothing outlives this process.
    pub pin: Option<PathBuf>,
}

impl Default for XdpConfig {
    fn default() -> XdpConfig {
        XdpConfig {
            ports: 20_000..=59_999,
            source_rate: limits::DEVICE_SOURCE_RATE,
            source_burst: limits::DEVICE_SOURCE_BURST,
            unknown_rate: limits::DEVICE_UNKNOWN_RATE,
            unknown_burst: limits::DEVICE_UNKNOWN_BURST,
            packets_per_window: limits::MAX_STEERED_PACKETS_PER_WINDOW,
            hop_age: Duration::from_nanos(limits::DEVICE_HOP_AGE_NS),
            jitter_every: limits::DEVICE_JITTER_EVERY,
            pin: None,
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
            ("source_rate", self.source_rate, 1_000_000),
            ("source_burst", self.source_burst, 1_000_000),
            ("unknown_rate", self.unknown_rate, 1_000_000),
            ("unknown_burst", self.unknown_burst, 1_000_000),
            (
                "packets_per_window",
                u64::from(self.packets_per_window),
                1_000_000,
            ),
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
        let rows = u64::from(Blocks::new(&self.ports).values()) * size_of::<Row>() as u64;
        let sources = table::<u64, u64>(u64::from(limits::DEVICE_SOURCES), 0);
        let ways = table::<u32, u64>(u64::from(limits::MAX_WAYS_OUT), cores);
        let neighbours = table::<Hop, u64>(u64::from(limits::DEVICE_NEIGHBOURS), 0);
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
            source_rate: 0,
            ..XdpConfig::default()
        };
        let Err(error) = bad.check() else {
            unreachable!("a rate of 0 is refused");
        };
        assert!(error.to_string().contains("source_rate is 0"));
    }

    #[test]
    fn a_port_costs_its_row_at_each_address_whatever_the_number_of_cores() {
        let of = |last| XdpConfig {
            ports: 20_000..=last,
            ..XdpConfig::default()
        };
        let more = of(29_999).memory_bytes(2) - of(24_999).memory_bytes(2);
        assert_eq!(more, 5_000 * 8 * 192);
    }
}
