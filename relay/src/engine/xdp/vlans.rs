//! VLANs of the calling thread's network namespace.

use std::fs;

/// Where the kernel lists them: name, identifier and device, separated by bars, below two lines of
/// headings. Absent as long as there are none.
const LIST: &str = "/proc/thread-self/net/vlan/config";

/// Names and identifiers of the VLANs on a device.
pub(super) fn on(device: &str) -> Vec<(String, u32)> {
    parse(&fs::read_to_string(LIST).unwrap_or_default(), device)
}

fn parse(list: &str, device: &str) -> Vec<(String, u32)> {
    let rows = list.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim);
        let name = cells.next()?;
        let tag = cells.next()?.parse().ok()?;
        (cells.next()? == device).then(|| (name.to_owned(), tag))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_read() {
        let list = "VLAN Dev name    | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n\
                    eth0.100       | 100  | eth0\nvoice          | 7  | eth1\n";
        assert_eq!(parse(list, "eth0"), [("eth0.100".to_owned(), 100)]);
        assert_eq!(parse(list, "eth1"), [("voice".to_owned(), 7)]);
        assert_eq!(parse("", "eth0"), []);
    }
}
