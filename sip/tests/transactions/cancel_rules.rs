use crate::net::*;
use patchbay_sip::transaction::{CancelResult, Failure, Output};
use patchbay_sip::{Method, Transport};
use std::time::Duration;

/// CANCEL waits for the first provisional answer (RFC 3261 section 9.1), the layer answers it with 200,
/// the INVITE is answered with 487, and everything ends.
#[test]
fn cancel_waits_for_a_provisional() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut net = Net::new(transport);
        let client = net.send(CALLER, request(Method::Invite));
        let now = net.now;
        assert_eq!(
            net.layers[CALLER].cancel(client, now),
            CancelResult::Waiting
        );
        assert_eq!(
            net.layers[CALLER].cancel(client, now),
            CancelResult::Already
        );
        let (mut statuses, mut pending, mut cancelled) = (Vec::new(), None, 0);
        net.run(2 * MINUTE, |net, side, output| match output {
            Output::Request {
                server, request, ..
            } => pending = Some((server, request)),
            Output::Cancelled { server, .. } => {
                let (key, invite) = pending.clone().unwrap();
                assert_eq!(key, server);
                cancelled += 1;
                net.respond(side, server, &invite, 487);
            }
            Output::Response { response, .. } => statuses.push(response.status().unwrap()),
            other => panic!("{other:?}"),
        });
        // The layer's own 100 after 200 ms is what lets the CANCEL go.
        assert_eq!(net.times(CALLER, "CANCEL"), [202]);
        assert_eq!(net.times(CALLEE, "200 CANCEL").len(), 1);
        assert_eq!((cancelled, statuses.as_slice()), (1, [100, 487].as_slice()));
        net.assert_empty();
    }
}

/// A 200 that crosses the CANCEL wins: the CANCEL gets its 200 and the user hears nothing of it.
#[test]
fn a_200_crossing_the_cancel_wins() {
    let mut net = Net::new(Transport::Udp);
    let client = net.send(CALLER, request(Method::Invite));
    let mut statuses = Vec::new();
    net.run(2 * MINUTE, |net, side, output| match output {
        Output::Request {
            server, request, ..
        } => {
            net.respond(side, server, &request, 180);
            net.respond(side, server, &request, 200);
        }
        Output::Response { response, .. } => {
            statuses.push(response.status().unwrap());
            let now = net.now;
            if response.status() == Some(180) {
                assert_eq!(net.layers[CALLER].cancel(client, now), CancelResult::Sent);
            } else {
                assert_eq!(
                    net.layers[CALLER].cancel(client, now),
                    CancelResult::TooLate
                );
            }
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(statuses, [180, 200]);
    assert_eq!(net.times(CALLEE, "200 CANCEL").len(), 1);
    net.assert_empty();
}

/// A peer that answers the CANCEL but never the INVITE is given up 64 T1 after the CANCEL.
#[test]
fn an_invite_that_ignores_its_cancel_is_given_up() {
    let mut net = Net::new(Transport::Udp);
    let client = net.send(CALLER, request(Method::Invite));
    let mut failed = None;
    net.run(2 * MINUTE, |net, side, output| match output {
        Output::Request {
            server, request, ..
        } => net.respond(side, server, &request, 180),
        Output::Response { .. } => {
            let now = net.now;
            net.layers[CALLER].cancel(client, now);
        }
        Output::Failed { client: key, why } => failed = Some((net.ms(), key, why)),
        Output::Cancelled { .. } => {}
        other => panic!("{other:?}"),
    });
    assert_eq!(failed, Some((32_002, client, Failure::Timeout)));
    assert!(net.layers[CALLER].is_empty());
}

/// The CANCEL goes where the INVITE went: same URI, Via, From, To, Call-ID, Route and CSeq number.
#[test]
fn the_cancel_is_built_from_the_invite() {
    let mut net = Net::new(Transport::Udp);
    let mut invite = request(Method::Invite);
    invite.headers.push("Route", "<sip:p1;lr>, <sip:p2;lr>");
    invite
        .headers
        .push_front("Via", "SIP/2.0/UDP upstream;branch=z9hG4bKup");
    let client = net.send(CALLER, invite);
    let (mut received, mut cancel_seen) = (None, None);
    net.run(Duration::from_secs(1), |net, side, output| match output {
        Output::Request {
            server, request, ..
        } => {
            received = Some(request.clone());
            net.respond(side, server, &request, 180);
        }
        Output::Response { .. } => {
            let now = net.now;
            net.layers[CALLER].cancel(client, now);
        }
        Output::Cancelled { cancel, .. } => cancel_seen = Some(cancel),
        other => panic!("{other:?}"),
    });
    let (invite, cancel) = (received.unwrap(), cancel_seen.unwrap());
    assert_eq!(cancel.uri(), invite.uri());
    for name in ["From", "To", "Call-ID", "Route"] {
        assert_eq!(cancel.headers.get(name), invite.headers.get(name), "{name}");
    }
    assert_eq!(
        cancel.top_via().unwrap().branch(),
        invite.top_via().unwrap().branch()
    );
    assert_eq!(cancel.headers.all_split("Via").count(), 1);
    assert_eq!(cancel.headers.get("CSeq"), Some("1 CANCEL"));
    assert!(cancel.body.is_empty());
}
