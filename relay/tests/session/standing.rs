//! Callers who wait in a call that the relay has answered, and the agents who join them. D14.
use crate::support::*;
use patchbay_relay::engine::Remote;
use patchbay_relay::net::Ending;
use patchbay_relay::player::Order;
use patchbay_route::session::{EndedBy, SessionEvent};
use patchbay_route::transfer::{Hears, SAY_TYPE, TransferTarget, WAITING_URI};
use patchbay_route::waiting::{Left, Pressed};
use patchbay_sip::{HeaderName, Message};
use std::time::Duration;

const CONTROL_SIP: &str = "10.0.0.2:5070";
/// The caller's pair: its client's and its agent's side; then those of the agent's pair. Between them was
/// the one for the video, which is closed.
const CALLERS: [u16; 2] = [20_004, 20_006];
const AGENTS: [u16; 2] = [20_012, 20_014];

fn left() -> SessionEvent {
    let contact = "c1".to_owned();
    SessionEvent::Left(Left { contact })
}

/// Beside video, which cannot be played, and with a telephone's events.
fn offered() -> String {
    sdp("192.0.2.9", 4000).replace("RTP/AVP 0", "RTP/AVP 9 8 0 101")
        + "a=rtpmap:101 telephone-event/8000\r\nm=video 4002 RTP/AVP 31\r\n"
}

/// A caller who waits in a call: its INVITE as control has it, and the answer.
fn wait_in_call(bed: &mut Bed) -> (Message, Message) {
    wait_in_place(bed, None)
}

/// The same, and control has told its place.
pub fn wait_in_place(bed: &mut Bed, place: Option<&str>) -> (Message, Message) {
    let mut invite = invite();
    invite.headers.push(HeaderName::Supported, "100rel, timer");
    invite.set_body("application/sdp", offered().into_bytes());
    bed.receive_message(udp(CALLER), &invite);
    let forwarded = bed.expect(CONTROL_SIP, "INVITE");
    if let Some(place) = place {
        let mut trying = Message::response_to(&forwarded, 100, "");
        trying.headers.push(HeaderName::PatchbayPlace, place);
        bed.receive_message(control(), &trying);
    }
    let target = TransferTarget {
        agent_uri: WAITING_URI.into(),
        contact: "c1".into(),
        offer: "waiting".into(),
        hears: Some(Hears {
            music: "soft".into(),
            language: "en".into(),
            answered: true,
        }),
        ..TransferTarget::default()
    };
    let wanted = transfer_for(&forwarded, &target, bed.now());
    bed.receive_message(control(), &wanted);
    pass_upstream(bed, "200");
    let answered = bed.expect(CALLER, "200");
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &answered, 1, CALLER));
    (forwarded, answered)
}

/// Control transfers the call to an agent who is to join.
pub fn offer_joining(bed: &mut Bed, forwarded: &Message) -> Message {
    offer_joining_as(bed, forwarded, "c1")
}

pub fn offer_joining_as(bed: &mut Bed, forwarded: &Message, contact: &str) -> Message {
    let target = TransferTarget {
        agent_uri: format!("sip:anna@{AGENT}"),
        agent_id: "anna".into(),
        contact: contact.into(),
        offer: "o1".into(),
        joins: true,
        ..TransferTarget::default()
    };
    let wanted = transfer_for(forwarded, &target, bed.now());
    bed.receive_message(control(), &wanted);
    bed.expect(AGENT, "INVITE")
}

pub fn anna_answers(bed: &mut Bed, offer: &Message) {
    let ok = with_sdp(answer(offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.expect(AGENT, "ACK");
}

/// Caller and agent in one call.
fn joined(bed: &mut Bed) -> (Message, Message, Message) {
    let (forwarded, answered) = wait_in_call(bed);
    let offer = offer_joining(bed, &forwarded);
    anna_answers(bed, &offer);
    bed.expect(CONTROL_SIP, "200");
    bed.played.clear();
    bed.events.clear();
    (forwarded, answered, offer)
}

/// Where the two pairs that are open send what comes.
fn leads(bed: &Bed) -> Vec<[String; 2]> {
    let told = bed.media.lock().unwrap();
    let open = told.open.keys().map(|pair| told.remotes[pair]);
    let places = |row: [Option<Remote>; 2]| row.map(|it| it.map(|it| it.rtp.to_string()));
    let mut places: Vec<_> = open
        .map(|row| places(row).map(Option::unwrap_or_default))
        .collect();
    // Another process opens them in another order.
    places.sort_by_key(|[client, _]| client.starts_with(RELAY));
    places
}

fn here(port: u16) -> String {
    format!("{RELAY}:{port}")
}

fn version(message: &Message) -> (u64, u64) {
    let body = std::str::from_utf8(&message.body).unwrap();
    let origin = body.lines().find(|line| line.starts_with("o=")).unwrap();
    let mut words = origin.split(' ').skip(1).map(|word| word.parse().unwrap());
    (words.next().unwrap(), words.next().unwrap())
}

/// A request of control in the caller's name, as it says announcements and goodbyes.
pub fn of_control(method: &str, answered: &Message) -> Message {
    in_dialog(method, answered, 1 << 30, CONTROL_SIP)
}

#[test]
fn the_agent_takes_the_musics_place_without_a_word_to_the_caller() {
    let mut bed = Bed::new();
    let (forwarded, answered) = wait_in_call(&mut bed);
    let body = std::str::from_utf8(&answered.body).unwrap();
    let line = format!("m=audio {} RTP/AVP 8 101\r\n", CALLERS[0]);
    assert!(body.contains(&line) && body.contains("m=video 0"), "{body}");
    assert!(matches!(&bed.played[..], [Order::Start(_)]));
    assert!(bed.events.is_empty(), "control knows by itself");

    let offer = offer_joining(&mut bed, &forwarded);
    let body = std::str::from_utf8(&offer.body).unwrap();
    let line = format!("m=audio {} RTP/AVP 8 101\r\n", AGENTS[1]);
    assert!(
        body.contains(&line),
        "only what the caller was answered: {body}"
    );
    assert!(!offer.headers.lists(HeaderName::Supported, "100rel"));
    assert!(offer.headers.lists(HeaderName::Supported, "timer"));
    let ringing = with_sdp(answer(&offer, 183, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ringing);
    let told = bed.expect(CONTROL_SIP, "183");
    assert!(told.body.is_empty());
    let music = ["192.0.2.9:4000".to_owned(), here(PLAYER_PORT)];
    assert_eq!(leads(&bed)[0], music, "what rings is not heard");

    anna_answers(&mut bed, &offer);
    let told = bed.expect(CONTROL_SIP, "200");
    assert_eq!(told.to_tag(), answered.to_tag());
    bed.expect_silence(CALLER);
    let below = ["192.0.2.9:4000".to_owned(), here(AGENTS[0])];
    let above = [here(CALLERS[1]), "203.0.113.7:6000".to_owned()];
    assert_eq!(leads(&bed), [below, above]);
    assert!(matches!(&bed.played[..], [_, Order::Stop(_)]));
    assert_eq!(bed.core.live_sessions(), 1);
    let names = bed.events.iter().map(|event| match event {
        SessionEvent::Started(of) | SessionEvent::Ringing(of) | SessionEvent::Established(of) => {
            (of.contact.as_str(), of.offer.as_str())
        }
        other => panic!("{other:?}"),
    });
    let names: Vec<_> = names.collect();
    assert_eq!(names, [("c1", "o1"); 3]);

    bed.receive_message(udp(CALLER), &in_dialog("BYE", &answered, 2, CALLER));
    bed.expect(CALLER, "200");
    let bye = bed.expect(AGENT, "BYE");
    bed.receive_message(udp(AGENT), &answer(&bye, 200, "anna"));
    assert!(bed.media.lock().unwrap().open.is_empty());
    assert!(
        matches!(bed.events.last(), Some(SessionEvent::Ended(ended)) if ended.by == EndedBy::Client)
    );
    bed.pass(Duration::from_secs(60));
    assert_eq!(bed.core.gauges().sessions, 0);
}

#[test]
fn new_media_lead_straight_to_the_agents_pair() {
    let mut bed = Bed::new();
    let (_, answered, offer) = joined(&mut bed);
    let mut hold = from_agent("INVITE", &offer, "anna", 1);
    hold = with_lines(hold, "203.0.113.7", 6000, "a=sendonly\r\n");
    bed.receive_message(udp(AGENT), &hold);
    let asked = bed.expect(CALLER, "INVITE");
    let body = std::str::from_utf8(&asked.body).unwrap();
    assert!(body.contains(&format!("m=audio {} ", AGENTS[0])), "{body}");
    let (id, before) = version(&answered);
    assert_eq!(version(&asked), (id, before + 1));
    let ok = with_sdp(answer(&asked, 200, "carla"), "192.0.2.9", 4000);
    bed.receive_message(udp(CALLER), &ok);
    bed.expect(AGENT, "200");
    assert_eq!(leads(&bed)[1], ["192.0.2.9:4000", "203.0.113.7:6000"]);
}

#[test]
fn who_waits_may_hold_and_press_keys_and_refresh() {
    let mut bed = Bed::new();
    let (forwarded, answered) = wait_in_call(&mut bed);
    let mut hold = in_dialog("INVITE", &answered, 2, CALLER);
    let held = offered().replace("m=video", "a=sendonly\r\nm=video");
    hold.set_body("application/sdp", held.into_bytes());
    bed.receive_message(udp(CALLER), &hold);
    let ok = bed.expect(CALLER, "200");
    let body = std::str::from_utf8(&ok.body).unwrap();
    assert!(body.contains("a=recvonly"), "{body}");
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &answered, 2, CALLER));
    let mut key = in_dialog("INFO", &answered, 3, CALLER);
    key.set_body("application/dtmf", b"5".to_vec());
    bed.receive_message(udp(CALLER), &key);
    bed.expect(CALLER, "200");
    let contact = "c1".to_owned();
    let pressed = SessionEvent::Pressed(Pressed { contact, key: '5' });
    assert_eq!(bed.events, [pressed]);
    bed.receive_message(udp(CALLER), &in_dialog("UPDATE", &answered, 4, CALLER));
    bed.expect(CALLER, "200");
    let mut video = in_dialog("UPDATE", &answered, 5, CALLER);
    let only = sdp("192.0.2.9", 4002).replace("audio 4002 RTP/AVP 0", "video 4002 RTP/AVP 31");
    video.set_body("application/sdp", only.into_bytes());
    bed.receive_message(udp(CALLER), &video);
    bed.expect(CALLER, "488");
    bed.receive_message(udp(CALLER), &in_dialog("REFER", &answered, 6, CALLER));
    bed.expect(CALLER, "405");
    // Nothing of it is heard twice, and the agent is offered what can be heard both ways.
    assert_eq!(bed.played.len(), 1);
    let offer = offer_joining(&mut bed, &forwarded);
    let body = std::str::from_utf8(&offer.body).unwrap();
    assert!(body.contains("a=sendrecv"), "{body}");
}

#[test]
fn a_caller_who_hangs_up_leaves_nobody_behind() {
    let mut bed = Bed::new();
    let (forwarded, answered) = wait_in_call(&mut bed);
    let offer = offer_joining(&mut bed, &forwarded);
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &answered, 2, CALLER));
    bed.expect(CALLER, "200");
    assert_eq!(bed.events.last(), Some(&left()));
    assert!(matches!(bed.played[..], [_, Order::Stop(_)]));
    // Anna answers before control has taken the call back.
    anna_answers(&mut bed, &offer);
    bed.expect(CONTROL_SIP, "481");
    assert_eq!(bed.core.live_sessions(), 0);
    assert!(bed.media.lock().unwrap().open.is_empty());
    let target = TransferTarget {
        agent_uri: format!("sip:anna@{AGENT}"),
        contact: "c1".into(),
        offer: "o2".into(),
        joins: true,
        ..TransferTarget::default()
    };
    let wanted = transfer_for(&forwarded, &target, bed.now());
    bed.receive_message(control(), &wanted);
    bed.expect(CONTROL_SIP, "481");
}

#[test]
fn only_one_of_two_agents_has_the_caller() {
    let mut bed = Bed::new();
    let (forwarded, _) = wait_in_call(&mut bed);
    let first = offer_joining(&mut bed, &forwarded);
    let target = TransferTarget {
        agent_uri: format!("sip:bert@{AGENT}"),
        agent_id: "bert".into(),
        contact: "c1".into(),
        offer: "o2".into(),
        joins: true,
        ..TransferTarget::default()
    };
    let wanted = transfer_for(&forwarded, &target, bed.now());
    bed.receive_message(control(), &wanted);
    let second = bed.expect(AGENT, "INVITE");
    anna_answers(&mut bed, &first);
    bed.expect(CONTROL_SIP, "200");
    anna_answers(&mut bed, &second);
    bed.expect(CONTROL_SIP, "481");
    assert_eq!(bed.core.live_sessions(), 1);
    assert_eq!(bed.media.lock().unwrap().open.len(), 2);
}

#[test]
fn control_says_goodbye_to_one_who_waits_and_to_one_who_does_no_more() {
    let mut bed = Bed::new();
    let (_, answered) = wait_in_call(&mut bed);
    bed.receive_message(control(), &of_control("BYE", &answered));
    bed.expect(CONTROL_SIP, "200");
    bed.expect(CALLER, "BYE");
    assert_eq!(bed.core.live_sessions(), 0);

    let mut bed = Bed::new();
    let (_, answered, _) = joined(&mut bed);
    // An announcement that comes too late is not for the agent's phone.
    let mut say = of_control("INFO", &answered);
    say.set_body(SAY_TYPE, b"{}".to_vec());
    bed.receive_message(control(), &say);
    bed.expect(CONTROL_SIP, "481");
    bed.expect_silence(AGENT);
    bed.receive_message(control(), &of_control("BYE", &answered));
    bed.expect(CONTROL_SIP, "200");
    bed.expect(CALLER, "BYE");
    bed.expect(AGENT, "BYE");
    assert_eq!(bed.core.live_sessions(), 0);
}

#[test]
fn an_agent_without_what_the_caller_hears_loses_nobody() {
    let mut bed = Bed::new();
    let (forwarded, answered) = wait_in_call(&mut bed);
    let offer = offer_joining(&mut bed, &forwarded);
    let mut ok = answer(&offer, 200, "anna");
    ok.set_body("application/sdp", b"v=0\r\nnonsense".to_vec());
    bed.receive_message(udp(AGENT), &ok);
    bed.expect(AGENT, "BYE");
    bed.expect(CONTROL_SIP, "488");
    assert_eq!(bed.core.live_sessions(), 1, "the caller waits on");
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &answered, 2, CALLER));
    assert_eq!(bed.events.last(), Some(&left()));
}

#[test]
fn a_caller_waits_for_hours_but_not_without_a_control_node_that_told_no_place() {
    let mut bed = Bed::new();
    let (_, answered) = wait_in_call(&mut bed);
    for cseq in 2..10 {
        bed.media.lock().unwrap().last_packet_age = Some(Duration::ZERO);
        bed.pass(Duration::from_secs(900));
        bed.receive_message(udp(CALLER), &in_dialog("UPDATE", &answered, cseq, CALLER));
        bed.expect(CALLER, "200");
    }
    let now = bed.now();
    bed.core.closed(CONTROL, Ending::Gone, now);
    bed.collect();
    bed.expect(CALLER, "BYE");
    assert_eq!(bed.core.live_sessions(), 0);
}

#[test]
fn a_joined_call_goes_on_in_the_next_process_and_one_that_waits_ends() {
    let mut bed = Bed::new();
    let (_, answered) = wait_in_call(&mut bed);
    let now = bed.now();
    bed.core.prepare_hand_over(now);
    bed.collect();
    bed.expect(CALLER, "BYE");
    drop(answered);

    let mut bed = Bed::new();
    let (_, answered, _) = joined(&mut bed);
    let before = leads(&bed);
    let state = bed.core.hand_over(bed.now());
    let mut next = bed.next_process();
    let now = next.now();
    next.core.restore(state, false, now);
    next.collect();
    assert_eq!(leads(&next), before);
    next.receive_message(udp(CALLER), &in_dialog("BYE", &answered, 2, CALLER));
    next.expect(AGENT, "BYE");
    assert!(next.media.lock().unwrap().open.is_empty());
}
