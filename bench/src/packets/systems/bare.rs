//! The sockets' floor: a connected socket for every port, one loop of receive and send for each
//! thread, and nothing else. It learns nothing, checks nothing and measures nothing but counts.

mod ports;
mod thread;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use hdrhistogram::Histogram;

use super::serve::{Relay, allow_files};
use super::wire::Counts;
use super::{RelayArgs, churn};
use crate::packets::BenchError;
use crate::packets::vocabulary::Phones;
use ports::{Pair, Ports};
use thread::{Shared, SocketPair};

/// Open files beside the sockets.
const OTHER_FILES: u64 = 64;

/// The relay.
pub(super) struct Bare {
    threads: Vec<(Arc<Shared>, Option<JoinHandle<()>>)>,
    /// For caller's side and callee's.
    ports: Mutex<[Ports; 2]>,
}

/// An open call.
pub(super) struct Call {
    thread: usize,
    /// Places in the thread's table: of RTP and RTCP.
    places: [usize; 2],
}

impl Bare {
    /// Starts its threads.
    pub fn start(args: &RelayArgs) -> Result<Self, BenchError> {
        let calls = args.calls + churn::HELD + 1;
        allow_files(args.calls, 4 * calls as u64 + OTHER_FILES)?;
        let mut bare = Self {
            threads: Vec::new(),
            // More calls than one address has ports for need more files than there are.
            ports: Mutex::new(first(&args.ips)?.map(Ports::new)),
        };
        for number in 0..args.threads.max(1) {
            let shared = Shared::new().map_err(BenchError::system("epoll"))?;
            let shared = Arc::new(shared);
            let thread = thread::start(number, args.cpus.get(number).copied(), shared.clone())
                .map_err(BenchError::system("starting a thread"))?;
            bare.threads.push((shared, Some(thread)));
        }
        Ok(bare)
    }

    /// Opens the four sockets of a call and gives them to the thread with the fewest.
    fn connect(&self, phones: Phones) -> io::Result<(Call, [SocketAddr; 2])> {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let [callers, callees] = &mut *ports;
        let caller = callers.open(phones[0])?;
        let callee = callees.open(phones[1])?;
        drop(ports);
        let relay = [caller.address, callee.address];
        let fewest = self.threads.iter().enumerate();
        let (number, (thread, _)) = fewest
            .min_by_key(|(_, (thread, _))| thread.sockets())
            .ok_or(io::ErrorKind::NotFound)?;
        let [rtp, rtcp] = pairs(caller, callee);
        let rtp = thread.add(rtp)?;
        let rtcp = thread.add(rtcp).inspect_err(|_| thread.remove(rtp))?;
        let call = Call {
            thread: number,
            places: [rtp, rtcp],
        };
        Ok((call, relay))
    }
}

/// The first address of each side.
fn first(ips: &[Vec<IpAddr>; 2]) -> Result<[IpAddr; 2], BenchError> {
    match ips.each_ref().map(|ips| ips.first()) {
        [Some(callers), Some(callees)] => Ok([*callers, *callees]),
        _ => Err(BenchError::Args("a relay needs addresses".to_owned())),
    }
}

/// RTP with RTP, RTCP with RTCP.
fn pairs(caller: Pair, callee: Pair) -> [SocketPair; 2] {
    let ([rtp, rtcp], [to_rtp, to_rtcp]) = (caller.sockets, callee.sockets);
    [SocketPair([rtp, to_rtp]), SocketPair([rtcp, to_rtcp])]
}

impl Relay for Bare {
    type Call = Call;

    fn name(&self) -> String {
        "bare".to_owned()
    }

    fn engine(&self) -> String {
        "epoll".to_owned()
    }

    fn open(&self, phones: Phones) -> Result<(Call, [SocketAddr; 2]), BenchError> {
        let failed = |e: io::Error| BenchError::Relay(format!("sockets of a call: {e}"));
        self.connect(phones).map_err(failed)
    }

    fn close(&self, call: Call) {
        if let Some((thread, _)) = self.threads.get(call.thread) {
            call.places.into_iter().for_each(|at| thread.remove(at));
        }
    }

    fn losses(&self) -> Option<Counts> {
        let mut counts = Counts::default();
        for (thread, _) in &self.threads {
            thread.count(&mut counts);
        }
        Some(counts)
    }

    fn allocations(&self) -> Option<u64> {
        None
    }

    fn forwarding(&self) -> Option<Histogram<u64>> {
        None
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for (shared, thread) in &mut self.threads {
            shared.stop();
            // A thread that died has nothing left to end.
            let _ = thread.take().map(JoinHandle::join);
        }
    }
}
