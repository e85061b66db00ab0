//! A relay is restarted in the middle of a call and hands the call over to its next process.

use crate::support;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;
use support::baresip::Baresip;
use support::message::Sip;
use support::sipp::Phone;
use support::{AGENT, CALL, CALLER, Centre, Declaration, Media, SOON, Setup, Sipp, have, until};

/// What is written by the process that leaves.
const STATE: &str = "data/hand-over.json";

/// A call with counted audio on both sides, on a relay and a control of their own.
struct Call {
    centre: Centre,
    carla: Media,
    anna: Media,
    agent: Phone,
    caller: Phone,
    to_anna: SocketAddr,
    to_carla: SocketAddr,
    said: u16,
}

impl Call {
    /// Both phones by their scenarios and the lengths of their pauses.
    fn begin(
        setup: Setup,
        agent: (&'static str, Duration),
        caller: (&'static str, Duration),
    ) -> Call {
        let centre = setup.start();
        let carla = Media::open(CALLER, &centre.ports);
        let anna = Media::open(AGENT, &centre.ports);
        let agent_at = centre.declare_anna();
        let (scenario, pause) = agent;
        let agent = Sipp::agent(scenario, agent_at, &centre)
            .media(&anna)
            .hold(pause)
            .start();
        let (scenario, pause) = caller;
        let caller = Sipp::caller(scenario, CALLER, &centre)
            .media(&carla)
            .hold(pause)
            .start();
        let to_anna = caller.answered().audio().expect("an answer with audio");
        let offer = agent.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
        let to_carla = offer.audio().expect("an offer with audio");
        centre.wait_in_call("anna");
        Call {
            centre,
            carla,
            anna,
            agent,
            caller,
            to_anna,
            to_carla,
            said: 0,
        }
    }

    /// Both talk; all of it arrives.
    fn talk(&mut self) {
        const COUNT: u16 = 25;
        let first = self.said + 1;
        std::thread::scope(|threads| {
            threads.spawn(|| self.carla.talk(self.to_anna, first, COUNT));
            threads.spawn(|| self.anna.talk(self.to_carla, first, COUNT));
        });
        self.said += COUNT;
        let so_far = usize::from(self.said);
        self.anna.wait_intact(self.carla.ssrc(), so_far, SOON);
        self.carla.wait_intact(self.anna.ssrc(), so_far, SOON);
    }

    /// Messages that both phones have received so far.
    fn received(&self) -> usize {
        let of = |phone: &Phone| support::sipp::received(&phone.messages()).count();
        of(&self.agent) + of(&self.caller)
    }

    fn session(&self) -> Value {
        let sessions = self.centre.relay_sessions();
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        sessions[0].clone()
    }

    /// The lines of the journal.
    fn journal(&self) -> Vec<Value> {
        let file = self.centre.folder.file("data/sessions.jsonl");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("lines of JSON")
    }
}

/// The `number`-th INVITE that the phone received.
fn invite(phone: &Phone, number: u32) -> Sip {
    let cseq = |sip: &Sip| sip.header("CSeq").map(str::to_owned);
    until(&format!("INVITE number {number}"), CALL, || {
        let seen = phone.messages();
        let mut all: Vec<Sip> = support::sipp::received(&seen)
            .filter(|sip| sip.is_request("INVITE"))
            .cloned()
            .collect();
        all.dedup_by_key(|sip| cseq(sip));
        all.get(number as usize - 1).cloned()
    })
}

/// What is left of a session when what changes while media flow is taken away.
fn fixed(session: &Value) -> Value {
    let mut fixed = session.clone();
    for pair in fixed["pairs"].as_array_mut().expect("pairs") {
        for leg in ["client", "agent"] {
            let leg = pair[leg].as_object_mut().expect("a leg");
            leg.retain(|key, _| ["local", "remote"].contains(&key.as_str()));
        }
    }
    fixed
}

fn packets(session: &Value) -> u64 {
    let pair = &session["pairs"][0];
    let of = |leg: &str| pair[leg]["packets"].as_u64().expect("a number");
    of("client") + of("agent")
}

// B1 F4 G1
#[test]
fn a_call_goes_on_when_its_relay_is_restarted() {
    if !have(&["sipp"]) {
        return;
    }
    let setup = Setup::default().apart().hand_over();
    let pause = Duration::from_secs(8);
    let mut call = Call::begin(
        setup,
        ("agent_holds.xml", pause),
        ("caller_held.xml", Duration::ZERO),
    );
    call.talk();
    let (before, received) = (call.session(), call.received());
    let contact = call.centre.contacts()[0]["id"].clone();

    call.centre.stop_relay();
    let state = call.centre.folder.file(STATE);
    let mode = std::fs::metadata(&state).expect("the state").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600, "it holds people's addresses");
    call.centre.start_relay();
    assert!(!state.exists(), "a call is taken over once");
    let log = call.centre.relay_process.as_ref().expect("a relay").log();
    assert!(log.contains("took over 1 of 1 calls"), "{log}");

    let after = call.session();
    assert_eq!(fixed(&after), fixed(&before));
    assert!(packets(&after) >= packets(&before), "{before} {after}");
    call.talk();
    assert_eq!(packets(&call.session()), packets(&before) + 50);
    assert_eq!(call.received(), received, "the phones were told nothing");
    call.centre.wait_in_call("anna");
    assert_eq!(call.centre.contacts()[0]["id"], contact);

    // Anna holds, takes back, and hangs up.
    let hold = invite(&call.caller, 1);
    assert!(hold.body().contains("a=sendonly"), "{}", hold.0);
    assert_eq!(hold.audio(), Some(call.to_anna), "the leg stays");
    let back = invite(&call.caller, 2);
    assert!(!back.body().contains("a=sendonly"), "{}", back.0);
    call.agent
        .receives("the answer to taking it back", CALL, |sip| {
            sip.is_answer(200, "INVITE") && sip.header("CSeq") == Some("3 INVITE")
        });
    call.talk();
    ends(call, &contact, "agent");
}

/// Both phones end as their scenarios say, and what is written of the call is right.
fn ends(call: Call, contact: &Value, by: &str) {
    let lines = until("the journal has a line", CALL, || {
        let lines = call.journal();
        (!lines.is_empty()).then_some(lines)
    });
    call.centre.wait_empty();
    call.centre.wait_available("anna");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&lines[0]["by"], &lines[0]["cause"]),
        (&by.into(), &"bye".into())
    );
    let past = &until("control has written down the end", SOON, || {
        let past = call.centre.api.get("/api/v1/contacts?state=past");
        past["past"].get(0).cloned()
    });
    assert_eq!(&past["id"], contact, "{past}");
    assert_eq!(past["outcome"], "served", "{past}");
    assert_eq!(past["end_cause"], "bye", "{past}");
    let (talked, spoke) = (&past["talk_ms"], &lines[0]["talk_ms"]);
    let ms = |value: &Value| value.as_i64().expect("milliseconds");
    assert!((ms(talked) - ms(spoke)).abs() < 2_000, "{past} {lines:?}");
    // The audio alone took so long.
    assert!(ms(spoke) >= i64::from(call.said) * 20 - 100, "{lines:?}");
    call.caller.succeeds(CALL);
    call.agent.succeeds(SOON);
}

// B1 F4 G1
#[test]
fn who_hangs_up_while_no_relay_is_there_is_answered_by_the_next_one() {
    if !have(&["sipp"]) {
        return;
    }
    let setup = Setup::default()
        .apart()
        .relay("hand_over = true\nmedia_sockets = \"per-port\"");
    let mut call = Call::begin(
        setup,
        ("agent.xml", Duration::ZERO),
        ("caller.xml", Duration::from_secs(5)),
    );
    call.talk();
    let contact = call.centre.contacts()[0]["id"].clone();
    call.centre.stop_relay();
    until("the caller hangs up", CALL, || {
        let seen = call.caller.messages();
        let mut sent = seen.iter().filter(|seen| seen.sent);
        sent.any(|seen| seen.sip.is_request("BYE")).then_some(())
    });
    assert!(call.journal().is_empty());
    call.centre.start_relay();
    ends(call, &contact, "client");
}

// B1 F4 G1
#[test]
fn a_call_goes_on_when_the_whole_centre_is_restarted() {
    if !have(&["sipp"]) {
        return;
    }
    let setup = Setup::default().relay("hand_over = true");
    let mut call = Call::begin(
        setup,
        ("agent.xml", Duration::ZERO),
        ("caller.xml", Duration::from_secs(8)),
    );
    call.talk();
    let contact = call.centre.contacts()[0]["id"].clone();
    call.centre.stop_relay();
    call.centre.start_relay();
    call.talk();
    call.centre.wait_in_call("anna");
    ends(call, &contact, "client");
}

// B1 F4 G1
#[test]
fn a_baresip_talks_on_over_the_restart() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let mut centre = Setup::default()
        .control(support::centre::MD5_ONLY)
        .also_at(support::baresip::address())
        .hand_over()
        .apart()
        .start();
    centre.apply(&Declaration::new().registers("anna", "secret"));
    let mut phone = Baresip::start(&centre, "udp", "anna", "secret");
    centre.wait_available("anna");
    let carla = Media::open(CALLER, &centre.ports);
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(8))
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    let hears = |carla: &Media| {
        let so_far = carla.arrived().len();
        carla.talk(to_anna, 1, 25);
        until("half a second of baresip's audio", SOON, || {
            (carla.arrived().len() > so_far + 25).then_some(())
        });
    };
    hears(&carla);
    // Where nobody listens the kernel says so, and the phone does not mind.
    centre.stop_relay();
    carla.talk(to_anna, 26, 10);
    centre.start_relay();
    hears(&carla);
    assert_eq!(centre.relay_sessions().len(), 1);

    caller.succeeds(CALL);
    centre.wait_empty();
    centre.wait_available("anna");
    phone.close();
}
