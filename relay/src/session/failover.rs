//! Requests to names that lead to several places: one that fails at a place goes to the next, in a
//! transaction of its own and otherwise as it was (RFC 3263 section 4.3). TCP and UDP at one address are
//! two places for a request that is too large for UDP (RFC 3261 section 18.1.1).
//!
//! A place fails when it refuses the connection, answers 503, or says nothing within `failover_after`,
//! which is long before the transaction itself would give up. What was sent there is cancelled; should
//! it be answered late all the same, the answer is acknowledged and a call that it made is ended.

use super::{Context, Purpose, Session};
use crate::edge::flow_token::Source;
use crate::engine::Side;
use crate::locate::Candidate;
use patchbay_sip::transaction::{ClientKey, Flow, SendError};
use patchbay_sip::{HeaderName, Message, Method, Transport};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Places that are still to be tried.
pub(super) struct Ways {
    /// What a TLS peer must prove to be.
    name: Arc<str>,
    left: VecDeque<Candidate>,
}

impl Ways {
    /// The places of `name`, the best first.
    pub(super) fn new(name: &str, left: VecDeque<Candidate>) -> Ways {
        Ways {
            name: name.into(),
            left,
        }
    }

    fn none() -> Ways {
        Ways::new("", VecDeque::new())
    }

    /// The next one that there is a way to.
    pub(super) fn next(&mut self, cx: &mut Context<'_>) -> Option<(Candidate, Flow)> {
        while let Some(place) = self.left.pop_front() {
            if !cx.paths.leads_to(place.address.ip()) {
                continue;
            }
            let (transport, address) = (place.transport, place.address);
            let name = Some(&*self.name);
            let flow = cx.paths.flow_to_host(transport, address, name, cx.outputs);
            if let Some(flow) = flow {
                return Some((place, flow));
            }
        }
        None
    }
}

/// Requests beyond this size go over TCP, because what the path takes is not known (RFC 3261 section
/// 18.1.1).
pub const LARGE_BYTES: usize = 1300;
/// What our Via adds to a request.
const VIA_BYTES: usize = 90;

/// TCP for a request that is too large for UDP: the place and the flow to it. None if the party can be
/// reached by its UDP flow alone, or TCP has been refused there lately.
pub(super) fn by_tcp(
    cx: &mut Context<'_>,
    request: &Message,
    flow: &Flow,
    pinned: bool,
) -> Option<(Candidate, Flow)> {
    let may = cx.config.large_over_tcp && flow.transport == Transport::Udp && !pinned;
    if !may || request.wire_bytes() + VIA_BYTES <= LARGE_BYTES {
        return None;
    }
    let place = Candidate {
        transport: Transport::Tcp,
        address: flow.remote,
    };
    if cx.places.avoids(&place, cx.now.instant) {
        return None;
    }
    let flow = cx
        .paths
        .flow_to(place.transport, place.address, cx.outputs)?;
    Some((place, flow))
}

fn over_udp(address: SocketAddr) -> Candidate {
    Candidate {
        transport: Transport::Udp,
        address,
    }
}

/// A request that was sent to one of several places.
pub(super) struct Attempt {
    pub(super) client: ClientKey,
    /// The request in the dialog of a side; none for the INVITE to the agent, which is written anew
    /// for each place, because it says by which transport we are reached.
    within: Option<(Side, Message)>,
    at: Candidate,
    ways: Ways,
    /// When the place is given up.
    due: Option<Instant>,
}

impl Session {
    pub(super) fn attempts_wakeup(&self) -> Option<Instant> {
        self.attempts.iter().filter_map(|attempt| attempt.due).min()
    }

    /// Calls the agent at one of several places.
    pub(super) fn call_place(
        &mut self,
        cx: &mut Context<'_>,
        (at, flow): (Candidate, Flow),
        ways: Ways,
    ) {
        if let Some(invite) = &mut self.invite {
            invite.client = None;
        }
        let pinned = false;
        self.call_agent(cx, Source { flow, pinned });
        let client = self.invite.as_ref().and_then(|invite| invite.client);
        let Some(client) = client else { return };
        let sent = self.attempts.iter_mut().find(|a| a.client == client);
        match sent {
            // It went over TCP for its size: UDP at the same place is next.
            Some(attempt) => {
                attempt.within = None;
                attempt.ways.left.extend(ways.left);
                attempt.ways.name = ways.name;
            }
            None => self.attempted(cx, (client, None), at, ways),
        }
    }

    /// Sends a request in the dialog of `side`, which is reached by `flow`; if its name leads to
    /// several places, ready to go to the next.
    ///
    /// # Errors
    /// As [`patchbay_sip::transaction::Layer::send_request`].
    pub(super) fn send_within(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        request: Message,
        flow: Flow,
    ) -> Result<ClientKey, SendError> {
        let ways = self.leg(side).named_places(cx);
        let mut place = ways.and_then(|mut ways| Some((ways.next(cx)?, ways)));
        let pinned = self.leg(side).pinned;
        let usual = place.as_ref().map_or(flow, |((_, flow), _)| *flow);
        if let Some(wide) = by_tcp(cx, &request, &usual, pinned) {
            let mut ways = place.map_or_else(Ways::none, |(_, ways)| ways);
            ways.left.push_front(over_udp(usual.remote));
            place = Some((wide, ways));
        }
        let Some(((at, flow), ways)) = place else {
            let sent_by = cx.paths.sent_by(&flow);
            return cx
                .layer
                .send_request(request, flow, &sent_by, cx.now.instant);
        };
        let kept = request.clone();
        let sent_by = cx.paths.sent_by(&flow);
        let client = cx
            .layer
            .send_request(request, flow, &sent_by, cx.now.instant)?;
        self.attempted(cx, (client, Some((side, kept))), at, ways);
        Ok(client)
    }

    /// The INVITE to the agent went over TCP for its size: UDP is next.
    pub(super) fn sent_by_tcp(
        &mut self,
        cx: &Context<'_>,
        client: ClientKey,
        (offer, at): (Message, Candidate),
    ) {
        let mut ways = Ways::none();
        ways.left.push_back(over_udp(at.address));
        self.attempted(cx, (client, Some((Side::Agent, offer))), at, ways);
    }

    fn attempted(
        &mut self,
        cx: &Context<'_>,
        (client, within): (ClientKey, Option<(Side, Message)>),
        at: Candidate,
        ways: Ways,
    ) {
        let more = !ways.left.is_empty();
        self.attempts.push(Attempt {
            client,
            within,
            at,
            ways,
            due: more.then(|| cx.now.instant + cx.config.failover_after),
        });
    }

    /// Gives up the places that have said nothing for too long.
    pub(super) fn wake_attempts(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.instant;
        let due = |attempt: &Attempt| attempt.due.is_some_and(|due| due <= now);
        while let Some(index) = self.attempts.iter().position(due) {
            self.next_place(cx, index, None, true);
        }
    }

    /// Takes note of what an answer, or none, says of a place; true when the request has gone to
    /// another one instead, so that nobody else shall hear of it.
    pub(super) fn goes_elsewhere(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientKey,
        response: Option<&Message>,
    ) -> bool {
        let mut attempts = self.attempts.iter();
        let Some(index) = attempts.position(|attempt| attempt.client == client) else {
            return false;
        };
        match response.and_then(Message::status) {
            status @ (Some(503) | None) => {
                if let (Some(_), Some(attempt)) = (status, self.attempts.get_mut(index)) {
                    // Who is busy is so by every transport.
                    let busy = attempt.at.address;
                    attempt.ways.left.retain(|place| place.address != busy);
                }
                let time = response.and_then(retry_after);
                self.next_place(cx, index, time, false)
            }
            Some(status) => {
                if let Some(attempt) = self.attempts.get_mut(index) {
                    cx.places.works(&attempt.at);
                    attempt.due = None;
                }
                if status >= 200 {
                    self.attempts.swap_remove(index);
                }
                false
            }
        }
    }

    /// Sends a request to the next place; false if there is none. `pending`: its transaction still
    /// waits for an answer.
    fn next_place(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        avoid: Option<Duration>,
        pending: bool,
    ) -> bool {
        let attempt = self.attempts.swap_remove(index);
        cx.places.avoid(attempt.at, avoid, cx.now.instant);
        let Attempt {
            client,
            within,
            mut ways,
            ..
        } = attempt;
        let purpose = self.purpose(client);
        let (true, Some(purpose)) = (self.has_room(), purpose) else {
            return false;
        };
        let Some((at, flow)) = ways.next(cx) else {
            return false;
        };
        cx.counters.failovers += 1;
        let Some((side, request)) = within else {
            self.give_up(cx, client, pending.then_some(None));
            self.call_place(cx, (at, flow), ways);
            return true;
        };
        let sent_by = cx.paths.sent_by(&flow);
        let again = request.clone();
        let sent = cx.layer.send_request(again, flow, &sent_by, cx.now.instant);
        let Ok(next) = sent else { return false };
        let of = (!matches!(purpose, Purpose::Offer)).then_some(side);
        self.give_up(cx, client, pending.then_some(of));
        self.track(cx, next, purpose);
        if let Some(invite) = &mut self.invite
            && invite.client == Some(client)
        {
            invite.client = Some(next);
        }
        if let Some(reinvite) = &mut self.reinvite
            && reinvite.client == client
        {
            reinvite.client = next;
        }
        self.attempted(cx, (next, Some((side, request))), at, ways);
        true
    }

    /// The transaction with a place that is left. `of` tells whose it was, if it still waits.
    fn give_up(&mut self, cx: &mut Context<'_>, client: ClientKey, of: Option<Option<Side>>) {
        let Some(of) = of else {
            return self.untrack(cx, client);
        };
        // Of requests other than INVITE there is nothing to cancel.
        cx.layer.cancel(client, cx.now.instant);
        for (key, purpose) in &mut self.clients {
            if *key == client {
                *purpose = Purpose::GivenUp(of);
            }
        }
    }

    /// A place that was given up has answered.
    pub(super) fn answered_late(
        &mut self,
        cx: &mut Context<'_>,
        of: Option<Side>,
        client: ClientKey,
        response: &Message,
    ) {
        let status = response.status().unwrap_or(500);
        if status < 200 {
            return;
        }
        self.untrack(cx, client);
        let cseq = response.cseq().ok();
        let Some(cseq) = cseq.filter(|cseq| cseq.method == Method::Invite && status < 300) else {
            return;
        };
        match of {
            None => self.hang_up_fork(cx, response),
            Some(side) => {
                let leg = self.leg(side);
                if let Some(flow) = leg.reach(cx)
                    && let Some(dialog) = &leg.dialog
                {
                    let sent_by = cx.paths.sent_by(&flow);
                    cx.layer.send_ack(dialog.ack(cseq.number), flow, &sent_by);
                }
            }
        }
    }
}

/// How long a 503 asks to be left in peace (RFC 3261 section 21.5.4).
fn retry_after(response: &Message) -> Option<Duration> {
    let value = response.headers.get(HeaderName::RetryAfter)?;
    let digits = value.trim().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().map(Duration::from_secs)
}
