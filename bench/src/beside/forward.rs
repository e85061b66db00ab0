//! The floor: each datagram of a caller goes to a phone, and each of a phone to its caller, unread.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::process::Process;
use super::{BesideError, System, Wanted, phone_uris};

/// How long it may take to start.
const START: Duration = Duration::from_secs(10);
/// Receive buffer, bytes, as far as the system allows.
const RECEIVE_BYTES: usize = 4 << 20;
/// Largest datagram.
const LARGEST: usize = 65_536;
/// What it is asked, and answers, to say that it is there.
const READY: &[u8] = b"ready?";

/// Forwards until the process ends: what `callers[n]` sends goes to `phones[n]`, and back.
///
/// # Errors
/// The socket cannot be opened or read.
pub fn forward(
    listen: SocketAddr,
    callers: &[SocketAddr],
    phones: &[SocketAddr],
) -> std::io::Result<()> {
    let socket = UdpSocket::bind(listen)?;
    // More than the system allows takes a privilege; what there is will do then.
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BYTES).is_err() {
        socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BYTES)?;
    }
    let pairs = callers.iter().zip(phones);
    let ways: Vec<(SocketAddr, SocketAddr)> = pairs
        .flat_map(|(caller, phone)| [(*caller, *phone), (*phone, *caller)])
        .collect();
    let mut buffer = vec![0; LARGEST];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        let datagram = buffer.get(..length).unwrap_or_default();
        let way = ways.iter().find(|(known, _)| *known == from);
        let to = match way {
            Some((_, to)) => *to,
            None if datagram == READY => from,
            None => continue,
        };
        // A full buffer on the other side is a loss like any other.
        let _ = socket.send_to(datagram, to);
    }
}

/// The process.
pub(super) struct Forwarder {
    process: Process,
    address: SocketAddr,
    uris: Vec<String>,
}

impl Forwarder {
    /// Starts this program again: it has to know `bench forward`.
    pub fn start(wanted: &Wanted) -> Result<Self, BesideError> {
        let program = std::env::current_exe();
        let program = program.map_err(BesideError::system("finding this program"))?;
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let address = free.map_err(BesideError::system("a free port on loopback"))?;
        let list = |addresses: &[SocketAddr]| {
            let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            all.join(",")
        };
        let mut process = Process::start("forwarder", program, wanted.core, |command| {
            command
                .args(["bench", "forward", "--listen", &address.to_string()])
                .args(["--callers", &list(&wanted.callers)])
                .args(["--phones", &list(&wanted.phones)]);
        })?;
        process.wait_until(START, || super::kamailio::asked(address, READY, READY))?;
        Ok(Self {
            process,
            address,
            uris: phone_uris(&wanted.phones),
        })
    }
}

impl System for Forwarder {
    fn version(&self) -> String {
        "forwarder".to_owned()
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.process.pid()]
    }

    fn targets(&self) -> Vec<SocketAddr> {
        vec![self.address]
    }

    fn uris(&self) -> Vec<String> {
        self.uris.clone()
    }
}
