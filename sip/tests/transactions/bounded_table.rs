use crate::net::*;
use patchbay_sip::transaction::{Config, DropReason, SendError};
use patchbay_sip::{Method, Transport};

/// A full table refuses with 503 and Retry-After, without state, and counts it.
#[test]
fn a_full_table_refuses() {
    let config = Config {
        max_transactions: 3,
        ..Config::default()
    };
    let mut net = Net::with(Transport::Udp, config, 1);
    for call in 0..3 {
        net.send(CALLER, numbered(Method::Message, call));
    }
    let (flow, now) = (net.flow(CALLER), net.now);
    let refused = net.layers[CALLER].send_request(request(Method::Options), flow, "h", now);
    assert_eq!(refused, Err(SendError::TableFull));
    net.collect(std::time::Duration::from_millis(10));

    let mut extra = numbered(Method::Message, 9);
    extra
        .headers
        .push_front("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKextra");
    let (flow, now) = (net.flow(CALLEE), net.now);
    assert_eq!(net.layers[CALLEE].len(), 3);
    assert_eq!(
        net.layers[CALLEE].receive(extra, flow, now),
        Err(DropReason::TableFull)
    );
    assert_eq!(net.layers[CALLEE].len(), 3);
    assert_eq!(
        net.layers[CALLEE].counters().dropped(DropReason::TableFull),
        1
    );
    net.collect(std::time::Duration::from_millis(20));
    assert_eq!(net.times(CALLEE, "503 MESSAGE").len(), 1);
}
