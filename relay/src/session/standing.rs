//! A caller who waits in a call that the relay has answered, and the agent who then takes the music's place.
//!
//! The caller keeps the ports that it was told. The agent's session has a pair of its own, with ports that
//! its phone can reach, and the caller's side of that pair is the agent's side of the one that the caller
//! knows: its packets pass two pairs, and nobody needs a re-INVITE. Until the agent answers the two sessions
//! know nothing of each other; with the answer the agent's takes over the caller's dialog. As soon as either
//! phone asks for other media the caller is told the agent's pair.

use super::audible::{Audible, Place};
use super::media::{Ends, MediaState, Row, SDP_TYPE};
use super::transfer::{put_body, refusal_of};
use super::{Context, MEDIA_LOOK, Session, SessionId, Sessions};
use crate::edge::counters::EdgeDrop;
use crate::edge::{Output, Refusal};
use crate::engine::Side;
use crate::readdress::sdp::Description;
use patchbay_route::session::{EndCause, EndedBy, SessionEvent, SessionState};
use patchbay_route::transfer::SAY_TYPE;
use patchbay_route::waiting::Left;
use patchbay_sip::sdp::Sdp;
use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{HeaderName, Message, Method};
use std::sync::Arc;

/// How far an agent is who is to take the place of what a caller hears.
pub(super) enum Joining {
    /// Its phone is being called.
    Rings,
    /// It has answered with this.
    Answered(Box<Message>),
    /// It is in the caller's call.
    Joined,
}

fn gone() -> Refusal {
    Refusal::plain(481, "Caller Gone")
}

/// Where the engine receives for one side of a row.
fn place(row: &Row, side: Side) -> Place {
    let local = &row.pair.local[side.index()];
    Place {
        rtp: local.rtp,
        rtcp: local.rtcp,
    }
}

impl Sessions {
    /// The caller of a contact, if it waits in a call.
    fn standing(&self, contact: &str) -> Option<&Session> {
        let session = self.rows.get(self.waiting.get(contact)?)?;
        (!session.ended).then_some(session)
    }

    /// The caller's INVITE as an agent is called by it who is to join: with the description of the pair
    /// that the caller has, and without what only the caller could do.
    pub(super) fn on_behalf(
        &self,
        contact: &str,
        request: &Message,
    ) -> Result<Arc<Message>, Refusal> {
        let body = self.standing(contact).and_then(Session::below);
        let mut request = request.clone();
        // It has its answer, and will acknowledge nothing before it (RFC 3262).
        let supported = request.headers.all_split(HeaderName::Supported);
        let others = supported.filter(|tag| !tag.trim().eq_ignore_ascii_case("100rel"));
        let others = others.collect::<Vec<_>>().join(",");
        request.headers.remove(HeaderName::Supported);
        request.headers.remove(HeaderName::Require);
        if !others.is_empty() {
            request.headers.push(HeaderName::Supported, others);
        }
        request.set_body(SDP_TYPE, body.ok_or(gone())?);
        Ok(Arc::new(request))
    }

    /// An agent's phone has answered, for a caller who waits in a call: it has the call from now on.
    pub(super) fn join_answered(&mut self, cx: &mut Context<'_>, id: SessionId) {
        let Some(session) = self.rows.get(&id) else {
            return;
        };
        let Some(Joining::Answered(response)) = session.joining.as_deref() else {
            return;
        };
        let (response, contact) = (response.clone(), session.target.contact.clone());
        let waiting = match self.standing(&contact) {
            Some(_) => self.take_waiting(&contact),
            None => None,
        };
        match waiting {
            Some(mut waiting) => {
                self.with(cx, id, |session, cx| {
                    session.take_over(cx, &mut waiting, &response);
                });
                self.retire(cx, waiting);
            }
            None => self.with(cx, id, |session, cx| session.caller_gone(cx)),
        }
    }
}

impl Session {
    /// Whether this is a caller who waits in a call.
    pub(super) fn stands(&self) -> bool {
        self.hearing.is_some() && self.answered.is_some()
    }

    /// The caller's INVITE gets its answer: it waits in the call.
    pub(super) fn answer_and_wait(&mut self, cx: &mut Context<'_>, mut answer: Message) {
        let Some(invite) = self.invite.take() else {
            return;
        };
        cx.links.servers.remove(&invite.server);
        self.media.settle();
        let repeats = self.media.can_repeat(Side::Client);
        self.caller
            .answer_timer(cx, &invite.request, &mut answer, repeats);
        self.caller.answer(cx, invite.server, answer, None);
        self.state = SessionState::Established;
        self.answered = Some(cx.now);
        self.guard = Some(cx.now.instant + MEDIA_LOOK);
    }

    /// Tells control that a caller who waited in a call is gone.
    pub(super) fn tell_left(&self, cx: &mut Context<'_>) {
        if self.stands() {
            let contact = self.target.contact.clone();
            let left = SessionEvent::Left(Left { contact });
            cx.outputs.push_back(Output::Event(left));
        }
    }

    /// A request of a caller who waits in a call.
    pub(super) fn asked_in_call(
        &mut self,
        cx: &mut Context<'_>,
        (server, direct): (ServerKey, Option<Flow>),
        request: &Message,
    ) {
        let done = self.check(cx, Side::Client, request);
        let done = done.and_then(|()| match request.method() {
            Some(Method::Bye) => {
                self.hung_up(cx, Side::Client, server, request);
                Ok(())
            }
            Some(Method::Info) => self.informed(cx, request).map(|()| {
                let ok = Message::response_to(request, 200, "");
                let _ = cx.layer.respond(server, ok, cx.now.instant);
            }),
            Some(Method::Update) if request.body.is_empty() => {
                self.moved(Side::Client, direct);
                self.refreshed(cx, Side::Client, server, request);
                Ok(())
            }
            Some(Method::Invite | Method::Update) => {
                self.described_anew(cx, (server, direct), request)
            }
            _ => Err(Refusal::denied(super::hearing::ALLOW_IN_CALL)),
        });
        if let Err(refusal) = done {
            refusal.answer(cx.layer, cx.counters, server, request, cx.now);
        }
    }

    /// The caller wants other media, holds, or takes back: the player goes along, or the offer is refused.
    fn described_anew(
        &mut self,
        cx: &mut Context<'_>,
        (server, direct): (ServerKey, Option<Flow>),
        request: &Message,
    ) -> Result<(), Refusal> {
        self.check_glare(cx, Side::Client, request)?;
        let nothing = Refusal::plain(488, "Nothing Audible Offered");
        let offer = Sdp::parse(&request.body).map_err(|_| nothing.clone())?;
        let audible = Audible::of(&offer).ok_or(nothing)?;
        self.moved(Side::Client, direct);
        let ends = Ends::of(&self.caller, &self.agent);
        let mut heard = Message::response_to(request, 200, "");
        let player = Place::single(self.agent.flow.remote);
        heard.set_body(SDP_TYPE, audible.describe(&offer, player));
        let taken = self.media.take(cx, ends, Side::Client, request);
        let body = match taken.and_then(|_| self.media.take(cx, ends, Side::Agent, &heard)) {
            Ok(body) => body,
            Err(error) => {
                self.media.give_up();
                return Err(refusal_of(cx, &error));
            }
        };
        let mut answer = self.answer_from(cx, Side::Agent, request, &heard);
        put_body(&mut answer, &heard, body);
        let repeats = self.media.can_repeat(Side::Client);
        self.caller.answer_timer(cx, request, &mut answer, repeats);
        self.media.settle();
        match request.method() {
            Some(Method::Invite) => self.caller.answer(cx, server, answer, None),
            _ => drop(cx.layer.respond(server, answer, cx.now.instant)),
        }
        self.play(cx, request.body.clone(), audible);
        Ok(())
    }

    /// What an agent is offered who is to take the player's place.
    fn below(&self) -> Option<String> {
        let (said, audible) = self.hearing.as_ref()?.heard.as_ref()?;
        let row = self.media.rows().next()?;
        let said = Sdp::parse(said).ok()?;
        Some(audible.both_ways().describe(&said, place(row, Side::Agent)))
    }

    /// From now on the agent's side of the caller's pair is there, and no more the player.
    fn lead_to(&mut self, cx: &mut Context<'_>, to: Place) {
        let hearing = self.hearing.as_ref();
        let Some((said, audible)) = hearing.and_then(|it| it.heard.as_ref()) else {
            return;
        };
        let Ok(offer) = Sdp::parse(said) else { return };
        let answer = audible.both_ways().describe(&offer, to);
        let read = (
            Description::read(said),
            Description::read(answer.as_bytes()),
        );
        if let (Ok(offer), Ok(answer)) = read {
            let ends = Ends::of(&self.caller, &self.agent);
            let (offer, answer) = ((Side::Client, &offer), (Side::Agent, &answer));
            self.media.follow(cx, ends, offer, answer);
        }
        self.stop_hearing(cx);
    }

    /// The agent's phone has answered: its media are settled, and it waits for the caller.
    pub(super) fn ready_to_join(&mut self, cx: &mut Context<'_>, cseq: u32, response: &Message) {
        let ends = Ends::of(&self.caller, &self.agent);
        let taken = self.media.take(cx, ends, Side::Agent, response);
        match taken.map_err(|error| refusal_of(cx, &error)) {
            Ok(_) => {
                self.media.settle();
                self.agent.send_ack(cx, cseq, None);
                self.joining = Some(Box::new(Joining::Answered(Box::new(response.clone()))));
            }
            Err(refusal) => self.refuse_offer(cx, refusal),
        }
    }

    /// Takes the caller's dialog and its pair over from the session in which it has waited.
    fn take_over(&mut self, cx: &mut Context<'_>, waiting: &mut Session, response: &Message) {
        if let Some(to) = self.media.rows().next().map(|row| place(row, Side::Client)) {
            waiting.lead_to(cx, to);
        }
        std::mem::swap(&mut self.caller, &mut waiting.caller);
        let mine = (self.id, Side::Client);
        cx.links.tags.insert(self.caller.tag.clone(), mine);
        for (client, purpose) in std::mem::take(&mut waiting.clients) {
            self.track(cx, client, purpose);
        }
        self.media.stand_on(std::mem::take(&mut waiting.media));
        self.joining = Some(Box::new(Joining::Joined));
        if let Some(invite) = self.invite.take() {
            cx.links.servers.remove(&invite.server);
            // Control does not pass it on: the caller has its answer.
            let mut joined = Message::response_to(&invite.request, 200, "");
            joined.set_to_tag(&self.caller.tag);
            let _ = cx.layer.respond(invite.server, joined, cx.now.instant);
            cx.links.settled.push(invite.server);
        }
        self.established(cx);
        self.ask_notice(cx, response);
    }

    /// The agent's phone has answered, and nobody is there.
    fn caller_gone(&mut self, cx: &mut Context<'_>) {
        if let Some(invite) = self.invite.take() {
            cx.links.servers.remove(&invite.server);
            let (server, request) = (invite.server, invite.request);
            let refusal = gone().tagged(&self.caller.tag);
            refusal.answer(cx.layer, cx.counters, server, &request, cx.now);
        }
        self.end(cx, EndedBy::Client, EndCause::Cancelled);
    }

    /// What control still says to one who waited, in a call that an agent has joined: an announcement comes too
    /// late, and a BYE ends the call for both. False if it is something else.
    pub(super) fn said_too_late(
        &mut self,
        cx: &mut Context<'_>,
        (server, direct): (ServerKey, Option<Flow>),
        request: &Message,
    ) -> bool {
        let joined = matches!(self.joining.as_deref(), Some(Joining::Joined));
        if direct.is_some() || !joined {
            return false;
        }
        match request.method() {
            Some(Method::Bye) => {
                let ok = Message::response_to(request, 200, "");
                let _ = cx.layer.respond(server, ok, cx.now.instant);
                self.end(cx, EndedBy::Control, EndCause::Api);
            }
            Some(Method::Info) if request.has_content_type(SAY_TYPE) => {
                cx.counters.drop(EdgeDrop::NoDialog);
                let refusal = Refusal::no_dialog();
                refusal.answer(cx.layer, cx.counters, server, request, cx.now);
            }
            _ => return false,
        }
        true
    }
}

impl MediaState {
    /// The caller's pair leads here: what it was told holds on.
    fn stand_on(&mut self, mut waiting: MediaState) {
        let client = Side::Client.index();
        self.below = waiting.rows.drain(..).flatten().collect();
        self.origin[client] = waiting.origin[client];
        self.named[client] = std::mem::take(&mut waiting.named[client]);
        self.held |= waiting.held;
        self.held_by = self.held_by.or(waiting.held_by);
        self.keep_terms_of(Side::Client, &waiting);
    }
}
