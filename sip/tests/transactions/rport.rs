use crate::net::*;
use patchbay_sip::transaction::{Flow, Output};
use patchbay_sip::{Method, Transport};

fn answered_to(via: &str, remote: &str) -> (String, String) {
    let mut net = Net::new(Transport::Udp);
    let flow = Flow {
        remote: remote.parse().unwrap(),
        ..net.flow(CALLEE)
    };
    let mut request = request(Method::Options);
    request
        .headers
        .push_front("Via", format!("{via}, SIP/2.0/UDP far;branch=z9hG4bKfar"));
    let now = net.now;
    net.layers[CALLEE].receive(request, flow, now).unwrap();
    let Some(Output::Request {
        server, request, ..
    }) = net.layers[CALLEE].poll()
    else {
        panic!()
    };
    assert_eq!(
        request.headers.all_split("Via").count(),
        2,
        "the hop behind is kept"
    );
    net.respond(CALLEE, server, &request, 200);
    let Some(Output::Send { flow, .. }) = net.layers[CALLEE].poll() else {
        panic!()
    };
    (
        flow.remote.to_string(),
        request.headers.all_split("Via").next().unwrap().to_owned(),
    )
}

/// RFC 3581 and RFC 3261 section 18.2: `received` and `rport` are filled in, and answers go there.
#[test]
fn answers_find_their_way_back() {
    let (to, via) = answered_to(
        "SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bK1",
        "203.0.113.9:40000",
    );
    assert_eq!(to, "203.0.113.9:40000");
    assert_eq!(
        via,
        "SIP/2.0/UDP 10.0.0.1:5062;rport=40000;branch=z9hG4bK1;received=203.0.113.9"
    );

    let (to, via) = answered_to(
        "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bK1",
        "203.0.113.9:40000",
    );
    assert_eq!(to, "203.0.113.9:5062");
    assert!(via.ends_with(";received=203.0.113.9"));

    let (to, via) = answered_to(
        "SIP/2.0/UDP [2001:db8::1];branch=z9hG4bK1",
        "[2001:db8::1]:40000",
    );
    assert_eq!(to, "[2001:db8::1]:5060");
    assert_eq!(via, "SIP/2.0/UDP [2001:db8::1];branch=z9hG4bK1");
}

/// A `received` or `maddr` written by the sender leads nobody's answers elsewhere.
#[test]
fn answers_cannot_be_aimed_at_others() {
    let (to, via) = answered_to(
        "SIP/2.0/UDP 10.0.0.1;received=198.51.100.1;maddr=198.51.100.2;branch=z9hG4bK1",
        "203.0.113.9:40000",
    );
    assert_eq!(to, "203.0.113.9:5060");
    assert!(via.contains("received=203.0.113.9"));
}
