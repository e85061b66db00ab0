//! Established calls go on in the next process of a relay. B1, B6.
use crate::support::*;

use patchbay_relay::engine::Side;
use patchbay_relay::session::{HandOver, TakenOver};
use patchbay_route::session::{EndCause, Ended, EndedBy, SessionEvent, SessionState};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{HeaderName, Message};
use std::time::Duration;

/// What the process writes, as the next one reads it.
fn written(bed: &Bed) -> HandOver {
    let state = bed.core.hand_over(bed.now());
    let json = serde_json::to_string(&state).unwrap();
    serde_json::from_str(&json).unwrap()
}

/// The next process, which takes over what `bed` leaves.
fn restarted(bed: &mut Bed) -> Bed {
    bed.core.prepare_hand_over(bed.now());
    let left = written(bed);
    let mut next = bed.next_process();
    let calls = left.sessions.len();
    let taken = next.core.restore(left, false, next.now());
    assert_eq!(
        taken,
        TakenOver {
            taken: calls,
            lost: 0
        }
    );
    next.collect();
    next
}

fn ends(bed: &Bed) -> Vec<Ended> {
    let ended = |event: &SessionEvent| match event {
        SessionEvent::Ended(ended) => Some(ended.clone()),
        _ => None,
    };
    bed.events.iter().filter_map(ended).collect()
}

fn origin(message: &Message) -> (u64, u64) {
    let body = String::from_utf8_lossy(&message.body).into_owned();
    let line = body.lines().find(|line| line.starts_with("o=")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    (words[1].parse().unwrap(), words[2].parse().unwrap())
}

/// The caller's answer to a request of the relay.
fn caller_answers(request: &Message) -> Message {
    let mut ok = answer(request, 200, "alice");
    let contact = format!("<sip:alice@{CALLER}>");
    ok.headers.set(HeaderName::Contact, contact);
    ok
}

fn cseq(message: &Message) -> u32 {
    message.cseq().unwrap().number
}

#[test]
fn nobody_is_told_and_the_call_is_the_same() {
    let mut bed = Bed::new();
    establish(&mut bed);
    bed.pass(Duration::from_secs(5));
    let before = bed.core.session_views();
    let mut next = restarted(&mut bed);
    bed.collect();
    for bed in [&mut bed, &mut next] {
        bed.expect_silence(CALLER);
        bed.expect_silence(AGENT);
    }
    let after = next.core.session_views();
    assert_eq!(after.len(), 1);
    assert_eq!(
        (&after[0].id, &after[0].offer, after[0].answered_unix_ms),
        (&before[0].id, &before[0].offer, before[0].answered_unix_ms)
    );
    assert_eq!(after[0].state, SessionState::Established);
    assert_eq!(after[0].client_uri, before[0].client_uri);
    let legs = |view: &patchbay_route::session::SessionView| {
        let pair = &view.pairs[0];
        [
            pair.client.local,
            pair.client.remote,
            pair.agent.local,
            pair.agent.remote,
        ]
    };
    assert_eq!(legs(&after[0]), legs(&before[0]));
    assert!(next.events.is_empty(), "{:?}", next.events);
    let gauges = next.core.gauges();
    assert_eq!(gauges.counters.taken_over, 1);
}

#[test]
fn either_side_hangs_up_in_the_next_process() {
    for agent in [false, true] {
        let mut bed = Bed::new();
        let call = establish(&mut bed);
        bed.pass(Duration::from_secs(3));
        let mut next = restarted(&mut bed);
        next.pass(Duration::from_secs(4));
        let (from, to, bye, by) = match agent {
            true => {
                let bye = from_agent("BYE", &call.offer, "anna", 1);
                (AGENT, CALLER, bye, EndedBy::Agent)
            }
            false => (
                CALLER,
                AGENT,
                in_dialog("BYE", &call.ok, 2, CALLER),
                EndedBy::Client,
            ),
        };
        next.receive_message(udp(from), &bye);
        next.expect(from, "200");
        let bye = next.expect(to, "BYE");
        let known = if agent { &call.ok } else { &call.offer };
        assert_eq!(bye.call_id().unwrap(), known.call_id().unwrap());
        let ended = ends(&next);
        assert_eq!(ended.len(), 1);
        assert_eq!((ended[0].by, ended[0].cause), (by, EndCause::Bye));
        assert_eq!(ended[0].talk_ms, 7_000);
        next.receive_message(udp(to), &Message::response_to(&bye, 200, "OK"));
        next.pass(Duration::from_secs(41));
        assert!(next.core.session_views().is_empty());
        assert!(next.media.lock().unwrap().open.is_empty());
    }
}

#[test]
fn hold_goes_on_where_the_dialogs_were() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    // A re-INVITE before, so that numbers and versions have risen.
    let hold = |cseq| {
        let invite = from_agent("INVITE", &call.offer, "anna", cseq);
        with_lines(invite, "203.0.113.7", 6000, "a=sendonly\r\n")
    };
    bed.receive_message(udp(AGENT), &hold(1));
    let first = bed.expect(CALLER, "INVITE");
    let ok = with_lines(caller_answers(&first), "192.0.2.9", 4000, "a=recvonly\r\n");
    bed.receive_message(udp(CALLER), &ok);
    let ok = bed.expect(AGENT, "200");
    let ack = from_agent("ACK", &call.offer, "anna", 1);
    bed.receive_message(udp(AGENT), &ack);
    assert!(bed.core.is_at_rest());

    let mut next = restarted(&mut bed);
    // Held, and so it may be silent for longer.
    next.pass(Duration::from_secs(400));
    assert!(ends(&next).is_empty());
    let back = with_sdp(
        from_agent("INVITE", &call.offer, "anna", 2),
        "203.0.113.7",
        6000,
    );
    next.receive_message(udp(AGENT), &back);
    let second = next.expect(CALLER, "INVITE");
    assert_eq!(cseq(&second), cseq(&first) + 1);
    let (before, after) = (origin(&first), origin(&second));
    assert_eq!(
        after,
        (before.0, before.1 + 1),
        "one session, a new version"
    );
    for name in [HeaderName::From, HeaderName::To, HeaderName::Contact] {
        let of = |message: &Message| message.headers.get(name.clone()).map(str::to_owned);
        assert_eq!(of(&second), of(&first));
    }
    assert_hides(&second, &["203.0.113."]);
    let answered = with_sdp(caller_answers(&second), "192.0.2.9", 4010);
    next.receive_message(udp(CALLER), &answered);
    next.expect(CALLER, "ACK");
    let answered = next.expect(AGENT, "200");
    assert_eq!(origin(&answered).0, origin(&ok).0);
    assert_hides(&answered, &["192.0.2."]);
    let row = *next.media.lock().unwrap().open.values().next().unwrap();
    assert_eq!(row[Side::Client.index()], "192.0.2.9:4010".parse().ok());
    // An older request is as little taken as before.
    let old = from_agent("INFO", &call.offer, "anna", 1);
    next.receive_message(udp(AGENT), &old);
    next.expect(AGENT, "500");
}

#[test]
fn silence_is_counted_from_the_last_packet_of_the_process_before() {
    let mut bed = Bed::new();
    establish(&mut bed);
    bed.media.lock().unwrap().last_packet_age = Some(Duration::from_secs(200));
    let left = written(&bed);
    let mut next = bed.next_process();
    next.pass(Duration::from_secs(20));
    next.core.restore(left, false, next.now());
    let age = next.media.lock().unwrap().last_packet_age;
    assert_eq!(age, Some(Duration::from_secs(220)));
    next.media.lock().unwrap().last_packet_age = Some(Duration::from_secs(310));
    next.pass(Duration::from_secs(16));
    assert_eq!(ends(&next)[0].cause, EndCause::MediaTimeout);
}

#[test]
fn a_call_without_its_ports_is_ended_on_both_sides() {
    let mut bed = Bed::new();
    establish(&mut bed);
    bed.pass(Duration::from_secs(9));
    let left = written(&bed);
    let mut next = bed.next_process();
    next.media.lock().unwrap().ports_taken = true;
    let done = next.core.restore(left, false, next.now());
    assert_eq!(done, TakenOver { taken: 0, lost: 1 });
    next.collect();
    for party in [CALLER, AGENT] {
        let bye = next.expect(party, "BYE");
        let reason = bye.headers.get(HeaderName::Reason).unwrap();
        assert!(reason.contains("cause=503"), "{reason}");
    }
    let ended = ends(&next);
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (
            ended[0].by,
            ended[0].cause,
            ended[0].answered,
            ended[0].talk_ms
        ),
        (EndedBy::Relay, EndCause::NotTakenOver, true, 9_000)
    );
    assert_eq!(ended[0].pairs[0].client.packets, 77, "its last counters");
    assert!(next.core.session_views().is_empty());
    assert_eq!(next.core.gauges().counters.not_taken_over, 1);
}

#[test]
fn a_call_that_was_left_too_long_ago_is_reported_and_its_phones_let_be() {
    let mut bed = Bed::new();
    establish(&mut bed);
    let left = written(&bed);
    let mut next = bed.next_process();
    let done = next.core.restore(left, true, next.now());
    assert_eq!(done, TakenOver { taken: 0, lost: 1 });
    next.collect();
    next.expect_silence(CALLER);
    next.expect_silence(AGENT);
    assert_eq!(ends(&next)[0].cause, EndCause::NotTakenOver);
    assert!(next.media.lock().unwrap().open.is_empty());
}

#[test]
fn a_call_that_rings_is_ended_and_not_handed_over() {
    let mut bed = Bed::new();
    offer(&mut bed);
    assert!(bed.core.prepare_hand_over(bed.now()));
    bed.collect();
    bed.expect(CALLER, "503");
    assert!(!bed.core.is_at_rest(), "the phone that rang is being told");
    assert!(written(&bed).sessions.is_empty());
    assert_eq!(ends(&bed)[0].cause, EndCause::Shutdown);
}

#[test]
fn a_transfer_is_taken_once_even_by_the_next_process() {
    let mut bed = Bed::new();
    bed.receive_message(udp(CALLER), &invite());
    let forwarded = bed.expect("10.0.0.2:5070", "INVITE");
    let transfer = transfer(&forwarded, "o1", bed.now());
    bed.receive_message(control(), &transfer);
    let offer = bed.expect(AGENT, "INVITE");
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    let mut next = restarted(&mut bed);
    next.receive_message(control(), &transfer);
    next.expect("10.0.0.2:5070", "403");
}

#[test]
fn a_reinvite_that_was_cut_off_is_taken_when_it_is_repeated() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let again = with_sdp(in_dialog("INVITE", &call.ok, 2, CALLER), "192.0.2.50", 4444);
    bed.receive_message(udp(CALLER), &again);
    let first = bed.expect(AGENT, "INVITE");
    assert!(!bed.core.is_at_rest());
    let mut next = restarted(&mut bed);
    next.receive_message(udp(CALLER), &again);
    let second = next.expect(AGENT, "INVITE");
    assert_eq!(cseq(&second), cseq(&first) + 1);
    let ok = with_sdp(answer(&second, 200, "anna"), "203.0.113.7", 6000);
    next.receive_message(udp(AGENT), &ok);
    next.expect(AGENT, "ACK");
    next.expect(CALLER, "200");
}

#[test]
fn an_answer_that_had_no_ack_yet_leaves_a_call_that_stands() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(&mut bed, "200");
    let ok = bed.expect(CALLER, "200");
    assert!(!bed.core.is_at_rest());
    let mut next = restarted(&mut bed);
    next.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    // Nobody waits for that ACK any more, and nobody misses it.
    next.pass(Duration::from_secs(60));
    assert!(ends(&next).is_empty());
    next.receive_message(udp(CALLER), &in_dialog("BYE", &ok, 2, CALLER));
    next.expect(AGENT, "BYE");
}

/// A call whose caller is on a TCP connection and names `contact`, and the flow of the connection.
fn established_by_tcp(bed: &mut Bed, contact: &str) -> (Call, Flow) {
    let flow = connect(bed);
    let mut first = invite();
    first.headers.set(
        HeaderName::Contact,
        format!("<sip:alice@{contact};transport=tcp>"),
    );
    let via = first.headers.get(HeaderName::Via).unwrap().to_string();
    first
        .headers
        .set(HeaderName::Via, via.replace("/UDP", "/TCP"));
    bed.receive_message(flow, &first);
    let forwarded = bed.expect("10.0.0.2:5070", "INVITE");
    let transfer = transfer(&forwarded, "o1", bed.now());
    bed.receive_message(control(), &transfer);
    let offer = bed.expect(AGENT, "INVITE");
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(bed, "200");
    let ok = bed.expect(&flow.remote.to_string(), "200");
    bed.receive_message(flow, &in_dialog("ACK", &ok, 1, CALLER));
    bed.expect(AGENT, "ACK");
    (Call { offer, ok }, flow)
}

/// The caller connects to the relay, from a port of its own.
fn connect(bed: &mut Bed) -> Flow {
    let local = format!("{RELAY}:5060").parse().unwrap();
    let remote = "192.0.2.9:33333".parse().unwrap();
    bed.core
        .accepted(patchbay_sip::Transport::Tcp, local, remote, None)
        .unwrap()
}

#[test]
fn a_phone_on_tcp_is_connected_to_where_it_says_it_is() {
    let mut bed = Bed::new();
    let (call, _) = established_by_tcp(&mut bed, "192.0.2.9:5070");
    let mut next = restarted(&mut bed);
    next.receive_message(udp(AGENT), &from_agent("BYE", &call.offer, "anna", 1));
    next.expect(AGENT, "200");
    next.expect("192.0.2.9:5070", "BYE");
}

#[test]
fn a_phone_on_tcp_behind_nat_is_reached_once_it_has_come_back() {
    for comes_back in [false, true] {
        let mut bed = Bed::new();
        let (call, before) = established_by_tcp(&mut bed, "10.9.9.9:5070");
        let mut next = restarted(&mut bed);
        let back = connect(&mut next);
        assert_eq!(back.remote, before.remote);
        if comes_back {
            let again = with_sdp(in_dialog("INVITE", &call.ok, 2, CALLER), "10.9.9.9", 4000);
            next.receive_message(back, &again);
            let offered = next.expect(AGENT, "INVITE");
            let ok = with_sdp(answer(&offered, 200, "anna"), "203.0.113.7", 6000);
            next.receive_message(udp(AGENT), &ok);
            next.expect("192.0.2.9:33333", "200");
            next.receive_message(back, &in_dialog("ACK", &call.ok, 2, CALLER));
        }
        next.receive_message(udp(AGENT), &from_agent("BYE", &call.offer, "anna", 1));
        next.expect(AGENT, "200");
        next.expect_silence("10.9.9.9:5070");
        match comes_back {
            true => drop(next.expect("192.0.2.9:33333", "BYE")),
            false => next.expect_silence("192.0.2.9:33333"),
        }
        assert_eq!(ends(&next)[0].cause, EndCause::Bye);
    }
}

#[test]
fn an_ack_that_is_owed_is_sent_by_the_next_process() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    // The offer will be in the 200, and the answer in the caller's ACK, which has not come.
    bed.receive_message(udp(CALLER), &in_dialog("INVITE", &call.ok, 2, CALLER));
    let asked = bed.expect(AGENT, "INVITE");
    let ok = with_sdp(answer(&asked, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.expect_silence(AGENT);
    let mut next = restarted(&mut bed);
    let ack = next.expect(AGENT, "ACK");
    assert_eq!(cseq(&ack), cseq(&asked));
    assert!(ends(&next).is_empty());
}

#[test]
fn a_party_that_cannot_be_read_costs_its_own_call_alone() {
    let mut bed = Bed::new();
    establish(&mut bed);
    let mut left = written(&bed);
    let mut broken = left.sessions[0].clone();
    broken.of.session = "00000000000000aa".into();
    broken.caller.dialog.local_uri = "\u{0}<".into();
    left.sessions.insert(0, broken);
    let mut next = bed.next_process();
    let done = next.core.restore(left, false, next.now());
    assert_eq!(done, TakenOver { taken: 1, lost: 1 });
    next.collect();
    assert_eq!(ends(&next)[0].of.session, "00000000000000aa");
    assert_eq!(next.core.session_views().len(), 1);
}
