//! Which messages belong to a call, and what the tap keeps.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::session::{Ids, Joint};
use patchbay_route::trace::TraceFilter;
use patchbay_sip::Transport;

const SECOND: u64 = 1_000_000;

fn flow(remote: &str, connection: u64) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: remote.parse().unwrap(),
        connection,
    }
}

fn request(call_id: &str, from: &str, to: &str) -> Bytes {
    format!(
        "INVITE sip:{to}@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:{from}@h>;tag=1\r\n\
         To: <sip:{to}@h>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
    .into()
}

fn seen(at: u64, way: Way, flow: Flow, bytes: Bytes) -> Seen {
    Seen {
        at_unix_us: at,
        way,
        flow,
        bytes,
    }
}

/// A call: in from carla, to control, back as a transfer, out to anna; and another call amid it.
fn story() -> Vec<Seen> {
    let control = flow("10.0.0.1:5070", CONTROL_LINKS_FROM);
    let (carla, anna) = (flow("192.0.2.7:5060", 0), flow("192.0.2.8:5060", 0));
    let other = flow("192.0.2.9:5060", 0);
    vec![
        seen(1, Way::In, carla, request("c1", "carla", "support")),
        seen(2, Way::Out, control, request("c1", "carla", "support")),
        seen(3, Way::In, other, request("x1", "otto", "sales")),
        seen(4, Way::In, control, request("c1", "carla", "support")),
        seen(5, Way::Out, anna, request("a1", "carla", "anna")),
    ]
}

fn joint(call_ids: &[&str]) -> Joint {
    Joint {
        session: Ids::new([1; 32]).session(),
        contact: "00c0".into(),
        agent: "anna".into(),
        call_ids: call_ids.iter().map(|id| (*id).to_owned()).collect(),
        follows: None,
    }
}

fn times(shown: &[Shown]) -> Vec<u64> {
    shown.iter().map(|shown| shown.seen.at_unix_us).collect()
}

fn kept(filter: TraceFilter) -> Vec<u64> {
    times(&Select::new(filter).kept(story(), &[joint(&["c1", "a1"])]))
}

fn live(filter: TraceFilter) -> Vec<u64> {
    let mut select = Select::new(filter);
    let mut shown = Vec::new();
    for seen in story() {
        if seen.at_unix_us == 5 {
            shown.extend(select.joined(&joint(&["c1", "a1"])));
        }
        shown.extend(select.message(seen).unwrap());
    }
    times(&shown)
}

/// Otto's call is one into which carla's phone was sent.
#[test]
fn a_call_that_follows_from_another_is_shown_with_it_and_its_side_stays_its_own() {
    let mut further = joint(&["x1", "b1"]);
    further.follows = Some("c1".into());
    further.agent.clear();
    let mut select = Select::new(TraceFilter {
        from: Some("carla".into()),
        ..TraceFilter::default()
    });
    let shown = select.kept(story(), &[further, joint(&["c1", "a1"])]);
    assert_eq!(times(&shown), [1, 2, 3, 4, 5]);
    assert!(shown.iter().all(|shown| shown.call == "c1"));
    let agents: Vec<&str> = shown.iter().map(|shown| shown.agent.as_str()).collect();
    assert_eq!(agents, ["", "", "", "", "anna"]);
}

#[test]
fn both_sides_of_a_call_are_shown_whatever_tells_it() {
    let some = |text: &str| Some(text.to_owned());
    let session = joint(&[]).session.to_string();
    let filters = [
        TraceFilter {
            call_id: some("c1"),
            ..TraceFilter::default()
        },
        TraceFilter {
            call_id: some("a1"),
            ..TraceFilter::default()
        },
        TraceFilter {
            from: some("carla"),
            ..TraceFilter::default()
        },
        TraceFilter {
            from: some("sip:carla@H"),
            ..TraceFilter::default()
        },
        TraceFilter {
            to: some("anna"),
            ..TraceFilter::default()
        },
        TraceFilter {
            contact: some("00c0"),
            ..TraceFilter::default()
        },
        TraceFilter {
            contact: Some(session),
            ..TraceFilter::default()
        },
        TraceFilter {
            source: Some("192.0.2.8".parse().unwrap()),
            ..TraceFilter::default()
        },
        TraceFilter {
            from: some("carla"),
            to: some("support"),
            ..TraceFilter::default()
        },
    ];
    for filter in filters {
        assert_eq!(kept(filter.clone()), [1, 2, 4, 5], "{filter:?}");
        assert_eq!(live(filter.clone()), [1, 2, 4, 5], "{filter:?}");
    }
    let nobody = TraceFilter {
        from: some("otto"),
        to: some("anna"),
        ..TraceFilter::default()
    };
    assert!(kept(nobody.clone()).is_empty() && live(nobody).is_empty());
    assert_eq!(kept(TraceFilter::default()), [1, 2, 3, 4, 5]);
    assert_eq!(live(TraceFilter::default()), [1, 2, 3, 4, 5]);
}

#[test]
fn the_last_call_is_the_one_that_began_last() {
    let last = TraceFilter {
        last: true,
        ..TraceFilter::default()
    };
    assert_eq!(kept(last.clone()), [3], "control's INVITE begins no call");
    let of_carla = TraceFilter {
        from: Some("carla".into()),
        last: true,
        ..TraceFilter::default()
    };
    assert_eq!(kept(of_carla), [1, 2, 4, 5]);
    assert_eq!(live(last), [1, 2, 4, 5], "the next one that begins");
}

#[test]
fn a_method_is_shown_alone() {
    let bye = TraceFilter {
        method: Some("bye".into()),
        ..TraceFilter::default()
    };
    assert!(kept(bye).is_empty());
    let invite = TraceFilter {
        method: Some("Invite".into()),
        ..TraceFilter::default()
    };
    assert_eq!(kept(invite), [1, 2, 3, 4, 5]);
}

#[test]
fn whose_a_message_is_stands_beside_it() {
    let mut select = Select::new(TraceFilter {
        to: Some("anna".into()),
        ..TraceFilter::default()
    });
    let shown = select.kept(story(), &[joint(&["c1", "a1"])]);
    let first = shown[0].clone().told(false);
    assert_eq!(
        (first.call.as_str(), first.contact.as_str()),
        ("c1", "00c0")
    );
    assert_eq!((first.agent.as_str(), first.control), ("", false));
    assert!(shown[1].clone().told(false).control);
    let last = shown[3].clone().told(false);
    assert_eq!((last.call.as_str(), last.agent.as_str()), ("c1", "anna"));
}

#[test]
fn a_flood_of_calls_ends_a_trace_and_takes_no_more_room() {
    let caller = flow("192.0.2.7:5060", 0);
    let flood = |select: &mut Select, calls: usize| {
        (0..calls).find_map(|number| {
            let bytes = request(&format!("c{number}"), "carla", "support");
            select.message(seen(1, Way::In, caller, bytes)).err()
        })
    };
    let mut unwanted = Select::new(TraceFilter {
        from: Some("otto".into()),
        ..TraceFilter::default()
    });
    assert_eq!(
        flood(&mut unwanted, 3 * MAX_TRACED_CALLS),
        None,
        "others are forgotten"
    );
    let mut all = Select::new(TraceFilter::default());
    assert_eq!(flood(&mut all, 3 * MAX_TRACED_CALLS), Some(TooManyCalls));
}

#[test]
fn the_ring_keeps_what_it_has_room_for_and_no_longer_than_an_hour() {
    let bytes = Bytes::from(vec![b'x'; 1000]);
    let mut ring = Ring::new(100_000);
    for at in 0..1_000 {
        ring.push(seen(at, Way::In, flow("192.0.2.7:5060", 0), bytes.clone()));
        assert!(ring.used() <= 100_000);
    }
    assert!((50..100).contains(&ring.len()), "{}", ring.len());
    let kept = ring.kept(1_000);
    assert_eq!(kept.last().unwrap().at_unix_us, 999);
    assert!(kept.iter().all(|seen| seen.bytes == bytes));
    assert!(ring.kept(3_600 * SECOND + 2_000).is_empty());
    assert_eq!(ring.used(), 0);
}

#[test]
fn who_does_not_read_loses_messages_and_learns_how_many() {
    let mut tap = Tap::default();
    assert!(!tap.is_on());
    let mut live = tap.open(0, Vec::new(), true).live.unwrap();
    let from = flow("192.0.2.7:5060", 0);
    let bytes = Bytes::from_static(b"x");
    (0..MAX_UNREAD as u64 + 7).for_each(|at| tap.note(at, Way::In, from, &bytes));
    assert_eq!(tap.lost(), 7);
    assert!(matches!(live.try_recv(), Ok(Told::Message(_))));
    assert!(matches!(live.try_recv(), Ok(Told::Message(_))));
    tap.note(0, Way::In, from, &bytes);
    let told: Vec<Told> = std::iter::from_fn(|| live.try_recv().ok()).collect();
    assert!(matches!(
        told[told.len() - 2..],
        [Told::Lost(7), Told::Message(_)]
    ));
    drop(live);
    tap.note(0, Way::In, from, &bytes);
    assert!(!tap.is_on(), "who is gone costs nothing");
}
