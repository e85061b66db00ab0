//! F7: the program lays out its tables as this side does.
#![allow(clippy::unwrap_used)]

use patchbay_relay::engine::xdp::OBJECT;
use patchbay_route::settled;

const SOURCE: &str = "relay/xdp/readdress.bpf.c";

fn contains(bytes: &[u8]) -> bool {
    OBJECT.windows(bytes.len()).any(|window| window == bytes)
}

#[test]
fn both_sides_lay_out_the_tables_alike() {
    let words: Vec<u8> = settled::layout()
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    assert!(
        contains(&words),
        "relay/route/src/settled.rs and {SOURCE} differ"
    );
}
