//! The call generator against a phone of its own: every call is counted where it belongs.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use patchbay_bench::calls::{AgentArgs, CallReport, CallsArgs, Progress, run, search};
use patchbay_bench::phones::{Behaviour, PhoneSpec};
use patchbay_sip::Transport;

fn arguments(behaviour: Behaviour, media: bool) -> CallsArgs {
    // Free a moment ago, and not given out again so soon.
    let target: SocketAddr = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let phone = PhoneSpec::new("anna", "centre", target);
    let phone = PhoneSpec {
        bind: target,
        behaviour,
        lines: 1_000,
        ..phone
    };
    CallsArgs {
        target,
        transport: Transport::Udp,
        to: vec![format!("sip:anna@{target}")],
        domain: "centre".into(),
        calls_total: 40,
        calls_per_s: 200.0,
        concurrent: 100,
        hold: Duration::from_millis(100),
        patience: Duration::from_secs(5),
        media,
        callers: 2,
        agents: vec![AgentArgs {
            phone,
            register: false,
        }],
        seed: 3,
        watch: Some(std::process::id()),
    }
}

fn generate(arguments: &CallsArgs) -> (CallReport, Progress) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut last = Progress::default();
    let report = runtime
        .block_on(run(arguments, |progress| last = progress))
        .unwrap();
    (report, last)
}

const ANSWERS: Behaviour = Behaviour::Answer {
    after: Duration::ZERO,
    talk: None,
};

#[test]
fn answered_calls_with_audio_are_clean() {
    let (report, last) = generate(&arguments(ANSWERS, true));
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(
        (report.offered, report.answered, report.setup_ms.count),
        (40, 40, 40)
    );
    assert_eq!((last.over, last.failed), (40, 0));
    let audio = report.audio.unwrap();
    assert_eq!(audio.to_agents.sent, audio.to_agents.heard.received);
    assert!(audio.to_callers.sent >= 40 && report.cpu_us_per_call.is_some());
    let json = serde_json::to_value(&report).unwrap();
    for key in [
        "calls_per_s",
        "cpu_us_per_call",
        "setup_ms",
        "bytes_per_call",
        "failed",
    ] {
        assert!(json.get(key).is_some(), "{key}");
    }
}

#[test]
fn refused_calls_are_counted_by_status() {
    let (report, _) = generate(&arguments(Behaviour::Busy, false));
    assert!(!report.is_clean());
    assert_eq!((report.answered, report.refused.get(&486)), (0, Some(&40)));
    assert!(report.audio.is_none());
}

#[test]
fn the_limit_of_calls_at_one_time_holds() {
    let (report, _) = generate(&CallsArgs {
        concurrent: 3,
        ..arguments(ANSWERS, false)
    });
    assert!(report.is_clean() && report.held_back > 0);
    assert_eq!((report.answered, report.peak), (40, 3));
}

#[test]
fn a_search_ends_where_calls_begin_to_fail() {
    // Four lines and calls of 100 ms: more than forty calls a second cannot be carried.
    let mut arguments = arguments(ANSWERS, false);
    arguments.agents[0].phone.lines = 4;
    arguments.calls_per_s = 10.0;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let found = runtime
        .block_on(search(&arguments, 0.5, |_, _| {}))
        .unwrap();
    assert!(found.runs.len() >= 3);
    let clean = found.runs.iter().filter(|run| run.1).map(|run| run.0);
    assert!(clean.fold(0.0, f64::max) < 200.0, "{:?}", found.runs);
}
