//! The phones: a socket for each side of each call.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{BenchError, Progress, Target};

/// Loopback addresses of callers and of agents; the relay has 127.0.0.1 for itself.
const ADDRESSES: [[u8; 4]; 2] = [[127, 0, 0, 2], [127, 0, 0, 3]];
/// Open files that the process needs beside the phones' sockets.
const OTHER_FILES: u64 = 256;

/// One direction of a call: from a phone through the relay to the other phone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// The sending phone's socket, by number; the flow has the same number.
    pub from: usize,
    /// Where it sends to.
    pub relay: SocketAddr,
}

/// All calls' phones. Call `n` has sockets `2n` and `2n + 1`.
#[derive(Debug)]
pub(super) struct Phones {
    pub sockets: Vec<UdpSocket>,
    pub ways: Vec<Way>,
}

impl Phones {
    /// Opens that many calls on a relay.
    pub fn open(
        calls: usize,
        target: &mut dyn Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, BenchError> {
        allow_files(calls)?;
        let mut phones = Self {
            sockets: Vec::with_capacity(2 * calls),
            ways: Vec::with_capacity(2 * calls),
        };
        for call in 0..calls {
            let mut addresses = Vec::with_capacity(2);
            for ip in ADDRESSES {
                let (socket, address) =
                    phone(IpAddr::from(ip)).map_err(BenchError::system("socket of a phone"))?;
                phones.sockets.push(socket);
                addresses.push(address);
            }
            let relay = target.open([addresses[0], addresses[1]])?;
            for (side, relay) in relay.into_iter().enumerate() {
                phones.ways.push(Way {
                    from: 2 * call + side,
                    relay,
                });
            }
            if call % 100 == 99 {
                progress(Progress {
                    calls: call + 1,
                    ..Progress::default()
                });
            }
        }
        Ok(phones)
    }

    /// From where the phone with that number is to hear, and which flow.
    pub fn hears(&self, socket: usize) -> Option<(SocketAddr, u32)> {
        let other = socket ^ 1;
        Some((self.ways.get(socket)?.relay, u32::try_from(other).ok()?))
    }
}

fn phone(ip: IpAddr) -> std::io::Result<(UdpSocket, SocketAddr)> {
    let socket = UdpSocket::bind((ip, 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// Raises the number of open files as far as needed and allowed.
fn allow_files(calls: usize) -> Result<(), BenchError> {
    let needed = 2 * calls as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        let _ = setrlimit(Resource::Nofile, raised);
    }
    match getrlimit(Resource::Nofile).current {
        Some(current) if current < needed => Err(BenchError::Args(format!(
            "{calls} calls need {needed} open files, and {current} are allowed: raise RLIMIT_NOFILE (ulimit -n)"
        ))),
        _ => Ok(()),
    }
}
