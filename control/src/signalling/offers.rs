//! The distributor's decisions put into SIP: transfer, cancel, accept, refuse.

use std::time::Duration;

use patchbay_core::centre::Notice;
use patchbay_core::{AgentId, ContactId, Input, OfferFailure, OfferId, RefuseReason};
use patchbay_route::transfer::{TransferTarget, sign};
use patchbay_sip::{HeaderName, Message};
use tracing::{debug, info};

use super::call::{Branch, Call, Stage};
use super::counters::Drop;
use super::farewell::End;
use super::hunt::{self, Hunt, Ways};
use super::reply::{redirection, refusal, reply};
use super::timers::{KEEP_ANSWERED, PROGRESS_EVERY};
use super::{Moment, Signalling, identity};
use crate::link::attempt_name;
use crate::registrar::{Device, Target};

/// How long a transfer may take to reach the relay, and how far the two hosts' clocks may differ
/// together with it, in seconds.
pub const TRANSFER_VALID_S: u64 = 120;

/// Expires of a transferred INVITE beyond the ring time, in seconds. The distributor cancels
/// first; this ends the ringing when control is gone.
const RING_MARGIN_S: u64 = 5;

/// Max-Forwards for an INVITE without one (RFC 3261 section 16.6 step 3).
const DEFAULT_MAX_FORWARDS: u32 = 70;

/// Status told for an agent that has no device at this moment.
pub(super) const NO_DEVICE: u16 = 480;

impl Signalling {
    /// The contact waits: 182, with our own To tag.
    pub fn queued(&mut self, contact: ContactId, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        // Who hears something knows.
        if call.stage != Stage::Open || call.hears() {
            return;
        }
        debug!(%contact, "queued");
        let Some(request) = call.request() else {
            return;
        };
        // Who requires it is told nothing that is not acknowledged, but for 100 (RFC 3262 section 3).
        if request.headers.lists(HeaderName::Require, "100rel") {
            return;
        }
        let response = reply(request, 182, "Queued", &call.tag);
        self.progress(contact, response, now);
    }

    /// Sends a provisional answer to the caller and starts its minute (RFC 3261 section 13.3.1.1).
    pub(super) fn progress(&mut self, contact: ContactId, response: Message, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        if call.waits_in_call {
            return;
        }
        let server = call.server;
        if let Some(open) = &mut call.open {
            open.progress = Some(response.clone());
        }
        self.calls.set_timer(contact, now.at + PROGRESS_EVERY);
        self.respond(server, response, now);
        self.pump(now);
    }

    /// Transfers the contact to the relay with this agent: a transfer for each device that is called.
    pub fn offer(
        &mut self,
        contact: ContactId,
        offer: OfferId,
        agent: &AgentId,
        ring_for: Duration,
        now: Moment,
    ) {
        let named = self.calls.get(contact).and_then(|call| call.device());
        let devices = match named {
            // RFC 5627 section 5.4: to that device alone.
            Some(uri) => Vec::from_iter(self.registrar.device_of(&uri).map(|(_, device)| device)),
            None => self.registrar.devices(agent.as_str()),
        };
        self.offer_devices((contact, offer), agent, devices, ring_for, now);
    }

    /// Transfers the contact to the relay with this agent at an address.
    pub fn offer_at(
        &mut self,
        of: (ContactId, OfferId),
        agent: &AgentId,
        at: &str,
        ring_for: Duration,
        now: Moment,
    ) {
        let devices = vec![Device::fixed(at)];
        self.offer_devices(of, agent, devices, ring_for, now);
    }

    fn offer_devices(
        &mut self,
        (contact, offer): (ContactId, OfferId),
        agent: &AgentId,
        devices: Vec<Device>,
        ring_for: Duration,
        now: Moment,
    ) {
        let manner = self.registrar.manner(agent.as_str());
        let Some(call) = self.calls.get(contact) else {
            let cause = OfferFailure::Unreachable;
            let code = NO_DEVICE;
            return self.tell(Input::OfferFailed { offer, cause, code });
        };
        // Nearly all calls have one.
        call.hunts.reserve_exact(1);
        call.hunts.push(Hunt {
            offer,
            agent: agent.clone(),
            groups: hunt::groups(devices, manner.devices),
            ring_s: ring_for.as_secs() + RING_MARGIN_S,
            group_ring: manner.device_ring,
            notice: manner.notice,
            next_group: None,
            attempts: 0,
            ringing: false,
            cancelled: false,
            failure: None,
            winner: None,
            answer: None,
        });
        self.hunt_on(contact, offer, now);
        self.pump(now);
    }

    /// Calls a device by the first of its ways that can be used.
    pub(super) fn transfer(
        &mut self,
        contact: ContactId,
        offer: OfferId,
        mut ways: Ways,
        now: Moment,
    ) {
        while let Some(target) = ways.pop_front() {
            let Some(call) = self.calls.get(contact) else {
                return;
            };
            let Some(invite) = transferred(call, offer, contact, &target) else {
                return;
            };
            let mut invite = invite;
            if let (Some(template), Some(request)) = (&self.config.screen_pop_url, call.request()) {
                let value = identity::call_info(template, &contact.to_string(), request);
                invite.invite.headers.push(HeaderName::CallInfo, value);
            }
            let flow = call.flow;
            let secret = self.config.link_secret.expose();
            let invite = invite.signed(secret, now.unix_ms() / 1000);
            let flow = self.transfer_flow(flow);
            match self.layer.send_request(invite, flow, &self.sent_by, now.at) {
                Ok(client) => {
                    info!(%contact, %offer, device = %target.uri, "transferred");
                    self.counters.transfers += 1;
                    self.calls.name_client(client, contact);
                    self.took_way(flow, client);
                    let branch = Branch {
                        offer,
                        client,
                        flow,
                        target,
                        ways,
                        cancelled: false,
                        answered: false,
                    };
                    if let Some(call) = self.calls.get(contact) {
                        call.branches.reserve_exact(1);
                        call.branches.push(branch);
                    }
                    return;
                }
                Err(error) => {
                    debug!(%contact, %offer, %error, "transfer not sent");
                    self.counters.drop(Drop::NotSent);
                    self.leave_way(flow);
                }
            }
        }
    }

    /// Takes an offer back (RFC 3261 section 9.1). Its end is told when it has come.
    pub fn cancel_offer(&mut self, contact: ContactId, offer: OfferId, now: Moment) {
        let Some(hunt) = self.calls.get(contact).and_then(|call| call.hunt(offer)) else {
            return;
        };
        debug!(%contact, %offer, "offer cancelled");
        hunt.cancelled = true;
        hunt.groups.clear();
        self.cancel_branches(contact, offer, None, now);
        self.pump(now);
    }

    /// Passes the 2xx of an offer to the caller.
    pub fn accept(&mut self, contact: ContactId, offer: OfferId, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let Some(hunt) = call.hunt(offer).filter(|hunt| hunt.winner.is_some()) else {
            return;
        };
        let answer = hunt.answer.take();
        let Some(answer) = answer.filter(|_| !matches!(call.stage, Stage::Answered(_))) else {
            self.counters.drop(Drop::LateAnswer);
            return;
        };
        info!(%contact, %offer, "answered");
        self.finish(contact, *answer, Some(offer), now);
    }

    /// The final answer that refuses the contact.
    pub fn refuse_contact(
        &mut self,
        contact: ContactId,
        status: u16,
        retry_after_s: Option<u32>,
        why: RefuseReason,
        now: Moment,
    ) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        if matches!(call.stage, Stage::Answered(_)) {
            return;
        }
        let end = End::Refuse {
            status,
            retry_after_s,
            why,
        };
        if self.says_first(contact, end, now) {
            return;
        }
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let Some(request) = call.request() else {
            return;
        };
        info!(%contact, status, why = why.text(), "refused");
        let response = refusal(request, status, retry_after_s, why, &call.tag);
        self.finish(contact, response, None, now);
    }

    /// The final answer that tells the caller whom to call instead.
    pub fn redirect(&mut self, contact: ContactId, to: &str, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        if matches!(call.stage, Stage::Answered(_)) {
            return;
        }
        let end = End::Redirect { to: to.to_owned() };
        if self.says_first(contact, end, now) {
            return;
        }
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let Some(request) = call.request() else {
            return;
        };
        if call.waits_in_call {
            return self.send_onward(contact, to, now);
        }
        info!(%contact, to, "redirected");
        let response = redirection(request, to, &call.tag);
        self.finish(contact, response, None, now);
    }

    /// Tells the caller where the agent is, so that its own proxy calls it.
    pub fn hand_over(&mut self, contact: ContactId, offer: OfferId, agent: &AgentId, now: Moment) {
        let call = self.calls.get(contact);
        let open = call.is_some_and(|call| call.stage == Stage::Open);
        let named = self.calls.get(contact).and_then(|call| call.device());
        let at = match named {
            Some(uri) => self.registrar.device_of(&uri).and_then(|(_, device)| {
                let mut ways = device.ways;
                ways.pop_front().map(|way| way.uri)
            }),
            None => self.reached_at(agent),
        };
        let Some(at) = at.filter(|_| open) else {
            let cause = OfferFailure::Unreachable;
            let code = NO_DEVICE;
            return self.tell(Input::OfferFailed { offer, cause, code });
        };
        self.hand_over_to(contact, offer, &at, now);
    }

    /// Tells the caller's proxy that the agent is at an address.
    pub fn hand_over_to(&mut self, contact: ContactId, offer: OfferId, at: &str, now: Moment) {
        self.redirect(contact, at, now);
        self.tell(Input::OfferAnswered { offer });
    }

    /// Ends a contact that has no final answer yet, on behalf of an operator or a shutdown. False
    /// when there is no such contact.
    pub fn end_waiting(&mut self, contact: ContactId, retry_after_s: u32, now: Moment) -> bool {
        let Some(call) = self.calls.get(contact) else {
            return false;
        };
        if matches!(call.stage, Stage::Answered(_)) {
            return false;
        }
        let Some(request) = call.request() else {
            return false;
        };
        info!(%contact, "ended while waiting");
        let mut response = reply(request, 480, "", &call.tag);
        response
            .headers
            .push(HeaderName::RetryAfter, retry_after_s.to_string());
        self.finish(contact, response, None, now);
        self.tell(Input::ContactCancelled { contact });
        true
    }

    /// Gives the one final answer of an INVITE and keeps the call's record for stragglers.
    pub(super) fn finish(
        &mut self,
        contact: ContactId,
        response: Message,
        offer: Option<OfferId>,
        now: Moment,
    ) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        call.stage = Stage::Answered(offer);
        call.settle();
        let (server, waits_in_call) = (call.server, call.waits_in_call);
        self.calls.set_timer(contact, now.at + KEEP_ANSWERED);
        match (waits_in_call, offer) {
            // The agent is in the caller's call already.
            (true, Some(_)) => {}
            (true, None) => self.hang_up_waiting(contact, now),
            (false, _) => {
                self.respond(server, response, now);
                self.stop_hearing(contact, now);
            }
        }
        self.pump(now);
    }
}

/// An INVITE on its way to the relay that still lacks its signed Request-URI.
pub(super) struct Unsigned {
    pub(super) invite: Message,
    pub(super) target: TransferTarget,
}

impl Unsigned {
    pub(super) fn signed(mut self, secret: &str, now_unix: u64) -> Message {
        let call_id = self.invite.call_id().unwrap_or_default().to_owned();
        let from_tag = self.invite.from_tag().unwrap_or_default();
        let expires = now_unix + TRANSFER_VALID_S;
        let uri = sign(
            secret.as_bytes(),
            &self.target,
            &call_id,
            &from_tag,
            expires,
        );
        self.invite.set_uri(uri);
        self.invite
    }
}

/// The caller's INVITE as a proxy forwards it (RFC 3261 section 16.6).
pub(super) fn forwarded(request: &Message) -> Message {
    let mut invite = request.clone();
    let hops = invite
        .max_forwards()
        .map_or(DEFAULT_MAX_FORWARDS, |hops| hops.saturating_sub(1));
    invite
        .headers
        .set(HeaderName::MaxForwards, hops.to_string());
    // A Route led to us and to nobody after us; the relay finds the phone by the transfer.
    invite.headers.remove(HeaderName::Route);
    invite
}

/// The same for one of an agent's devices.
fn transferred(
    call: &mut Call,
    offer: OfferId,
    contact: ContactId,
    target: &Target,
) -> Option<Unsigned> {
    let mut invite = forwarded(call.request()?);
    let joins = call.waits_in_call;
    let hunt = call.hunt(offer)?;
    invite
        .headers
        .set(HeaderName::Expires, hunt.ring_s.to_string());
    let path = (!target.path.is_empty()).then(|| target.path.join(", "));
    let attempt = hunt.attempts;
    hunt.attempts = attempt.saturating_add(1);
    let target = TransferTarget {
        agent_uri: target.uri.clone(),
        path,
        aor: None,
        agent_id: hunt.agent.to_string(),
        contact: contact.to_string(),
        offer: attempt_name(offer, attempt),
        notice: hunt.notice == Notice::Dialog,
        hears: None,
        joins,
    };
    Some(Unsigned { invite, target })
}
