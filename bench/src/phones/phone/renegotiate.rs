//! Re-INVITE (RFC 3261 section 14): hold and its end, from either side.

use std::time::{Duration, Instant};

use patchbay_sip::transaction::{ClientKey, ServerKey};
use patchbay_sip::{HeaderName, Message, Method};

use super::call::{Call, Stage};
use super::{CallFailure, CallRef, Phone, PhoneEvent, Purpose, Timer, sdp};

impl Phone {
    /// Puts a call on hold, or takes it back. Does nothing unless it is established and no other
    /// re-INVITE is under way.
    pub fn hold(&mut self, call: CallRef, held: bool, now: Instant) {
        let contact = self.contact();
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        if record.stage != Stage::Talking || record.reinvite.is_some() || record.held == held {
            return;
        }
        record.held = held;
        record.version += 1;
        let (Some(offer), Some(dialog)) = (record.offer(), &mut record.dialog) else {
            return;
        };
        let mut request = dialog.request(Method::Invite);
        request.headers.push(HeaderName::Contact, contact);
        request
            .headers
            .push(HeaderName::ContentType, "application/sdp");
        request.body = sdp::write(&offer, record.session, record.version).into();
        record.cseq = request.cseq().map_or(record.cseq, |cseq| cseq.number);
        let dialog = dialog.clone();
        let flow = self.dialog_flow(call, &dialog);
        match self.send(request, flow, now) {
            Ok(client) => {
                self.clients
                    .insert(client, (call, Purpose::Reinvite { held }));
                if let Some(record) = self.calls.get_mut(&call) {
                    record.reinvite = Some(client);
                    record.clients.push(client);
                }
            }
            Err(_) => self.reinvite_failed(call, now),
        }
        self.work(now);
    }

    pub(super) fn reinvite_answered(
        &mut self,
        call: CallRef,
        client: ClientKey,
        held: bool,
        response: &Message,
        now: Instant,
    ) {
        match response.status().unwrap_or(0) {
            ..200 => {}
            200..300 => self.reinvite_accepted(call, held, response, now),
            491 => {
                self.clients.remove(&client);
                self.glare(call, held, now);
            }
            _ => {
                self.clients.remove(&client);
                self.reinvite_failed(call, now);
            }
        }
    }

    fn reinvite_accepted(&mut self, call: CallRef, held: bool, response: &Message, now: Instant) {
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        let Some(dialog) = &mut record.dialog else {
            return;
        };
        dialog.refresh_target(response);
        let ack = dialog.ack(record.cseq);
        let dialog = dialog.clone();
        let flow = self.dialog_flow(call, &dialog);
        self.layer
            .send_ack(ack, flow, &self.config.local.to_string());
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        // A repeated 200 is acknowledged, and that is all.
        if record.reinvite.take().is_none() {
            return;
        }
        let Some(remote) = sdp::read(&response.body) else {
            self.reinvite_failed(call, now);
            return;
        };
        record.remote = Some(remote);
        let hold_for = record.hold_after.filter(|_| held);
        self.tell(PhoneEvent::Renegotiated { call, held });
        self.talk(call);
        if let Some(hold_for) = hold_for {
            self.at(now + hold_for, Timer::Hold(call, false));
        }
    }

    /// Both sides sent a re-INVITE at once: RFC 3261 section 14.1 says who waits how long.
    fn glare(&mut self, call: CallRef, held: bool, now: Instant) {
        let draw = self.draws.number();
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        record.reinvite = None;
        record.held = !held;
        let owns_call_id = record.client.is_some();
        let wait_ms = if owns_call_id {
            2_100 + draw % 1_900
        } else {
            draw % 2_000
        };
        self.at(
            now + Duration::from_millis(wait_ms),
            Timer::Hold(call, held),
        );
    }

    pub(super) fn reinvite_failed(&mut self, call: CallRef, now: Instant) {
        if let Some(record) = self.calls.get_mut(&call) {
            record.reinvite = None;
            record.fault = Some(CallFailure::ReinviteFailed);
        }
        self.hang_up(call, now);
    }

    /// A re-INVITE or UPDATE of the other side.
    pub(super) fn renegotiated(
        &mut self,
        call: CallRef,
        server: ServerKey,
        request: &Message,
        now: Instant,
    ) {
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        let invite = request.method() == Some(&Method::Invite);
        if let Err(status) = admit(record, request) {
            self.reply(server, request, status, None, now);
            return;
        }
        if !request.body.is_empty() {
            record.remote = sdp::read(&request.body);
            record.version += 1;
        }
        let described = invite || !request.body.is_empty();
        let answer = if request.body.is_empty() {
            record.offer()
        } else {
            record.answer()
        };
        let mut response = Message::response_to(request, 200, "");
        response.headers.push(HeaderName::Contact, self.contact());
        let Some(record) = self.calls.get(&call) else {
            return;
        };
        if described && let Some(answer) = answer {
            response
                .headers
                .push(HeaderName::ContentType, "application/sdp");
            response.body = sdp::write(&answer, record.session, record.version).into();
        }
        if invite {
            self.accept(call, server, response, now);
        } else {
            let _ = self.layer.respond(server, response, now);
        }
        self.talk(call);
    }
}

/// Whether a call can take a re-INVITE or UPDATE now; else the status that says why not.
fn admit(record: &mut Call, request: &Message) -> Result<(), u16> {
    let Some(dialog) = &mut record.dialog else {
        return Err(481);
    };
    // RFC 3261 section 12.2.2: out of order is 500.
    dialog.receive(request).map_err(|_| 500_u16)?;
    if record.reinvite.is_some() {
        return Err(491);
    }
    if record.unacknowledged.is_some() || !matches!(record.stage, Stage::Talking | Stage::Finishing)
    {
        return Err(500);
    }
    if !request.body.is_empty() {
        let offer = sdp::read(&request.body).ok_or(488_u16)?;
        if !offer.laws.iter().any(|law| record.laws.contains(law)) {
            return Err(488);
        }
    }
    Ok(())
}
