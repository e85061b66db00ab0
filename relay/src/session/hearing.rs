//! A caller who waits: the relay itself takes the agent's place, in early media (RFC 3960), and plays
//! what control wants to be heard (requirement D14).
//!
//! Such a session has a pair like any other, whose agent's side is the player. Control ends it by CANCEL
//! when an agent has answered in a session of its own, as a fork that lost. A caller who was answered is
//! another matter: see [`super::standing`].

use super::audible::{Audible, Place};
use super::media::{Ends, SDP_TYPE};
use super::transfer::{put_body, refusal_of};
use super::{Context, Session, Sessions};
use crate::edge::counters::EdgeDrop;
use crate::edge::{Output, Refusal, Waiting};
use crate::engine::Side;
use crate::player::{Listener, Order};
use crate::session::SessionId;
use bytes::Bytes;
use patchbay_route::session::{EndCause, EndedBy, SessionEvent, SessionState};
use patchbay_route::transfer::{Hears, SAY_TYPE};
use patchbay_route::waiting::{Pressed, Say};
use patchbay_sip::sdp::Sdp;
use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{HeaderName, Message, Method};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// Keys that one waiting caller may press; further ones count for nothing.
pub const MAX_KEYS: u16 = 256;
/// The body types of an INFO that tells a key.
const KEY_TYPES: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];
/// What a waiting caller's phone may ask, and what it may in a call.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, INFO";
pub(super) const ALLOW_IN_CALL: &str = "INVITE, ACK, CANCEL, BYE, INFO, UPDATE";

/// A caller who waits.
pub(super) struct Hearing {
    hears: Hears,
    /// Of which host control is.
    pub control: IpAddr,
    /// The caller's last description, and what is played of it.
    pub heard: Option<(Bytes, Audible)>,
    /// Whether the player was told of it.
    plays: bool,
    keys: u16,
    /// The caller's INVITE, for the next control node, once it was answered.
    pub call: Option<Box<Waiting>>,
    /// Until when it is kept, if its control node is gone.
    pub lost: Option<Instant>,
}

impl Hearing {
    pub fn of(hears: &Hears, control: IpAddr) -> Hearing {
        Hearing {
            hears: hears.clone(),
            control,
            heard: None,
            plays: false,
            keys: 0,
            call: None,
            lost: None,
        }
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
        let answers = self.hearing.as_ref().is_some_and(|it| it.hears.answered);
        let (status, allow) = match answers {
            true => (200, ALLOW_IN_CALL),
            false => (183, ALLOW),
        };
        let mut heard = Message::response_to(&request, status, "");
        heard.set_to_tag(&self.agent.tag);
        heard.headers.push(HeaderName::Allow, allow);
        heard.set_body(SDP_TYPE, audible.describe(&offer, Place::single(at)));
        let body = self
            .media
            .take(cx, ends, Side::Agent, &heard)
            .map_err(|error| refused(cx, error))?;
        let mut answer = self.answer_from(cx, Side::Agent, &request, &heard);
        put_body(&mut answer, &heard, body);
        match answers {
            true => self.answer_and_wait(cx, answer),
            false => {
                let _ = cx.layer.respond(server, answer, cx.now.instant);
                self.state = SessionState::Ringing;
            }
        }
        self.play(cx, request.body.clone(), audible);
        Ok(())
    }

    /// Plays to a caller whose last description says that.
    pub(super) fn play(&mut self, cx: &mut Context<'_>, said: Bytes, audible: Audible) {
        let to = self
            .media
            .rows()
            .next()
            .map(|row| row.pair.local[Side::Agent as usize].rtp);
        let (Some(hearing), Some(to)) = (&mut self.hearing, to) else {
            return;
        };
        let before = hearing.heard.replace((said, audible));
        let same = before.is_some_and(|(_, before)| before.both_ways() == audible.both_ways());
        if std::mem::replace(&mut hearing.plays, true) {
            if same {
                return;
            }
            cx.outputs.push_back(Output::Play(Order::Stop(self.id)));
        }
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
        let ends = request.method() == Some(&Method::Bye);
        let done = match direct {
            None if ends && self.stands() => Ok(()),
            None => self.say(cx, request),
            Some(_) if self.stands() => return self.asked_in_call(cx, (server, direct), request),
            Some(_) => self.asked_while_waiting(cx, request),
        };
        match done {
            Ok(()) => {
                let ok = Message::response_to(request, 200, "");
                let _ = cx.layer.respond(server, ok, cx.now.instant);
            }
            Err(refusal) => refusal.answer(cx.layer, cx.counters, server, request, cx.now),
        }
        match direct {
            None if ends && self.stands() => self.end(cx, EndedBy::Control, EndCause::Api),
            Some(_) if ends && !self.ended => self.cancel(cx),
            _ => {}
        }
    }

    fn say(&mut self, cx: &mut Context<'_>, request: &Message) -> Result<(), Refusal> {
        if request.method() != Some(&Method::Info) || !request.has_content_type(SAY_TYPE) {
            return Err(Refusal::denied("INFO"));
        }
        let say: Say = serde_json::from_slice(&request.body)
            .map_err(|_| Refusal::plain(400, "Unreadable Announcement"))?;
        let call = self.hearing.as_mut().and_then(|it| it.call.as_mut());
        if let Some(call) = call {
            call.note(request);
        }
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
            Some(Method::Info) => self.informed(cx, request),
            _ => Err(Refusal::denied(ALLOW)),
        }
    }

    /// An INFO of the caller: a key, or nothing.
    pub(super) fn informed(
        &mut self,
        cx: &mut Context<'_>,
        request: &Message,
    ) -> Result<(), Refusal> {
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
