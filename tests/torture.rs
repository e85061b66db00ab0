//! The torture messages of RFC 4475 and RFC 5118, each with its right answer, over UDP and over TCP.
//!
//! Every message goes out from an address of its own, because some of them have the same branch, and
//! from the port to which its answer is due. A sound OPTIONS follows from the same place: when that
//! is answered, whatever was to be said of the message has been said.

mod table;

use crate::support;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use support::message::Sip;
use support::raw::Raw;
use support::stream::Stream;
use support::{AGENT, Centre, Declaration, SOON};
use table::{Case, HIGHER, INVALID, IPV6, Right, VALID};

/// Whoever calls, calls for `support`.
const EVERYBODY: &str = "[[rule]]\nid = \"everybody\"\nwhen = { to = \"*@*\" }\n\
    then = { queue = \"support\" }\n";

fn cases() -> impl Iterator<Item = &'static Case> {
    [VALID, INVALID, HIGHER, IPV6].into_iter().flatten()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sip/tests/torture")
}

fn bytes(case: &Case) -> Vec<u8> {
    std::fs::read(folder().join(format!("{}.dat", case.name))).expect("a message of the RFC")
}

/// The way to the centre.
enum Wire {
    Udp(Raw),
    Tcp(Stream),
}

impl Wire {
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        match self {
            Wire::Udp(raw) => raw.send(bytes),
            Wire::Tcp(stream) => stream.send(bytes),
        }
    }

    fn next(&mut self, limit: Duration) -> Option<Sip> {
        match self {
            Wire::Udp(raw) => raw.next(limit),
            Wire::Tcp(stream) => stream.next(limit),
        }
    }
}

/// A centre with one agent, whose phone is the test's.
struct Bench {
    centre: Centre,
    agent: Raw,
}

impl Bench {
    fn set() -> Bench {
        let centre = Centre::start();
        let at = SocketAddr::new(AGENT, centre.ports.next());
        let agent = Raw::at(at, centre.edge);
        centre.apply(&Declaration::new().at("anna", at).rules(EVERYBODY));
        centre.wait_available("anna");
        Bench { centre, agent }
    }

    /// What comes before the answer to a sound request that follows.
    fn until_fence(&self, wire: &mut Wire, name: &str) -> Vec<Sip> {
        let fence = self
            .agent
            .request("OPTIONS", "sip:fence@example.com", "fence", "");
        let call_id = Sip(fence.clone()).header("Call-ID").map(str::to_owned);
        wire.send(fence);
        let mut before = Vec::new();
        loop {
            let Some(sip) = wire.next(SOON) else {
                panic!("{name}: no answer to the request after it; before: {before:?}");
            };
            if sip.header("Call-ID").map(str::to_owned) == call_id {
                return before;
            }
            before.push(sip);
        }
    }

    fn finals(&self, wire: &mut Wire, name: &str) -> Vec<Sip> {
        let mut all = self.until_fence(wire, name);
        all.retain(|sip| sip.status().is_none_or(|status| status >= 200));
        all
    }

    fn answers(&self, request: &Sip, status: u16) {
        let at = self.agent.address().to_string();
        self.agent.send(request.answered(status, &at, ""));
    }

    /// The agent is called, rings, and the caller thinks better of it.
    fn rings(&self, wire: &mut Wire, case: &Case) {
        let name = case.name;
        let invite = self
            .agent
            .expect(&format!("{name} at the agent"), SOON, |sip| {
                sip.is_request("INVITE")
            });
        for hidden in ["192.0.2.", "2001:db8", "::ffff:", "127.75."] {
            let shown = ["Via", "Contact", "Record-Route", "Call-ID"];
            let heads = shown.iter().flat_map(|name| invite.headers(name));
            let named: Vec<_> = heads.filter(|value| value.contains(hidden)).collect();
            assert!(named.is_empty(), "{name}: {named:?}");
            assert!(!invite.body().contains(hidden), "{name}: {}", invite.body());
        }
        self.answers(&invite, 180);
        let heard = |wire: &mut Wire, status: u16, method: &str| {
            let deadline = std::time::Instant::now() + SOON;
            while let Some(rest) = deadline.checked_duration_since(std::time::Instant::now()) {
                match wire.next(rest) {
                    Some(sip) if sip.is_answer(status, method) => return sip,
                    _ => {}
                }
            }
            panic!("{name}: no {status} to {method}");
        };
        heard(wire, 180, "INVITE");
        let request = bytes(case);
        wire.send(of_its_transaction(&request, "CANCEL", None));
        let cancel = self
            .agent
            .expect(&format!("CANCEL of {name}"), SOON, |sip| {
                sip.is_request("CANCEL")
            });
        self.answers(&cancel, 200);
        self.answers(&invite, 487);
        let refused = heard(wire, 487, "INVITE");
        wire.send(of_its_transaction(&request, "ACK", Some(&refused)));
        self.agent.expect("ACK", SOON, |sip| sip.is_request("ACK"));
        self.centre.wait_available("anna");
    }

    /// What was answered fits the status, and says what the RFC wants to be said.
    fn fits(&self, name: &str, answers: &[Sip], wanted: &[u16]) {
        let mut got: Vec<_> = answers.iter().filter_map(Sip::status).collect();
        // Two messages are answered by different hosts, in any order.
        got.sort_unstable();
        assert_eq!(got, wanted, "{name}: {answers:#?}");
        for sip in answers {
            let due = match sip.status().unwrap_or_default() {
                401 => "WWW-Authenticate",
                405 | 501 => "Allow",
                406 | 415 => "Accept",
                420 => "Unsupported",
                _ => "Via",
            };
            assert!(sip.header(due).is_some(), "{name}: {due} in {}", sip.0);
            let tagged = sip.header("To").is_none_or(|to| to.contains("tag"));
            assert!(tagged, "{name}: a To tag in {}", sip.0);
        }
    }

    fn check(&self, mut wire: Wire, case: &Case, right: Right) {
        let name = case.name;
        eprintln!("{name}: {right:?} ({})", case.why);
        wire.send(bytes(case));
        match right {
            Right::Answer(status) => {
                let answers = self.finals(&mut wire, name);
                self.fits(name, &answers, &[status]);
            }
            Right::Two(first, second) => {
                // Content-Length of the second leaves a few bytes over: what follows is no message.
                let finals = std::iter::from_fn(|| wire.next(SOON));
                let finals = finals.filter(|sip| sip.status().is_none_or(|status| status >= 200));
                let answers: Vec<_> = finals.take(2).collect();
                self.fits(name, &answers, &[first, second]);
            }
            Right::Silence => assert_eq!(self.finals(&mut wire, name), [], "{name}"),
            Right::Rings => self.rings(&mut wire, case),
            Right::Ends(status) => {
                let answer = wire.next(SOON);
                self.fits(name, &answer.into_iter().collect::<Vec<_>>(), &[status]);
                assert!(wire.next(SOON).is_none(), "{name}");
                let ended = matches!(&wire, Wire::Tcp(stream) if stream.has_ended());
                assert!(ended, "{name}: the connection is closed");
            }
            Right::Waits => {
                // The rest of the body comes, and with it the answer to what is a message now.
                wire.send(vec![b' '; 9999 - 154]);
                let answers = self.finals(&mut wire, name);
                assert_eq!(answers.len(), 1, "{name}: {answers:?}");
            }
        }
    }

    /// Checks one, and keeps what is wrong with it: all that are wrong are told at once.
    fn note(&self, wire: Wire, case: &Case, right: Right, wrong: &mut Vec<String>) {
        let checked = catch_unwind(AssertUnwindSafe(|| self.check(wire, case, right)));
        if let Err(why) = checked {
            let why = why.downcast_ref::<String>().cloned();
            wrong.push(format!("{}: {}", case.name, why.unwrap_or_default()));
        }
    }

    /// Nobody was called who should not have been, and everything still runs.
    fn ends(mut self) {
        let calls = self.agent.all(Duration::from_millis(1));
        assert_eq!(calls, [], "the agent was called");
        assert!(self.centre.contacts().is_empty());
        self.centre.assert_alive();
        let log = self.centre.control_process.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

// A1
#[test]
fn every_torture_message_gets_its_right_answer_over_udp() {
    let bench = Bench::set();
    let mut wrong = Vec::new();
    for (number, case) in (1u8..).zip(cases()) {
        let at = SocketAddr::from((Ipv4Addr::new(127, 75, 0, number), case.port));
        let wire = Wire::Udp(Raw::at(at, bench.centre.edge));
        bench.note(wire, case, case.right, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    bench.ends();
}

// A1
#[test]
fn every_torture_message_gets_its_right_answer_over_tcp() {
    let bench = Bench::set();
    let mut wrong = Vec::new();
    for (number, case) in (1u8..).zip(cases()) {
        let ip = IpAddr::from(Ipv4Addr::new(127, 75, 1, number));
        let wire = Wire::Tcp(Stream::open(ip, bench.centre.edge));
        bench.note(wire, case, case.on_stream, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    bench.ends();
}

// A1
#[test]
fn the_table_names_every_message() {
    let named: BTreeSet<String> = cases().map(|case| format!("{}.dat", case.name)).collect();
    let entries = std::fs::read_dir(folder()).expect("the messages");
    let there: BTreeSet<String> = entries
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into())
        .filter(|name: &String| name.ends_with(".dat"))
        .collect();
    assert_eq!(named, there);
    assert_eq!(cases().count(), named.len(), "each once");
}

/// CANCEL or ACK of an INVITE as it stands in the RFC: URI, Via, From, Call-ID and CSeq are its own.
fn of_its_transaction(invite: &[u8], method: &str, refused: Option<&Sip>) -> String {
    let text = String::from_utf8_lossy(invite).replace("\r\n ", " ");
    let invite = Sip(text);
    let value = |names: [&'static str; 2]| {
        let mut found = names.iter().filter_map(|name| invite.header(name));
        found.next().unwrap_or_default().to_owned()
    };
    let uri = invite.start().split(' ').nth(1).unwrap_or_default();
    let number = value(["CSeq", "CSeq"]);
    let number = number.split(' ').next().unwrap_or_default();
    let to = refused.and_then(|sip| sip.header("To").map(str::to_owned));
    format!(
        "{method} {uri} SIP/2.0\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
         CSeq: {number} {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        value(["Via", "v"]),
        value(["From", "f"]),
        to.unwrap_or_else(|| value(["To", "t"])),
        value(["Call-ID", "i"]),
    )
}
