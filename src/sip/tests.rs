//! Ladders as they come out.
#![allow(clippy::unwrap_used)]

use patchbay_bench::report::Paint;
use patchbay_route::trace::{Content, TracedMessage, Way};

use super::ladder::Look;
use super::live::Live;
use super::story::Stories;

const NARROW: Look = Look {
    width: 100,
    full: false,
    paint: Paint::plain(),
};
const CARLA: &str = "192.0.2.7:5060";
const CONTROL: &str = "10.0.0.2:5070";
const ANNA: &str = "198.51.100.3:5060";
const DESK: &str = "198.51.100.4:5060";

fn sdp(port: u16, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0\r\na={direction}\r\n"
    )
}

/// A call under way; the time goes on by itself.
#[derive(Default)]
struct Tape {
    now: u64,
    messages: Vec<TracedMessage>,
}

/// Whose a message is: the Call-ID, and the session and agent of an agent's side.
type Side = (&'static str, &'static str, &'static str);
const CALLER: Side = ("c1", "", "");
const TO_ANNA: Side = ("a1", "5e551", "anna");
const TO_DESK: Side = ("a2", "5e552", "anna");

impl Tape {
    /// After so many microseconds, a message to or from `peer`.
    fn add(
        &mut self,
        after: u64,
        way: Way,
        peer: &str,
        side: Side,
        (start, cseq, body): (&str, &str, String),
    ) {
        self.now += after;
        let (call_id, session, agent) = side;
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let tag = if start.ends_with("SIP/2.0") && cseq == "1 INVITE" {
            ""
        } else {
            ";tag=t"
        };
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:carla@h>;tag=f\r\nTo: <sip:support@h>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.messages.push(TracedMessage {
            at_unix_us: 1_795_324_321_123_000 + self.now,
            relay: "http://127.0.0.1:8090".into(),
            way,
            transport: "UDP".into(),
            local: if peer == CONTROL {
                "10.0.0.1:41000"
            } else {
                "192.0.2.1:5060"
            }
            .parse()
            .unwrap(),
            remote: peer.parse().unwrap(),
            control: peer == CONTROL,
            call: "c1".into(),
            contact: "00000000000000c0".into(),
            session: session.into(),
            agent: agent.into(),
            content: Content::new(text.as_bytes()),
        });
    }
}

/// Two devices ring, one takes the call; the caller holds, and hangs up.
fn forked_and_held() -> Vec<TracedMessage> {
    use Way::{In, Out};
    let none = String::new;
    let invite = "INVITE sip:support@h SIP/2.0";
    let transfer = |offer| {
        format!("INVITE sip:relay.invalid;agent=x;agentid=anna;offer={offer};sig=xx SIP/2.0")
    };
    let mut tape = Tape::default();
    let offer = || sdp(6000, "sendrecv");
    tape.add(0, In, CARLA, CALLER, (invite, "1 INVITE", offer()));
    tape.add(
        100,
        Out,
        CARLA,
        CALLER,
        ("SIP/2.0 100 Trying", "1 INVITE", none()),
    );
    tape.add(20, Out, CONTROL, CALLER, (invite, "1 INVITE", offer()));
    tape.add(480, In, CARLA, CALLER, (invite, "1 INVITE", offer()));
    for (side, peer, number) in [(TO_ANNA, ANNA, "1"), (TO_DESK, DESK, "1.1")] {
        tape.add(
            700,
            In,
            CONTROL,
            CALLER,
            (&transfer(number), "1 INVITE", offer()),
        );
        let start = format!("INVITE sip:anna@{peer} SIP/2.0");
        tape.add(
            150,
            Out,
            peer,
            side,
            (&start, "1 INVITE", sdp(20_000, "sendrecv")),
        );
        tape.add(
            900,
            In,
            peer,
            side,
            ("SIP/2.0 180 Ringing", "1 INVITE", none()),
        );
    }
    tape.add(
        60,
        Out,
        CARLA,
        CALLER,
        ("SIP/2.0 180 Ringing", "1 INVITE", none()),
    );
    tape.add(
        2_500_000,
        In,
        ANNA,
        TO_ANNA,
        ("SIP/2.0 200 OK", "1 INVITE", sdp(7000, "sendrecv")),
    );
    tape.add(
        90,
        Out,
        ANNA,
        TO_ANNA,
        ("ACK sip:anna@h SIP/2.0", "1 ACK", none()),
    );
    tape.add(
        10,
        Out,
        CONTROL,
        CALLER,
        ("SIP/2.0 200 OK", "1 INVITE", sdp(20_004, "sendrecv")),
    );
    tape.add(
        400,
        Out,
        CARLA,
        CALLER,
        ("SIP/2.0 200 OK", "1 INVITE", sdp(20_004, "sendrecv")),
    );
    tape.add(
        50,
        Out,
        DESK,
        TO_DESK,
        ("CANCEL sip:anna@h SIP/2.0", "1 CANCEL", none()),
    );
    tape.add(
        900,
        In,
        DESK,
        TO_DESK,
        ("SIP/2.0 200 OK", "1 CANCEL", none()),
    );
    tape.add(
        30,
        In,
        DESK,
        TO_DESK,
        ("SIP/2.0 487 Request Terminated", "1 INVITE", none()),
    );
    tape.add(
        30,
        Out,
        DESK,
        TO_DESK,
        ("ACK sip:anna@h SIP/2.0", "1 ACK", none()),
    );
    tape.add(
        600,
        In,
        CARLA,
        CALLER,
        ("ACK sip:support@h SIP/2.0", "1 ACK", none()),
    );
    let hold = "INVITE sip:t@192.0.2.1 SIP/2.0";
    tape.add(
        4_000_000,
        In,
        CARLA,
        CALLER,
        (hold, "2 INVITE", sdp(6000, "sendonly")),
    );
    tape.add(
        200,
        Out,
        ANNA,
        TO_ANNA,
        (hold, "2 INVITE", sdp(20_000, "sendonly")),
    );
    for side in [(In, ANNA, TO_ANNA), (Out, CARLA, CALLER)] {
        let (way, peer, side) = side;
        tape.add(
            700,
            way,
            peer,
            side,
            ("SIP/2.0 200 OK", "2 INVITE", sdp(20_004, "recvonly")),
        );
    }
    let bye = "BYE sip:t@192.0.2.1 SIP/2.0";
    tape.add(9_000_000, In, CARLA, CALLER, (bye, "3 BYE", none()));
    tape.add(80, Out, CARLA, CALLER, ("SIP/2.0 200 OK", "3 BYE", none()));
    tape.add(20, Out, ANNA, TO_ANNA, (bye, "3 BYE", none()));
    tape.add(500_000, Out, ANNA, TO_ANNA, (bye, "3 BYE", none()));
    tape.add(1_000_000, Out, ANNA, TO_ANNA, (bye, "3 BYE", none()));
    tape.add(600, In, ANNA, TO_ANNA, ("SIP/2.0 200 OK", "3 BYE", none()));
    tape.messages
}

fn stories(messages: Vec<TracedMessage>) -> Stories {
    let mut stories = Stories::default();
    messages
        .into_iter()
        .for_each(|message| stories.add(message));
    stories
}

/// Compares with a file of this folder, and shows both if they differ.
fn assert_golden(shown: &str, golden: &str) {
    assert!(shown == golden, "is:\n{shown}\nshould be:\n{golden}");
}

#[test]
fn a_call_is_a_ladder_with_a_column_for_each_party() {
    let shown = stories(forked_and_held()).ladders(NARROW, false);
    assert_golden(&shown, include_str!("golden/forked_and_held.txt"));
}

#[test]
fn a_wide_screen_shows_more_of_each_message() {
    let look = Look {
        width: 190,
        ..NARROW
    };
    let shown = stories(forked_and_held()).ladders(look, false);
    assert!(shown.contains("── INVITE audio 6000 sendonly ─"), "{shown}");
    assert!(
        shown.lines().all(|line| line.chars().count() <= 190),
        "{shown}"
    );
}

#[test]
fn a_call_under_way_is_shown_row_by_row() {
    let mut live = Live::new(NARROW);
    let all: String = forked_and_held()
        .iter()
        .map(|message| live.message(message))
        .collect();
    assert_golden(&all, include_str!("golden/live.txt"));
}

#[test]
fn messages_themselves_are_shown_on_demand() {
    let look = Look {
        full: true,
        ..NARROW
    };
    let shown = stories(forked_and_held()).ladders(look, false);
    assert!(
        shown.contains("    INVITE sip:support@h SIP/2.0\n    Via: "),
        "{shown}"
    );
}

#[test]
fn calls_are_listed_when_none_is_named() {
    let mut messages = forked_and_held();
    let mut other = messages[0].clone();
    other.call = "c2".into();
    messages.push(other);
    let shown = stories(messages).list(Paint::plain());
    assert_golden(&shown, include_str!("golden/list.txt"));
}

#[test]
fn bytes_that_are_no_message_are_shown_as_such() {
    let mut message = forked_and_held().remove(0);
    message.content = Content::new(b"HELO \xff\r\n\r\n");
    let shown = stories(vec![message]).ladders(NARROW, false);
    assert!(shown.contains("unreadable HELO"), "{shown}");
}

#[test]
fn nobody_can_play_with_the_terminal_of_who_looks() {
    let mut message = forked_and_held().remove(0);
    let text = String::from_utf8(message.content.bytes()).unwrap();
    let evil = text
        .replace("<sip:carla@h>", "<sip:%1b[2J\u{202e}carla@h>")
        .replace("Via:", "Subject: \u{1b}]0;mine\u{7}\r\nVia:")
        .replace("CSeq: 1 INVITE", "CSeq: 1 INV\u{9b}ITE");
    message.content = Content::new(evil.as_bytes());
    message.call = "c\u{1b}[31m".into();
    let look = Look {
        full: true,
        ..NARROW
    };
    let shown = stories(vec![message.clone()]).ladders(look, false);
    let listed = stories(vec![message.clone()]).list(Paint::plain());
    let live = Live::new(look).message(&message);
    for shown in [shown, listed, live] {
        let harmful = |c: char| c.is_control() && c != '\n';
        assert!(!shown.contains(harmful), "{shown:?}");
        assert!(!shown.contains('\u{202e}'), "{shown:?}");
    }
}
