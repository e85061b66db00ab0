//! The network interfaces that lead out of this host.

use std::fs;

/// The routes of IPv4: interface, destination and mask in hexadecimal digits among other columns,
/// below a line of headings.
const ROUTES_V4: &str = "/proc/thread-self/net/route";
/// The routes of IPv6: destination and length of its prefix first, the interface last.
const ROUTES_V6: &str = "/proc/thread-self/net/ipv6_route";
/// In the kernel's table for what leads nowhere (`RTF_REJECT`).
const REJECT: u32 = 0x200;

/// The interfaces of the default routes, in the calling thread's network namespace.
#[must_use]
pub fn default_interfaces() -> Vec<String> {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    parse(&text(ROUTES_V4), &text(ROUTES_V6))
}

fn parse(v4: &str, v6: &str) -> Vec<String> {
    let of_v4 = v4.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [name, target, _, flags, _, _, _, mask, ..] = *columns else {
            return None;
        };
        (target == "00000000" && mask == "00000000").then_some((name, flags))
    });
    let of_v6 = v6.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [target, length, .., flags, name] = *columns else {
            return None;
        };
        let is_default = length == "00" && target.bytes().all(|digit| digit == b'0');
        is_default.then_some((name, flags))
    });
    let mut found = Vec::new();
    for (name, flags) in of_v4.chain(of_v6) {
        let leads_out = u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & REJECT == 0);
        if leads_out && name != "lo" && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_told_from_others() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                  eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                  eth1\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let zeros = "00000000000000000000000000000000";
        let v6 = format!(
            "{zeros} 00 {zeros} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth2\n\
             {zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\n\
             20010db8000000000000000000000000 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001     eth3\n"
        );
        assert_eq!(parse(v4, &v6), ["eth0", "eth2"]);
        assert_eq!(parse(v4, ""), ["eth0"]);
        assert!(parse("", "").is_empty());
    }
}
