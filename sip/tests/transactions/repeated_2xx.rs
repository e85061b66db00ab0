use crate::net::*;
use patchbay_sip::dialog::{Retransmit, RetransmitStep};
use patchbay_sip::transaction::{Config, DropReason, Output, RespondError};
use patchbay_sip::{Message, Method, Transport};
use std::time::Duration;

/// RFC 6026: in Accepted the callee's user repeats its 2xx, the caller's user hears each, ACKs pass up,
/// and a repeated INVITE is absorbed.
#[test]
fn the_2xx_is_repeated_end_to_end() {
    let mut net = Net::new(Transport::Udp);
    net.send(CALLER, request(Method::Invite));
    let (mut server_key, mut invite, mut heard, mut acks) = (None, None, 0, 0);
    let mut retransmit = None;
    for step in 1..=8u64 {
        net.run(
            Duration::from_millis(500 * step),
            |net, side, output| match output {
                Output::Request {
                    server, request, ..
                } => {
                    net.respond(side, server, &request, 200);
                    retransmit = Some(Retransmit::new(&Config::default(), net.now));
                    (server_key, invite) = (Some(server), Some(request));
                }
                Output::Response { .. } => heard += 1,
                Output::Ack { .. } => acks += 1,
                other => panic!("{other:?}"),
            },
        );
        let now = net.now;
        let timer = retransmit.as_mut().unwrap();
        if timer.wake(now) == RetransmitStep::Resend {
            net.respond(CALLEE, server_key.unwrap(), invite.as_ref().unwrap(), 200);
        }
        let again = invite.clone().unwrap();
        let flow = net.flow(CALLEE);
        net.layers[CALLEE].receive(again, flow, now).unwrap();
    }
    let late = Message::response_to(invite.as_ref().unwrap(), 486, "");
    let now = net.now;
    let refused = net.layers[CALLEE].respond(server_key.unwrap(), late, now);
    assert_eq!(refused, Err(RespondError::AlreadyFinal));
    let response = Message::response_to(invite.as_ref().unwrap(), 200, "");
    let flow = net.flow(CALLER);
    net.layers[CALLER].send_ack(ack(&response), flow, SENT_BY[CALLER]);
    net.run(2 * MINUTE, |_, _, output| match output {
        Output::Response { .. } => heard += 1,
        Output::Ack { .. } => acks += 1,
        other => panic!("{other:?}"),
    });
    assert_eq!(net.times(CALLEE, "200 INVITE"), [1, 1000, 2000, 4000]);
    assert_eq!((heard, acks), (4, 1));
    net.assert_empty();
}

/// Timer M over: a 2xx that comes later matches nothing and is counted.
#[test]
fn a_late_2xx_is_counted() {
    let mut net = Net::new(Transport::Udp);
    net.send(CALLER, request(Method::Invite));
    let mut last = None;
    net.run(2 * MINUTE, |net, side, output| match output {
        Output::Request {
            server, request, ..
        } => net.respond(side, server, &request, 200),
        Output::Response { response, .. } => last = Some(response),
        other => panic!("{other:?}"),
    });
    let (flow, now) = (net.flow(CALLER), net.now);
    let dropped = net.layers[CALLER].receive(last.unwrap(), flow, now);
    assert_eq!(dropped, Err(DropReason::UnmatchedResponse));
    net.assert_empty();
}
