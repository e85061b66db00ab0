//! A caller who waits: the relay itself takes the agent's place, in early media (RFC 3960), and plays
//! what control wants to be heard (requirement D14).
//!
//! Such a session has a pair like any other, whose agent's side is the player. Control ends it by CANCEL
//! when an agent has answered in a session of its own, as a fork that lost.

use super::media::{Ends, SDP_TYPE};
use super::transfer::{put_body, refusal_of};
use super::{Context, Session, Sessions};
use crate::edge::counters::EdgeDrop;
use crate::edge::{Output, Refusal};
use crate::engine::Side;
use crate::player::{Law, Listener, Order};
use crate::session::SessionId;
use patchbay_route::session::{SessionEvent, SessionState};
use patchbay_route::transfer::{Hears, SAY_TYPE};
use patchbay_route::waiting::{Pressed, Say};
use patchbay_sip::sdp::{Codec, MediaKind, Sdp};
use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{HeaderName, Message, Method};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

/// Keys that one waiting caller may press; further ones count for nothing.
pub const MAX_KEYS: u16 = 256;
/// The body types of an INFO that tells a key.
const KEY_TYPES: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];
/// What a waiting caller's phone may ask.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, INFO";

/// A caller who waits.
pub(super) struct Hearing {
    hears: Hears,
    /// Whether the player was told of it.
    plays: bool,
    keys: u16,
}

impl Hearing {
    pub fn of(hears: &Hears) -> Hearing {
        Hearing {
            hears: hears.clone(),
            plays: false,
            keys: 0,
        }
    }
}

/// What can be played to a caller, of what its description offers.
#[derive(Debug, PartialEq, Eq)]
struct Audible {
    /// Which line of the description.
    line: usize,
    law: Law,
    payload: u8,
    events: Option<u8>,
}

impl Audible {
    /// The first line of plain audio with G.711, in the form that the caller likes better.
    fn of(offer: &Sdp) -> Option<Audible> {
        offer.medias().enumerate().find_map(|(line, medium)| {
            let usable =
                medium.kind() == MediaKind::Audio && medium.port() != 0 && medium.is_plain_rtp();
            let codecs = usable.then(|| medium.codecs())?;
            let (law, payload) = codecs
                .iter()
                .find_map(|codec| Some((law(codec)?, codec.payload)))?;
            let events = codecs
                .iter()
                .find(|codec| is_named(codec, "telephone-event"));
            Some(Audible {
                line,
                law,
                payload,
                events: events.map(|codec| codec.payload),
            })
        })
    }

    /// The player's answer, at `at`: this line, and no other.
    fn answer(&self, offer: &Sdp, at: SocketAddr) -> String {
        let version = if at.is_ipv4() { "IP4" } else { "IP6" };
        let ip = at.ip();
        let mut answer =
            format!("v=0\r\no=- 1 1 IN {version} {ip}\r\ns=-\r\nc=IN {version} {ip}\r\nt=0 0\r\n");
        for (line, medium) in offer.medias().enumerate() {
            // Writing to a string cannot fail.
            let _ = match line == self.line {
                true => self.write_line(&mut answer, medium.proto(), at.port()),
                false => {
                    let (kind, proto) = (medium.kind_name(), medium.proto());
                    let format = medium.formats().next().unwrap_or("0");
                    write!(answer, "m={kind} 0 {proto} {format}\r\n")
                }
            };
        }
        answer
    }

    fn write_line(&self, to: &mut String, proto: &str, port: u16) -> std::fmt::Result {
        let name = match self.law {
            Law::Mu => "PCMU",
            Law::A => "PCMA",
        };
        let events = self.events.map(|events| format!(" {events}"));
        let formats = format!("{}{}", self.payload, events.unwrap_or_default());
        write!(to, "m=audio {port} {proto} {formats}\r\n")?;
        write!(to, "a=rtpmap:{} {name}/8000\r\n", self.payload)?;
        if let Some(events) = self.events {
            write!(to, "a=rtpmap:{events} telephone-event/8000\r\n")?;
            write!(to, "a=fmtp:{events} 0-15\r\n")?;
        }
        // Reports come to the same socket, which looks at nothing but keys.
        write!(to, "a=rtcp:{port}\r\na=ptime:20\r\na=sendrecv\r\n")
    }
}

fn is_named(codec: &Codec, name: &str) -> bool {
    codec.name.eq_ignore_ascii_case(name) && codec.clock_rate == 8000
}

fn law(codec: &Codec) -> Option<Law> {
    match codec.channels {
        1 if is_named(codec, "PCMU") => Some(Law::Mu),
        1 if is_named(codec, "PCMA") => Some(Law::A),
        _ => None,
    }
}

/// The key that an INFO tells: a body of its own, or `Signal=5` in one.
fn key_of(request: &Message) -> Option<char> {
    let body = std::str::from_utf8(&request.body).ok()?;
    let value = match request.has_content_type(KEY_TYPES[0]) {
        true => body.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then_some(value)
        })?,
        false => body,
    };
    let mut said = value.trim().chars();
    let key = said.next()?.to_ascii_uppercase();
    let valid = matches!(key, '0'..='9' | '*' | '#' | 'A'..='D') && said.next().is_none();
    valid.then_some(key)
}

impl Sessions {
    /// A key that a waiting caller has pressed.
    pub fn pressed(&mut self, cx: &mut Context<'_>, id: SessionId, key: char) {
        self.with(cx, id, |session, cx| session.pressed(cx, key));
    }
}

impl Session {
    /// Lets the caller hear what was asked for, or refuses the transfer.
    pub(super) fn start_hearing(&mut self, cx: &mut Context<'_>) {
        // Control takes it back, by CANCEL or with its connection.
        self.guard = None;
        if let Err(refusal) = self.let_hear(cx) {
            self.refuse_offer(cx, refusal);
        }
    }

    fn let_hear(&mut self, cx: &mut Context<'_>) -> Result<(), Refusal> {
        let (Some(invite), Some(port)) = (&self.invite, cx.config.player_port) else {
            return Err(Refusal::plain(501, "No Announcements Here"));
        };
        let (server, request) = (invite.server, Arc::clone(&invite.request));
        let nothing = Refusal::plain(488, "Nothing Audible Offered");
        let offer = Sdp::parse(&request.body).map_err(|_| nothing.clone())?;
        let audible = Audible::of(&offer).ok_or(nothing)?;
        let flow = self.caller.flow;
        let at = cx.paths.media_ip(&flow, flow.remote.ip());
        let at = at.ok_or(Refusal::plain(488, "No Address For Media"))?;
        let at = SocketAddr::new(at, port);
        self.agent.flow.remote = at;
        let ends = Ends::of(&self.caller, &self.agent);
        let refused = |cx: &mut Context<'_>, error| refusal_of(cx, &error);
        self.media
            .take(cx, ends, Side::Client, &request)
            .map_err(|error| refused(cx, error))?;
        let mut heard = Message::response_to(&request, 183, "");
        heard.set_to_tag(&self.agent.tag);
        heard.headers.push(HeaderName::Allow, ALLOW);
        heard.set_body(SDP_TYPE, audible.answer(&offer, at));
        let body = self
            .media
            .take(cx, ends, Side::Agent, &heard)
            .map_err(|error| refused(cx, error))?;
        let mut answer = self.answer_from(cx, Side::Agent, &request, &heard);
        put_body(&mut answer, &heard, body);
        let _ = cx.layer.respond(server, answer, cx.now.instant);
        self.state = SessionState::Ringing;
        self.play(cx, audible);
        Ok(())
    }

    fn play(&mut self, cx: &mut Context<'_>, audible: Audible) {
        let to = self
            .media
            .rows()
            .next()
            .map(|row| row.pair.local[Side::Agent as usize].rtp);
        let (Some(hearing), Some(to)) = (&mut self.hearing, to) else {
            return;
        };
        hearing.plays = true;
        let listener = Listener {
            session: self.id,
            to,
            law: audible.law,
            payload: audible.payload,
            events: audible.events,
            music: hearing.hears.music.clone(),
            language: hearing.hears.language.clone(),
        };
        let start = Order::Start(Box::new(listener));
        cx.outputs.push_back(Output::Play(start));
    }

    /// Nobody listens any more. Safe to call again.
    pub(super) fn stop_hearing(&mut self, cx: &mut Context<'_>) {
        let hearing = self.hearing.as_mut();
        if hearing.is_some_and(|hearing| std::mem::take(&mut hearing.plays)) {
            cx.outputs.push_back(Output::Play(Order::Stop(self.id)));
        }
    }

    fn pressed(&mut self, cx: &mut Context<'_>, key: char) {
        let Some(hearing) = &mut self.hearing else {
            return;
        };
        if self.ended || hearing.keys >= MAX_KEYS {
            return cx.counters.drop(EdgeDrop::KeyIgnored);
        }
        hearing.keys += 1;
        let contact = self.target.contact.clone();
        let event = SessionEvent::Pressed(Pressed { contact, key });
        cx.outputs.push_back(Output::Event(event));
    }

    /// A request in the early dialog of a caller who waits: of the caller, or of control, which has
    /// something said.
    pub(super) fn hearing_request(
        &mut self,
        cx: &mut Context<'_>,
        (server, direct): (ServerKey, Option<Flow>),
        request: &Message,
    ) {
        let done = match direct {
            None => self.say(cx, request),
            Some(_) => self.asked_while_waiting(cx, request),
        };
        match done {
            Ok(()) => {
                let ok = Message::response_to(request, 200, "");
                let _ = cx.layer.respond(server, ok, cx.now.instant);
            }
            Err(refusal) => refusal.answer(cx.layer, cx.counters, server, request, cx.now),
        }
        if request.method() == Some(&Method::Bye) && direct.is_some() && !self.ended {
            self.cancel(cx);
        }
    }

    fn say(&mut self, cx: &mut Context<'_>, request: &Message) -> Result<(), Refusal> {
        if request.method() != Some(&Method::Info) || !request.has_content_type(SAY_TYPE) {
            return Err(Refusal::denied("INFO"));
        }
        let say: Say = serde_json::from_slice(&request.body)
            .map_err(|_| Refusal::plain(400, "Unreadable Announcement"))?;
        if self.hearing.as_ref().is_some_and(|hearing| hearing.plays) {
            cx.outputs.push_back(Output::Play(Order::Say(self.id, say)));
        }
        Ok(())
    }

    fn asked_while_waiting(
        &mut self,
        cx: &mut Context<'_>,
        request: &Message,
    ) -> Result<(), Refusal> {
        self.check(cx, Side::Client, request)?;
        match request.method() {
            Some(Method::Bye) => Ok(()),
            Some(Method::Info) => {
                let key = KEY_TYPES.iter().any(|kind| request.has_content_type(kind));
                match key_of(request).filter(|_| key) {
                    Some(key) => self.pressed(cx, key),
                    None if request.body.is_empty() => {}
                    None => {
                        return Err(Refusal::plain(415, "Unsupported Media Type")
                            .with("Accept", &KEY_TYPES.join(", ")));
                    }
                }
                Ok(())
            }
            _ => Err(Refusal::denied(ALLOW)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn offer(lines: &str) -> Sdp {
        let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
        Sdp::parse(format!("{head}{lines}").as_bytes()).unwrap()
    }

    #[test]
    fn the_form_of_g711_that_the_caller_likes_better_is_played() {
        let offer = offer(
            "m=video 4002 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 96 8 0 101\r\n\
             a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n",
        );
        let audible = Audible::of(&offer).unwrap();
        let expected = Audible {
            line: 1,
            law: Law::A,
            payload: 8,
            events: Some(101),
        };
        assert_eq!(audible, expected);
        let answer = audible.answer(&offer, "192.0.2.77:65000".parse().unwrap());
        let answer = Sdp::parse(answer.as_bytes()).unwrap();
        assert_eq!(answer.len(), 2);
        assert_eq!(answer.media(0).unwrap().port(), 0);
        let audio = answer.media(1).unwrap();
        assert_eq!(
            audio.rtp_address(),
            Some("192.0.2.77:65000".parse().unwrap())
        );
        assert_eq!(Vec::from_iter(audio.formats()), ["8", "101"]);
    }

    #[test]
    fn what_cannot_be_played_to_is_left_alone() {
        for lines in [
            "m=audio 4000 RTP/SAVP 0\r\n",
            "m=audio 0 RTP/AVP 0\r\n",
            "m=audio 4000 RTP/AVP 18\r\n",
            "m=video 4000 RTP/AVP 31\r\n",
        ] {
            assert_eq!(Audible::of(&offer(lines)), None, "{lines}");
        }
    }

    #[test]
    fn keys_are_read_from_both_forms_of_info() {
        let info = |kind: &str, body: &str| {
            let mut info = Message::request(Method::Info, "sip:a@example.com");
            info.set_body(kind, body.to_owned());
            key_of(&info)
        };
        let [relay, plain] = KEY_TYPES;
        assert_eq!(info(relay, "Signal= 5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(info(relay, "signal=d"), Some('D'));
        assert_eq!(info(plain, "#"), Some('#'));
        for broken in ["", "55", "E", "Signal="] {
            assert_eq!(info(plain, broken), None, "{broken}");
            assert_eq!(info(relay, broken), None, "{broken}");
        }
    }
}
