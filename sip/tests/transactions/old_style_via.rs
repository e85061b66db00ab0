use crate::net::*;
use patchbay_sip::transaction::Output;
use patchbay_sip::{Message, Method, Transport};
use std::time::Duration;

fn old(method: Method, via: &str) -> Message {
    let mut request = request(method);
    request.headers.push_front("Via", via);
    request
}

/// Elements of RFC 2543 send no magic cookie, or no branch at all: retransmissions, CANCEL and ACK are
/// matched all the same (RFC 3261 section 17.2.3).
#[test]
fn requests_without_cookie_are_matched() {
    for via in [
        "SIP/2.0/UDP 192.0.2.1",
        "SIP/2.0/UDP 192.0.2.1;branch=1",
        "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK",
    ] {
        let mut net = Net::new(Transport::Udp);
        let flow = net.flow(CALLEE);
        let mut told = Vec::new();
        for method in [Method::Invite, Method::Invite, Method::Cancel] {
            let now = net.now;
            net.layers[CALLEE]
                .receive(old(method, via), flow, now)
                .unwrap();
        }
        net.run(Duration::from_millis(5), |net, side, output| {
            if let Output::Request {
                server, request, ..
            } = &output
            {
                net.respond(side, *server, request, 487);
            }
            told.push(output);
        });
        assert!(
            matches!(
                told.as_slice(),
                [Output::Request { .. }, Output::Cancelled { .. }]
            ),
            "{via}: {told:?}"
        );
        let mut ack = old(Method::Ack, via);
        ack.headers.set("To", "<sip:callee@192.0.2.2>;tag=callee");
        let now = net.now;
        net.layers[CALLEE].receive(ack, flow, now).unwrap();
        let rest = net.collect(2 * MINUTE);
        assert!(rest.is_empty(), "{via}: {rest:?}");
        net.assert_empty();
    }
}

/// Another call of the same element is another transaction.
#[test]
fn other_calls_are_other_transactions() {
    let mut net = Net::new(Transport::Udp);
    let flow = net.flow(CALLEE);
    for call in 0..3 {
        let mut request = numbered(Method::Options, call);
        request.headers.push_front("Via", "SIP/2.0/UDP 192.0.2.1");
        let now = net.now;
        net.layers[CALLEE].receive(request, flow, now).unwrap();
    }
    assert_eq!(net.layers[CALLEE].len(), 3);
}
