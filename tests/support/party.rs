//! A phone whose every message the test writes: for races, and for phones that tell all they know.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::message::Sip;
use super::raw::Raw;
use super::stream::Stream;
use super::{CALLER, Centre, SOON};

enum Wire {
    Udp(Raw),
    /// Nobody has connected yet.
    Listens(TcpListener),
    Tcp(Stream),
}

/// What a message has beyond its dialog: header lines, and a body with its type.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    lines: String,
    body: Option<(&'static str, String)>,
}

impl Extra {
    /// A description.
    pub fn sdp(text: impl Into<String>) -> Extra {
        Extra::default().body("application/sdp", text)
    }

    /// A description of plain audio at an address.
    pub fn audio(at: std::net::SocketAddr) -> Extra {
        Extra::sdp(format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
            at.port(),
            ip = at.ip(),
        ))
    }

    /// Header lines, each with its end.
    pub fn lines(lines: impl Into<String>) -> Extra {
        Extra {
            lines: lines.into(),
            body: None,
        }
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, kind: &'static str, text: impl Into<String>) -> Extra {
        self.body = Some((kind, text.into()));
        self
    }

    fn text(&self) -> String {
        let (kind, body) = match &self.body {
            Some((kind, body)) => (format!("Content-Type: {kind}\r\n"), body.as_str()),
            None => (String::new(), ""),
        };
        let length = body.len();
        format!("{}{kind}Content-Length: {length}\r\n\r\n{body}", self.lines)
    }
}

/// The dialog as this phone sees it.
#[derive(Clone, Debug, Default)]
struct Dialog {
    target: String,
    us: String,
    them: String,
    call_id: String,
}

/// A phone with one call.
pub struct Party {
    wire: Wire,
    transport: &'static str,
    user: &'static str,
    /// Where it is.
    pub at: SocketAddr,
    centre: SocketAddr,
    /// What it calls its own host, with a port.
    home: String,
    /// Record-Route lines of a message that begins a dialog, the nearest first.
    routes: Vec<String>,
    /// Lines in each of its messages.
    tells: String,
    /// A word in all its identifiers.
    mark: &'static str,
    serial: u32,
    dialog: Dialog,
    taken: Vec<String>,
    /// All that it sent.
    pub sent: Vec<Sip>,
    /// All that it got.
    pub got: Vec<Sip>,
}

impl Party {
    /// A caller.
    pub fn caller(centre: &Centre, tcp: bool) -> Party {
        let at = SocketAddr::new(CALLER, centre.ports.next());
        let wire = match tcp {
            true => Wire::Tcp(Stream::open(CALLER, centre.edge)),
            false => Wire::Udp(Raw::at(at, centre.edge)),
        };
        Party::with(wire, "carla", at, centre.edge)
    }

    /// An agent's phone that listens at `at`.
    pub fn agent(centre: &Centre, at: SocketAddr, tcp: bool) -> Party {
        let wire = match tcp {
            true => Wire::Listens(TcpListener::bind(at).expect("a TCP port")),
            false => Wire::Udp(Raw::at(at, centre.edge)),
        };
        Party::with(wire, "anna", at, centre.edge)
    }

    fn with(wire: Wire, user: &'static str, at: SocketAddr, centre: SocketAddr) -> Party {
        let transport = match wire {
            Wire::Udp(_) => "UDP",
            _ => "TCP",
        };
        Party {
            wire,
            transport,
            user,
            at,
            centre,
            home: at.to_string(),
            routes: Vec::new(),
            tells: String::new(),
            mark: user,
            serial: 0,
            dialog: Dialog::default(),
            taken: Vec::new(),
            sent: Vec::new(),
            got: Vec::new(),
        }
    }

    /// It names its host so, has these proxies before it (the nearest first), says these lines in
    /// each message, and has this word in its identifiers.
    #[must_use]
    pub fn tells(
        mut self,
        host: &str,
        routes: &[String],
        lines: String,
        mark: &'static str,
    ) -> Party {
        self.home = format!("{host}:{}", self.at.port());
        self.routes = routes.to_vec();
        self.tells = lines;
        self.mark = mark;
        self
    }

    fn unique(&mut self) -> String {
        self.serial += 1;
        format!("{}{}x{}", self.mark, std::process::id(), self.serial)
    }

    fn contact(&self) -> String {
        let transport = self.transport.to_ascii_lowercase();
        format!("<sip:{}@{};transport={transport}>", self.user, self.home)
    }

    fn via(&mut self) -> String {
        let branch = self.unique();
        format!(
            "Via: SIP/2.0/{} {};rport;branch=z9hG4bK{branch}\r\n",
            self.transport, self.home
        )
    }

    /// Sends text as it is.
    pub fn send(&mut self, text: String) {
        match &mut self.wire {
            Wire::Udp(raw) => raw.send(&text),
            Wire::Tcp(stream) => stream.send(&text),
            Wire::Listens(_) => panic!("nobody has connected to {}", self.user),
        }
        self.sent.push(Sip(text));
    }

    /// Calls `user` of the centre.
    pub fn invite(&mut self, user: &str, extra: &Extra) -> Sip {
        let tag = self.unique();
        let call_id = self.unique();
        self.dialog = Dialog {
            target: format!("sip:{user}@{}", self.centre),
            us: format!("\"A Caller\" <sip:{}@{}>;tag={tag}", self.user, self.home),
            them: format!("<sip:{user}@{}>", self.centre),
            call_id: format!("{call_id}@{}", self.home),
        };
        let routes = self.record_routes(false);
        self.ask("INVITE", 1, &extra.clone().after(&routes))
    }

    fn record_routes(&self, reversed: bool) -> String {
        let line = |route: &String| format!("Record-Route: {route}\r\n");
        match reversed {
            true => self.routes.iter().rev().map(line).collect(),
            false => self.routes.iter().map(line).collect(),
        }
    }

    /// Sends a request in its dialog, and gives it back.
    pub fn ask(&mut self, method: &str, number: u32, extra: &Extra) -> Sip {
        let via = self.via();
        self.ask_by(&via, method, number, extra)
    }

    fn ask_by(&mut self, via: &str, method: &str, number: u32, extra: &Extra) -> Sip {
        let Dialog {
            target,
            us,
            them,
            call_id,
        } = &self.dialog;
        let text = format!(
            "{method} {target} SIP/2.0\r\n{via}Max-Forwards: 70\r\nFrom: {us}\r\nTo: {them}\r\n\
             Call-ID: {call_id}\r\nCSeq: {number} {method}\r\nContact: {}\r\n{}{}",
            self.contact(),
            self.tells,
            extra.text()
        );
        self.send(text.clone());
        Sip(text)
    }

    /// Its dialog leads there from now on, with this To.
    pub fn leads(&mut self, target: &str, them: &str) {
        self.dialog.target = target.to_owned();
        self.dialog.them = them.to_owned();
    }

    /// Acknowledges an answer to its INVITE, with the answer to an offer if there was one.
    pub fn ack(&mut self, answer: &Sip, extra: &Extra) {
        let number = answer.header("CSeq").and_then(|cseq| {
            let (number, _) = cseq.split_once(' ')?;
            number.parse().ok()
        });
        let number = number.expect("a CSeq");
        if answer.status().is_some_and(|status| status < 300) {
            if let Some(contact) = answer.contact() {
                self.dialog.target = contact.to_owned();
            }
            self.dialog.them = answer.header("To").expect("To").to_owned();
            self.ask("ACK", number, extra);
            return;
        }
        // The ACK of a failure belongs to the transaction of the INVITE (RFC 3261 section 17.1.1.3).
        let wanted = format!("{number} INVITE");
        let of = |sip: &&Sip| sip.is_request("INVITE") && sip.header("CSeq") == Some(&wanted);
        let invite = self.sent.iter().rev().find(of).expect("an INVITE").clone();
        let via = format!("Via: {}\r\n", invite.header("Via").expect("Via"));
        let them = std::mem::replace(
            &mut self.dialog.them,
            answer.header("To").expect("To").to_owned(),
        );
        self.ask_by(&via, "ACK", number, extra);
        self.dialog.them = them;
    }

    /// Takes its INVITE back.
    pub fn cancel(&mut self, number: u32) {
        let wanted = format!("{number} INVITE");
        let of = |sip: &&Sip| sip.is_request("INVITE") && sip.header("CSeq") == Some(&wanted);
        let invite = self.sent.iter().rev().find(of).expect("an INVITE").clone();
        let via = format!("Via: {}\r\n", invite.header("Via").expect("Via"));
        self.ask_by(&via, "CANCEL", number, &Extra::default());
    }

    /// Answers a request. One that begins a dialog is from then on this phone's call.
    pub fn answer(&mut self, request: &Sip, status: u16, extra: &Extra) {
        let header = |name: &'static str| request.header(name).unwrap_or_default().to_owned();
        let vias: String = request
            .headers("Via")
            .map(|via| format!("Via: {via}\r\n"))
            .collect();
        let mut to = header("To");
        let mut routes = String::new();
        if !to.contains("tag=") {
            if self.dialog.call_id != header("Call-ID") {
                let tag = self.unique();
                self.dialog = Dialog {
                    target: request.contact().expect("a Contact").to_owned(),
                    us: format!("{to};tag={tag}"),
                    them: header("From"),
                    call_id: header("Call-ID"),
                };
            }
            to = self.dialog.us.clone();
            routes = request
                .headers("Record-Route")
                .map(|route| format!("Record-Route: {route}\r\n"))
                .collect();
            routes = self.record_routes(true) + &routes;
        }
        let text = format!(
            "SIP/2.0 {status} Word\r\n{vias}{routes}From: {}\r\nTo: {to}\r\nCall-ID: {}\r\n\
             CSeq: {}\r\nContact: {}\r\n{}{}",
            header("From"),
            header("Call-ID"),
            header("CSeq"),
            self.contact(),
            self.tells,
            extra.text()
        );
        self.send(text);
    }

    /// The next message.
    pub fn next(&mut self, limit: Duration) -> Option<Sip> {
        if let Wire::Listens(listener) = &self.wire {
            self.wire = Wire::Tcp(Stream::accept(listener, limit)?);
        }
        let sip = match &mut self.wire {
            Wire::Udp(raw) => raw.next(limit),
            Wire::Tcp(stream) => stream.next(limit),
            Wire::Listens(_) => None,
        }?;
        self.got.push(sip.clone());
        Some(sip)
    }

    /// Waits for a message that fits; others are passed over.
    pub fn expect(&mut self, what: &str, wanted: impl Fn(&Sip) -> bool) -> Sip {
        let deadline = Instant::now() + SOON;
        let mut others = Vec::new();
        while let Some(rest) = deadline.checked_duration_since(Instant::now()) {
            match self.next(rest) {
                Some(sip) if wanted(&sip) => return sip,
                Some(sip) => others.push(sip.0),
                None => break,
            }
        }
        let others = others.join("\n");
        panic!(
            "{what} did not come to {} within {SOON:?}; others did:\n{others}",
            self.user
        );
    }

    /// Waits for a request that it has not had before.
    pub fn takes(&mut self, method: &str) -> Sip {
        let taken = std::mem::take(&mut self.taken);
        let sip = self.expect(method, |sip| {
            sip.is_request(method) && !taken.contains(&name(sip))
        });
        self.taken = taken;
        self.taken.push(name(&sip));
        sip
    }

    /// Waits for the final or provisional answer `status` to its request with this CSeq.
    pub fn hears(&mut self, status: u16, number: u32, method: &str) -> Sip {
        let cseq = format!("{number} {method}");
        let what = format!("{status} to {cseq}");
        self.expect(&what, |sip| {
            sip.status() == Some(status) && sip.header("CSeq") == Some(&cseq)
        })
    }

    /// Whether a message that fits has come so far, looked at without waiting for more.
    pub fn has_got(&self, wanted: impl Fn(&Sip) -> bool) -> bool {
        self.got.iter().any(wanted)
    }
}

impl Extra {
    /// With these lines before its own.
    fn after(mut self, lines: &str) -> Extra {
        self.lines.insert_str(0, lines);
        self
    }
}

fn name(sip: &Sip) -> String {
    let header = |name: &'static str| sip.header(name).unwrap_or_default();
    format!("{} {}", header("Call-ID"), header("CSeq"))
}
