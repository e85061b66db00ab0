//! The control data of a message (`struct cmsghdr`, RFC 3542 section 20.2): when the kernel got
//! it, and to which address it was sent.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::address;

/// Bytes of a length, which the kernel also aligns to.
const WORD: usize = size_of::<usize>();
/// Bytes of a header: length, level, type.
const HEADER: usize = WORD + 8;

/// What the control data say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// When the kernel got the datagram, in nanoseconds of the wall clock (`SO_TIMESTAMPNS`).
    pub stamp: Option<u64>,
    /// Where it was sent to (`IP_RECVORIGDSTADDR`, `IPV6_RECVORIGDSTADDR`).
    pub local: Option<SocketAddr>,
    /// Its DSCP, 0 to 63 (`IP_RECVTOS`, `IPV6_RECVTCLASS`).
    pub dscp: Option<u8>,
}

/// Reads control data, as far as they are whole and known.
#[inline]
pub fn parse(mut rest: &[u8]) -> Control {
    let mut control = Control::default();
    while let Some((len, level, kind)) = header(rest) {
        let Some(data) = rest.get(HEADER..len) else {
            break;
        };
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => control.stamp = stamp(data),
            (libc::SOL_IP, libc::IP_ORIGDSTADDR) | (libc::SOL_IPV6, libc::IPV6_ORIGDSTADDR) => {
                control.local = address::decode(data);
            }
            // A byte.
            (libc::SOL_IP, libc::IP_TOS) => control.dscp = data.first().map(|tos| tos >> 2),
            (libc::SOL_IPV6, libc::IPV6_TCLASS) => control.dscp = traffic_class(data),
            _ => {}
        }
        rest = rest.get(len.next_multiple_of(WORD)..).unwrap_or_default();
    }
    control
}

fn header(bytes: &[u8]) -> Option<(usize, i32, i32)> {
    let (len, rest) = bytes.split_first_chunk::<WORD>()?;
    let (level, rest) = rest.split_first_chunk::<4>()?;
    let kind = rest.first_chunk::<4>()?;
    let len = usize::from_ne_bytes(*len);
    (HEADER..=bytes.len())
        .contains(&len)
        .then(|| (len, i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind)))
}

/// A `struct timespec` of two words.
fn stamp(data: &[u8]) -> Option<u64> {
    let (seconds, rest) = data.split_first_chunk::<WORD>()?;
    let nanos = rest.first_chunk::<WORD>()?;
    let seconds = u64::try_from(isize::from_ne_bytes(*seconds)).ok()?;
    let nanos = u64::try_from(isize::from_ne_bytes(*nanos)).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// The DSCP in a number of which the lower byte is the traffic class.
fn traffic_class(data: &[u8]) -> Option<u8> {
    let class = i32::from_ne_bytes(*data.first_chunk()?);
    Some((class & 0xff) as u8 >> 2)
}

/// Makes the kernel stamp what a socket receives (`SO_TIMESTAMPNS`). An error is of no account:
/// the socket's datagrams are then no samples.
pub fn ask_for_stamps(socket: &OwnedFd) {
    let _ = switch_on(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS);
}

/// Makes the kernel say where each datagram was sent to.
///
/// # Errors
/// What the kernel says.
pub fn ask_for_local(socket: &OwnedFd, is_ipv6: bool) -> std::io::Result<()> {
    match is_ipv6 {
        true => switch_on(socket, libc::SOL_IPV6, libc::IPV6_RECVORIGDSTADDR),
        false => switch_on(socket, libc::SOL_IP, libc::IP_RECVORIGDSTADDR),
    }
}

/// Makes the kernel say which DSCP each datagram came with.
///
/// # Errors
/// What the kernel says.
pub fn ask_for_marks(socket: &OwnedFd, is_ipv6: bool) -> std::io::Result<()> {
    match is_ipv6 {
        true => switch_on(socket, libc::SOL_IPV6, libc::IPV6_RECVTCLASS),
        false => switch_on(socket, libc::SOL_IP, libc::IP_RECVTOS),
    }
}

fn switch_on(socket: &OwnedFd, level: i32, option: i32) -> std::io::Result<()> {
    let on: libc::c_int = 1;
    let len = size_of_val(&on) as libc::socklen_t;
    let value = (&raw const on).cast();
    // SAFETY: the descriptor is open; the option's value is an int that lives through the call.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, len) };
    match done {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
        bytes
    }

    fn time() -> Vec<u8> {
        let data = [7_isize.to_ne_bytes(), 9_isize.to_ne_bytes()].concat();
        entry(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &data)
    }

    fn v4() -> Vec<u8> {
        let name = [2, 0, 0x0f, 0xa0, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        entry(libc::SOL_IP, libc::IP_ORIGDSTADDR, &name)
    }

    #[test]
    fn stamp_and_address_are_found_in_any_order_among_others() {
        let expected = Control {
            stamp: Some(7_000_000_009),
            local: "192.0.2.1:4000".parse().ok(),
            dscp: None,
        };
        let other = entry(libc::SOL_IP, libc::IP_TTL, &64_i32.to_ne_bytes());
        for parts in [[time(), v4(), other.clone()], [other, v4(), time()]] {
            assert_eq!(parse(&parts.concat()), expected);
        }
        let mut name = vec![10, 0, 0xff, 0xff];
        name.extend([0; 4]);
        name.extend([
            0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
        ]);
        let v6 = entry(libc::SOL_IPV6, libc::IPV6_ORIGDSTADDR, &name);
        assert_eq!(parse(&v6).local, "[2001:db8::1]:65535".parse().ok());
    }

    #[test]
    fn the_dscp_is_that_of_either_version() {
        let v4 = entry(libc::SOL_IP, libc::IP_TOS, &[46 << 2 | 3]);
        assert_eq!(parse(&v4).dscp, Some(46));
        let class = (34_i32 << 2 | 1).to_ne_bytes();
        let v6 = entry(libc::SOL_IPV6, libc::IPV6_TCLASS, &class);
        assert_eq!(parse(&v6).dscp, Some(34));
        let short = entry(libc::SOL_IPV6, libc::IPV6_TCLASS, &class[..3]);
        assert_eq!(parse(&short).dscp, None);
    }

    #[test]
    fn what_is_cut_short_is_left_out() {
        assert_eq!(parse(&[]), Control::default());
        let (stamp, address) = (time(), v4());
        assert_eq!(parse(&stamp[..stamp.len() - 1]), Control::default());
        let both = [stamp.clone(), address].concat();
        assert_eq!(parse(&both[..both.len() - 1]), parse(&stamp));
        let mut long = time();
        long[..WORD].copy_from_slice(&usize::MAX.to_ne_bytes());
        assert_eq!(parse(&long), Control::default());
        let mut short = time();
        short[..WORD].copy_from_slice(&(HEADER - 1).to_ne_bytes());
        assert_eq!(parse(&short), Control::default());
    }
}
