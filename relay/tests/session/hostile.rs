//! Messages of a call in progress, changed in every way: nothing that the relay sends names the other
//! side's address, nobody brings it down, and nothing is left of a call when its time is over. B6.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use patchbay_relay::readdress::sdp::{Description, OriginLine};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{HeaderName, Message};

use patchbay_route::transfer::TUNNELS;

use crate::carrying::in_envelope;
use crate::mutate::{Choices, by_bytes, mutated};
use crate::support::*;

const STRANGER: &str = "192.0.2.66:5060";
const CONTROL_AT: &str = "10.0.0.2:5070";
/// Longer than every timer of a call without packets.
const LONG: Duration = Duration::from_secs(3 * 3600);

/// What each side says in a call, so that changes of it are still near to what belongs there.
struct Words {
    caller: Vec<Vec<u8>>,
    agent: Vec<Vec<u8>>,
    control: Vec<Vec<u8>>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let wire = |message: Message| message.encode().to_vec();
    let methods = [
        "INVITE", "INFO", "BYE", "ACK", "CANCEL", "UPDATE", "REFER", "PRACK",
    ];
    let handed = transfer(&invite(), "o2", bed.now());
    let sealed = in_envelope(&handed, "TCP 10.0.0.2:5070", "sealed");
    let mut words = Words {
        caller: vec![wire(invite()), wire(sealed.clone())],
        agent: Vec::new(),
        control: vec![wire(handed), wire(sealed)],
    };
    for (number, method) in (2u32..).zip(methods) {
        let from_caller = in_dialog(method, &call.ok, number, CALLER);
        let agents = from_agent(method, &call.offer, "anna", number);
        words
            .caller
            .push(wire(with_sdp(from_caller.clone(), "192.0.2.9", 4000)));
        words
            .agent
            .push(wire(with_sdp(agents.clone(), "203.0.113.7", 6000)));
        words.caller.push(wire(from_caller));
        words.agent.push(wire(agents));
    }
    for status in [180, 200, 486] {
        let answer = answer(&call.offer, status, "anna");
        words
            .agent
            .push(wire(with_sdp(answer, "203.0.113.7", 6000)));
    }
    words
});

#[test]
fn dialogs() {
    target!("dialogs", 250, |input: &[u8]| {
        let mut bed = Bed::new();
        if input.first().is_some_and(|byte| !byte.is_multiple_of(4)) {
            establish(&mut bed);
        } else {
            offer(&mut bed);
        }
        let mut choices = by_bytes(input);
        // What was asked of a party and may be answered.
        let mut asked = Vec::new();
        let mut strange = false;
        for _ in 0..input.len() / 12 {
            // Who knows a dialog's tags may move it: then the caller is elsewhere.
            strange |= step(&mut bed, &mut choices, &asked);
            look(&mut bed, &mut asked, strange);
        }
        ends(bed);
    });
}

/// Does one thing; true where a stranger spoke.
fn step<F: FnMut() -> u8>(
    bed: &mut Bed,
    choices: &mut Choices<F>,
    asked: &[(Flow, Message)],
) -> bool {
    let (flow, words) = match choices.byte() % 8 {
        0..=2 => (udp(CALLER), &WORDS.caller),
        3..=5 => (udp(AGENT), &WORDS.agent),
        6 => (udp(STRANGER), &WORDS.caller),
        _ => (by_control(choices), &WORDS.control),
    };
    let strange = flow == udp(STRANGER);
    match choices.byte() % 8 {
        0..=3 => bytes(bed, flow, mutated(choices, words)),
        4 => {
            let word = choices.one_of(words).clone();
            bytes(bed, flow, word);
        }
        5 | 6 if !asked.is_empty() => {
            let (flow, request) = choices.one_of(asked).clone();
            let status = *choices.one_of(&[100, 180, 200, 302, 401, 491, 603]);
            let mut answer = answer(&request, status, "anna");
            if answer.headers.contains(HeaderName::Contact) {
                // Each says where it is itself.
                let contact = format!("<sip:{}>", flow.remote);
                answer.headers.set(HeaderName::Contact, contact);
            }
            let answer = answer.encode().to_vec();
            let answer = match choices.byte() % 2 {
                0 => answer,
                _ => mutated(choices, &[answer]),
            };
            bytes(bed, flow, answer);
        }
        _ => bed.pass(Duration::from_millis(
            *choices.one_of(&[1, 600, 5_000, 40_000]),
        )),
    }
    strange
}

/// Control's connection, or one of its tunnels.
fn by_control<F: FnMut() -> u8>(choices: &mut Choices<F>) -> Flow {
    match choices.byte() % 4 {
        0 => Flow {
            connection: TUNNELS.start + u64::from(choices.byte() % 2),
            ..control()
        },
        _ => control(),
    }
}

fn bytes(bed: &mut Bed, flow: Flow, bytes: Vec<u8>) {
    let now = bed.now();
    bed.core.receive(Bytes::from(bytes), flow, now);
    bed.collect();
}

/// Looks at what went out: no side learns of the other's address.
fn look(bed: &mut Bed, asked: &mut Vec<(Flow, Message)>, strange: bool) {
    for (remote, hidden) in [(CALLER, "203.0.113.7"), (AGENT, "192.0.2.9")] {
        for message in bed.sent_to(remote) {
            if !strange || remote == CALLER {
                let mut told = message.clone();
                // Of bodies descriptions are read; what is none, and is not said to be one, is the
                // parties' own.
                if !told.has_content_type("application/sdp") {
                    told.body = Bytes::new();
                }
                assert_hides(&told, &[hidden]);
            }
            if message.is_request() {
                asked.push((udp(remote), message));
            }
        }
    }
    for message in bed.sent_to(CONTROL_AT) {
        if message.is_request() {
            asked.push((control(), message));
        }
    }
    let beyond = asked.len().saturating_sub(32);
    asked.drain(..beyond);
}

/// Nobody says anything any more: the call, its ports and its transactions are given back.
fn ends(mut bed: Bed) {
    bed.pass(LONG);
    assert_eq!(bed.core.live_sessions(), 0);
    assert_eq!(bed.media.lock().unwrap().open.len(), 0, "pairs");
    assert_eq!(bed.core.gauges().transactions, 0);
}

#[test]
fn readdressed_descriptions() {
    let offers: Vec<Vec<u8>> = [
        "m=video 4002 RTP/SAVPF 96\na=rtcp-mux\na=ssrc:1 cname:a@203.0.113.77\n",
        "a=rtcp:4055 IN IP4 203.0.113.77\ni=of 203.0.113.77\na=x:203.0.113.77\nk=clear:x\n",
    ]
    .iter()
    .map(|lines| {
        let text = format!("{}{lines}", sdp("203.0.113.77", 4000).replace("\r\n", "\n"));
        text.replace('\n', "\r\n").into_bytes()
    })
    .collect();
    target!("readdressed", 4_000, |input: &[u8]| {
        readdresses(input);
        readdresses(&mutated(&mut by_bytes(input), &offers));
    });
}

fn readdresses(body: &[u8]) {
    let Ok(description) = Description::read(body) else {
        return;
    };
    let origin = OriginLine {
        id: 7,
        version: 2,
        address: "198.51.100.1".parse().unwrap(),
    };
    let locals: Vec<_> = (0u16..)
        .zip(description.lines())
        .map(|(at, _)| format!("198.51.100.1:{}", 20_000 + 2 * at).parse().ok())
        .collect();
    let hidden = ["203.0.113.77".to_owned()];
    let out = description.readdressed(origin, &locals, &hidden);
    let text = String::from_utf8_lossy(&out).into_owned();
    assert!(!text.contains("203.0.113.77"), "{text}");
    let again = Description::read(&out).unwrap_or_else(|why| panic!("{why}: {text}"));
    assert_eq!(again.lines().len(), description.lines().len(), "{text}");
}
