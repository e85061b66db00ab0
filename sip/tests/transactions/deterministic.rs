use crate::net::*;
use patchbay_sip::transaction::{Config, Output};
use patchbay_sip::{Method, Transport};

fn run(seed: u64) -> Vec<(u64, usize, String)> {
    let mut net = Net::with(Transport::Udp, Config::default(), seed);
    net.faults = Faults {
        loss_percent: 20,
        duplicate_percent: 20,
        jitter_ms: 50,
    };
    for call in 0..20 {
        net.send(CALLER, numbered(Method::Invite, call));
    }
    net.run(2 * MINUTE, |net, side, output| {
        if let Output::Request {
            server, request, ..
        } = output
        {
            net.respond(side, server, &request, 486);
        }
    });
    net.log
}

/// The same seed gives the same packets at the same times.
#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
