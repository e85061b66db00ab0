//! The agent's answer to the offer, and the caller's ACK or CANCEL.

use super::media::Ends;
use super::relayed::refreshes_target;
use super::transfer::{put_body, refusal_of};
use super::{Context, MEDIA_LOOK, Purpose, Session};
use crate::edge::Refusal;
use crate::edge::counters::EdgeDrop;
use crate::engine::Side;
use crate::readdress::headers;
use patchbay_route::session::{EndCause, EndedBy, SessionEvent, SessionState};
use patchbay_sip::dialog::Dialog;
use patchbay_sip::transaction::ClientKey;
use patchbay_sip::{HeaderName, Message, Method, StartLine, Text};

impl Session {
    /// A response of the agent to the offer.
    pub(super) fn offer_response(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientKey,
        response: &Message,
    ) {
        match response.status().unwrap_or(500) {
            0..=100 => {}
            101..=199 => self.offer_rings(cx, response),
            200..=299 => self.offer_answered(cx, client, response),
            422 if self.asks_longer() => self.offer_longer(cx, client, response),
            status => {
                self.untrack(cx, client);
                self.offer_refused(cx, status, response);
            }
        }
    }

    /// Whether the agent has not been asked with an interval of its own yet.
    fn asks_longer(&self) -> bool {
        self.invite
            .as_ref()
            .is_some_and(|invite| invite.least_s == 0)
    }

    /// The agent wants a longer session interval (RFC 4028 section 7.3): it is asked once more.
    fn offer_longer(&mut self, cx: &mut Context<'_>, client: ClientKey, response: &Message) {
        self.untrack(cx, client);
        if let Some(invite) = &mut self.invite {
            invite.least_s = patchbay_sip::min_se(&response.headers);
            invite.cseq += 1;
        }
        if let Err(refusal) = self.send_offer(cx, self.agent.flow) {
            self.refuse_offer(cx, refusal);
        }
    }

    fn offer_rings(&mut self, cx: &mut Context<'_>, response: &Message) {
        let ends = Ends::of(&self.caller, &self.agent);
        let Some(invite) = &self.invite else { return };
        let (server, request) = (invite.server, invite.request.clone());
        // Early media that cannot be relayed is left out; the final answer decides. Who waits in a call
        // goes on hearing what it hears.
        let body = match self.joining {
            Some(_) => None,
            None => self.media.take(cx, ends, Side::Agent, response).ok(),
        };
        let body = body.flatten();
        let mut answer = self.answer_for_caller(cx, &request, response);
        if body.is_some() {
            put_body(&mut answer, response, body);
        }
        self.remember_early(response);
        self.pass_reliability(Side::Agent, response, &mut answer);
        let _ = cx.layer.respond(server, answer, cx.now.instant);
        if self.state == SessionState::Offering {
            self.state = SessionState::Ringing;
            let event = SessionEvent::Ringing(self.reference());
            self.tell(cx, event);
        }
    }

    fn answer_for_caller(
        &mut self,
        cx: &mut Context<'_>,
        request: &Message,
        response: &Message,
    ) -> Message {
        self.answer_from(cx, Side::Agent, request, response)
    }

    /// The response to `request`, which came from the side opposite of `from`, that says what
    /// `response` of `from` says.
    pub(super) fn answer_from(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        request: &Message,
        response: &Message,
    ) -> Message {
        let status = response.status().unwrap_or(500);
        let hidden = self.hidden(cx, from, response);
        let to = from.other();
        let contact = self.leg(to).contact(cx);
        let tag = self.leg(to).tag.clone();
        let mut answer = Message::response_to(request, status, &reason(response));
        answer.set_to_tag(&tag);
        let method = request.method().unwrap_or(&Method::Options);
        if refreshes_target(method) && status < 300 {
            answer.headers.push(HeaderName::Contact, contact);
        }
        let tells = *method == Method::Invite && status < 300;
        if tells || response.headers.contains(HeaderName::Allow) {
            headers::pass_allow(response, &mut answer, &cx.config.deny_methods);
        }
        if status < 300 {
            headers::pass_options(response, &mut answer);
        }
        let offers = self.invite.is_some() && *method == Method::Invite;
        if let Some(after) = response
            .headers
            .get(HeaderName::RetryAfter)
            .filter(|_| !offers)
        {
            // For control it would mean that this relay is full.
            answer.headers.push(HeaderName::RetryAfter, after);
        }
        let held_back = headers::pass(response, &mut answer, &hidden);
        cx.counters.add(EdgeDrop::HeaderHeldBack, held_back);
        cx.counters.readdressed += 1;
        answer
    }

    /// A 2xx of `side` that came before: our ACK was lost, or another phone of the agent answered.
    pub(super) fn answered_again(&mut self, cx: &mut Context<'_>, side: Side, response: &Message) {
        let leg = self.leg(side);
        let known = leg
            .dialog
            .as_ref()
            .map(|dialog| dialog.remote_tag.to_string());
        let same = response.to_tag().as_deref() == known.as_deref();
        match (same, leg.owes_ack) {
            (true, None) => leg.send_ack_again(cx),
            (true, Some(_)) => {}
            (false, _) => self.hang_up_fork(cx, response),
        }
    }

    fn offer_answered(&mut self, cx: &mut Context<'_>, client: ClientKey, response: &Message) {
        let Some(mut dialog) = self.agent_dialog(response) else {
            self.untrack(cx, client);
            return self.offer_refused(cx, 502, response);
        };
        self.mark_answered(cx, client, Side::Agent);
        self.continue_early(&mut dialog);
        self.agent.dialog = Some(dialog);
        let cseq = response.cseq().map_or(1, |cseq| cseq.number);
        self.agent.owes_ack = Some(cseq);
        let repeats = self.media.can_repeat(Side::Agent);
        self.agent.take_timer(cx.now.instant, response, repeats);
        if self.joining.is_some() && self.invite.is_some() {
            return self.ready_to_join(cx, cseq, response);
        }
        let Some(invite) = self.invite.take() else {
            // The answer crossed the caller's CANCEL, which has been answered: no call.
            self.forget_answered(cx, None);
            return self.bye(cx, Side::Agent, EndCause::Cancelled);
        };
        cx.links.servers.remove(&invite.server);
        let ends = Ends::of(&self.caller, &self.agent);
        let body = match self.media.take(cx, ends, Side::Agent, response) {
            Ok(body) => body,
            Err(error) => {
                let refusal = refusal_of(cx, &error).tagged(&self.caller.tag);
                refusal.answer(
                    cx.layer,
                    cx.counters,
                    invite.server,
                    &invite.request,
                    cx.now,
                );
                return self.end(cx, EndedBy::Relay, EndCause::Refused);
            }
        };
        let mut answer = self.answer_for_caller(cx, &invite.request, response);
        put_body(&mut answer, response, body);
        let repeats = self.media.can_repeat(Side::Client);
        let caller = &mut self.caller;
        caller.answer_timer(cx, &invite.request, &mut answer, repeats);
        let cseq = self.agent.owes_ack.unwrap_or(1);
        // An offer in the answer is answered by the caller's ACK (RFC 3261 section 13.2.1).
        let ack_other = if self.media.offer_by() == Some(Side::Agent) {
            Some(cseq)
        } else {
            self.media.settle();
            self.agent.send_ack(cx, cseq, None);
            None
        };
        self.caller.answer(cx, invite.server, answer, ack_other);
        self.established(cx);
        self.ask_notice(cx, response);
    }

    pub(super) fn established(&mut self, cx: &mut Context<'_>) {
        self.state = SessionState::Established;
        self.answered = Some(cx.now);
        self.guard = Some(cx.now.instant + MEDIA_LOOK);
        let event = SessionEvent::Established(self.reference());
        self.tell(cx, event);
    }

    /// The agent's dialog from its answer.
    pub(super) fn agent_dialog(&self, response: &Message) -> Option<Dialog> {
        // What a dialog needs of our INVITE stands in its answer too (RFC 3261 section 8.2.6.2).
        if response.headers.contains(HeaderName::Contact) {
            return Dialog::uac(response, response).ok();
        }
        // A phone that forgets its Contact is reached where it was called.
        let mut reached = response.clone();
        let uri = format!("<{}>", self.target.agent_uri);
        reached.headers.push(HeaderName::Contact, uri);
        Dialog::uac(&reached, &reached).ok()
    }

    /// A second phone of the agent answered behind a forking proxy: it is told that it is late
    /// (RFC 3261 section 13.2.2.4).
    pub(super) fn hang_up_fork(&mut self, cx: &mut Context<'_>, response: &Message) {
        let Some(mut dialog) = self.agent_dialog(response) else {
            return;
        };
        // It may be elsewhere than the phone that has the call.
        let own = super::leg::next_hop(&dialog).filter(|_| !self.agent.pinned);
        let own =
            own.and_then(|(transport, address)| cx.paths.flow_to(transport, address, cx.outputs));
        let Some(flow) = own.or_else(|| self.agent.reach(cx)) else {
            return;
        };
        let sent_by = cx.paths.sent_by(&flow);
        let cseq = response.cseq().map_or(1, |cseq| cseq.number);
        cx.layer.send_ack(dialog.ack(cseq), flow, &sent_by);
        let bye = dialog.request(Method::Bye);
        if let Ok(client) = cx.layer.send_request(bye, flow, &sent_by, cx.now.instant) {
            self.track(cx, client, Purpose::Bye);
        }
    }

    fn offer_refused(&mut self, cx: &mut Context<'_>, status: u16, response: &Message) {
        if let Some(invite) = self.invite.take() {
            cx.links.servers.remove(&invite.server);
            let mut answer = self.answer_for_caller(cx, &invite.request, response);
            answer.start = StartLine::Response {
                status: refused_status(status),
                reason: reason(response),
            };
            let _ = cx.layer.respond(invite.server, answer, cx.now.instant);
        }
        self.end(cx, EndedBy::Agent, EndCause::Refused);
    }

    /// The agent's phone did not answer at all.
    pub(super) fn offer_failed(&mut self, cx: &mut Context<'_>, client: ClientKey, status: u16) {
        self.untrack(cx, client);
        // 503 would tell control that this relay is out of room.
        let refusal = match status {
            408 => Refusal::plain(408, "Request Timeout"),
            _ => Refusal::plain(430, "Flow Failed"),
        };
        self.refuse_offer(cx, refusal);
    }

    /// Ringing for longer than any control lets it.
    pub(super) fn give_up_offer(&mut self, cx: &mut Context<'_>) {
        if let Some(client) = self.invite.as_ref().and_then(|invite| invite.client) {
            cx.layer.cancel(client, cx.now.instant);
        }
        self.refuse_offer(cx, Refusal::plain(408, "Request Timeout"));
    }

    /// The caller gave up, or control took the offer back, or its connection is gone.
    pub(super) fn cancel(&mut self, cx: &mut Context<'_>) {
        let Some(invite) = self.invite.take() else {
            return;
        };
        cx.links.servers.remove(&invite.server);
        let (server, client) = (invite.server, invite.client);
        let mut answer = Message::response_to(&invite.request, 487, "Request Terminated");
        answer.set_to_tag(&self.caller.tag);
        let _ = cx.layer.respond(server, answer, cx.now.instant);
        if let Some(client) = client {
            cx.layer.cancel(client, cx.now.instant);
        }
        self.end(cx, EndedBy::Client, EndCause::Cancelled);
    }

    /// The ACK for our 2xx to an INVITE of `side`.
    pub(super) fn acknowledged(&mut self, cx: &mut Context<'_>, side: Side, ack: &Message) {
        let waits = self.leg(side).acknowledged();
        if let Some(cause) = self.leg(side).bye_after_ack.take() {
            return self.bye(cx, side, cause);
        }
        let Some(cseq) = waits else { return };
        let other = side.other();
        let ends = Ends::of(&self.caller, &self.agent);
        let body = self.media.take(cx, ends, side, ack).ok().flatten();
        self.media.settle();
        let mut with_body = Message::request(Method::Ack, "sip:ack.invalid");
        put_body(&mut with_body, ack, body);
        self.leg(other).send_ack(cx, cseq, Some(&with_body));
    }
}

/// What control is told of an agent's refusal: redirections and challenges are not for the
/// caller to follow.
fn refused_status(status: u16) -> u16 {
    match status {
        300..=399 | 401 | 407 => 480,
        status => status,
    }
}

/// The reason phrase of a response.
fn reason(response: &Message) -> Text {
    match &response.start {
        StartLine::Response { reason, .. } => reason.clone(),
        StartLine::Request { .. } => Text::new(),
    }
}
