//! The phones' side.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use super::TRIES;
use super::calling::{Means, sdp};
use super::timers::Due;
use super::wire::{Kind, Message};

/// All legs of a run: what phones were called for.
pub(super) struct Answering {
    relayed: bool,
    known: HashMap<String, u32>,
    legs: Vec<Leg>,
    text: String,
    /// Legs without a BYE.
    open: u64,
}

struct Leg {
    state: State,
    phone: usize,
    from: SocketAddr,
    /// The 200, until its ACK is there.
    answer: String,
    tries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Answered,
    Talking,
    Over,
}

impl Answering {
    pub fn new(relayed: bool) -> Self {
        Self {
            relayed,
            known: HashMap::new(),
            legs: Vec::new(),
            text: String::with_capacity(2048),
            open: 0,
        }
    }

    /// Legs that nobody has hung up yet.
    pub fn open(&self) -> u64 {
        self.open
    }

    /// Something came from the system. Answers go where the request came from, as from phones
    /// behind NAT (RFC 3581).
    pub fn take(
        &mut self,
        message: &Message<'_>,
        phone: usize,
        from: SocketAddr,
        means: &mut Means<'_>,
    ) {
        let Kind::Request(method) = message.kind else {
            means.tally.foreign += 1;
            return;
        };
        let known = self.known.get(message.call_id).copied();
        match (method, known) {
            ("INVITE", None) => self.called(message, phone, from, means),
            ("INVITE", Some(number)) if message.has_to_tag() => {
                let text = self.ok(message, number, phone, means);
                self.send(&text, phone, from, means);
            }
            ("INVITE", Some(number)) => {
                means.tally.again.received += 1;
                self.answer_again(number, means);
            }
            ("ACK", Some(number)) => self.acknowledged(number),
            ("ACK", None) => means.tally.foreign += 1,
            ("BYE", Some(number)) => {
                self.hung_up(number, means);
                self.reply("200 OK", message, phone, from, means);
            }
            ("BYE", None) => {
                means.tally.foreign += 1;
                self.reply("481 Call Does Not Exist", message, phone, from, means);
            }
            ("OPTIONS" | "CANCEL", _) => self.reply("200 OK", message, phone, from, means),
            _ => self.reply("405 Method Not Allowed", message, phone, from, means),
        }
    }

    fn called(
        &mut self,
        message: &Message<'_>,
        phone: usize,
        from: SocketAddr,
        means: &mut Means<'_>,
    ) {
        let Ok(number) = u32::try_from(self.legs.len()) else {
            return;
        };
        let port = message.audio_port();
        if port == 0 || self.relayed && port == means.sockets.caller_media {
            means
                .tally
                .fail("an INVITE has no media port of the system");
        }
        let ringing = self.with_head("180 Ringing", message, Some(number));
        self.send(&ringing, phone, from, means);
        self.text = ringing;
        let answer = self.ok(message, number, phone, means);
        self.send(&answer, phone, from, means);
        self.known.insert(message.call_id.to_owned(), number);
        self.legs.push(Leg {
            state: State::Answered,
            phone,
            from,
            answer,
            tries: 1,
        });
        self.open += 1;
        means.timers.set_retry(means.now, number, Due::Answer, 1);
    }

    fn acknowledged(&mut self, number: u32) {
        if let Some(leg) = self.legs.get_mut(number as usize)
            && leg.state == State::Answered
        {
            leg.state = State::Talking;
            leg.answer = String::new();
        }
    }

    fn hung_up(&mut self, number: u32, means: &mut Means<'_>) {
        let Some(leg) = self.legs.get_mut(number as usize) else {
            return;
        };
        if leg.state == State::Over {
            means.tally.again.received += 1;
        } else {
            leg.state = State::Over;
            leg.answer = String::new();
            self.open -= 1;
        }
    }

    /// No ACK has come yet (RFC 3261 section 13.3.1.4).
    pub fn due(&mut self, number: u32, means: &mut Means<'_>) {
        let Some(leg) = self.legs.get_mut(number as usize) else {
            return;
        };
        if leg.state != State::Answered {
            return;
        }
        if leg.tries >= TRIES {
            leg.state = State::Over;
            self.open -= 1;
            means.tally.fail("no ACK at the phone");
            return;
        }
        leg.tries += 1;
        let tries = leg.tries;
        means
            .timers
            .set_retry(means.now, number, Due::Answer, tries);
        means.tally.again.answers += 1;
        self.answer_again(number, means);
    }

    fn answer_again(&mut self, number: u32, means: &mut Means<'_>) {
        if let Some(leg) = self.legs.get(number as usize)
            && leg.state == State::Answered
        {
            self.send(&leg.answer, leg.phone, leg.from, means);
        }
    }

    /// The 200 to an INVITE.
    fn ok(&self, message: &Message<'_>, number: u32, phone: usize, means: &Means<'_>) -> String {
        let mut text = String::with_capacity(1024);
        head(&mut text, "200 OK", message, Some(number));
        let sdp = sdp(number, means.sockets.phone_media);
        let host = means.sockets.phones.get(phone);
        let host = host.map_or("", |party| party.host.as_str());
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            text,
            "Contact: <sip:phone{phone}@{host}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        text
    }

    fn reply(
        &mut self,
        status: &str,
        message: &Message<'_>,
        phone: usize,
        from: SocketAddr,
        means: &mut Means<'_>,
    ) {
        let text = self.with_head(status, message, None);
        self.send(&text, phone, from, means);
        self.text = text;
    }

    /// A response without a body, in the memory kept for it.
    fn with_head(&mut self, status: &str, message: &Message<'_>, number: Option<u32>) -> String {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        head(&mut text, status, message, number);
        text.push_str("Content-Length: 0\r\n\r\n");
        text
    }

    fn send(&self, text: &str, phone: usize, to: SocketAddr, means: &mut Means<'_>) {
        let party = means.sockets.phones.get(phone);
        let sent = party.is_some_and(|party| party.send(text, to));
        means.tally.unsent += u64::from(!sent);
    }
}

/// Status line and what a response copies (RFC 3261 section 8.2.6.2); with a leg's number the tag
/// of the phone is added, too.
fn head(text: &mut String, status: &str, message: &Message<'_>, number: Option<u32>) {
    let _ = write!(text, "SIP/2.0 {status}\r\n");
    for via in &message.vias {
        let _ = write!(text, "{via}\r\n");
    }
    for route in &message.record_routes {
        let _ = write!(text, "Record-Route: {route}\r\n");
    }
    let _ = write!(text, "{}\r\n{}", message.from, message.to);
    if let Some(number) = number.filter(|_| !message.has_to_tag()) {
        let _ = write!(text, ";tag=p{number:x}");
    }
    let _ = write!(
        text,
        "\r\nCall-ID: {}\r\nCSeq: {}\r\n",
        message.call_id, message.cseq
    );
}
