//! The bed's floor: a program at the relay's device that sends every frame back (`bench/bpf/wire.bpf.c`).
//! What goes through it is what generator, sink and devices carry without any relay.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use hdrhistogram::Histogram;

use super::RelayArgs;
use super::serve::Relay;
use super::wire::Counts;
use crate::packets::BenchError;
use crate::packets::vocabulary::Phones;

static OBJECT: &[u8] = include_bytes_aligned!("../../../bpf/wire.bpf.o");

/// First port, which is even.
const FIRST: u16 = 1024;
/// Even ports from there on.
const PAIRS: usize = (u16::MAX - FIRST) as usize / 2 + 1;

/// The program on its device, and the addresses that the phones are told.
pub(super) struct Wire {
    /// The program goes with it.
    _ebpf: Ebpf,
    ips: [Vec<IpAddr>; 2],
    next: AtomicUsize,
}

impl Wire {
    /// Puts the program on the device.
    pub fn start(args: &RelayArgs) -> Result<Self, BenchError> {
        let Some(device) = &args.device else {
            return Err(BenchError::Relay(
                "the wire needs a bed of network namespaces: run it as root".to_owned(),
            ));
        };
        Ok(Self {
            _ebpf: attach(device).map_err(BenchError::system("the wire's program"))?,
            ips: args.ips.clone(),
            next: AtomicUsize::new(0),
        })
    }
}

fn attach(device: &str) -> io::Result<Ebpf> {
    let mut ebpf = EbpfLoader::new()
        .btf(None)
        .load(OBJECT)
        .map_err(io::Error::other)?;
    let program = ebpf.program_mut("wire").ok_or(io::ErrorKind::NotFound)?;
    let program: &mut Xdp = program.try_into().map_err(io::Error::other)?;
    program.load().map_err(io::Error::other)?;
    let attached = program.attach(device, XdpMode::Driver);
    attached.map_err(io::Error::other)?;
    Ok(ebpf)
}

/// The number-th address and port of a side.
fn address(ips: &[IpAddr], number: usize) -> Option<SocketAddr> {
    let ip = ips.get(number / PAIRS % ips.len().max(1))?;
    let port = FIRST + 2 * u16::try_from(number % PAIRS).ok()?;
    Some(SocketAddr::new(*ip, port))
}

impl Relay for Wire {
    type Call = ();

    fn name(&self) -> String {
        "wire".to_owned()
    }

    fn engine(&self) -> String {
        "xdp tx".to_owned()
    }

    fn open(&self, _: Phones) -> Result<((), [SocketAddr; 2]), BenchError> {
        let number = self.next.fetch_add(1, Relaxed);
        let [callers, callees] = &self.ips;
        address(callers, number)
            .zip(address(callees, number))
            .map(|(caller, callee)| ((), [caller, callee]))
            .ok_or_else(|| BenchError::Relay("the wire has no addresses".to_owned()))
    }

    fn close(&self, (): ()) {}

    fn losses(&self) -> Option<Counts> {
        None
    }

    fn allocations(&self) -> Option<u64> {
        None
    }

    fn forwarding(&self) -> Option<Histogram<u64>> {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::*;
    use crate::packets::bed::{Addresses, Bed, BedOptions};
    use crate::packets::measure::{Calls, measure};
    use crate::packets::tests::needs;
    use crate::packets::vocabulary::{Guests, Load, Losses, System, SystemKind};

    #[test]
    fn calls_have_ports_of_their_own_on_all_addresses() {
        let ips = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        let at = |number| address(&ips, number).map(|address| address.to_string());
        assert_eq!(at(0).as_deref(), Some("10.0.0.1:1024"));
        assert_eq!(at(PAIRS - 1).as_deref(), Some("10.0.0.1:65534"));
        assert_eq!(at(PAIRS).as_deref(), Some("10.0.0.2:1024"));
        assert_eq!(at(2 * PAIRS).as_deref(), Some("10.0.0.1:1024"));
        assert_eq!(address(&[], 0), None);
    }

    /// The wire in this process.
    struct Here(Wire);

    impl System for Here {
        fn name(&self) -> String {
            self.0.name()
        }

        fn engine(&self) -> String {
            self.0.engine()
        }

        fn open(
            &mut self,
            calls: &[Phones],
            progress: &mut dyn FnMut(usize),
        ) -> Result<Vec<[SocketAddr; 2]>, BenchError> {
            progress(calls.len());
            let opened = calls.iter().map(|phones| self.0.open(*phones));
            opened.map(|call| call.map(|(_, locals)| locals)).collect()
        }

        fn churn(
            &mut self,
            _: u32,
            _: &[Phones],
            _: &AtomicBool,
            _: &Guests,
        ) -> Result<u64, BenchError> {
            Ok(0)
        }

        fn pid(&self) -> u32 {
            std::process::id()
        }

        fn losses(&mut self) -> Option<Losses> {
            None
        }

        fn allocations(&mut self) -> Option<u64> {
            None
        }

        fn readdresses(&self) -> bool {
            false
        }

        fn forwarding(&mut self) -> Option<Histogram<u64>> {
            None
        }
    }

    #[test]
    fn every_packet_comes_back_as_it_was_sent() {
        if !needs::root() {
            return;
        }
        for addresses in [Addresses::V4, Addresses::V6] {
            let bed = Bed::build(&BedOptions {
                addresses,
                ..BedOptions::default()
            })
            .unwrap();
            let args = RelayArgs {
                system: SystemKind::Wire,
                engine: String::new(),
                threads: 1,
                cpus: Vec::new(),
                calls: 8,
                ips: bed.relay_addresses(8),
                ports: bed.ports(),
                device: bed.relay_device().map(str::to_owned),
            };
            let wire = bed.in_relay(|| Wire::start(&args)).unwrap().unwrap();
            let calls = Calls {
                calls: 8,
                video: true,
                rtcp: true,
            };
            let load = Load {
                packets_per_s: 2000,
                duration: Duration::from_millis(200),
                burst: 0,
                payload_bytes: 160,
                ptime: Duration::from_millis(20),
            };
            let mut generator = bed.generator().unwrap();
            let run = measure(
                &bed,
                &mut Here(wire),
                &mut *generator,
                calls,
                &load,
                None,
                &mut |_| (),
            );
            let run = run.unwrap();
            assert!(run.sent > 0 && run.wrong.total() == 0, "{run:?}");
            assert_eq!(run.delivered, run.sent);
        }
    }
}
