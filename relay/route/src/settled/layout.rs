//! Sizes and places of all that both sides use, for the test that compares them.

use super::{
    Bucket, FLAG_HEAR, FLAG_PLAIN, FLAG_SET_DSCP, FLAG_TO_V6, FLAG_UP, Hop, IN_CHANGE, NOTHING,
    Places, Row, WayOut,
};
use crate::fate::{FATES, Fate};
use crate::limits::{FLOW_WINDOW_NS, MAX_DATAGRAM_BYTES, MAX_STEERED_IPS};
use crate::reception::Reception;

/// What the program says of its layout, in the order in which it says it.
#[must_use]
pub const fn layout() -> [u32; 45] {
    use core::mem::offset_of;
    let sizes = [
        size_of::<Row>(),
        offset_of!(Row, ticks),
        offset_of!(Row, source),
        offset_of!(Row, from),
        offset_of!(Row, to),
        offset_of!(Row, source_port),
        offset_of!(Row, from_port),
        offset_of!(Row, to_port),
        offset_of!(Row, flags),
        offset_of!(Row, dscp),
        offset_of!(Row, udp_sum),
        offset_of!(Row, ip_sum),
        offset_of!(Row, hop_until),
        offset_of!(Row, hop_generation),
        offset_of!(Row, window),
        offset_of!(Row, packets),
        offset_of!(Row, bytes),
        offset_of!(Row, last),
        offset_of!(Row, heard),
        offset_of!(Row, strangers),
        size_of::<Reception>(),
        Reception::OFFSETS[0],
        Reception::OFFSETS[1],
        Reception::OFFSETS[2],
        Reception::OFFSETS[3],
        size_of::<Places>(),
        offset_of!(Places, gone_after),
        offset_of!(Places, addresses),
        offset_of!(Places, address),
        MAX_STEERED_IPS,
        size_of::<Hop>(),
        offset_of!(Hop, ip),
        NOTHING as usize,
        IN_CHANGE as usize,
        FATES,
        Fate::UpUnknown as usize,
        FLAG_UP as usize,
        FLAG_PLAIN as usize,
        FLAG_TO_V6 as usize,
        FLAG_SET_DSCP as usize,
        FLAG_HEAR as usize,
        MAX_DATAGRAM_BYTES,
        FLOW_WINDOW_NS as usize,
        size_of::<WayOut>(),
        size_of::<Bucket>(),
    ];
    let mut words = [0; 45];
    let mut i = 0;
    while i < words.len() {
        words[i] = sizes[i] as u32;
        i += 1;
    }
    words
}
