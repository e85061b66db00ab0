//! TLS at the edge: phones that register, call and are called over it; certificates that change under a
//! call; strangers who only knock.

use crate::support;

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::baresip::Baresip;
use support::{AGENT, CALL, CALLER, Centre, Declaration, Media, SOON, Setup, Sipp, have, until};

/// Baresip refuses loopback, so the relay is at this host's other address too.
fn centre() -> Centre {
    let centre = Setup::default()
        .control(support::centre::MD5_ONLY)
        .also_at(support::baresip::address())
        .secure()
        .start();
    centre.apply(&Declaration::new().registers("anna", "secret"));
    centre
}

fn openssl(centre: &Centre, options: &[&str]) -> String {
    let output = Command::new("timeout")
        .args(["10", "openssl", "s_client", "-connect"])
        .arg(centre.doors().tls.to_string())
        .args(options)
        .stdin(Stdio::null())
        .output()
        .expect("openssl");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The certificate that the relay shows.
fn shown(centre: &Centre) -> String {
    let text = openssl(centre, &["-showcerts"]);
    let from = text.find("-----BEGIN CERTIFICATE").expect("a certificate");
    let end = "-----END CERTIFICATE-----";
    let to = text.find(end).expect("its end") + end.len();
    text[from..to].replace("\r\n", "\n")
}

// A1 A5
#[test]
fn an_agent_on_tls_is_called_on_its_connection() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let centre = centre();
    let _phone = Baresip::start(&centre, "tls", "anna", "secret");
    centre.wait_available("anna");
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.answered();
    caller.succeeds(CALL);
    centre.wait_empty();
    centre.wait_available("anna");
}

// A1 B6
#[test]
fn a_caller_on_tls_reaches_an_agent_on_udp() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let centre = centre();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let mut carla = Baresip::call(&centre, "tls", "carla");
    let offer = agent.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let contact = offer.header("Contact").expect("a Contact").to_owned();
    assert!(!contact.contains("tls"), "the agent is on UDP: {contact}");
    carla.says("Call established", SOON);
    centre.wait_in_call("anna");
    carla.close();
    agent.succeeds(SOON);
    centre.wait_empty();
}

// A1
#[test]
fn old_versions_and_plain_text_are_turned_away() {
    if !have(&["openssl"]) {
        return;
    }
    let centre = Setup::default().secure().start();
    let authority = centre.doors().authority.file.display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let good = openssl(
            &centre,
            &[version, "-CAfile", &authority, "-verify_return_error"],
        );
        assert!(good.contains("Verify return code: 0 (ok)"), "{good}");
    }
    let old = openssl(&centre, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(!old.contains("BEGIN CERTIFICATE"), "{old}");
    let mut plain = TcpStream::connect(centre.doors().tls).expect("a connection");
    plain
        .write_all(b"OPTIONS sip:a SIP/2.0\r\n\r\n")
        .expect("sent");
    until("both are counted", SOON, || {
        (dropped(&centre, "tls") >= 2.0).then_some(())
    });
}

fn dropped(centre: &Centre, reason: &str) -> f64 {
    let name = format!("patchbay_relay_door_drops_total{{reason=\"{reason}\"}}");
    centre.relay_api.metric(&name)
}

fn certificates(centre: &Centre, what: &str) -> f64 {
    let name = format!("patchbay_relay_certificate_{what}{{use=\"public\"}}");
    centre.relay_api.metric(&name)
}

// A1
#[test]
fn a_new_certificate_is_taken_while_a_call_stands() {
    if !have(&["sipp", "baresip", "openssl"]) {
        return;
    }
    let centre = centre();
    let _phone = Baresip::start(&centre, "tls", "anna", "secret");
    centre.wait_available("anna");
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .hold(Duration::from_secs(7))
        .start();
    caller.answered();
    assert!(certificates(&centre, "days_left") > 0.0);
    let doors = centre.doors();
    let old = shown(&centre);

    doors
        .authority
        .issue(&doors.ips, &doors.certificate, &doors.key);
    until("the new certificate is shown", SOON, || {
        (shown(&centre) != old).then_some(())
    });
    let new = shown(&centre);
    assert_eq!(
        new,
        std::fs::read_to_string(&doors.certificate).unwrap().trim()
    );

    std::fs::write(&doors.key, "no key at all").expect("a file");
    centre.control_process.signal("HUP");
    until("the broken key is refused", SOON, || {
        (certificates(&centre, "refusals_total") >= 1.0).then_some(())
    });
    assert_eq!(shown(&centre), new, "the one before stays");

    // The goodbye of the call finds the phone on the connection that it had all the time.
    caller.succeeds(CALL);
    centre.wait_empty();
    centre.wait_available("anna");
}

// A1
#[test]
fn a_flood_of_handshakes_hurts_no_call() {
    if !have(&["sipp"]) {
        return;
    }
    const KNOCKS: usize = 1500;
    let centre = Setup::default().secure().start();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent.xml", agent_at, &centre).calls(2).start();
    let carla = Media::open(CALLER, &centre.ports);
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(3))
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    let tls = centre.doors().tls;
    let knocking: Vec<TcpStream> = (0..KNOCKS)
        .filter_map(|_| TcpStream::connect_timeout(&tls, SOON).ok())
        .collect();
    carla.talk(to_anna, 1, 50);
    carla.wait_intact(carla.ssrc(), 50, SOON);
    caller.succeeds(CALL);
    // And a new one comes about.
    Sipp::caller("caller.xml", CALLER, &centre)
        .start()
        .succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
    assert!(knocking.len() > KNOCKS / 2);
    let turned_away = dropped(&centre, "handshakes_full") + dropped(&centre, "handshake_rate");
    assert!(turned_away > 0.0, "some are turned away at once");
}

// A1
#[test]
fn relay_and_control_with_certificates_carry_a_call() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Setup::default().apart().secure_link().start();
    let agent_at = centre.declare_anna();
    until("control follows the relay", SOON, || {
        let relays = centre.api.list("/api/v1/relays");
        let up = relays.iter().any(|relay| relay["events_up"] == true);
        up.then_some(())
    });
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    assert_eq!(agent_at.ip(), AGENT);
    // Neither listener hears anybody without a certificate.
    let refused = centre.relay_api.try_request("GET", "/healthz", None);
    assert!(refused.is_none(), "{refused:?}");
    until("control is told that the call has ended", SOON, || {
        centre.sessions().is_empty().then_some(())
    });
}
