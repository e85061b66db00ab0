use crate::net::*;
use patchbay_sip::transaction::{Failure, Output};
use patchbay_sip::{Method, Transport};

/// Timers B and F: nobody answers, the user is told after 64 T1.
#[test]
fn silence_is_a_timeout() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for method in [Method::Invite, Method::Options] {
            let mut net = Net::new(transport);
            net.filter = Some(Box::new(|_, _| true));
            let client = net.send(CALLER, request(method));
            let mut told = Vec::new();
            net.run(2 * MINUTE, |net, _, output| told.push((net.ms(), output)));
            assert_eq!(
                told,
                [(
                    32_000,
                    Output::Failed {
                        client,
                        why: Failure::Timeout
                    }
                )]
            );
            net.assert_empty();
            assert_eq!(net.layers[CALLER].counters().timeouts, 1);
        }
    }
}
