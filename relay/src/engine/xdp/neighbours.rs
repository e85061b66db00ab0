//! Next hops kept fresh: the kernel asks whether a neighbour is still there only when sockets send
//! to it, and the program sends past them. So it is told who is in use (RFC 4861 section 7.3 has
//! the states of a neighbour; IPv4's are the same).

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use patchbay_route::limits::{DEVICE_NEIGHBOUR_AGE_NS, DEVICE_NEIGHBOURS};
use patchbay_route::settled::Hop;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

use super::DriverError;
use super::driver::{WordsOf, map};

/// Bytes of a netlink header and of a neighbour's (`struct nlmsghdr`, `struct ndmsg`).
const HEAD_BYTES: usize = 16 + 12;
/// `RTM_NEWNEIGH`, `NLM_F_REQUEST`, `NTF_USE` and `NDA_DST` of the kernel's interface.
const NEW_NEIGHBOUR: u16 = 28;
const REQUEST: u16 = 1;
const USE: u8 = 1;
const DESTINATION: u16 = 1;

/// The next hops that packets leave by at the device.
pub struct Neighbours {
    used: HashMap<MapData, WordsOf<Hop>, u64>,
    /// Of the network namespace of the thread that made it.
    socket: OwnedFd,
}

impl Neighbours {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Neighbours, DriverError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None);
        Ok(Neighbours {
            used: map(ebpf, "neighbours")?,
            socket: socket.map_err(|e| DriverError::System {
                what: "socket for neighbours",
                cause: e.into(),
            })?,
        })
    }

    /// Has the kernel see to all next hops that were used of late: those that it has not heard of
    /// for a while it asks. `now` is of `CLOCK_MONOTONIC`, in ns. To be called every half of
    /// [`DEVICE_NEIGHBOUR_AGE_NS`]. Gives how many there were.
    ///
    /// # Errors
    /// What the kernel says; those not asked for are asked for next time.
    pub fn refresh(&self, now: u64) -> io::Result<usize> {
        let used = self.used.iter().flatten().take(DEVICE_NEIGHBOURS as usize);
        let late = used.filter(|(_, at)| now.saturating_sub(*at) < DEVICE_NEIGHBOUR_AGE_NS);
        let mut count = 0;
        for (hop, _) in late {
            self.see_to(&hop.0)?;
            count += 1;
        }
        Ok(count)
    }

    fn see_to(&self, hop: &Hop) -> io::Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        let (message, len) = request(hop);
        let message = message.get(..len).unwrap_or_default();
        sendto(&self.socket, message, SendFlags::empty(), &kernel)?;
        // An answer comes only if the neighbour has gone in the meantime, and is of no use.
        let mut answer = [0_u8; 512];
        while recv(&self.socket, &mut answer, RecvFlags::DONTWAIT).is_ok() {}
        Ok(())
    }
}

impl fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Neighbours")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

/// The message that a neighbour is in use, and its length.
fn request(hop: &Hop) -> ([u8; HEAD_BYTES + 20], usize) {
    let family = u8::try_from(hop.family).unwrap_or(0);
    let ip_bytes = if hop.family == u32::from(AddressFamily::INET.as_raw()) {
        4
    } else {
        16
    };
    let len = HEAD_BYTES + 4 + ip_bytes;
    let mut message = [0; HEAD_BYTES + 20];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        for (place, byte) in message.iter_mut().skip(at).zip(bytes) {
            *place = *byte;
        }
        at += bytes.len();
    };
    // All of these are below 256.
    put(&(len as u32).to_ne_bytes());
    put(&NEW_NEIGHBOUR.to_ne_bytes());
    put(&REQUEST.to_ne_bytes());
    put(&[0; 8]);
    put(&[family, 0, 0, 0]);
    put(&hop.ifindex.to_ne_bytes());
    // State: as it is; flags; type.
    put(&[0, 0, USE, 0]);
    put(&((4 + ip_bytes) as u16).to_ne_bytes());
    put(&DESTINATION.to_ne_bytes());
    put(hop.ip.get(..ip_bytes).unwrap_or_default());
    (message, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_device_and_address() {
        let mut hop = Hop {
            ifindex: 3,
            family: 2,
            ip: [0; 16],
        };
        hop.ip[..4].copy_from_slice(&[10, 0, 0, 9]);
        let (message, len) = request(&hop);
        assert_eq!(len, 36);
        assert_eq!(message[0..4], 36_u32.to_ne_bytes());
        assert_eq!(message[16..24], [2, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(message[26], USE);
        assert_eq!(message[28..36], [8, 0, 1, 0, 10, 0, 0, 9]);
        hop.family = 10;
        assert_eq!(request(&hop).1, 48);
    }
}
