//! Control hands calls to the relay in each of its ways: as an INVITE of its own (B2), as the body of a
//! MESSAGE (B4) and by a tunnel (B5). The phones see no difference.

use crate::support;

use std::time::Duration;

use support::forms::{Form, setup};
use support::sipp::{Seen, received};
use support::{
    AGENT, CALL, CALLER, Capture, Centre, Declaration, Media, RELAY, RELAY6, SOON, Sipp, have,
    until,
};

in_each_form!(
    a_call_is_set_up_and_only_the_link_shows_how,
    a_busy_agent_is_passed_over_for_the_next,
    a_cancelled_call_stops_ringing,
    of_two_phones_that_pick_up_together_one_has_the_call,
    an_answer_that_the_caller_does_not_acknowledge_is_repeated,
    a_lost_connection_ends_the_ringing_and_tells_the_caller,
);

fn methods(seen: &[Seen]) -> Vec<&str> {
    let requests = received(seen).filter(|sip| sip.status().is_none());
    requests
        .filter_map(|sip| sip.start().split(' ').next())
        .collect()
}

/// All that went over the link between relay and control, as text.
fn link_text(capture: Capture) -> String {
    let seen = capture.stop();
    let streams = seen.delivered_to(RELAY);
    let texts = streams.iter().map(|stream| String::from_utf8_lossy(stream));
    texts.collect()
}

// B2 B4 B5
fn a_call_is_set_up_and_only_the_link_shows_how(form: Form) {
    if !have(&["sipp", "tcpdump"]) {
        return;
    }
    let centre = setup(form).start();
    let agent_at = centre.declare_anna();
    let capture = |port| Capture::start(&format!("tcp port {port}"));
    let link = capture(centre.control_sip.port());
    let api = capture(centre.relay_api_address.port());
    let (carla, anna) = (
        Media::open(CALLER, &centre.ports),
        Media::open(AGENT, &centre.ports),
    );
    let agent = Sipp::agent("agent.xml", agent_at, &centre)
        .media(&anna)
        .start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(2))
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    let offer = agent.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let to_carla = offer.audio().expect("an offer with audio");
    std::thread::scope(|threads| {
        threads.spawn(|| carla.talk(to_anna, 1, 25));
        threads.spawn(|| anna.talk(to_carla, 1, 25));
    });
    anna.wait_intact(carla.ssrc(), 25, SOON);
    carla.wait_intact(anna.ssrc(), 25, SOON);
    let heard = caller.succeeds(CALL);
    assert!(received(&heard).any(|sip| sip.is_answer(180, "INVITE")));
    assert!(received(&heard).any(|sip| sip.is_answer(200, "BYE")));
    assert_eq!(methods(&agent.succeeds(SOON)), ["INVITE", "ACK", "BYE"]);
    centre.wait_empty();
    centre.wait_available("anna");

    let (link, api) = (link_text(link), link_text(api));
    let agent = format!("INVITE sip:relay.invalid;agent=sip%3Aanna%40{AGENT}");
    let transfers = |text: &str| text.matches(&agent).count();
    let carried = "Content-Type: message/sip\r\n";
    let answers = link.matches("MESSAGE sip:control.invalid SIP/2.0").count();
    match form {
        "uri" => {
            assert_eq!((transfers(&link), transfers(&api)), (1, 0));
            assert!(!link.contains("message/sip"), "{link}");
        }
        "message" => {
            assert_eq!((transfers(&link), transfers(&api)), (1, 0));
            assert!(link.contains("MESSAGE sip:relay.invalid SIP/2.0"));
            assert!(link.contains(carried), "{link}");
            assert!(answers >= 2, "ringing and answer at least: {link}");
        }
        _ => {
            assert_eq!((transfers(&link), transfers(&api)), (0, 1));
            assert!(api.contains("PRI * HTTP/2.0"), "{api}");
            assert!(api.contains("SIP/2.0 180 ") && api.contains("SIP/2.0 200 "));
        }
    }
}

// B5
#[test]
fn between_hosts_with_certificates_a_tunnel_shows_nothing() {
    if !have(&["sipp", "tcpdump"]) {
        return;
    }
    let centre = setup("tunnel").secure_link().start();
    let agent_at = centre.declare_anna();
    let (link, api) = (centre.control_sip.port(), centre.relay_api_address.port());
    let capture = Capture::start(&format!("tcp port {link} or tcp port {api}"));
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    assert_eq!(methods(&agent.succeeds(SOON)), ["INVITE", "ACK", "BYE"]);
    centre.wait_available("anna");
    let text = link_text(capture);
    assert!(!text.is_empty());
    for word in ["INVITE", "SIP/2.0", "anna", "PRI * HTTP"] {
        assert!(!text.contains(word), "{word} in the clear");
    }
}

// B5
#[test]
fn each_of_two_relays_gets_its_own_callers_by_tunnels_of_its_own() {
    if !have(&["sipp", "tcpdump"]) {
        return;
    }
    let centre = setup("tunnel").media_ports(16).second().start();
    let second = centre.second.as_ref().expect("a second relay");
    let (at_anna, at_ben) = (centre.agent_address(), centre.agent_address());
    let two = Declaration::new().at("anna", at_anna).at("ben", at_ben);
    centre.apply(&two);
    let agents = [at_anna, at_ben].map(|at| Sipp::agent("agent.xml", at, &centre).start());
    let apis = [centre.relay_api_address, second.api_address];
    let captures = apis.map(|api| Capture::start(&format!("tcp port {}", api.port())));
    let callers = [centre.edge, second.edge].map(|edge| {
        let caller = Sipp::caller("caller.xml", CALLER, &centre).through(edge);
        caller.hold(Duration::from_secs(2)).start()
    });
    let ranges = [centre.media_range, second.media_range];
    for (caller, (first, last)) in callers.iter().zip(ranges) {
        let audio = caller.answered().audio().expect("an answer with audio");
        assert!((first..=last).contains(&audio.port()), "{audio}");
    }
    assert_eq!(
        (centre.relay_sessions().len(), second.sessions().len()),
        (1, 1)
    );
    for caller in callers {
        caller.succeeds(CALL);
    }
    for agent in agents {
        assert_eq!(methods(&agent.succeeds(SOON)), ["INVITE", "ACK", "BYE"]);
    }
    centre.wait_empty();
    centre.wait_available("anna");
    centre.wait_available("ben");
    assert!(second.sessions().is_empty());
    for capture in captures {
        let seen = capture.stop();
        let streams = [RELAY, RELAY6].map(|relay| seen.delivered_to(relay));
        let texts = streams.iter().flatten();
        let texts: String = texts.map(|text| String::from_utf8_lossy(text)).collect();
        assert_eq!(texts.matches("INVITE sip:relay.invalid;agent=").count(), 1);
    }
}

// B2 B4 B5
fn a_busy_agent_is_passed_over_for_the_next(form: Form) {
    if !have(&["sipp"]) {
        return;
    }
    let centre = setup(form).start();
    let (first, second) = (centre.agent_address(), centre.agent_address());
    let phone =
        |name, at, level| format!("uri = \"sip:{name}@{at}\"\nskills = {{ support = {level} }}");
    let two = Declaration::new()
        .wants("support = 1")
        .agent("anna", &phone("anna", first, 9))
        .agent("ben", &phone("ben", second, 1));
    centre.apply(&two);
    let anna = Sipp::agent("agent_refuses.xml", first, &centre)
        .word("status", "486")
        .word("reason", "Busy Here")
        .start();
    let ben = Sipp::agent("agent.xml", second, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    let heard = caller.succeeds(CALL);
    assert!(received(&heard).all(|sip| sip.status() != Some(486)));
    assert_eq!(methods(&anna.succeeds(SOON)), ["INVITE", "ACK"]);
    assert_eq!(methods(&ben.succeeds(SOON)), ["INVITE", "ACK", "BYE"]);
    centre.wait_empty();
}

// B2 B4 B5
fn a_cancelled_call_stops_ringing(form: Form) {
    if !have(&["sipp"]) {
        return;
    }
    let centre = setup(form).start();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent_does_not_answer.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller_cancels.xml", CALLER, &centre)
        .hold(Duration::from_millis(300))
        .word("before", "182")
        .word("after", "180")
        .start();
    let heard = caller.succeeds(CALL);
    assert!(received(&heard).any(|sip| sip.is_answer(487, "INVITE")));
    let seen = agent.succeeds(SOON);
    assert_eq!(
        methods(&seen).get(..2),
        Some(["INVITE", "CANCEL"].as_slice())
    );
    centre.wait_empty();
    centre.wait_available("anna");
}

// B2 B4 B5
fn of_two_phones_that_pick_up_together_one_has_the_call(form: Form) {
    if !have(&["sipp"]) {
        return;
    }
    let keys = format!("transfer = \"{form}\"\n{}", support::centre::MD5_ONLY);
    let centre = support::Setup::default().control(&keys).start();
    centre.apply(&Declaration::new().registers("anna", "secret"));
    let phones = [centre.agent_address(), centre.agent_address()];
    for phone in phones {
        let register = Sipp::register("anna", "secret", phone, &centre)
            .word("seconds", "600")
            .word("status", "200");
        register.start().succeeds(SOON);
    }
    centre.wait_available("anna");
    let agents = phones.map(|phone| Sipp::agent("agent_races.xml", phone, &centre).start());
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    let heard = caller.succeeds(CALL);
    let answers = received(&heard).filter(|sip| sip.is_answer(200, "INVITE"));
    let tags: Vec<_> = answers.filter_map(|sip| sip.tag("To")).collect();
    assert!(
        !tags.is_empty() && tags.iter().all(|tag| *tag == tags[0]),
        "{tags:?}"
    );
    for agent in agents {
        let seen = agent.succeeds(SOON);
        assert!(methods(&seen).contains(&"INVITE") && methods(&seen).contains(&"ACK"));
    }
    centre.wait_empty();
    centre.wait_available("anna");
}

// B2 B4 B5
fn an_answer_that_the_caller_does_not_acknowledge_is_repeated(form: Form) {
    let centre = setup(form).start();
    let agent_at = centre.declare_anna();
    let media = Media::open(CALLER, &centre.ports);
    let caller = support::raw::Raw::open(CALLER, &centre.ports, centre.edge);
    let phone = support::raw::Raw::at(agent_at, centre.edge);
    let invite = caller.invite("support", &support::raw::sdp(media.address(), "0", ""));
    caller.send(&invite);
    let offer = phone.expect("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let to = agent_at.to_string();
    let sdp = support::raw::sdp(media.address(), "0", "");
    phone.send(offer.answered(200, &to, &sdp));
    phone.expect("an ACK", SOON, |sip| sip.is_request("ACK"));
    let ok = |what: &str| caller.expect(what, SOON, |sip| sip.is_answer(200, "INVITE"));
    let first = ok("the answer");
    for again in ["the answer again", "and again"] {
        assert_eq!(ok(again).0, first.0, "the same each time");
    }
    caller.send(caller.in_dialog("ACK", 1, &invite, &first));
    caller.send(caller.in_dialog("BYE", 2, &invite, &first));
    caller.expect("an answer to BYE", SOON, |sip| sip.is_answer(200, "BYE"));
    let bye = phone.expect("a BYE", SOON, |sip| sip.is_request("BYE"));
    phone.send(bye.answered(200, &to, ""));
    centre.wait_empty();
}

// B2 B4 B5
fn a_lost_connection_ends_the_ringing_and_tells_the_caller(form: Form) {
    if !have(&["sipp"]) {
        return;
    }
    let mut centre: Centre = setup(form).start();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent_does_not_answer.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .word("status", "503")
        .start();
    caller.receives("180", SOON, |sip| sip.is_answer(180, "INVITE"));
    centre.control_process.kill();
    let heard = caller.succeeds(CALL);
    let refusal = received(&heard).find(|sip| sip.status() == Some(503));
    assert!(refusal.is_some_and(|sip| sip.header("Retry-After").is_some()));
    let seen = agent.succeeds(SOON);
    assert!(methods(&seen).contains(&"CANCEL"));
    until("the relay has ended the session", SOON, || {
        centre.relay_sessions().is_empty().then_some(())
    });
    centre.restart_control();
    centre.wait_available("anna");
}
