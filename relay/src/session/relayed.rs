//! Requests other than INVITE and BYE inside the dialogs: each is re-addressed to the other side,
//! and its answer back (requirement B6).
//!
//! A method that the relay does not know passes like any other. UPDATE (RFC 3311) and PRACK
//! (RFC 3262) may carry an offer or an answer, which moves the media.

use super::media::Ends;
use super::transfer::{put_body, refusal_of};
use super::{Context, Purpose, Session};
use crate::edge::Refusal;
use crate::edge::counters::EdgeDrop;
use crate::engine::Side;
use crate::readdress::headers;
use bytes::Bytes;
use patchbay_sip::transaction::{ClientKey, ServerKey};
use patchbay_sip::{HeaderName, Message, Method, Text};

/// Most seconds that somebody shall wait who has made two offers at once (RFC 3261 section 14.2).
const MAX_RETRY_AFTER_S: u64 = 10;

/// Whether a request may hold an offer or answer beside INVITE and ACK.
fn may_describe(request: &Message) -> bool {
    matches!(request.method(), Some(Method::Update | Method::Prack))
}

impl Session {
    /// Re-addresses a request of `from`.
    pub(super) fn relay(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        server: ServerKey,
        request: Message,
    ) {
        match self.relay_on(cx, from, &request) {
            Ok(client) => {
                let purpose = Purpose::Relayed(from.other(), server, Box::new(request));
                self.track(cx, client, purpose);
            }
            Err(refusal) => refusal.answer(cx.layer, cx.counters, server, &request, cx.now),
        }
    }

    fn relay_on(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        request: &Message,
    ) -> Result<ClientKey, Refusal> {
        let mut more = Vec::new();
        match request.method() {
            Some(Method::Prack) => {
                let rack = self.rack_for_other(from, request)?;
                more.push((HeaderName::RAck, rack));
            }
            Some(Method::Update) => self.check_glare(cx, from, request)?,
            Some(Method::Refer) => more = self.refer_headers(cx, from, request)?,
            _ => {}
        }
        let body = self.described(cx, from, request)?;
        let sent = self.forward(cx, from, request, (body, more));
        if sent.is_err() && may_describe(request) && !request.body.is_empty() {
            self.media.withdraw();
        }
        sent
    }

    /// The body for the other side if it is an offer or an answer.
    fn described(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        request: &Message,
    ) -> Result<Option<Bytes>, Refusal> {
        if !may_describe(request) || request.body.is_empty() {
            return Ok(None);
        }
        // An UPDATE never answers (RFC 3311 section 5.1); a PRACK answers the other side's offer.
        let answers =
            request.method() == Some(&Method::Prack) && self.media.offer_by() == Some(from.other());
        match answers {
            true => self.media.keeps = true,
            false => self.media.begin(),
        }
        let ends = Ends::of(&self.caller, &self.agent);
        let taken = self.media.take(cx, ends, from, request).map_err(|error| {
            self.media.withdraw();
            refusal_of(cx, &error)
        })?;
        if answers {
            let fork = self.agent.dialog.as_ref();
            self.media
                .stand(fork.map(|dialog| dialog.remote_tag.to_string()));
            self.early_answered();
        }
        Ok(taken)
    }

    /// One exchange of offer and answer at a time (RFC 3311 section 5.2, RFC 3261 section 14.2):
    /// who has asked already gets 500, who crosses the other side's question gets 491.
    ///
    /// # Errors
    /// The answer to give.
    pub(super) fn check_glare(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        request: &Message,
    ) -> Result<(), Refusal> {
        let offers = !request.body.is_empty() || request.method() == Some(&Method::Invite);
        self.check_renewal(offers)?;
        let updating = self.clients.iter().find_map(|(_, purpose)| match purpose {
            Purpose::Relayed(to, _, under_way) if may_describe(under_way) => {
                let offers = !under_way.body.is_empty();
                let update = under_way.method() == Some(&Method::Update);
                (offers || update).then_some((to.other(), offers))
            }
            _ => None,
        });
        let ringing =
            self.answered.is_none() && !self.early.as_ref().is_some_and(|early| early.answered);
        let busy = match (updating, &self.reinvite) {
            (Some((by, offered)), _) if by == from || (offered && offers) => Some(by),
            (_, Some(reinvite)) if offers => Some(reinvite.from),
            _ if offers && ringing => Some(Side::Client),
            _ if offers && self.answered.is_some() => self.media.offer_by(),
            _ => None,
        };
        match busy {
            None => Ok(()),
            Some(by) if by == from => {
                let wait = cx.ids.number() % (MAX_RETRY_AFTER_S + 1);
                Err(Refusal::plain(500, "Request Pending").with("Retry-After", &wait.to_string()))
            }
            Some(_) => Err(Refusal::plain(491, "Request Pending")),
        }
    }

    /// Sends `request` of `from` to the other side, in that side's dialog, with another body if
    /// there is one, and with headers that are written anew.
    pub(super) fn forward(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        request: &Message,
        (body, more): (Option<Bytes>, Vec<(HeaderName, String)>),
    ) -> Result<ClientKey, Refusal> {
        if !self.has_room() {
            return Err(Refusal::busy(
                EdgeDrop::ExchangesFull,
                "Too Many Exchanges",
                1,
            ));
        }
        let hidden = self.hidden(cx, from, request);
        let method = request.method().cloned().unwrap_or(Method::Options);
        let to = self.leg(from.other());
        let unreachable = || Refusal::plain(480, "Other Side Unreachable");
        let flow = to.reach(cx).ok_or_else(unreachable)?;
        let refreshes = matches!(method, Method::Invite | Method::Update);
        let mut forwarded = to.request(cx, method).ok_or_else(unreachable)?;
        if refreshes && to.expiry.is_some() {
            to.ask_timer(cx, 0, &mut forwarded);
        }
        let hops = request.max_forwards().unwrap_or(70).saturating_sub(1);
        forwarded
            .headers
            .set(HeaderName::MaxForwards, Text::written(&hops));
        let held_back = headers::pass(request, &mut forwarded, &hidden);
        cx.counters.add(EdgeDrop::HeaderHeldBack, held_back);
        headers::pass_options(request, &mut forwarded);
        if request.headers.contains(HeaderName::Allow) {
            headers::pass_allow(request, &mut forwarded, &cx.config.deny_methods);
        }
        for (name, value) in more {
            forwarded.headers.set(name, value);
        }
        match body {
            Some(body) => put_body(&mut forwarded, request, Some(body)),
            None => put_foreign_body(cx, &mut forwarded, request, &hidden),
        }
        cx.counters.readdressed += 1;
        self.send_within(cx, from.other(), forwarded, flow)
            .map_err(|_| Refusal::busy(EdgeDrop::Transaction, "Transactions Full", 1))
    }

    /// The answer to a request that was re-addressed to `side`.
    pub(super) fn relayed_response(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        (server, request): (ServerKey, &Message),
        response: &Message,
    ) {
        self.follow_refer(side, request, response);
        self.tell_referred(cx, side.other(), request, response);
        let success = response.status().is_some_and(|status| status < 300);
        if success && request.method().is_some_and(refreshes_target) {
            match &mut self.leg(side).dialog {
                Some(dialog) => dialog.refresh_target(response),
                None => self.refresh_early(response),
            }
        }
        let mut answer = self.answer_from(cx, side, request, response);
        if success && request.method() == Some(&Method::Update) && self.answered.is_some() {
            let repeats = Side::ALL.map(|side| self.media.can_repeat(side));
            let leg = self.leg(side);
            leg.take_timer(cx.now.instant, response, repeats[side.index()]);
            let asker = self.leg(side.other());
            asker.answer_timer(cx, request, &mut answer, repeats[side.other().index()]);
        }
        if may_describe(request) {
            match self.answer_described(cx, side, request, response) {
                Ok(body) if body.is_some() => put_body(&mut answer, response, body),
                Ok(_) => {}
                Err(refusal) => {
                    return refusal.answer(cx.layer, cx.counters, server, request, cx.now);
                }
            }
        } else if !response.body.is_empty() {
            let hidden = self.hidden(cx, side, response);
            put_foreign_body(cx, &mut answer, response, &hidden);
        }
        let _ = cx.layer.respond(server, answer, cx.now.instant);
    }

    /// The body of an answer to an UPDATE or PRACK; with it, or with its refusal, the exchange is
    /// over.
    fn answer_described(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        request: &Message,
        response: &Message,
    ) -> Result<Option<Bytes>, Refusal> {
        if request.body.is_empty() && response.body.is_empty() {
            return Ok(None);
        }
        let success = response.status().is_some_and(|status| status < 300);
        let taken = match success && !response.body.is_empty() {
            true => {
                let ends = Ends::of(&self.caller, &self.agent);
                self.media.take(cx, ends, side, response)
            }
            false => Ok(None),
        };
        let fork = match side {
            Side::Agent => response.to_tag(),
            Side::Client => request.from_tag(),
        };
        match (success && taken.is_ok(), self.answered) {
            (true, Some(_)) => self.media.settle(),
            (true, None) => self.media.stand(fork.map(String::from)),
            (false, _) => self.media.withdraw(),
        }
        taken.map_err(|error| refusal_of(cx, &error))
    }

    /// A request that was re-addressed got no answer.
    pub(super) fn relayed_failed(
        &mut self,
        cx: &mut Context<'_>,
        (server, request): (ServerKey, &Message),
        status: u16,
    ) {
        if may_describe(request) && !request.body.is_empty() {
            self.media.withdraw();
        }
        let answer = Message::response_to(request, status, "Other Side Silent");
        let _ = cx.layer.respond(server, answer, cx.now.instant);
    }
}

/// Methods whose Contact moves the dialog (RFC 6665 section 4.4.1, RFC 3261 section 6, RFC 3311).
pub(super) fn refreshes_target(method: &Method) -> bool {
    matches!(
        method,
        Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer
    )
}

/// A body that is no offer or answer passes as it is. What is known to tell of addresses does not:
/// a description that nobody can use, a body whose type names something hidden, and all but the first
/// line of a message fragment (RFC 3420) that names something hidden.
fn put_foreign_body(cx: &mut Context<'_>, to: &mut Message, from: &Message, hidden: &[Text]) {
    if from.body.is_empty() {
        return;
    }
    let names_hidden = |text: &str| crate::readdress::sdp::names_any(text, hidden);
    if from.has_content_type(super::SDP_TYPE) || from.content_type().is_some_and(names_hidden) {
        return cx.counters.drop(EdgeDrop::BodyHeldBack);
    }
    put_body(to, from, None);
    if from.has_content_type("message/sipfrag")
        && names_hidden(&String::from_utf8_lossy(&from.body))
    {
        let end = from.body.iter().position(|byte| *byte == b'\n');
        to.body = from.body.slice(..end.map_or(0, |end| end + 1));
        cx.counters.drop(EdgeDrop::BodyHeldBack);
    }
}
