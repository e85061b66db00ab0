use crate::net::*;
use patchbay_sip::carried::IN_PROCESS;
use patchbay_sip::transaction::{Flow, Output};
use patchbay_sip::{Message, Method, Transport};

/// A way to somebody else in this process.
fn near(net: &Net, side: usize) -> Flow {
    Flow {
        connection: IN_PROCESS | 7,
        ..net.flow(side)
    }
}

/// What the layer of `side` hands over next, and that it is what its bytes say.
fn handed(net: &mut Net, side: usize) -> Message {
    let Some(Output::Send { flow, message }) = net.layers[side].poll() else {
        panic!("nothing")
    };
    assert!(flow.is_in_process());
    assert_eq!(message.wire(), None, "not as bytes");
    let read = Message::parse(message.bytes()).unwrap();
    let message = message.read().unwrap();
    assert_eq!(message, read);
    message
}

/// Inside a process a request, its answers, the CANCEL and the ACKs are handed over as they stand.
#[test]
fn who_is_in_the_process_is_handed_messages() {
    let mut net = Net::new(Transport::Tcp);
    let (there, back, now) = (near(&net, CALLER), near(&net, CALLEE), net.now);
    let invite = request(Method::Invite);
    let sent = net.layers[CALLER].send_request(invite, there, SENT_BY[CALLER], now);
    let client = sent.unwrap();
    let invite = handed(&mut net, CALLER);
    net.layers[CALLEE].receive(invite, back, now).unwrap();
    let Some(Output::Request {
        server, request, ..
    }) = net.layers[CALLEE].poll()
    else {
        panic!()
    };
    net.respond(CALLEE, server, &request, 180);
    let ringing = handed(&mut net, CALLEE);
    net.layers[CALLER].receive(ringing, there, now).unwrap();
    assert!(matches!(
        net.layers[CALLER].poll(),
        Some(Output::Response { .. })
    ));
    net.layers[CALLER].cancel(client, now);
    let cancel = handed(&mut net, CALLER);
    assert_eq!(cancel.method(), Some(&Method::Cancel));
    net.respond(CALLEE, server, &request, 200);
    assert_eq!(handed(&mut net, CALLEE).status(), Some(200));
    let mut ack = Message::request(Method::Ack, "sip:callee@192.0.2.2");
    for name in ["From", "To", "Call-ID"] {
        ack.headers.push(name, cancel.headers.get(name).unwrap());
    }
    ack.headers.push("CSeq", "1 ACK");
    net.layers[CALLER].send_ack(ack, there, SENT_BY[CALLER]);
    assert_eq!(handed(&mut net, CALLER).method(), Some(&Method::Ack));
}

/// What is carried inside a connection to somebody in this process is carried as bytes.
#[test]
fn what_is_carried_inside_is_bytes() {
    let net = Net::new(Transport::Tcp);
    assert!(!near(&net, CALLER).inside().is_in_process());
    assert!(!net.flow(CALLER).is_in_process());
    assert!(!near(&Net::new(Transport::Udp), CALLER).is_in_process());
}
