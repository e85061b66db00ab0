//! The callers' side.

use std::fmt::Write as _;
use std::time::Duration;

use super::sockets::{Party, Sockets};
use super::timers::{Due, Timers};
use super::wire::{Kind, Message};
use super::{Extent, Load, TRIES, Tally};

/// All calls of a run, by their numbers.
pub(super) struct Calling<'a> {
    load: &'a Load,
    hold: Option<Duration>,
    calls: Vec<Call>,
    text: String,
}

struct Call {
    sent: Duration,
    /// It was placed in the window.
    timed: bool,
    state: State,
    /// How often the request that waits was sent.
    tries: u32,
    dialog: Option<Box<Dialog>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Calling,
    Ringing,
    Talking,
    HangingUp,
    Over,
}

/// What requests in the dialog are made of.
struct Dialog {
    uri: String,
    /// `Route` lines.
    routes: String,
    /// The `To` line, with the other side's tag.
    to: String,
}

/// What a step works on besides the calls.
pub(super) struct Means<'m> {
    pub sockets: &'m Sockets,
    pub timers: &'m mut Timers,
    pub tally: &'m mut Tally,
    pub now: Duration,
}

impl<'a> Calling<'a> {
    pub fn new(load: &'a Load) -> Self {
        Self {
            load,
            hold: match load.extent {
                Extent::Window { hold, .. } => Some(hold),
                Extent::Standing(_) => None,
            },
            calls: Vec::new(),
            text: String::with_capacity(2048),
        }
    }

    /// Places the next call.
    pub fn place(&mut self, timed: bool, means: &mut Means<'_>) {
        let Ok(number) = u32::try_from(self.calls.len()) else {
            return;
        };
        self.calls.push(Call {
            sent: means.now,
            timed,
            state: State::Calling,
            tries: 1,
            dialog: None,
        });
        means.tally.progress.placed += 1;
        means.tally.timed += u64::from(timed);
        let open = means.tally.progress.placed - means.tally.progress.over;
        means.tally.peak = means.tally.peak.max(open);
        self.invite(number, means);
        means.timers.set_retry(means.now, number, Due::Invite, 1);
    }

    /// Something came from the system.
    pub fn take(&mut self, message: &Message<'_>, means: &mut Means<'_>) {
        let number = self.number(message.call_id);
        let Some(number) = number.filter(|number| (*number as usize) < self.calls.len()) else {
            means.tally.foreign += 1;
            return;
        };
        let Kind::Response(status) = message.kind else {
            self.end(number, Err("the system hung up".to_owned()), means);
            return;
        };
        let (method, mark) = match message.cseq_method() {
            "INVITE" => ("INVITE", 'i'),
            "BYE" => ("BYE", 'b'),
            _ => ("", '?'),
        };
        let branch = self.branch(number, mark);
        if !message
            .vias
            .first()
            .is_some_and(|via| via.contains(&branch))
        {
            means.tally.foreign += 1;
            return;
        }
        match method {
            "INVITE" => self.answered(number, status, message, means),
            _ => self.bye_answered(number, status, means),
        }
    }

    fn answered(&mut self, number: u32, status: u16, message: &Message<'_>, means: &mut Means<'_>) {
        let relayed = self.load.relayed;
        let Some(call) = self.calls.get_mut(number as usize) else {
            return;
        };
        let waits = matches!(call.state, State::Calling | State::Ringing);
        match status {
            100..200 if call.state == State::Calling => call.state = State::Ringing,
            100..200 => (),
            200..300 if waits => {
                if call.timed {
                    let took = means.now.saturating_sub(call.sent).as_nanos();
                    let took = u64::try_from(took).unwrap_or(u64::MAX);
                    means.tally.setup.saturating_record(took);
                }
                call.dialog = Some(Box::new(Dialog {
                    uri: message.contact_uri().to_owned(),
                    routes: message.routes(),
                    to: message.to.to_owned(),
                }));
                call.state = State::Talking;
                means.tally.progress.answered += 1;
                self.in_dialog(number, "ACK", means);
                let port = message.audio_port();
                if port == 0 || relayed && port == means.sockets.phone_media {
                    let why = "the 200 has no media port of the system";
                    self.end(number, Err(why.to_owned()), means);
                } else if let Some(hold) = self.hold {
                    means.timers.set(means.now + hold, number, Due::HangUp);
                }
            }
            200..300 => {
                means.tally.again.received += 1;
                self.in_dialog(number, "ACK", means);
            }
            _ => {
                self.refused(number, message, means);
                if waits {
                    self.end(number, Err(format!("INVITE answered {status}")), means);
                }
            }
        }
    }

    fn bye_answered(&mut self, number: u32, status: u16, means: &mut Means<'_>) {
        let state = self.calls.get(number as usize).map(|call| call.state);
        match status {
            _ if state != Some(State::HangingUp) => means.tally.again.received += 1,
            100..200 => (),
            200..300 => self.end(number, Ok(()), means),
            _ => self.end(number, Err(format!("BYE answered {status}")), means),
        }
    }

    /// A timer of a call has come up.
    pub fn due(&mut self, number: u32, due: Due, means: &mut Means<'_>) {
        let Some(call) = self.calls.get_mut(number as usize) else {
            return;
        };
        match (due, call.state) {
            (Due::Invite, State::Calling | State::Ringing) if call.tries >= TRIES => {
                self.end(number, Err("no final answer to INVITE".to_owned()), means);
            }
            (Due::Invite, State::Calling | State::Ringing) => {
                call.tries += 1;
                let (tries, silent) = (call.tries, call.state == State::Calling);
                means.timers.set_retry(means.now, number, due, tries);
                // Once it rings the INVITE is not sent again (RFC 3261 section 17.1.1.2).
                if silent {
                    means.tally.again.invites += 1;
                    self.invite(number, means);
                }
            }
            (Due::HangUp, State::Talking) => self.hang_up(number, means),
            (Due::Bye, State::HangingUp) if call.tries >= TRIES => {
                self.end(number, Err("no answer to BYE".to_owned()), means);
            }
            (Due::Bye, State::HangingUp) => {
                call.tries += 1;
                let tries = call.tries;
                means.timers.set_retry(means.now, number, due, tries);
                means.tally.again.byes += 1;
                self.in_dialog(number, "BYE", means);
            }
            _ => (),
        }
    }

    /// Ends a call that talks.
    pub fn hang_up(&mut self, number: u32, means: &mut Means<'_>) {
        let Some(call) = self.calls.get_mut(number as usize) else {
            return;
        };
        if call.state == State::Talking {
            call.state = State::HangingUp;
            call.tries = 1;
            means.timers.set_retry(means.now, number, Due::Bye, 1);
            self.in_dialog(number, "BYE", means);
        }
    }

    fn end(&mut self, number: u32, how: Result<(), String>, means: &mut Means<'_>) {
        let Some(call) = self.calls.get_mut(number as usize) else {
            return;
        };
        if call.state != State::Over {
            call.state = State::Over;
            means.tally.progress.over += 1;
            if let Err(reason) = how {
                means.tally.fail(reason);
            }
        }
    }

    fn number(&self, call_id: &str) -> Option<u32> {
        let (run, number) = call_id.split_once('-')?;
        let ours = u32::from_str_radix(run, 16).ok()? == self.load.run;
        ours.then(|| u32::from_str_radix(number, 16).ok())?
    }

    fn branch(&self, number: u32, mark: char) -> String {
        format!("z9hG4bK{:x}{mark}{number:x}", self.load.run)
    }

    fn uri(&self, number: u32) -> &str {
        let place = number as usize % self.load.uris.len().max(1);
        self.load.uris.get(place).map_or("", String::as_str)
    }

    fn invite(&mut self, number: u32, means: &mut Means<'_>) {
        let Some(party) = party(number, means.sockets) else {
            return;
        };
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        let (run, host, uri) = (self.load.run, &party.host, self.uri(number));
        let port = means.sockets.caller_media;
        let sdp = sdp(number, port);
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            text,
            "INVITE {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {host};rport;branch=z9hG4bK{run:x}i{number:x}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:caller{number}@bench>;tag={run:x}f{number:x}\r\n\
             To: <{uri}>\r\nCall-ID: {run:x}-{number:x}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:caller@{host}>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        self.send(number, party, text, means);
    }

    fn in_dialog(&mut self, number: u32, method: &str, means: &mut Means<'_>) {
        let call = self.calls.get(number as usize);
        let dialog = call.and_then(|call| call.dialog.as_ref());
        let Some((dialog, party)) = dialog.zip(party(number, means.sockets)) else {
            return;
        };
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        let (sequence, mark) = if method == "BYE" { (2, 'b') } else { (1, 'a') };
        let (run, host) = (self.load.run, &party.host);
        let Dialog { uri, routes, to } = &**dialog;
        let _ = write!(
            text,
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {host};rport;branch=z9hG4bK{run:x}{mark}{number:x}\r\n\
             {routes}Max-Forwards: 70\r\n\
             From: <sip:caller{number}@bench>;tag={run:x}f{number:x}\r\n{to}\r\n\
             Call-ID: {run:x}-{number:x}\r\nCSeq: {sequence} {method}\r\nContent-Length: 0\r\n\r\n"
        );
        self.send(number, party, text, means);
    }

    /// The ACK to a refusal (RFC 3261 section 17.1.1.3).
    fn refused(&mut self, number: u32, message: &Message<'_>, means: &mut Means<'_>) {
        let Some(party) = party(number, means.sockets) else {
            return;
        };
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        let (run, host, uri, to) = (self.load.run, &party.host, self.uri(number), message.to);
        let _ = write!(
            text,
            "ACK {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {host};rport;branch=z9hG4bK{run:x}i{number:x}\r\nMax-Forwards: 70\r\n\
             From: <sip:caller{number}@bench>;tag={run:x}f{number:x}\r\n{to}\r\n\
             Call-ID: {run:x}-{number:x}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
        );
        self.send(number, party, text, means);
    }

    /// Sends a text and keeps its memory.
    fn send(&mut self, number: u32, party: &Party, text: String, means: &mut Means<'_>) {
        let place = number as usize % self.load.targets.len().max(1);
        let target = self.load.targets.get(place);
        let sent = target.is_some_and(|target| party.send(&text, *target));
        means.tally.unsent += u64::from(!sent);
        self.text = text;
    }
}

/// The caller of a call.
fn party(number: u32, sockets: &Sockets) -> Option<&Party> {
    let count = sockets.callers.len().max(1);
    sockets.callers.get(number as usize % count)
}

/// An offer or answer of G.711 at one port of loopback.
pub(super) fn sdp(session: u32, port: u16) -> String {
    format!(
        "v=0\r\no=- {session} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 0\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=ptime:20\r\na=sendrecv\r\n"
    )
}
