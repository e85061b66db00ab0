use crate::net::*;
use patchbay_sip::transaction::{Failure, Output, RespondError};
use patchbay_sip::{Message, Method, Transport};

/// RFC 4320: no 1xx but 100, no early 100 over UDP, no 408; and 100 by itself once the client
/// retransmits slowly.
#[test]
fn forbidden_answers_are_refused() {
    let mut net = Net::new(Transport::Udp);
    net.send(CALLER, request(Method::Options));
    let mut told = Vec::new();
    net.run(2 * MINUTE, |net, side, output| match output {
        Output::Request {
            server, request, ..
        } => {
            for status in [100, 180, 408] {
                let answer = Message::response_to(&request, status, "");
                let now = net.now;
                let refused = net.layers[side].respond(server, answer, now);
                assert_eq!(refused, Err(RespondError::Rfc4320), "{status}");
            }
        }
        other => told.push((net.ms(), other)),
    });
    assert!(
        net.log.iter().all(|(_, side, _)| *side == CALLER),
        "nothing was answered"
    );
    assert!(matches!(
        told.as_slice(),
        [(
            32_000,
            Output::Failed {
                why: Failure::Timeout,
                ..
            }
        )]
    ));
    net.assert_empty();
}

#[test]
fn a_silent_user_gets_one_100_sent() {
    let mut net = Net::new(Transport::Udp);
    net.send(CALLER, request(Method::Message));
    let mut failed = Vec::new();
    net.run(2 * MINUTE, |net, side, output| match output {
        Output::Failed { .. } | Output::ServerFailed { .. } => failed.push((net.ms(), side)),
        Output::Request { .. } | Output::Response { .. } => {}
        other => panic!("{other:?}"),
    });
    // Sent when timer E has reached T2; repeated only because the request came again.
    let sent = net.times(CALLEE, "100 MESSAGE");
    assert_eq!(sent.first(), Some(&3_501));
    assert_eq!(failed, [(32_000, CALLER), (32_001, CALLEE)]);
    net.assert_empty();
}
