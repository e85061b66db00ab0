use crate::net::*;
use patchbay_sip::transaction::Output;
use patchbay_sip::{Method, Transport};

/// Timer A doubles without bound, timer E up to T2 (RFC 3261 sections 17.1.1.2 and 17.1.2.2).
#[test]
fn over_udp_requests_are_repeated() {
    let mut net = Net::new(Transport::Udp);
    net.filter = Some(Box::new(|_, _| true));
    net.send(CALLER, request(Method::Invite));
    net.send(CALLER, request(Method::Options));
    net.collect(2 * MINUTE);
    assert_eq!(
        net.times(CALLER, "INVITE"),
        [0, 500, 1500, 3500, 7500, 15500, 31500]
    );
    assert_eq!(
        net.times(CALLER, "OPTIONS"),
        [
            0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500
        ]
    );
}

/// A connection retransmits by itself.
#[test]
fn over_tcp_nothing_is_repeated() {
    let mut net = Net::new(Transport::Tcp);
    net.filter = Some(Box::new(|_, _| true));
    net.send(CALLER, request(Method::Invite));
    net.send(CALLER, request(Method::Options));
    net.collect(2 * MINUTE);
    assert_eq!(net.log.len(), 2);
}

/// A provisional answer stops the repetition of INVITE; of others it goes on every T2.
#[test]
fn a_provisional_answer_slows_down() {
    let mut net = Net::new(Transport::Udp);
    net.send(CALLER, request(Method::Invite));
    net.run(MINUTE, |net, side, output| {
        if let Output::Request {
            server, request, ..
        } = output
        {
            net.respond(side, server, &request, 180);
        }
    });
    assert_eq!(net.times(CALLER, "INVITE"), [0]);
}
