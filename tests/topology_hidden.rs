//! Two phones that tell all they know in each message. What either sent that says where it is, or
//! that names its dialogs, is looked for in every byte that came to the other one.

use crate::support;

use std::net::IpAddr;

use support::capture::assert_hidden;
use support::message::Sip;
use support::party::Extra;
use support::{AGENT, CALLER, Capture, Centre, Declaration, Party, RELAY, have};

/// Identifiers shorter than this would be found by chance.
const RARE: usize = 8;

/// A side of the call and how it is recognised.
struct Side {
    ip: IpAddr,
    /// In the names of its hosts and in all its identifiers.
    mark: &'static str,
    /// Session identifier of its descriptions.
    session: u32,
}

const CARLAS: Side = Side {
    ip: CALLER,
    mark: "carlas",
    session: 771_000_177,
};
const ANNAS: Side = Side {
    ip: AGENT,
    mark: "annas",
    session: 882_000_288,
};

impl Side {
    fn host(&self) -> String {
        format!("desk.{}.example", self.mark)
    }

    /// A phone that tells all this.
    fn phone(&self, party: Party, transport: &str) -> Party {
        let (at, host, ip, mark) = (party.at, self.host(), self.ip, self.mark);
        let routes = [
            format!("<sip:{at};transport={transport};lr>"),
            format!("<sip:gate.{mark}.example;lr>"),
        ];
        let lines = [
            format!("User-Agent: {mark}-phone at {ip}"),
            format!("Server: {mark}-phone at {host}"),
            format!("Warning: 399 {host} \"seen at {ip}\""),
            format!("Organization: {host}"),
            format!("In-Reply-To: {mark}-earlier@{host}"),
            format!("Call-Info: <http://{host}/picture>;purpose=icon"),
            format!("Alert-Info: <http://{ip}/ring>"),
            format!("Error-Info: <sip:help@{host}>"),
            format!("Reply-To: <sip:someone@{host}>"),
            format!("Referred-By: <sip:someone@{host}>"),
            format!("Content-ID: <1@{host}>"),
            format!("P-Asserted-Identity: <sip:{mark}-user@{host}>"),
            format!("P-Access-Network-Info: {mark}-cell"),
            format!("P-Charging-Vector: icid-value={mark}-icid;icid-generated-at={ip}"),
            format!("Remote-Party-ID: <sip:{mark}-user@{host}>"),
            format!("Diversion: <sip:{mark}-user@{host}>"),
            format!("History-Info: <sip:{mark}-user@{host}>;index=1"),
            format!("Session-ID: {mark}-session"),
            format!("X-Origin: host {ip}"),
            format!("X-Home: {}", host.to_uppercase()),
            format!("X-{host}: 1"),
        ];
        let lines = lines.map(|line| line + "\r\n").concat();
        party.tells(&host, &routes, lines, mark)
    }

    /// A description with everything in it that names its sender.
    fn sdp(&self, version: u32, port: u16, direction: &str) -> Extra {
        let (host, ip, mark, session) = (self.host(), self.ip, self.mark, self.session);
        Extra::sdp(format!(
            "v=0\r\no={mark}-user {session} {version} IN IP4 {host}\r\ns={mark} talk\r\n\
             i=at {host}\r\nu=http://{host}/\r\ne={mark}@{host}\r\np=+41 44 {mark}\r\n\
             c=IN IP4 {ip}\r\nt=0 0\r\na=tool:phone of {host}\r\na=x-home:{ip}\r\n\
             m=audio {port} RTP/AVP 0\r\ni={mark} voice\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtcp:{} IN IP4 {ip}\r\na=ssrc:4711 cname:{mark}@{host}\r\n\
             a=candidate:{mark} 1 UDP 2130706431 {ip} {port} typ host\r\n\
             a=candidate:2 1 UDP 1694498815 {host} 5000 typ srflx raddr {ip} rport {port}\r\n\
             a=remote-candidates:1 {ip} {port}\r\na={direction}\r\n",
            port + 1
        ))
    }

    /// What must not come to the other side.
    fn secrets(&self, party: &Party) -> Vec<String> {
        let mut all = vec![
            self.ip.to_string(),
            self.mark.to_owned(),
            self.session.to_string(),
        ];
        for sip in party.sent.iter().chain(&party.got) {
            all.extend(identifiers(sip));
        }
        all.sort();
        all.dedup();
        all
    }
}

/// Call-ID, tags and branches of a message.
fn identifiers(sip: &Sip) -> Vec<String> {
    let mut all: Vec<String> = sip.headers("Call-ID").map(str::to_owned).collect();
    let tags = ["From", "To"].map(|name| sip.tag(name).map(str::to_owned));
    all.extend(tags.into_iter().flatten());
    let branches = sip
        .headers("Via")
        .filter_map(|via| via.split("branch=").nth(1));
    all.extend(branches.filter_map(|rest| Some(rest.split([';', ',']).next()?.to_owned())));
    all.retain(|word| word.len() >= RARE);
    all
}

/// One request and its answer, with all that belongs to an INVITE.
fn exchange(
    (asker, number): (&mut Party, u32),
    other: &mut Party,
    (method, asks): (&str, &Extra),
    (status, answers): (u16, &Extra),
) {
    asker.ask(method, number, asks);
    let request = other.takes(method);
    other.answer(&request, status, answers);
    let answer = asker.hears(status, number, method);
    if method == "INVITE" {
        asker.ack(&answer, &Extra::default());
        other.takes("ACK");
    }
}

/// Requests of every kind from one to the other, and answers that agree and that do not.
fn asks(asker: (&Side, &mut Party), other: (&Side, &mut Party), first: u32) {
    let (side, asker) = asker;
    let (others, other) = other;
    let none = Extra::default();
    let port = asker.at.port();
    let fragment = format!(
        "SIP/2.0 200 OK\r\nContact: <sip:bob@{}>\r\nWarning: 399 {} \"x\"\r\n",
        side.host(),
        side.ip
    );
    let refer = Extra::lines(format!("Refer-To: <sip:bob@bob.{}.example>\r\n", side.mark));
    let notify = Extra::lines("Event: refer\r\nSubscription-State: terminated\r\n")
        .body("message/sipfrag", fragment);
    let update = others.sdp(3, other.at.port(), "sendrecv");
    let steps: Vec<(&str, Extra, u16, Extra)> = vec![
        (
            "INVITE",
            side.sdp(2, port, "sendonly"),
            200,
            others.sdp(2, other.at.port(), "recvonly"),
        ),
        ("INVITE", side.sdp(3, port, "sendrecv"), 488, none.clone()),
        ("UPDATE", side.sdp(4, port, "sendrecv"), 200, update),
        (
            "INFO",
            none.clone().body("application/dtmf-relay", "Signal=5"),
            200,
            none.clone(),
        ),
        (
            "MESSAGE",
            none.clone().body("text/plain", "hello"),
            404,
            none.clone(),
        ),
        ("OPTIONS", none.clone(), 200, none.clone()),
        ("FROBNICATE", none.clone(), 603, none.clone()),
        ("REFER", refer, 202, none.clone()),
    ];
    for (number, (method, extra, status, answer)) in (first..).zip(steps) {
        exchange((asker, number), other, (method, &extra), (status, &answer));
    }
    // Who was asked to transfer tells how it went.
    let notify_number = first + 50;
    let fragment = notify;
    exchange(
        (other, notify_number),
        asker,
        ("NOTIFY", &fragment),
        (200, &none),
    );
}

fn call(carla: &mut Party, anna: &mut Party) {
    let none = Extra::default();
    carla.invite("support", &CARLAS.sdp(1, carla.at.port(), "sendrecv"));
    let asked = anna.takes("INVITE");
    anna.answer(&asked, 180, &none);
    carla.hears(180, 1, "INVITE");
    anna.answer(&asked, 200, &ANNAS.sdp(1, anna.at.port(), "sendrecv"));
    let answer = carla.hears(200, 1, "INVITE");
    carla.ack(&answer, &none);
    anna.takes("ACK");
    asks((&CARLAS, carla), (&ANNAS, anna), 2);
    asks((&ANNAS, anna), (&CARLAS, carla), 60);
    exchange((anna, 200), carla, ("BYE", &none), (200, &none));
}

fn assert_told_nothing(streams: &[Vec<u8>], to: &str, secrets: &[String]) {
    assert!(!streams.is_empty(), "{to} took part in nothing");
    for stream in streams {
        let text = String::from_utf8_lossy(stream);
        let folded = text.to_lowercase();
        for secret in secrets {
            assert!(
                !folded.contains(&secret.to_lowercase()),
                "{to} was told {secret}:\n{text}"
            );
        }
    }
}

fn nothing_is_told(tcp: bool) {
    if !have(&["tcpdump"]) {
        return;
    }
    let centre = Centre::start();
    let at = centre.agent_address();
    centre.apply(&match tcp {
        true => Declaration::new().at_tcp("anna", at),
        false => Declaration::new().at("anna", at),
    });
    let capture = Capture::of_parties(&centre.ports);
    let transport = if tcp { "tcp" } else { "udp" };
    let mut anna = ANNAS.phone(Party::agent(&centre, at, tcp), transport);
    let mut carla = CARLAS.phone(Party::caller(&centre, tcp), transport);
    call(&mut carla, &mut anna);
    centre.wait_empty();

    let seen = capture.stop();
    assert_hidden(&seen, CALLER, RELAY, AGENT);
    assert_hidden(&seen, AGENT, RELAY, CALLER);
    let (of_carla, of_anna) = (CARLAS.secrets(&carla), ANNAS.secrets(&anna));
    assert!(of_carla.len() > 20 && of_anna.len() > 20, "{of_carla:?}");
    assert_told_nothing(&seen.delivered_to(AGENT), "the agent", &of_carla);
    assert_told_nothing(&seen.delivered_to(CALLER), "the caller", &of_anna);
    // What is no secret has passed, so that the silence is not that of a wall.
    for (party, mark) in [(&carla, "carla"), (&anna, "anna")] {
        let message = party.got.iter().find(|sip| sip.is_request("MESSAGE"));
        let message = message.unwrap_or_else(|| panic!("a MESSAGE to {mark}"));
        assert_eq!(message.body(), "hello");
    }
}

// D11 B6
#[test]
fn no_byte_tells_a_side_where_the_other_is_over_udp() {
    nothing_is_told(false);
}

// D11 B6
#[test]
fn no_byte_tells_a_side_where_the_other_is_over_tcp() {
    nothing_is_told(true);
}
