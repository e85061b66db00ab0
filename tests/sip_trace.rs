//! `patchbay sip trace`: a call is shown from both sides, in order, and goes into a capture that other
//! programs read; what is secret stays so, and nobody else sees any of it.

use crate::support;

use std::process::{Command, Output};

use support::api::Api;
use support::centre::{MD5_ONLY, PATCHBAY};
use support::forms::{Form, setup};
use support::process::Running;
use support::raw::Raw;
use support::steps::{More, Of, bye, ends, hears, pause, reply, send, takes};
use support::{CALL, CALLER, Centre, Declaration, Media, SOON, STRANGER, Setup, Sipp, Stage};
use support::{have, peers, until};

use crate::phone_transfers::{BOB, follows, notify, refer_to, referring};

in_each_form!(a_call_is_shown_whichever_way_it_was_handed_over,);

fn command(centre: &Centre, options: &[&str]) -> Command {
    let mut command = Command::new(PATCHBAY);
    command
        .args(["sip", "trace"])
        .args(["--api", &format!("http://{}", centre.api_address)])
        .args(["--data".as_ref(), centre.folder.file("data").as_os_str()])
        .args(options);
    command
}

fn trace(centre: &Centre, options: &[&str]) -> Output {
    command(centre, options).output().expect("patchbay starts")
}

/// What it shows, which must be something.
fn shown(centre: &Centre, options: &[&str]) -> String {
    let output = trace(centre, options);
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{options:?}: {text}{errors}");
    text
}

/// Whether a text has all of this, each behind the one before.
fn assert_in_order(text: &str, wanted: &[&str]) {
    let mut rest = text;
    for word in wanted {
        let found = rest.find(word);
        let found = found.unwrap_or_else(|| panic!("no {word:?} behind the others in:\n{text}"));
        rest = &rest[found + word.len()..];
    }
}

/// Anna with two devices, of which the first takes calls and the second only rings.
fn anna_with_two_devices() -> (Centre, [std::net::SocketAddr; 2]) {
    let centre = Setup::default().control(MD5_ONLY).start();
    centre.apply(&Declaration::new().registers("anna", "secret"));
    let devices = [centre.agent_address(), centre.agent_address()];
    for device in devices {
        let register = Sipp::register("anna", "secret", device, &centre)
            .word("seconds", "600")
            .word("status", "200");
        register.start().succeeds(SOON);
    }
    centre.wait_available("anna");
    (centre, devices)
}

// B6
#[test]
fn a_forked_and_held_call_is_a_ladder_and_a_capture() {
    if !have(&["sipp", "tcpdump"]) {
        return;
    }
    let (centre, [desk, other]) = anna_with_two_devices();
    let live = centre.folder.file("live.log");
    let follow = ["--follow", "--to", "anna", "--width", "200"];
    let mut follower = Running::start("a follower", &mut command(&centre, &follow), &live);
    until("it follows", SOON, || {
        (centre.relay_api.metric("patchbay_relay_traces") >= 1.0).then_some(())
    });
    let agent = Sipp::agent("agent_held.xml", desk, &centre).start();
    let ringing = Sipp::agent("agent_does_not_answer.xml", other, &centre).start();
    let caller = Sipp::caller("caller_holds.xml", CALLER, &centre).start();
    let caller_at = caller.local.to_string();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    ringing.succeeds(SOON);
    centre.wait_empty();

    let capture = centre.folder.file("call.pcap");
    let file = capture.to_str().expect("a path");
    let ladder = shown(&centre, &["--last", "--width", "200", "--pcap", file]);
    for party in [
        &caller_at,
        &desk.to_string(),
        &other.to_string(),
        "carla",
        "control",
        "anna",
    ] {
        assert!(ladder.contains(party), "{party} has a column:\n{ladder}");
    }
    let story = [
        "INVITE audio",
        "INVITE for anna",
        "INVITE audio",
        "180 Ringing",
        "200 OK audio",
        "ACK",
        "INVITE audio",
        "sendonly",
        "200 OK audio",
        "recvonly",
        "BYE",
        "200 OK (BYE)",
    ];
    assert_in_order(&ladder, &story);
    assert_in_order(&ladder, &["CANCEL", "487 Request Terminated", "ACK"]);
    assert_in_order(&ladder, &["── BYE", "── BYE", "200 OK (BYE)"]);
    until("the follower has seen both sides to the end", SOON, || {
        (follower.log().matches("200 OK (BYE)").count() >= 2).then_some(())
    });
    follower.kill();
    assert_in_order(&follower.log(), &story);

    let sound = tcpdump(&["-v", "-r", file]);
    // As words: a checksum may read 0xbada.
    let wrong = |word: &str| {
        let word = word.trim_matches(['[', '(', ',', ')', ']']);
        word == "bad" || word.starts_with("bad-") || word == "incorrect"
    };
    assert!(!sound.split_whitespace().any(wrong), "{sound}");
    let read = tcpdump(&["-A", "-r", file]);
    assert_in_order(
        &read,
        &["INVITE sip:support@", "SIP/2.0 200", "ACK sip:", "BYE sip:"],
    );
    let between = format!(
        "{} > {}",
        dotted(caller_at),
        dotted(centre.edge.to_string())
    );
    assert!(read.contains(&between), "{between} in {read}");
    assert_both_sides_find_it(&centre);
}

fn tcpdump(options: &[&str]) -> String {
    let mut command = Command::new(peers::find("tcpdump").expect("tcpdump"));
    let output = command.arg("-n").args(options).output();
    let output = output.expect("tcpdump starts");
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// tcpdump writes `127.0.0.1.5060`.
fn dotted(address: String) -> String {
    address.replace(':', ".")
}

/// The same call by its Call-ID on either side, by its people and by its contact.
fn assert_both_sides_find_it(centre: &Centre) {
    let api = centre.api.request("GET", "/api/v1/trace?from=carla", None);
    assert_eq!(api.status, 200, "{}", api.text);
    let lines = api.text.lines().filter(|line| !line.is_empty());
    let lines: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let messages: Vec<_> = lines
        .iter()
        .filter_map(|line| line.get("message"))
        .collect();
    let of_agent = messages.iter().find(|message| message["agent"] == "anna");
    let text = of_agent.expect("the agent's side")["text"]
        .as_str()
        .unwrap();
    let inside = text
        .lines()
        .find_map(|line| line.strip_prefix("Call-ID: "))
        .unwrap();
    let outside = messages[0]["call"].as_str().expect("a Call-ID");
    assert_ne!(inside, outside);
    let contact = messages[0]["contact"].as_str().expect("a contact");
    let count = messages.len();
    for options in [
        &["--call-id", inside][..],
        &["--call-id", outside],
        &["--contact", contact],
        &["--to", "anna", "--from", "carla"],
        &["--source", "127.0.0.2"],
    ] {
        let ladder = shown(centre, &[options, &["--full"]].concat());
        assert_eq!(
            ladder.matches("Call-ID: ").count(),
            count,
            "{options:?}:\n{ladder}"
        );
    }
    let byes = shown(centre, &["--from", "carla", "--method", "BYE"]);
    assert!(byes.contains("BYE") && !byes.contains("INVITE"), "{byes}");
    let list = shown(centre, &[]);
    assert_in_order(&list, &["began", "carla", "support", outside]);
}

// B6
#[test]
fn a_call_and_what_a_phones_transfer_made_of_it_are_one_ladder() {
    let Some(stage) = Stage::set() else { return };
    let centre = &stage.centre;
    let live = centre.folder.file("live.log");
    let mut follow = command(centre, &["--follow", "--from", "carla", "--width", "360"]);
    let mut follower = Running::start("a follower", &mut follow, &live);
    until("it follows", SOON, || {
        (centre.relay_api.metric("patchbay_relay_traces") >= 1.0).then_some(())
    });
    let bobs = Media::open(BOB, &centre.ports);
    let bob_at = std::net::SocketAddr::new(BOB, centre.ports.next());
    let bob = Sipp::agent("agent.xml", bob_at, centre)
        .media(&bobs)
        .start();
    let agent = send(
        Of::Agent,
        "REFER",
        5,
        &referring(&format!("<sip:bob@{bob_at}>")),
    ) + &hears(202)
        + &takes("NOTIFY")
        + &reply("200 OK", &More::default())
        + &bye(Of::Agent, 6);
    let caller = takes("REFER")
        + &reply("202 Accepted", &More::default())
        + &pause(1000)
        + &send(Of::Caller, "NOTIFY", 2, &notify())
        + &hears(200)
        + &ends();
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", agent),
        stage.caller("caller_steps.xml").word("steps", caller),
    );
    let second = follows(centre, CALLER, &refer_to(&call.caller), &stage.carla).start();
    let first_id = call.offer().header("Call-ID").unwrap().to_owned();
    second.succeeds(CALL);
    bob.succeeds(SOON);
    call.ends();

    // Found from the side of anna, whose call it was first.
    let ladder = shown(centre, &["--call-id", &first_id, "--width", "360"]);
    assert_eq!(ladder.matches(" · contact ").count(), 1, "{ladder}");
    for party in ["anna", "bob", &bob_at.to_string(), "control"] {
        assert!(ladder.contains(party), "{party} has a column:\n{ladder}");
    }
    let story = [
        "INVITE audio",
        "INVITE for anna",
        "REFER",
        "202 Accepted",
        "INVITE audio",
        "INVITE audio",
        "200 OK audio",
        "NOTIFY",
        "BYE",
        "BYE",
    ];
    assert_in_order(&ladder, &story);
    // It is the only call, so nothing has to be chosen.
    let all = shown(centre, &["--width", "360"]);
    assert_eq!(
        all.matches("INVITE audio").count(),
        ladder.matches("INVITE audio").count()
    );
    until("the follower has seen the second call too", SOON, || {
        follower.log().contains(&bob_at.to_string()).then_some(())
    });
    follower.kill();
}

// B6 F5
#[test]
fn who_follows_over_a_hand_over_is_told_that_it_ended_and_finds_the_call_again() {
    if !have(&["sipp"]) {
        return;
    }
    let mut centre = Setup::default().apart().hand_over().start();
    let agent_at = centre.declare_anna();
    let live = centre.folder.file("live.log");
    let follow = ["--follow", "--to", "anna", "--width", "200"];
    let mut follower = Running::start("a follower", &mut command(&centre, &follow), &live);
    until("it follows", SOON, || {
        (centre.relay_api.metric("patchbay_relay_traces") >= 1.0).then_some(())
    });
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .hold(std::time::Duration::from_secs(6))
        .start();
    caller.answered();
    centre.wait_in_call("anna");
    centre.stop_relay();
    assert!(follower.wait(SOON).success());
    let log = follower.log();
    let relay = format!(
        "http://{} is not shown: it is stopping",
        centre.relay_api_address
    );
    assert!(log.contains(&relay), "{log}");
    assert!(log.contains("the trace ends: "), "{log}");
    assert_in_order(&log, &["INVITE for anna", "200 OK audio", "ACK"]);
    centre.start_relay();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
    // What came before went with the process; both sides are one call all the same.
    let ladder = shown(&centre, &["--to", "anna", "--width", "200"]);
    assert_in_order(&ladder, &["BYE", "200 OK (BYE)", "BYE", "200 OK (BYE)"]);
    assert!(!ladder.contains("INVITE"), "{ladder}");
}

// B2 B4 B5
fn a_call_is_shown_whichever_way_it_was_handed_over(form: Form) {
    if !have(&["sipp"]) {
        return;
    }
    let centre = setup(form).start();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
    let ladder = shown(&centre, &["--last", "--width", "200"]);
    let story = [
        "for anna",
        "INVITE audio",
        "200 OK audio",
        "200 OK audio",
        "BYE",
    ];
    assert_in_order(&ladder, &story);
    assert_eq!(ladder.matches("control").count(), 1, "{ladder}");
}

// F5
#[test]
fn secrets_stay_secret_and_strangers_see_nothing() {
    if !have(&["sipp"]) {
        return;
    }
    let (centre, [desk, _]) = anna_with_two_devices();
    let agent = Sipp::agent("agent.xml", desk, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    let register = ["--from", "anna", "--full", "--method", "REGISTER"];
    let masked = shown(&centre, &register);
    assert!(
        masked.contains("username=\"anna\"") && masked.contains("response=\"xxxxxxxx"),
        "{masked}"
    );
    let open = shown(&centre, &[&register[..], &["--secrets"]].concat());
    assert!(
        open.contains("response=\"") && !open.contains("response=\"xxxxxxxx"),
        "{open}"
    );
    let call = ["--from", "carla", "--full"];
    let masked = shown(&centre, &call);
    for secret in [";sig=xxxxxxxx", "P-Patchbay-Flow: xxxxxxxx"] {
        assert!(masked.contains(secret), "{secret} in {masked}");
    }
    let token = shown(&centre, &[&call[..], &["--secrets"]].concat());
    let token = token
        .lines()
        .find_map(|line| line.trim().strip_prefix("P-Patchbay-Flow: "));
    let token = token.expect("a token").to_owned();
    assert!(token.len() >= 80 && !masked.contains(&token), "{token}");

    for wrong in [None, Some("guess")] {
        let control = Api::new(centre.api_address, wrong);
        assert_eq!(control.request("GET", "/api/v1/trace", None).status, 401);
        let relay = Api::new(centre.relay_api_address, wrong);
        let asked = serde_json::json!({});
        let answer = relay.request("POST", "/relay/v1/traces", Some(&asked));
        assert_eq!(answer.status, 401);
    }
}

// F5
#[test]
fn a_flood_neither_fills_memory_nor_holds_a_trace_open() {
    let mut centre = Setup::default().relay("trace_ring = \"64 KiB\"").start();
    centre.apply(&Declaration::new());
    let live = centre.folder.file("live.log");
    let follow = ["--follow", "--messages", "100", "--method", "OPTIONS"];
    let mut follower = Running::start("a follower", &mut command(&centre, &follow), &live);
    until("it follows", SOON, || {
        (centre.relay_api.metric("patchbay_relay_traces") >= 1.0).then_some(())
    });
    let stranger = Raw::open(STRANGER, &centre.ports, centre.edge);
    let uri = format!("sip:support@{}", centre.edge);
    for _ in 0..1_000 {
        stranger.send(stranger.request("OPTIONS", &uri, "support", ""));
    }
    assert!(follower.wait(CALL).success());
    let log = follower.log();
    assert!(
        log.contains("as many messages as --messages allows"),
        "{log}"
    );
    until("the trace is closed", SOON, || {
        (centre.relay_api.metric("patchbay_relay_traces") < 1.0).then_some(())
    });
    let kept = centre.relay_api.metric("patchbay_relay_trace_bytes");
    assert!((32_768.0..=65_536.0).contains(&kept), "{kept}");
    let nobody = trace(&centre, &["--from", "nobody"]);
    assert!(!nobody.status.success());
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("nothing that is kept fits"));
    centre.assert_alive();
}
