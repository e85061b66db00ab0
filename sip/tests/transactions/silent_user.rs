use crate::net::*;
use patchbay_sip::transaction::{Config, Failure, Output};
use patchbay_sip::{Method, Transport};
use std::time::Duration;

/// An INVITE that its user leaves alone gets 100 after 200 ms, and a user who answers at once has none
/// sent.
#[test]
fn trying_is_sent_after_200_ms() {
    let mut net = Net::new(Transport::Udp);
    net.send(CALLER, request(Method::Invite));
    net.collect(Duration::from_secs(2));
    assert_eq!(net.times(CALLEE, "100 INVITE"), [201]);

    let mut net = Net::new(Transport::Udp);
    net.send(CALLER, request(Method::Invite));
    net.run(Duration::from_secs(2), |net, side, output| {
        if let Output::Request {
            server, request, ..
        } = output
        {
            net.respond(side, server, &request, 182);
        }
    });
    assert!(net.times(CALLEE, "100 INVITE").is_empty());
}

/// Proceeding has a way out on both sides: the caller's layer cancels and gives up, the callee's
/// answers 408.
#[test]
fn proceeding_ends_some_day() {
    let limit = Duration::from_secs(100);
    let mut net = Net::with(
        Transport::Udp,
        Config {
            proceeding_limit: limit,
            ..Config::default()
        },
        1,
    );
    net.send(CALLER, request(Method::Invite));
    net.filter = Some(Box::new(|_, message| message.status() == Some(408)));
    let mut failed = Vec::new();
    net.run(10 * MINUTE, |net, side, output| match output {
        Output::Failed {
            why: Failure::Timeout,
            ..
        }
        | Output::ServerFailed {
            why: Failure::Timeout,
            ..
        } => failed.push((net.ms(), side)),
        _ => {}
    });
    assert_eq!(failed, [(100_001, CALLEE), (100_202, CALLER)]);
    assert_eq!(net.times(CALLEE, "408 INVITE"), [100_001]);
    assert_eq!(net.times(CALLER, "CANCEL").first(), Some(&100_202));
    net.assert_empty();
}
