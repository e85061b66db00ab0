use crate::net::*;
use patchbay_sip::transaction::Output;
use patchbay_sip::{Method, Transport};

/// A failure answer is acknowledged by the layer, on every transport, and both sides end.
#[test]
fn the_layer_acknowledges_failures() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut net = Net::new(transport);
        let mut invite = request(Method::Invite);
        invite.headers.push("Route", "<sip:p1;lr>");
        net.send(CALLER, invite);
        let mut statuses = Vec::new();
        net.run(2 * MINUTE, |net, side, output| match output {
            Output::Request {
                server, request, ..
            } => net.respond(side, server, &request, 486),
            Output::Response { response, .. } => statuses.push(response.status().unwrap()),
            other => panic!("{other:?}"),
        });
        assert_eq!(statuses, [486]);
        assert_eq!(net.times(CALLEE, "486 INVITE"), [1]);
        assert_eq!(net.times(CALLER, "ACK"), [2]);
        net.assert_empty();
    }
}
