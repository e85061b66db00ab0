use crate::net::*;
use patchbay_sip::transaction::{Failure, Output};
use patchbay_sip::{Method, Transport};

/// Timers G and H: a failure answer is repeated until 64 T1, then the user is told.
#[test]
fn an_ack_that_never_comes_is_told() {
    let mut net = Net::new(Transport::Udp);
    net.filter = Some(Box::new(|_, message| {
        message.method() == Some(&Method::Ack)
    }));
    net.send(CALLER, request(Method::Invite));
    let mut failed = Vec::new();
    net.run(2 * MINUTE, |net, side, output| match output {
        Output::Request {
            server, request, ..
        } => net.respond(side, server, &request, 486),
        Output::ServerFailed { why, .. } => failed.push((net.ms(), why)),
        Output::Response { .. } => {}
        other => panic!("{other:?}"),
    });
    let sent = net.times(CALLEE, "486 INVITE");
    assert_eq!(&sent[..6], [1, 501, 1501, 3501, 7501, 11501]);
    assert_eq!(
        net.times(CALLER, "ACK").len(),
        sent.len(),
        "every repeat is acknowledged"
    );
    assert_eq!(failed, [(32_001, Failure::Timeout)]);
    net.assert_empty();
}

/// One lost ACK costs one repetition and nothing else.
#[test]
fn one_lost_ack_is_mended() {
    let mut net = Net::new(Transport::Udp);
    let mut lost = 0;
    net.filter = Some(Box::new(move |_, message| {
        lost += u32::from(message.method() == Some(&Method::Ack));
        message.method() == Some(&Method::Ack) && lost == 1
    }));
    net.send(CALLER, request(Method::Invite));
    let mut statuses = Vec::new();
    net.run(2 * MINUTE, |net, side, output| match output {
        Output::Request {
            server, request, ..
        } => net.respond(side, server, &request, 603),
        Output::Response { response, .. } => statuses.push(response.status().unwrap()),
        other => panic!("{other:?}"),
    });
    assert_eq!(statuses, [603]);
    assert_eq!(net.times(CALLEE, "603 INVITE"), [1, 501]);
    net.assert_empty();
}
