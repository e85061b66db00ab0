use crate::net::*;
use patchbay_sip::{Method, Transport};
use std::time::Duration;

/// A CANCEL that matches no INVITE gets 481, also when it comes again.
#[test]
fn an_unmatched_cancel_gets_481() {
    let mut net = Net::new(Transport::Udp);
    let mut cancel = request(Method::Cancel);
    cancel
        .headers
        .push_front("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKnone");
    for _ in 0..2 {
        let (flow, now) = (net.flow(CALLEE), net.now);
        net.layers[CALLEE]
            .receive(cancel.clone(), flow, now)
            .unwrap();
    }
    let told = net.collect(Duration::from_millis(10));
    assert!(told.is_empty());
    assert_eq!(net.times(CALLEE, "481 CANCEL").len(), 2);
    assert_eq!(net.layers[CALLEE].counters().cancels_unmatched, 1);
    net.collect(MINUTE);
    net.assert_empty();
}
