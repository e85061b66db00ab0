//! Calls that are not answered, over real sockets: busy, declined, cancelled, nobody there.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use patchbay_bench::phones::{Behaviour, CallFailure, CallSpec, Outcome, PhoneEvent, PhoneSpec};
use patchbay_sip::Transport;
use support::Stage;

fn refused_over(transport: Transport, behaviour: Behaviour, expected: u16) {
    let mut stage = Stage::new(true);
    let (caller, _, address) = stage.pair(transport, behaviour);
    let call = stage.call(caller, CallSpec::new(address, Duration::ZERO));
    let Outcome::Refused { status, .. } = stage.outcome(call) else {
        panic!("it is refused")
    };
    assert_eq!(status, expected);
    let report = stage.reports(1).remove(0);
    assert_eq!((report.sent, report.heard.received), (0, 0));
}

#[test]
fn busy() {
    refused_over(Transport::Udp, Behaviour::Busy, 486);
    refused_over(Transport::Tcp, Behaviour::Busy, 486);
}

#[test]
fn declined() {
    refused_over(Transport::Udp, Behaviour::Decline, 603);
}

#[test]
fn cancelled_while_it_rings() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut stage = Stage::new(true);
        let (caller, callee, address) = stage.pair(transport, Behaviour::NoAnswer);
        let call = stage.call(caller, CallSpec::new(address, Duration::ZERO));
        stage.until(|_, event| match event {
            PhoneEvent::Progress { status: 180, .. } => Some(()),
            _ => None,
        });
        stage.exchange.hang_up(caller, call).unwrap();
        assert_eq!(stage.outcome(call), Outcome::Cancelled);
        // The other side's end came before, because it sent the 487.
        let ended = stage.past.iter().any(|event| {
            event.phone == callee
                && matches!(
                    &event.news,
                    patchbay_bench::phones::News::Phone(PhoneEvent::Ended {
                        outcome: Outcome::Cancelled,
                        ..
                    })
                )
        });
        assert!(ended);
    }
}

#[test]
fn nobody_listens_on_the_tcp_port() {
    let mut stage = Stage::new(false);
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let spec = PhoneSpec::new("carla", "centre", free);
    let (caller, _) = stage.phone(PhoneSpec {
        transport: Transport::Tcp,
        ..spec
    });
    let call = stage.call(
        caller,
        CallSpec::new(format!("sip:anna@{free}"), Duration::ZERO),
    );
    assert_eq!(stage.outcome(call), Outcome::Failed(CallFailure::Transport));
}
