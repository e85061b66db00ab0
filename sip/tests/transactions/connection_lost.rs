use crate::net::*;
use patchbay_sip::transaction::{Failure, Output, RespondError};
use patchbay_sip::{Message, Method, Transport};
use std::time::Duration;

/// A lost connection fails both sides' transactions on it at once, and nothing is left.
#[test]
fn both_sides_learn_of_it() {
    let mut net = Net::new(Transport::Tcp);
    let client = net.send(CALLER, request(Method::Invite));
    let mut pending = None;
    net.run(Duration::from_millis(100), |_, _, output| {
        if let Output::Request {
            server, request, ..
        } = output
        {
            pending = Some((server, request));
        }
    });
    let (server, invite) = pending.unwrap();
    let now = net.now;
    for layer in &mut net.layers {
        layer.flow_failed(0, now);
        layer.flow_failed(8, now);
        assert_eq!(layer.len(), 1);
        layer.flow_failed(7, now);
    }
    let told = net.collect(Duration::from_millis(200));
    assert_eq!(
        told,
        [
            (
                CALLER,
                Output::Failed {
                    client,
                    why: Failure::Transport
                }
            ),
            (
                CALLEE,
                Output::ServerFailed {
                    server,
                    why: Failure::Transport
                }
            ),
        ]
    );
    let late = Message::response_to(&invite, 200, "");
    assert_eq!(
        net.layers[CALLEE].respond(server, late, now),
        Err(RespondError::Gone)
    );
    net.assert_empty();
}
