//! What comes back for a transferred INVITE, and what callers do meanwhile.

use patchbay_core::{ContactId, Input, OfferFailure, OfferId};
use patchbay_sip::transaction::{ClientKey, Failure, ServerKey};
use patchbay_sip::{HeaderName, Message};
use tracing::{debug, info};

use super::call::Stage;
use super::counters::Drop;
use super::reply::reply;
use super::timers::CANCEL_PATIENCE;
use super::{Moment, Signalling};

/// The connection that a device registered over is gone (RFC 5626 section 11.6).
const FLOW_FAILED: u16 = 430;

impl Signalling {
    /// A response to one of our INVITEs, with our Via still on top.
    pub(super) fn response(&mut self, client: ClientKey, mut response: Message, now: Moment) {
        if self.envelope_answered(client, &response) {
            return;
        }
        let Some(contact) = self.calls.of_client(client) else {
            if response.status().is_none_or(|status| status >= 200)
                && !self.calls.farewell_over(client)
            {
                self.counters.drop(Drop::StrayResponse);
            }
            return;
        };
        response.headers.remove_first(HeaderName::Via);
        let Some(response) = self.heard(contact, client, response, now) else {
            return;
        };
        if self.onward_went(contact, client, response.status().unwrap_or(503), now) {
            return;
        }
        match response.status() {
            Some(100) | None => {}
            Some(101..=199) => self.provisional(contact, client, response, now),
            Some(200..=299) => self.success(contact, client, response, now),
            // The caller who waited in a call has left it; or another phone has joined it, whose answer may
            // come later by a tunnel of its own.
            Some(481)
                if self
                    .calls
                    .get(contact)
                    .is_some_and(|call| call.waits_in_call && call.rings_once()) =>
            {
                self.left(contact, now);
                self.branch_over(contact, client, OfferFailure::Error, 481, now);
            }
            Some(status) => {
                let full = status == 503 && from_relay(&response);
                let cause = if full {
                    OfferFailure::RelayFull
                } else {
                    OfferFailure::of_status(status)
                };
                self.branch_over(contact, client, cause, status, now);
            }
        }
    }

    /// No final answer, or no connection any more.
    pub(super) fn branch_failed(&mut self, client: ClientKey, why: Failure, now: Moment) {
        if self.envelope_failed(client, why) {
            return;
        }
        let Some(contact) = self.calls.of_client(client) else {
            self.calls.farewell_over(client);
            return;
        };
        if self.hearing_over(contact, client) || self.onward_went(contact, client, 503, now) {
            return;
        }
        let status = match why {
            Failure::Timeout => 408,
            Failure::Transport => 503,
        };
        self.branch_over(
            contact,
            client,
            OfferFailure::of_status(status),
            status,
            now,
        );
    }

    fn provisional(
        &mut self,
        contact: ContactId,
        client: ClientKey,
        response: Message,
        now: Moment,
    ) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let stage = call.stage;
        let Some(branch) = call.branch(client) else {
            return;
        };
        let offer = branch.offer;
        if stage != Stage::Open || branch.cancelled {
            return;
        }
        let Some(hunt) = call.hunt(offer) else { return };
        if hunt.winner.is_some() {
            return;
        }
        let began = !std::mem::replace(&mut hunt.ringing, true);
        // A caller whom several agents' phones ring for hears so once: not all cope with many early
        // dialogs. One who hears music would hear its own phone's tone in its place. What carries
        // sound or must be acknowledged passes.
        let bare =
            response.body.is_empty() && !response.headers.lists(HeaderName::Require, "100rel");
        let told = call
            .hunts
            .iter()
            .any(|hunt| hunt.offer != offer && hunt.ringing && !hunt.cancelled)
            || call.hears();
        if began {
            self.tell(Input::OfferRinging { offer });
        }
        if !(bare && told) {
            self.progress(contact, response, now);
        }
    }

    fn success(&mut self, contact: ContactId, client: ClientKey, response: Message, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let stage = call.stage;
        let Some(branch) = call.branch(client) else {
            return;
        };
        let offer = branch.offer;
        let again = std::mem::replace(&mut branch.answered, true);
        let Some(hunt) = call.hunt(offer) else { return };
        match hunt.winner {
            Some(winner) if winner == client => {
                return self.repeated(contact, offer, response, now);
            }
            // Its ACK and BYE are under way.
            Some(_) if again => return,
            Some(_) => return self.hang_up(contact, &response, now),
            None => hunt.winner = Some(client),
        }
        let crossed = match stage {
            Stage::Open => {
                hunt.answer = Some(Box::new(response));
                None
            }
            Stage::Cancelled => Some(response),
            Stage::Answered(_) => None,
        };
        hunt.groups.clear();
        let before = hunt.next_group.take();
        self.calls.set_hunt_timer(contact, offer, before, None);
        self.cancel_branches(contact, offer, Some(client), now);
        if matches!(stage, Stage::Answered(_)) {
            // The distributor has its session ended.
            self.counters.drop(Drop::LateAnswer);
        }
        if let Some(response) = crossed {
            // The answer crossed the CANCEL. A proxy passes every 2xx on (RFC 3261 section 16.7
            // step 10); the caller acknowledges it and hangs up.
            info!(%contact, %offer, "answer crossed the cancel");
            self.finish(contact, response, Some(offer), now);
        }
        self.tell(Input::OfferAnswered { offer });
    }

    /// The relay repeats its 2xx until the caller's ACK; it is passed on as often.
    fn repeated(&mut self, contact: ContactId, offer: OfferId, response: Message, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let server = call.server;
        match call.stage {
            Stage::Answered(Some(passed)) if passed == offer => self.respond(server, response, now),
            _ => self.counters.drop(Drop::LateAnswer),
        }
    }

    /// A phone said no, or nothing.
    fn branch_over(
        &mut self,
        contact: ContactId,
        client: ClientKey,
        cause: OfferFailure,
        code: u16,
        now: Moment,
    ) {
        self.calls.forget_client(client);
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let Some(branch) = call.take_branch(client) else {
            return;
        };
        let offer = branch.offer;
        let agent = call.hunt(offer).map(|hunt| hunt.agent.clone());
        self.leave_way(branch.flow);
        if branch.answered {
            // The end of a transaction that was answered.
            return;
        }
        debug!(%contact, %offer, device = %branch.target.uri, code, "device failed");
        if let (FLOW_FAILED, Some(agent)) = (code, agent) {
            self.registrar.remove(agent.as_str(), &branch.target.key);
        }
        self.device_failed(contact, branch, (code, cause), now);
    }

    /// The caller's CANCEL, which the layer has answered.
    pub(super) fn cancelled(&mut self, server: ServerKey, now: Moment) {
        let Some(contact) = self.calls.of_server(server) else {
            return;
        };
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        if call.stage != Stage::Open {
            return;
        }
        info!(%contact, "cancelled by the caller");
        if call.hunts.is_empty() {
            self.terminated(contact, now);
        } else {
            // 487 comes when the phones have let go, or the 2xx that crossed the CANCEL.
            call.stage = Stage::Cancelled;
            self.calls.set_timer(contact, now.at + CANCEL_PATIENCE);
            self.stop_hearing(contact, now);
        }
        self.tell(Input::ContactCancelled { contact });
    }

    /// 487, the end of a cancelled call.
    pub(super) fn terminated(&mut self, contact: ContactId, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let Some(request) = call.request() else {
            return;
        };
        let response = reply(request, 487, "", &call.tag);
        self.finish(contact, response, None, now);
    }

    /// The way back to the caller is gone.
    pub(super) fn server_failed(&mut self, server: ServerKey, now: Moment) {
        let Some(contact) = self.calls.of_server(server) else {
            return;
        };
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        if matches!(call.stage, Stage::Answered(_)) {
            return;
        }
        info!(%contact, "connection to the caller lost");
        let was_open = call.stage == Stage::Open;
        call.stage = Stage::Answered(None);
        self.calls
            .set_timer(contact, now.at + super::timers::KEEP_ANSWERED);
        self.stop_hearing(contact, now);
        if was_open {
            self.tell(Input::ContactCancelled { contact });
        }
    }
}

/// A 503 that the relay itself gave says when to come back.
fn from_relay(response: &Message) -> bool {
    response.headers.contains(HeaderName::RetryAfter)
}
