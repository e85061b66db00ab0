//! Requests inside the dialogs: each is re-addressed to the other side, and its answer back
//! (requirement B6).

use super::lost::reason_of;
use super::media::Ends;
use super::transfer::{put_body, refusal_of};
use super::{Context, Purpose, Reinvite, Session};
use crate::edge::Refusal;
use crate::edge::counters::EdgeDrop;
use crate::engine::Side;
use crate::readdress::headers;
use patchbay_route::session::{EndCause, EndedBy};
use patchbay_sip::transaction::{ClientKey, Flow, ServerKey};
use patchbay_sip::{HeaderName, Message, Method};

impl Session {
    /// A request of `side` in its dialog.
    pub(super) fn request(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        (server, direct): (ServerKey, Option<Flow>),
        request: Message,
    ) {
        if self.is_notice(&request) {
            return self.notified(cx, server, &request);
        }
        if self.said_too_late(cx, (server, direct), &request) {
            return;
        }
        if self.hearing.is_some() {
            return self.hearing_request(cx, (server, direct), &request);
        }
        if self.must_wait(side, &request) {
            return self.hold(cx, side, (server, direct), request);
        }
        self.handle(cx, side, (server, direct), request);
    }

    /// The same, of a request whose turn it is.
    pub(super) fn handle(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        (server, direct): (ServerKey, Option<Flow>),
        request: Message,
    ) {
        let lent = self.lend_early(side, &request);
        match self.check(cx, side, &request) {
            Err(refusal) => refusal.answer(cx.layer, cx.counters, server, &request, cx.now),
            Ok(()) => match request.method() {
                Some(Method::Bye) => self.hung_up(cx, side, server, &request),
                Some(Method::Invite) => self.reinvite(cx, side, (server, direct), request),
                _ if self.answered.is_some() && Self::is_refresh(&request) => {
                    self.moved(side, direct);
                    self.refreshed(cx, side, server, &request);
                }
                method => {
                    if method == Some(&Method::Update) {
                        self.moved(side, direct);
                    }
                    self.relay(cx, side, server, request);
                }
            },
        }
        if lent {
            self.return_early();
        }
    }

    pub(super) fn check(
        &mut self,
        cx: &Context<'_>,
        side: Side,
        request: &Message,
    ) -> Result<(), Refusal> {
        if self.ended && !self.may_still_notify(side, request) {
            return Err(Refusal::no_dialog());
        }
        let denied = &cx.config.deny_methods;
        let method = request.method().unwrap_or(&Method::Options);
        // A registration is never inside a call (RFC 3261 section 10.2).
        if denied.contains(method) || *method == Method::Register {
            return Err(Refusal::denied(&headers::allow(&headers::ALLOW, denied)));
        }
        super::check_interval(request)?;
        let Some(dialog) = self.leg(side).dialog.as_mut() else {
            return Err(Refusal::no_dialog());
        };
        if request.from_tag().as_deref() != Some(&*dialog.remote_tag) {
            return Err(Refusal::no_dialog());
        }
        // RFC 3261 section 12.2.2: out of order is 500.
        dialog
            .receive(request)
            .map_err(|_| Refusal::plain(500, "CSeq Out of Order"))
    }

    pub(super) fn hung_up(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        server: ServerKey,
        request: &Message,
    ) {
        if self.answered.is_none() && side == Side::Agent {
            // RFC 3261 section 15: who is called does not hang up what it has not answered.
            let refusal = Refusal::no_dialog();
            return refusal.answer(cx.layer, cx.counters, server, request, cx.now);
        }
        let ok = Message::response_to(request, 200, "OK");
        let _ = cx.layer.respond(server, ok, cx.now.instant);
        if self.answered.is_none() {
            // The caller ends what rings by a BYE in the early dialog.
            self.agent.dialog = None;
            return self.cancel(cx);
        }
        let by = match side {
            Side::Client => EndedBy::Client,
            Side::Agent => EndedBy::Agent,
        };
        // Who hangs up has heard the answer, acknowledged or not.
        cx.links.settled.extend(self.leg(side).unacknowledged());
        self.leg(side).forget_answer();
        self.parting = Some(Box::new(request.clone()));
        self.end(cx, by, EndCause::Bye);
    }

    /// Sends a BYE to `side` if it has a confirmed dialog; its owed ACK goes first, and an ACK that it
    /// owes is waited for. `cause` is what ended the call.
    pub(super) fn bye(&mut self, cx: &mut Context<'_>, side: Side, cause: EndCause) {
        let leg = self.leg(side);
        if leg.unacknowledged().is_some() {
            leg.bye_after_ack = Some(cause);
            return;
        }
        if let Some(cseq) = leg.owes_ack {
            leg.send_ack(cx, cseq, None);
        }
        let confirmed = match side {
            Side::Client => self.answered.is_some(),
            Side::Agent => true,
        };
        if !confirmed {
            return;
        }
        let leg = self.leg(side);
        let Some(mut bye) = leg.request(cx, Method::Bye) else {
            return;
        };
        if let Some(reason) = reason_of(cause) {
            bye.headers.push(HeaderName::Reason, reason);
        }
        let Some(flow) = leg.reach(cx) else {
            return cx.counters.drop(EdgeDrop::Unreachable);
        };
        self.pass_parting(cx, side.other(), &mut bye);
        match self.send_within(cx, side, bye, flow) {
            Ok(client) => self.track(cx, client, Purpose::Bye),
            Err(_) => cx.counters.drop(EdgeDrop::Transaction),
        }
    }

    /// What `from` said in its BYE beyond the end itself is for the other side: why (RFC 3326), and
    /// user-to-user information (RFC 7433 section 4).
    fn pass_parting(&mut self, cx: &mut Context<'_>, from: Side, bye: &mut Message) {
        if let Some(parting) = self.parting.take() {
            let hidden = self.hidden(cx, from, &parting);
            let held_back = headers::pass(&parting, bye, &hidden);
            cx.counters.add(EdgeDrop::HeaderHeldBack, held_back);
        }
    }

    /// At the end of a session: everyone who waits for an answer gets one.
    pub(super) fn refuse_waiting(&mut self, cx: &mut Context<'_>, cause: EndCause) {
        if let Some(invite) = self.invite.take() {
            cx.links.servers.remove(&invite.server);
            let refusal = match reason_of(cause) {
                // Not the agent's doing, and no lack of room: control may ask the next one.
                Some(reason) => Refusal::plain(500, "Media Relay Failed").with("Reason", reason),
                None => Refusal::plain(480, "Ended"),
            };
            let refusal = refusal.tagged(&self.caller.tag);
            refusal.answer(
                cx.layer,
                cx.counters,
                invite.server,
                &invite.request,
                cx.now,
            );
            if let Some(client) = invite.client {
                cx.layer.cancel(client, cx.now.instant);
            }
        }
        if let Some(reinvite) = self.reinvite.take() {
            let refusal = Refusal::plain(487, "Request Terminated");
            let (server, request) = (reinvite.server, reinvite.request);
            cx.links.servers.remove(&server);
            refusal.answer(cx.layer, cx.counters, server, &request, cx.now);
            cx.layer.cancel(reinvite.client, cx.now.instant);
        }
        for (_, purpose) in &mut self.clients {
            if let Purpose::Relayed(_, server, request) = purpose {
                // The word of a transfer does not end with the call (RFC 5057 section 4): who is told
                // may hang up first and say that it has heard afterwards.
                if cause == EndCause::Bye && request.method() == Some(&Method::Notify) {
                    continue;
                }
                let refusal = Refusal::plain(481, "Call Does Not Exist");
                refusal.answer(cx.layer, cx.counters, *server, request, cx.now);
                *purpose = Purpose::Bye;
            }
        }
    }

    pub(super) fn reinvite(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        (server, direct): (ServerKey, Option<Flow>),
        request: Message,
    ) {
        let ringing = self.answered.is_none();
        let may = match self.check_glare(cx, from, &request) {
            Ok(()) if ringing => Err(Refusal::plain(491, "Request Pending")),
            may => may,
        };
        if let Err(refusal) = may {
            return refusal.answer(cx.layer, cx.counters, server, &request, cx.now);
        }
        self.moved(from, direct);
        match self.send_reinvite(cx, from, &request) {
            Ok(client) => {
                cx.links.servers.insert(server, self.id);
                self.reinvite = Some(Box::new(Reinvite {
                    from,
                    server,
                    request,
                    client,
                }));
            }
            Err(refusal) => {
                self.media.give_up();
                refusal.answer(cx.layer, cx.counters, server, &request, cx.now);
            }
        }
    }

    /// A request came straight from a party: its network or its translator may have changed, and
    /// its media come from there too.
    pub(super) fn moved(&mut self, from: Side, direct: Option<Flow>) {
        if let Some(flow) = direct {
            let leg = self.leg(from);
            leg.flow = flow;
            leg.pinned |= flow.connection != 0;
        }
    }

    fn send_reinvite(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        request: &Message,
    ) -> Result<ClientKey, Refusal> {
        let ends = Ends::of(&self.caller, &self.agent);
        let body = self
            .media
            .take(cx, ends, from, request)
            .map_err(|error| refusal_of(cx, &error))?;
        let client = self.forward(cx, from, request, (body, Vec::new()))?;
        self.track(cx, client, Purpose::Reinvite(from.other()));
        Ok(client)
    }

    /// A response to a re-INVITE that was re-addressed to `side`.
    pub(super) fn reinvite_response(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        client: ClientKey,
        response: &Message,
    ) {
        let status = response.status().unwrap_or(500);
        if status < 200 {
            return self.reinvite_proceeds(cx, side, response);
        }
        let Some(reinvite) = self.reinvite.take() else {
            return self.untrack(cx, client);
        };
        cx.links.servers.remove(&reinvite.server);
        if status >= 300 {
            self.untrack(cx, client);
            self.media.give_up();
            let answer = self.answer_from(cx, side, &reinvite.request, response);
            let _ = cx.layer.respond(reinvite.server, answer, cx.now.instant);
            return self.restore_replaced(cx);
        }
        self.mark_answered(cx, client, side);
        self.reinvite_answered(cx, side, *reinvite, response);
    }

    /// A provisional answer to a re-INVITE, which may be a reliable one with a description.
    fn reinvite_proceeds(&mut self, cx: &mut Context<'_>, side: Side, response: &Message) {
        let Some(reinvite) = &self.reinvite else {
            return;
        };
        if response.status() == Some(100) {
            return;
        }
        let (server, request) = (reinvite.server, reinvite.request.clone());
        let ends = Ends::of(&self.caller, &self.agent);
        let body = self.media.take(cx, ends, side, response).ok().flatten();
        let mut answer = self.answer_from(cx, side, &request, response);
        if body.is_some() {
            put_body(&mut answer, response, body);
        }
        self.pass_reliability(side, response, &mut answer);
        let _ = cx.layer.respond(server, answer, cx.now.instant);
    }

    fn reinvite_answered(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        reinvite: Reinvite,
        response: &Message,
    ) {
        let cseq = response.cseq().map(|cseq| cseq.number).unwrap_or_default();
        if let Some(dialog) = &mut self.leg(side).dialog {
            dialog.refresh_target(response);
        }
        self.leg(side).owes_ack = Some(cseq);
        let repeats = self.media.can_repeat(side);
        self.leg(side).take_timer(cx.now.instant, response, repeats);
        let ends = Ends::of(&self.caller, &self.agent);
        let body = match self.media.take(cx, ends, side, response) {
            Ok(body) => body,
            Err(error) => {
                let refusal = refusal_of(cx, &error);
                let (server, request) = (reinvite.server, reinvite.request);
                refusal.answer(cx.layer, cx.counters, server, &request, cx.now);
                self.media.give_up();
                self.leg(side).send_ack(cx, cseq, None);
                return self.restore_replaced(cx);
            }
        };
        let mut answer = self.answer_from(cx, side, &reinvite.request, response);
        put_body(&mut answer, response, body);
        let repeats = self.media.can_repeat(reinvite.from);
        let asker = self.leg(reinvite.from);
        asker.answer_timer(cx, &reinvite.request, &mut answer, repeats);
        let asks = reinvite.request.body.is_empty() && self.media.offer_by() == Some(side);
        if !asks {
            self.media.settle();
            self.leg(side).send_ack(cx, cseq, None);
        }
        let ack_other = asks.then_some(cseq);
        self.leg(reinvite.from)
            .answer(cx, reinvite.server, answer, ack_other);
        self.finish_replaced(cx);
    }

    /// The re-INVITE's sender takes it back.
    pub(super) fn cancel_reinvite(&mut self, cx: &mut Context<'_>) {
        if let Some(reinvite) = &self.reinvite {
            cx.layer.cancel(reinvite.client, cx.now.instant);
        }
    }

    /// A request of ours got no answer: `status` stands for it (408 or 503).
    pub(super) fn failed(&mut self, cx: &mut Context<'_>, client: ClientKey, status: u16) {
        if self.goes_elsewhere(cx, client, None) {
            return;
        }
        let Some(purpose) = self.purpose(client) else {
            return;
        };
        match purpose {
            Purpose::Offer => self.offer_failed(cx, client, status),
            Purpose::Bye | Purpose::Answered(_) | Purpose::GivenUp(_) => {
                self.untrack(cx, client);
            }
            Purpose::Refresh(side) | Purpose::Renew(side) => {
                self.refresh_response(cx, side, (client, status), None);
            }
            Purpose::Notice => self.notice_failed(cx, client, status),
            Purpose::Reinvite(_) => {
                self.untrack(cx, client);
                self.media.give_up();
                if let Some(reinvite) = self.reinvite.take() {
                    cx.links.servers.remove(&reinvite.server);
                    let refusal = Refusal::plain(status, "Other Side Silent");
                    let (server, request) = (reinvite.server, reinvite.request);
                    refusal.answer(cx.layer, cx.counters, server, &request, cx.now);
                }
                self.restore_replaced(cx);
            }
            Purpose::Relayed(_, server, request) => {
                self.untrack(cx, client);
                self.relayed_failed(cx, (server, &request), status);
            }
        }
    }

    /// A response to any request of this session.
    pub(super) fn response(&mut self, cx: &mut Context<'_>, client: ClientKey, response: &Message) {
        if self.goes_elsewhere(cx, client, Some(response)) {
            return;
        }
        let is_final = response.status().is_some_and(|status| status >= 200);
        if is_final && let Some((side, server, request)) = self.take_relayed(cx, client) {
            return self.relayed_response(cx, side, (server, &request), response);
        }
        match self.purpose(client) {
            Some(Purpose::Offer) => self.offer_response(cx, client, response),
            Some(Purpose::Answered(side)) => self.answered_again(cx, side, response),
            Some(Purpose::Reinvite(side)) => self.reinvite_response(cx, side, client, response),
            Some(Purpose::GivenUp(of)) => self.answered_late(cx, of, client, response),
            Some(Purpose::Renew(side)) => self.renewal_response(cx, side, client, response),
            Some(Purpose::Bye) if is_final => self.untrack(cx, client),
            Some(Purpose::Refresh(side)) if is_final => {
                let status = response.status().unwrap_or(500);
                self.refresh_response(cx, side, (client, status), Some(response));
            }
            Some(Purpose::Notice) if is_final => self.notice_response(cx, client, response),
            _ => {}
        }
    }
}
