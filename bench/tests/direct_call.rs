//! Phone against phone over loopback, UDP and TCP, IPv4 and IPv6: set-up, audio both ways, hold,
//! hang-up.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use patchbay_bench::phones::{Behaviour, CallSpec, Outcome, PhoneEvent};
use patchbay_sip::Transport;
use support::{Stage, assert_exact};

const TALK: Duration = Duration::from_millis(400);
const ANSWERS: Behaviour = Behaviour::Answer {
    after: Duration::ZERO,
    talk: None,
};

fn call_over(bind: &str, transport: Transport) {
    let mut stage = Stage::new(true);
    let (caller, _, address) = stage.pair_on(bind, transport, ANSWERS);
    let calls: Vec<_> = (0..4)
        .map(|_| stage.call(caller, CallSpec::new(address.clone(), TALK)))
        .collect();
    for call in calls {
        let over = |event: &PhoneEvent| match event {
            PhoneEvent::Ended {
                call: ended,
                outcome,
            } if *ended == call => Some(outcome.clone()),
            _ => None,
        };
        let past = stage.past.iter().find_map(|event| match &event.news {
            patchbay_bench::phones::News::Phone(event) => over(event),
            patchbay_bench::phones::News::Audio(..) => None,
        });
        let outcome = past.unwrap_or_else(|| stage.until(|_, event| over(event)));
        assert_eq!(outcome, Outcome::Completed { by_us: true });
    }
    let reports = stage.reports(8);
    assert_exact(&reports);
    assert!(
        reports.iter().all(|report| report.reports_heard > 0),
        "RTCP arrives too"
    );
    let totals = stage.exchange.audio().unwrap();
    assert_eq!(totals.sent_by_callers, totals.heard_by_agents.received);
    assert_eq!(
        totals.latency_to_agents.len(),
        totals.heard_by_agents.received
    );
}

#[test]
fn udp() {
    call_over("127.0.0.1:0", Transport::Udp);
}

#[test]
fn tcp() {
    call_over("127.0.0.1:0", Transport::Tcp);
}

#[test]
fn udp_and_ipv6() {
    call_over("[::1]:0", Transport::Udp);
}

#[test]
fn tcp_and_ipv6() {
    call_over("[::1]:0", Transport::Tcp);
}

#[test]
fn hold_keeps_the_comparison_exact() {
    let mut stage = Stage::new(true);
    let (caller, _, address) = stage.pair(Transport::Udp, ANSWERS);
    let hold_after = Some(Duration::from_millis(200));
    let spec = CallSpec {
        hold_after,
        ..CallSpec::new(address, Duration::from_millis(800))
    };
    let call = stage.call(caller, spec);
    assert_eq!(stage.outcome(call), Outcome::Completed { by_us: true });
    let reports = stage.reports(2);
    assert_exact(&reports);
    let (of_caller, of_callee): (Vec<_>, Vec<_>) =
        reports.iter().partition(|report| report.leg == call.leg());
    assert!(
        of_callee[0].sent < of_caller[0].sent,
        "the held side is silent for a while"
    );
}
