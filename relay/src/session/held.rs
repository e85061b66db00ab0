//! Requests inside a call that wait, so that order is kept.
//!
//! A side that has answered an INVITE gets its ACK from the relay at once, and may ask for something in the
//! next moment. The other side's 200 may still be on its way, which is longer: the first one goes by
//! control. A phone that is asked for something inside a call that it does not know to stand refuses it,
//! or gives up the call. So what is for a side that owes its ACK waits for that ACK, in order; a BYE
//! overtakes all (RFC 3261 section 15).

use super::{Context, MAX_EXCHANGES_PER_SESSION, Session};
use crate::edge::Refusal;
use crate::edge::counters::EdgeDrop;
use crate::engine::Side;
use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{Message, Method};

/// A request that waits.
pub(super) struct Held {
    from: Side,
    server: ServerKey,
    direct: Option<Flow>,
    request: Message,
}

impl Session {
    /// Whether a request of `from` has to wait for the other side's ACK.
    pub(super) fn must_wait(&self, from: Side, request: &Message) -> bool {
        let stands = self.answered.is_some() && !self.ended;
        let urgent = request.method() == Some(&Method::Bye);
        stands && !urgent && (self.owes_us_ack(from.other()) || self.waits(from))
    }

    fn owes_us_ack(&self, side: Side) -> bool {
        let leg = match side {
            Side::Client => &self.caller,
            Side::Agent => &self.agent,
        };
        leg.unacknowledged().is_some()
    }

    fn waits(&self, from: Side) -> bool {
        self.held.iter().any(|held| held.from == from)
    }

    /// Lets a request wait; beyond [`MAX_EXCHANGES_PER_SESSION`] it is refused.
    pub(super) fn hold(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        (server, direct): (ServerKey, Option<Flow>),
        request: Message,
    ) {
        if self.held.len() >= MAX_EXCHANGES_PER_SESSION {
            let refusal = Refusal::busy(EdgeDrop::ExchangesFull, "Too Many Exchanges", 1);
            return refusal.answer(cx.layer, cx.counters, server, &request, cx.now);
        }
        if request.method() == Some(&Method::Invite) {
            cx.links.servers.insert(server, self.id);
        }
        self.held.push(Held {
            from,
            server,
            direct,
            request,
        });
    }

    /// Handles what need not wait any longer.
    pub(super) fn release_held(&mut self, cx: &mut Context<'_>) {
        while let Some(at) = self.next_held() {
            let held = self.held.remove(at);
            cx.links.servers.remove(&held.server);
            let server = (held.server, held.direct);
            self.handle(cx, held.from, server, held.request);
        }
    }

    fn next_held(&self) -> Option<usize> {
        let mut held = self.held.iter();
        held.position(|held| self.ended || !self.owes_us_ack(held.from.other()))
    }

    /// Takes back an INVITE that waits; false if it is none of those.
    pub(super) fn cancel_held(&mut self, cx: &mut Context<'_>, server: ServerKey) -> bool {
        let Some(at) = self.held.iter().position(|held| held.server == server) else {
            return false;
        };
        let held = self.held.remove(at);
        cx.links.servers.remove(&server);
        let refusal = Refusal::plain(487, "Request Terminated");
        refusal.answer(cx.layer, cx.counters, server, &held.request, cx.now);
        true
    }
}
