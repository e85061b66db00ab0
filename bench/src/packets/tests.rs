//! Short runs through a real engine.
#![allow(clippy::unwrap_used)]

pub mod little;

use super::*;
use std::net::SocketAddr;

fn short(calls: usize, packets_per_s: u64) -> PacketsArgs {
    PacketsArgs {
        calls,
        packets_per_s: Some(packets_per_s),
        duration: Duration::from_millis(300),
        ..PacketsArgs::default()
    }
}

// F6
#[test]
fn a_light_load_arrives_whole_and_is_reported() {
    let mut args = short(20, 2000);
    let path = std::env::temp_dir().join(format!("packets-{}.json", std::process::id()));
    args.json = Some(path.clone());
    let mut target = EngineTarget::start(&args).unwrap();
    let mut last = Progress::default();
    let report = run(&args, &mut target, |progress| last = progress).unwrap();
    assert!(report.sent > 0);
    assert_eq!(
        (report.delivered, report.wrong),
        (report.sent, Wrong::default()),
        "{report:?}"
    );
    assert!(report.latency_us.p50 > 0.0 && report.latency_us.p50 <= report.latency_us.max);
    assert!(report.cpu_ns_per_packet.unwrap() > 0.0);
    assert_eq!((last.calls, report.calls), (20, 20));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&json["engine"], &json["sent"]),
        (&"uring".into(), &report.sent.into())
    );
    assert!(
        report
            .table()
            .render(crate::report::Paint::plain())
            .contains("packets sent")
    );
}

/// A relay that is none: nobody listens where it tells the phones to send to.
struct Nobody;

impl Target for Nobody {
    fn name(&self) -> (String, String) {
        ("nobody".to_owned(), "none".to_owned())
    }

    fn open(&mut self, [caller, agent]: [SocketAddr; 2]) -> Result<[SocketAddr; 2], BenchError> {
        Ok([caller, agent].map(|phone| SocketAddr::new([127, 0, 0, 9].into(), phone.port())))
    }

    fn cpu(&self) -> Option<Duration> {
        None
    }

    fn losses(&self) -> Option<Losses> {
        None
    }

    fn forwarding(&self) -> Option<Histogram<u64>> {
        None
    }
}

#[test]
fn a_relay_that_passes_nothing_is_found_out() {
    let outcome = run(&short(2, 100), &mut Nobody, |_| ());
    assert!(
        matches!(outcome, Err(BenchError::NotOpen { open: 0, flows: 4 })),
        "{outcome:?}"
    );
}

#[test]
fn arguments_are_checked() {
    for args in [
        short(0, 1),
        short(MAX_CALLS + 1, 1),
        short(1, 0),
        PacketsArgs {
            payload_bytes: 19,
            ..short(1, 1)
        },
        PacketsArgs {
            payload_bytes: 1461,
            ..short(1, 1)
        },
        PacketsArgs {
            ptime: Duration::ZERO,
            ..short(1, 1)
        },
        PacketsArgs {
            duration: Duration::ZERO,
            ..short(1, 1)
        },
    ] {
        assert!(
            matches!(run(&args, &mut Nobody, |_| ()), Err(BenchError::Args(_))),
            "{args:?}"
        );
    }
}
