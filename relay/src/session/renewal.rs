//! The relay's own refresh of a session timer (RFC 4028 section 7.4): by UPDATE, or, for a phone that does
//! not say that it takes UPDATE, by a re-INVITE with the description that it was sent last.
//!
//! Either is this leg's own affair. The phone's answer to a re-INVITE may still change where its media
//! go: they follow as after any re-INVITE, while the other side is asked nothing.

use super::media::Ends;
use super::{Context, Purpose, Session, SessionTimer};
use crate::edge::Refusal;
use crate::engine::Side;
use crate::readdress::headers;
use bytes::Bytes;
use patchbay_route::session::{EndCause, EndedBy};
use patchbay_sip::transaction::ClientKey;
use patchbay_sip::{HeaderName, Message, Method, min_se};
use std::time::Duration;

/// After a refresh that the phone wants to be longer, or that finds another exchange under way.
const RETRY: Duration = Duration::from_secs(3);
/// How long the wait after glare may last, in steps of 10 ms from its least value (RFC 3261 section 14.1).
const GLARE_STEPS: [u64; 2] = [200, 190];
/// Its least value for who did not choose the Call-ID, and for who did.
const GLARE_LEAST: [Duration; 2] = [Duration::ZERO, Duration::from_millis(2100)];

impl Session {
    /// Whether a refresh by re-INVITE is under way, to either side.
    pub(super) fn renews(&self) -> bool {
        let renews = |(_, purpose): &(_, Purpose)| matches!(purpose, Purpose::Renew(_));
        self.clients.iter().any(renews)
    }

    /// Whether an offer of ours would meet another one, or a dialog that lacks its ACK.
    fn amid_exchange(&self) -> bool {
        let open = |(_, purpose): &(_, Purpose)| match purpose {
            Purpose::Relayed(_, _, request) => {
                let method = request.method();
                let offers = !request.body.is_empty();
                offers && matches!(method, Some(Method::Update | Method::Prack))
            }
            purpose => matches!(purpose, Purpose::Renew(_)),
        };
        self.reinvite.is_some()
            || self.media.offer_pending()
            || !(self.caller.is_at_rest() && self.agent.is_at_rest())
            || self.clients.iter().any(open)
    }

    /// Refreshes the timer of a side.
    pub(super) fn refresh(&mut self, cx: &mut Context<'_>, side: Side, timer: SessionTimer) {
        let waits = |(_, purpose): &(_, Purpose)| matches!(purpose, Purpose::Renew(to) | Purpose::Refresh(to) if *to == side);
        if self.clients.iter().any(waits) {
            // A whole interval without a final answer.
            return self.end(cx, EndedBy::Relay, EndCause::Unreachable);
        }
        let updates = self.leg(side).updates;
        if !updates && self.amid_exchange() {
            return self.refresh_in(cx, side, RETRY);
        }
        // Should no answer come at all, the transaction's own time-out ends the call.
        self.refresh_in(cx, side, timer.interval);
        if updates {
            return self.send_refresh(cx, side, Method::Update, None);
        }
        match self.media.repeated(side) {
            Some(offer) => self.send_refresh(cx, side, Method::Invite, Some(offer)),
            // It took UPDATE before: there is no other way, as for a phone without a timer.
            None => self.leg(side).expiry = None,
        }
    }

    fn send_refresh(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        method: Method,
        offer: Option<Bytes>,
    ) {
        let leg = self.leg(side);
        let Some(mut request) = leg.request(cx, method) else {
            return;
        };
        leg.ask_timer(cx, 0, &mut request);
        let supported = headers::SUPPORTED;
        request.headers.push(HeaderName::Supported, supported);
        let mut purpose = Purpose::Refresh(side);
        if let Some(offer) = offer {
            let allow = headers::allow(&headers::ALLOW, &cx.config.deny_methods);
            request.headers.push(HeaderName::Allow, allow);
            request.set_body(super::SDP_TYPE, offer);
            purpose = Purpose::Renew(side);
        }
        let flow = leg.reach(cx);
        let sent = flow.and_then(|flow| self.send_within(cx, side, request, flow).ok());
        match sent {
            Some(client) => self.track(cx, client, purpose),
            None => self.end(cx, EndedBy::Relay, EndCause::Unreachable),
        }
    }

    fn refresh_in(&mut self, cx: &Context<'_>, side: Side, wait: Duration) {
        if let Some(timer) = &mut self.leg(side).expiry {
            timer.due = cx.now.instant + wait;
        }
    }

    /// How long to wait after glare.
    fn glare_wait(&mut self, cx: &mut Context<'_>, side: Side) -> Duration {
        let own = usize::from(self.leg(side).called);
        let steps = cx.ids.number() % (GLARE_STEPS[own] + 1);
        GLARE_LEAST[own] + Duration::from_millis(10 * steps)
    }

    /// An answer to a refresh by re-INVITE.
    pub(super) fn renewal_response(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        client: ClientKey,
        response: &Message,
    ) {
        let status = response.status().unwrap_or(500);
        match status {
            0..=199 => {}
            200..=299 => self.renewed(cx, side, client, response),
            _ => self.refresh_response(cx, side, (client, status), Some(response)),
        }
    }

    fn renewed(&mut self, cx: &mut Context<'_>, side: Side, client: ClientKey, response: &Message) {
        let ended = self.ended;
        let cseq = response.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let leg = self.leg(side);
        if let Some(dialog) = leg.dialog.as_mut().filter(|_| !ended) {
            dialog.refresh_target(response);
        }
        leg.send_ack(cx, cseq, None);
        if ended {
            // It crossed the BYE.
            return self.untrack(cx, client);
        }
        self.mark_answered(cx, client, side);
        let repeats = self.media.can_repeat(side);
        self.leg(side).take_timer(cx.now.instant, response, repeats);
        let ends = Ends::of(&self.caller, &self.agent);
        let taken = self.media.answered_again(cx, ends, side, response);
        if let Err(error) = taken {
            tracing::debug!(%error, "the answer to a refresh says nothing of use");
        }
    }

    /// The final answer to a refresh of ours, unless a re-INVITE was taken; none came where `status` is
    /// 408 or 503 without a response.
    pub(super) fn refresh_response(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        (client, status): (ClientKey, u16),
        response: Option<&Message>,
    ) {
        self.untrack(cx, client);
        let now = cx.now.instant;
        match (status, response) {
            (200..=299, Some(response)) => {
                let repeats = self.media.can_repeat(side);
                let leg = self.leg(side);
                if let Some(dialog) = &mut leg.dialog {
                    dialog.refresh_target(response);
                }
                leg.take_timer(now, response, repeats);
            }
            (422, Some(response)) => {
                let seconds = min_se(&response.headers);
                if let Some(timer) = &mut self.leg(side).expiry {
                    timer.interval = Duration::from_secs(u64::from(seconds));
                }
                self.refresh_in(cx, side, RETRY);
            }
            // RFC 4028 section 10, RFC 3261 section 12.2.1.2: nobody is there.
            (408 | 481, _) | (503, None) => self.end(cx, EndedBy::Relay, EndCause::Unreachable),
            (491, _) => {
                let wait = self.glare_wait(cx, side);
                self.refresh_in(cx, side, wait);
            }
            // It says so in spite of its Allow.
            (405 | 501, _) if self.leg(side).updates => {
                self.leg(side).updates = false;
                self.leg(side).expiry = None;
            }
            // The call is as it was (RFC 3261 section 14.1), and so is its timer: there is time to ask
            // again before it is over.
            _ => {
                let interval = self.leg(side).expiry.map(|timer| timer.interval);
                self.refresh_in(cx, side, interval.unwrap_or_default() / 4);
            }
        }
    }

    /// Answers an offer that meets a refresh by re-INVITE.
    ///
    /// # Errors
    /// 491 (RFC 3261 section 14.2).
    pub(super) fn check_renewal(&self, offers: bool) -> Result<(), Refusal> {
        match offers && self.renews() {
            true => Err(Refusal::plain(491, "Request Pending")),
            false => Ok(()),
        }
    }

    /// Takes back what is under way: the call is over.
    pub(super) fn cancel_renewals(&mut self, cx: &mut Context<'_>) {
        for (client, purpose) in &self.clients {
            if matches!(purpose, Purpose::Renew(_)) {
                cx.layer.cancel(*client, cx.now.instant);
            }
        }
    }

    /// Forgets descriptions that nobody will be sent once more.
    pub(super) fn trim_terms(&mut self) {
        if self.answered.is_some() {
            let legs = [&self.caller, &self.agent];
            self.media
                .trim_terms(legs.iter().any(|leg| leg.is_renewed()));
        }
    }
}
