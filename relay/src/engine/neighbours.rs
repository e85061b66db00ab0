//! Which UDP ports other sockets of this network namespace have. A bind tells it for one port and
//! costs a socket; where many calls come, one look at the kernel's list tells it for all.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use patchbay_route::limits::MAX_LOCAL_IPS;

/// How long a list of ports is believed. Who binds a port in that time, or behind a call that has
/// it, loses to the steering program either way.
const BELIEVED: Duration = Duration::from_secs(1);
/// Sides of pairs that are tried by binds in that time before a list is worth its while: the kernel
/// writes one in some hundred microseconds.
const MANY_TRIES: u32 = 32;
/// The longest list for one version of IP, about 8,000 sockets: a longer one takes longer to read than
/// binds take.
const MAX_LIST_BYTES: usize = 1 << 20;
const V4: &str = "/proc/thread-self/net/udp";
const V6: &str = "/proc/thread-self/net/udp6";
/// Words of 64 ports each.
const WORDS: usize = 1 << 10;

/// A bit for each port.
type Bound = Box<[u64; WORDS]>;

/// What is known of the ports of others.
#[derive(Debug, Default)]
pub struct Neighbours {
    list: Option<Bound>,
    /// When the list was read, or the tries have been counted from; nanoseconds of the engine's clock.
    began: u64,
    tries: u32,
    /// Addresses of this host, as far as binds have shown since.
    own: Vec<IpAddr>,
}

impl Neighbours {
    /// Whether nobody has this port of an address of this host, nor the one above it. If false, a bind
    /// may tell otherwise.
    pub fn leave_free(&mut self, ip: IpAddr, rtp: u16, now: u64) -> bool {
        self.look(ip, rtp, now, read)
    }

    /// A port of this address was bound.
    pub fn is_here(&mut self, ip: IpAddr) {
        if self.own.len() < MAX_LOCAL_IPS && !self.own.contains(&ip) {
            self.own.push(ip);
        }
    }

    fn look(
        &mut self,
        ip: IpAddr,
        rtp: u16,
        now: u64,
        read: impl FnOnce() -> Option<Bound>,
    ) -> bool {
        if now.saturating_sub(self.began) >= super::clock::nanos(BELIEVED) {
            *self = Neighbours {
                began: now,
                ..Neighbours::default()
            };
        }
        if self.list.is_none() {
            self.tries += 1;
            if self.tries == MANY_TRIES {
                self.list = read();
                self.began = now;
            }
        }
        let ports = [rtp, rtp.saturating_add(1)];
        let list = self.list.as_ref().filter(|_| self.own.contains(&ip));
        list.is_some_and(|list| ports.iter().all(|port| !is_bound(list, *port)))
    }
}

fn is_bound(list: &Bound, port: u16) -> bool {
    let word = list.get(usize::from(port / 64));
    word.is_some_and(|word| word >> (port % 64) & 1 == 1)
}

/// The kernel's list; none if it cannot be read whole.
fn read() -> Option<Bound> {
    let mut list = Box::new([0; WORDS]);
    note(&table(V4)?, &mut list)?;
    // Missing where the kernel has no IPv6.
    if Path::new(V6).exists() {
        note(&table(V6)?, &mut list)?;
    }
    Some(list)
}

fn table(path: &str) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    let bytes = file.take(MAX_LIST_BYTES as u64).read_to_string(&mut text);
    (bytes.ok()? < MAX_LIST_BYTES).then_some(text)
}

/// Notes the local ports of a table as `proc(5)` describes it: `0100007F:13C4` in the second column.
fn note(table: &str, list: &mut Bound) -> Option<()> {
    for line in table.lines().skip(1) {
        let local = line.split_ascii_whitespace().nth(1)?;
        let (_, port) = local.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        if let Some(word) = list.get_mut(usize::from(port / 64)) {
            *word |= 1 << (port % 64);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::UdpSocket;

    const SECOND: u64 = 1_000_000_000;
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn list(ports: &[u16]) -> Option<Bound> {
        let mut list = Box::new([0; WORDS]);
        for port in ports {
            list[usize::from(port / 64)] |= 1 << (port % 64);
        }
        Some(list)
    }

    /// Asks until the list is read, and binds each time.
    fn asked(neighbours: &mut Neighbours, now: u64, read: impl Fn() -> Option<Bound>) {
        for _ in 1..MANY_TRIES {
            assert!(!neighbours.look(HERE, 4000, now, || unreachable!()));
            neighbours.is_here(HERE);
        }
        neighbours.look(HERE, 4000, now, read);
    }

    #[test]
    fn few_calls_are_told_by_binds() {
        let mut neighbours = Neighbours::default();
        for second in 1..4 {
            for _ in 1..MANY_TRIES {
                assert!(!neighbours.look(HERE, 4000, second * SECOND, || unreachable!()));
            }
        }
    }

    #[test]
    fn many_calls_are_told_by_a_list_for_a_while() {
        let mut neighbours = Neighbours::default();
        asked(&mut neighbours, SECOND, || list(&[4003, 4004]));
        let mut free = |port, now| neighbours.look(HERE, port, now, || list(&[]));
        assert!(free(4000, SECOND + 1));
        assert!(!free(4002, SECOND + 1), "the port above is bound");
        assert!(!free(4004, 2 * SECOND - 1));
        assert!(free(4006, 2 * SECOND - 1));
        assert!(!free(4006, 2 * SECOND), "too old to be believed");
    }

    #[test]
    fn an_address_is_tried_by_a_bind_before_a_list_says_anything_of_its_ports() {
        let mut neighbours = Neighbours::default();
        asked(&mut neighbours, SECOND, || list(&[]));
        let there = IpAddr::from([192, 0, 2, 200]);
        assert!(!neighbours.look(there, 4000, SECOND, || unreachable!()));
        neighbours.is_here(there);
        assert!(neighbours.look(there, 4000, SECOND, || unreachable!()));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_not_asked_for_again_at_once() {
        let mut neighbours = Neighbours::default();
        asked(&mut neighbours, SECOND, || None);
        assert!(!neighbours.look(HERE, 4000, SECOND, || unreachable!()));
        assert!(note("head\n 0: what is this", list(&[]).as_mut().unwrap()).is_none());
    }

    #[test]
    fn the_kernel_lists_sockets_of_both_versions() {
        let held = ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"].map(|at| UdpSocket::bind(at).unwrap());
        let ports = held
            .each_ref()
            .map(|socket| socket.local_addr().unwrap().port());
        let list = read().unwrap();
        assert_eq!(ports.map(|port| is_bound(&list, port)), [true; 3]);
    }
}
