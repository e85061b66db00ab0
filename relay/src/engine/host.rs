//! The kernel's own UDP counters of this network namespace.
//!
//! What a connected socket refuses, and what finds no room in a socket's buffer, the engine
//! never sees. The kernel counts both, for the whole namespace.

/// UDP counters of the network namespace, IPv4 and IPv6 together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostUdp {
    /// Datagrams for which no socket was found: among them those of strangers to learned flows.
    pub no_ports: u64,
    /// Datagrams lost because a socket's receive buffer was full.
    pub receive_buffer_errors: u64,
    /// Datagrams lost because a socket's send buffer was full.
    pub send_buffer_errors: u64,
}

impl HostUdp {
    /// Reads `snmp` and `snmp6` of the calling thread's namespace; what cannot be read counts as
    /// zero.
    #[must_use]
    pub fn read() -> HostUdp {
        let text = |path| std::fs::read_to_string(path).unwrap_or_default();
        HostUdp::parse(
            &text("/proc/thread-self/net/snmp"),
            &text("/proc/thread-self/net/snmp6"),
        )
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(self, earlier: HostUdp) -> HostUdp {
        HostUdp {
            no_ports: self.no_ports.saturating_sub(earlier.no_ports),
            receive_buffer_errors: self
                .receive_buffer_errors
                .saturating_sub(earlier.receive_buffer_errors),
            send_buffer_errors: self
                .send_buffer_errors
                .saturating_sub(earlier.send_buffer_errors),
        }
    }

    fn parse(v4: &str, v6: &str) -> HostUdp {
        let mut udp = v4.lines().filter_map(|line| line.strip_prefix("Udp:"));
        let (names, values) = (udp.next().unwrap_or(""), udp.next().unwrap_or(""));
        let of_v4 = |name: &str| {
            let pairs = names.split_whitespace().zip(values.split_whitespace());
            pairs
                .filter(|(n, _)| *n == name)
                .find_map(|(_, v)| v.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let of_v6 = |name: &str| {
            let mut fields = v6
                .lines()
                .filter_map(|line| line.split_once(char::is_whitespace));
            fields
                .find(|(n, _)| *n == name)
                .and_then(|(_, v)| v.trim().parse::<u64>().ok())
                .unwrap_or(0)
        };
        HostUdp {
            no_ports: of_v4("NoPorts").saturating_add(of_v6("Udp6NoPorts")),
            receive_buffer_errors: of_v4("RcvbufErrors").saturating_add(of_v6("Udp6RcvbufErrors")),
            send_buffer_errors: of_v4("SndbufErrors").saturating_add(of_v6("Udp6SndbufErrors")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_summed() {
        let v4 = "Ip: Forwarding\nIp: 1\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\nUdp: 9 3 1 8 5 2\nUdpLite: InDatagrams NoPorts\nUdpLite: 7 7\n";
        let v6 = "Udp6InDatagrams                 \t12\nUdp6NoPorts                     \t40\nUdp6RcvbufErrors                \t1\n";
        let got = HostUdp::parse(v4, v6);
        assert_eq!(
            got,
            HostUdp {
                no_ports: 43,
                receive_buffer_errors: 6,
                send_buffer_errors: 2
            }
        );
        assert_eq!(HostUdp::parse("", ""), HostUdp::default());
        assert_eq!(
            got.since(HostUdp {
                no_ports: 40,
                receive_buffer_errors: 9,
                send_buffer_errors: 0
            }),
            HostUdp {
                no_ports: 3,
                receive_buffer_errors: 0,
                send_buffer_errors: 2
            }
        );
    }
}
