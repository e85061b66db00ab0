//! What no phone should send. Each gets the answer that fits or a counted drop; the server lives on.

use crate::support;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use support::raw::{Raw, sdp};
use support::{CALL, CALLER, Centre, Media, SOON, STRANGER, Sipp, have, until};

// A1
#[test]
fn requests_that_can_be_answered_get_the_answer_the_rfc_asks_for() {
    let mut centre = Centre::start();
    centre.declare_anna();
    let phone = Raw::open(STRANGER, &centre.ports, centre.edge);
    let good = phone.invite("support", "");
    let method = |sip: &support::message::Sip| sip.header("CSeq").map(str::to_owned);
    let cases: [(&str, String, &[u16]); 6] = [
        (
            "a CSeq of another method",
            good.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"),
            &[400],
        ),
        (
            "no hops left",
            good.replace("Max-Forwards: 70", "Max-Forwards: 0"),
            &[483],
        ),
        (
            "a scheme that nobody knows",
            good.replacen("sip:support", "http:support", 1),
            &[416],
        ),
        (
            "an extension that must be understood",
            good.replace("Max-Forwards", "Proxy-Require: warp-drive\r\nMax-Forwards"),
            &[420],
        ),
        (
            "another version of SIP",
            good.replacen("SIP/2.0\r\n", "SIP/7.0\r\n", 1),
            &[505],
        ),
        (
            "a Content-Length beyond the datagram",
            good.replace("Content-Length: 0", "Content-Length: 900"),
            &[400],
        ),
    ];
    for (number, (what, request, wanted)) in cases.into_iter().enumerate() {
        // Each is a transaction of its own.
        let request = request.replace("branch=z9hG4bK", &format!("branch=z9hG4bKcase{number}"));
        phone.send(&request);
        let answer = phone.expect(what, SOON, |sip| sip.status().is_some_and(|s| s >= 200));
        let status = answer.status().unwrap_or_default();
        assert!(wanted.contains(&status), "{what}: {}", answer.0);
        if method(&answer).is_some_and(|cseq| cseq.ends_with("INVITE")) {
            phone.send(phone.ack(&request, &answer));
        }
    }
    let options = phone.request("OPTIONS", &format!("sip:{}", centre.edge), "support", "");
    phone.send(&options);
    phone.expect("an answer to OPTIONS", SOON, |sip| {
        sip.is_answer(200, "OPTIONS")
    });
    let unknown = phone.request("FROBNICATE", &format!("sip:{}", centre.edge), "support", "");
    phone.send(&unknown);
    phone.expect("an answer to an unknown method", SOON, |sip| {
        matches!(sip.status(), Some(405 | 501))
    });
    centre.assert_alive();
}

// A1
#[test]
fn garbage_is_dropped_and_counted_and_calls_go_on() {
    if !have(&["sipp"]) {
        return;
    }
    let mut centre = Centre::start();
    let agent_at = centre.declare_anna();
    let stranger = Raw::open(STRANGER, &centre.ports, centre.edge);
    for garbage in garbage() {
        stranger.send(&garbage);
        if let Ok(mut connection) = TcpStream::connect(centre.edge) {
            // The server may close the connection in the middle: that is an answer too.
            let _ = connection.write_all(&garbage);
        }
    }
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
    centre.assert_alive();
    assert!(
        centre.relay_api.metric("patchbay_relay_sip_drops_total") > 0.0,
        "drops are counted"
    );
}

// A1
#[test]
fn half_a_request_on_a_connection_holds_nobody_up() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let mut stuck = TcpStream::connect(centre.edge).expect("a connection");
    stuck
        .write_all(b"INVITE sip:support@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127")
        .expect("half a request");
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).tcp().start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    drop(stuck);
}

// A2
#[test]
fn a_body_that_is_not_sdp_is_refused() {
    let mut centre = Centre::start();
    centre.declare_anna();
    let media = Media::open(CALLER, &centre.ports);
    let phone = Raw::open(CALLER, &centre.ports, centre.edge);
    let good = sdp(media.address(), "0", "");
    let broken = [
        "this is no SDP\r\n".to_owned(),
        good.replace("m=audio", "m=audio x"),
        good.replace("c=IN IP4 127.0.0.2", "c=IN IP4 999.0.0.2"),
    ];
    for body in broken {
        let invite = phone.invite("support", &body);
        phone.send(&invite);
        let answer = phone.expect("a refusal", SOON, |sip| {
            sip.status().is_some_and(|status| status >= 200)
        });
        assert!(
            matches!(answer.status(), Some(400 | 415 | 488)),
            "{}",
            answer.0
        );
        phone.send(phone.ack(&invite, &answer));
    }
    centre.assert_alive();
    assert!(
        phone.next(Duration::from_millis(700)).is_none(),
        "the ACKs were taken"
    );
}

// A1
#[test]
fn a_request_without_a_header_that_it_needs_is_answered_400_or_dropped_and_counted() {
    let mut centre = Centre::start();
    centre.declare_anna();
    let phone = Raw::open(STRANGER, &centre.ports, centre.edge);
    for header in ["CSeq:", "From:", "To:", "Call-ID:", "Via:"] {
        let before = centre.relay_api.metric("patchbay_relay_sip_drops_total");
        phone.send(without(&phone.invite("support", ""), header));
        until(
            &format!("an INVITE without {header} is dealt with"),
            SOON,
            || {
                let answered = phone
                    .next(Duration::from_millis(20))
                    .map(|sip| sip.status());
                let dropped = centre.relay_api.metric("patchbay_relay_sip_drops_total") > before;
                (answered == Some(Some(400)) || dropped).then_some(())
            },
        );
    }
    assert!(centre.contacts().is_empty());
    centre.assert_alive();
}

fn without(request: &str, header: &str) -> String {
    let kept = request
        .split("\r\n")
        .filter(|line| !line.starts_with(header));
    kept.collect::<Vec<_>>().join("\r\n")
}

fn garbage() -> Vec<Vec<u8>> {
    let long = format!(
        "INVITE sip:a@b SIP/2.0\r\nX: {}\r\n\r\n",
        "y".repeat(60_000)
    );
    let many = format!(
        "INVITE sip:a@b SIP/2.0\r\n{}\r\n",
        "Via: x\r\n".repeat(5_000)
    );
    vec![
        vec![0u8; 900],
        (0..=255u8).cycle().take(1400).collect(),
        b"SIP/2.0 200 OK\r\n\r\n".to_vec(),
        b"SIP/2.0 999999999999999999999 OK\r\n\r\n".to_vec(),
        b"INVITE\r\n\r\n".to_vec(),
        b"INVITE sip:support@127.0.0.1 SIP/2.0\r\n\r\n".to_vec(),
        b"INVITE sip:support@127.0.0.1 SIP/2.0\r\nVia: \xff\xfe\r\nCSeq: 4294967296 INVITE\r\n\r\n"
            .to_vec(),
        b"ACK sip:support@127.0.0.1 SIP/2.0\r\nContent-Length: -1\r\n\r\n".to_vec(),
        long.into_bytes(),
        many.into_bytes(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\r\n\r\n\r\n".to_vec(),
    ]
}
