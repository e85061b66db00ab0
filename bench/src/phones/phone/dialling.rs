//! Placing a call (RFC 3261 section 13.2), and giving up on it (section 9.1).

use std::time::Instant;

use patchbay_sip::dialog::Dialog;
use patchbay_sip::transaction::{CancelResult, ClientKey};
use patchbay_sip::{HeaderName, Message, Method};

use super::super::studio::Role;
use super::account::challenge_of;
use super::call::{Call, Stage};
use super::{
    ALLOW, CallFailure, CallRef, CallSpec, MAX_CALLS, MediaAddresses, Outcome, Phone, PhoneError,
    PhoneEvent, PhoneOutput, Purpose, RequestHead, Timer, sdp,
};

/// Challenges to one INVITE after which it counts as refused.
const MAX_CHALLENGES: u8 = 2;

impl Phone {
    /// Places a call under a name that the caller chooses. The INVITE leaves when media is ready.
    ///
    /// # Errors
    /// The phone has too many calls, or one of this name.
    pub fn call(&mut self, call: CallRef, spec: &CallSpec, now: Instant) -> Result<(), PhoneError> {
        if self.calls.len() >= MAX_CALLS {
            return Err(PhoneError::TooManyCalls);
        }
        if self.calls.contains_key(&call) {
            return Err(PhoneError::NameTaken);
        }
        let tag = self.draws.word();
        let (call_id, session) = (self.draws.word(), self.draws.number() >> 1);
        let user = spec.from_user.as_deref().unwrap_or(&self.config.user);
        let from = format!("sip:{user}@{}", self.config.domain);
        let head = RequestHead {
            from: &from,
            tag: &tag,
            to: &spec.to,
            call_id: &call_id,
            cseq: 1,
        };
        let mut invite = self.new_request(Method::Invite, &spec.to, &head);
        invite.headers.push(HeaderName::Allow, ALLOW);
        for (name, value) in &spec.headers {
            invite.headers.push(name.as_str(), value.as_str());
        }
        let flow = self.flow_to(self.config.proxy);
        let stage = Stage::Dialling { cancelled: false };
        let mut record = Call::new(stage, flow, invite, now);
        record.tag = tag;
        record.session = session;
        record.laws.clone_from(if spec.laws.is_empty() {
            &self.config.laws
        } else {
            &spec.laws
        });
        record.talk = spec.talk;
        record.patience = spec.patience;
        record.hold_after = spec.hold_after;
        record.media_open = true;
        self.calls.insert(call, record);
        self.outputs.push_back(PhoneOutput::OpenMedia {
            call,
            role: Role::Caller,
        });
        Ok(())
    }

    /// The sockets that [`PhoneOutput::OpenMedia`] asked for; `None` if none could be bound.
    pub fn media(&mut self, call: CallRef, addresses: Option<MediaAddresses>, now: Instant) {
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        let Some(addresses) = addresses else {
            record.media_open = false;
            self.no_media(call, now);
            self.work(now);
            return;
        };
        record.local = Some(addresses);
        match record.stage {
            Stage::Dialling { .. } => self.dial(call, now),
            Stage::Alerting(_) if record.answer_due => self.answer_now(call, now),
            _ => {}
        }
        self.work(now);
    }

    fn no_media(&mut self, call: CallRef, now: Instant) {
        if let Some(Stage::Alerting(server)) = self.calls.get(&call).map(|record| record.stage) {
            self.refuse_alerting(call, server, 500, now);
        } else {
            self.end(call, Outcome::Failed(CallFailure::NoMediaPort));
        }
    }

    fn dial(&mut self, call: CallRef, now: Instant) {
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        let Some(offer) = record.offer() else {
            return;
        };
        record.started = now;
        record
            .invite
            .headers
            .set(HeaderName::ContentType, "application/sdp");
        record.invite.body = sdp::write(&offer, record.session, record.version).into();
        let patience = record.patience;
        if self.send_invite(call, now)
            && let Some(patience) = patience
        {
            self.at(now + patience, Timer::GiveUp(call));
        }
    }

    fn send_invite(&mut self, call: CallRef, now: Instant) -> bool {
        let Some(record) = self.calls.get(&call) else {
            return false;
        };
        let (invite, flow) = (record.invite.clone(), record.flow);
        match self.send(invite, flow, now) {
            Ok(client) => {
                self.clients.insert(client, (call, Purpose::Invite));
                if let Some(record) = self.calls.get_mut(&call) {
                    record.client = Some(client);
                    record.clients.push(client);
                }
                true
            }
            Err(_) => {
                self.end(call, Outcome::Failed(CallFailure::NotSent));
                false
            }
        }
    }

    /// Cancels a call that is not answered yet.
    pub fn give_up(&mut self, call: CallRef, now: Instant) {
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        if !matches!(record.stage, Stage::Dialling { cancelled: false }) {
            return;
        }
        match record.client {
            None => self.end(call, Outcome::Cancelled),
            Some(client) => {
                if self.layer.cancel(client, now) != CancelResult::TooLate {
                    record.stage = Stage::Dialling { cancelled: true };
                }
            }
        }
        self.work(now);
    }

    pub(super) fn invite_answered(
        &mut self,
        call: CallRef,
        client: ClientKey,
        response: &Message,
        now: Instant,
    ) {
        match response.status().unwrap_or(0) {
            ..101 => {}
            status @ 101..200 => self.tell(PhoneEvent::Progress { call, status }),
            200..300 => self.accepted(call, response, now),
            401 | 407 if self.meet_challenge(call, client, response, now) => {}
            status => {
                self.clients.remove(&client);
                let cancelled = self.calls.get(&call).is_some_and(|record| {
                    matches!(record.stage, Stage::Dialling { cancelled: true })
                });
                if cancelled && status == 487 {
                    self.end(call, Outcome::Cancelled);
                } else {
                    self.end(call, refusal(status, response));
                }
            }
        }
    }

    /// Sends the INVITE again with credentials; false if the phone has none.
    fn meet_challenge(
        &mut self,
        call: CallRef,
        client: ClientKey,
        response: &Message,
        now: Instant,
    ) -> bool {
        let Some((name, challenge)) = challenge_of(response) else {
            return false;
        };
        let Some(record) = self.calls.get_mut(&call) else {
            return false;
        };
        record.challenges += 1;
        if record.challenges > MAX_CHALLENGES
            || record.stage != (Stage::Dialling { cancelled: false })
        {
            return false;
        }
        let uri = record.invite.uri().unwrap_or_default().to_owned();
        let Some(value) = self.credentials(&challenge, &Method::Invite, &uri, 1) else {
            return false;
        };
        self.clients.remove(&client);
        if let Some(record) = self.calls.get_mut(&call) {
            record.cseq += 1;
            let cseq = format!("{} INVITE", record.cseq);
            record.invite.headers.set(HeaderName::CSeq, cseq);
            record.invite.headers.set(name, value);
        }
        self.send_invite(call, now);
        true
    }

    /// A 2xx: the first, a repeated one, or one of another fork.
    fn accepted(&mut self, call: CallRef, response: &Message, now: Instant) {
        let Some(record) = self.calls.get(&call) else {
            return;
        };
        let Ok(dialog) = Dialog::uac(&record.invite, response) else {
            if matches!(record.stage, Stage::Dialling { .. }) {
                self.end(call, Outcome::Failed(CallFailure::BadAnswer));
            }
            return;
        };
        let (cseq, stage) = (record.cseq, record.stage);
        let flow = self.dialog_flow(call, &dialog);
        self.layer
            .send_ack(dialog.ack(cseq), flow, &self.config.local.to_string());
        let known = self
            .calls
            .get(&call)
            .and_then(|record| record.dialog.as_ref());
        match stage {
            Stage::Dialling { cancelled } => {
                self.established(call, dialog, cancelled, response, now)
            }
            _ if known.is_some_and(|known| known.id() == dialog.id()) => {}
            _ => self.leave_fork(dialog, flow, now),
        }
    }

    fn established(
        &mut self,
        call: CallRef,
        dialog: Dialog,
        cancelled: bool,
        response: &Message,
        now: Instant,
    ) {
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        let key = (dialog.call_id.to_string(), dialog.local_tag.to_string());
        self.dialogs.insert(key, call);
        record.dialog = Some(dialog);
        record.stage = Stage::Talking;
        if cancelled {
            // The 200 crossed our CANCEL (RFC 3261 section 9.1): the call exists, so hang up.
            self.bye(call, now);
            return;
        }
        record.remote = sdp::read(&response.body);
        if record.law().is_none() {
            record.fault = Some(CallFailure::BadAnswer);
            self.bye(call, now);
            return;
        }
        let setup = now.saturating_duration_since(record.started);
        self.tell(PhoneEvent::Answered { call, setup });
        self.begin_talking(call, now);
    }

    /// Another fork answered too: it is acknowledged already, now it is hung up.
    fn leave_fork(
        &mut self,
        mut dialog: Dialog,
        flow: patchbay_sip::transaction::Flow,
        now: Instant,
    ) {
        let bye = dialog.request(Method::Bye);
        // Nobody waits for its answer; the layer repeats it until one comes.
        let _ = self.send(bye, flow, now);
    }
}

/// The outcome that a final failure answer makes.
fn refusal(status: u16, response: &Message) -> Outcome {
    let reason = match &response.start {
        patchbay_sip::StartLine::Response { reason, .. } => reason.to_string(),
        patchbay_sip::StartLine::Request { .. } => String::new(),
    };
    let retry_after = response
        .headers
        .get(HeaderName::RetryAfter)
        .and_then(|value| {
            let digits: String = value
                .trim()
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            digits.parse().ok()
        });
    Outcome::Refused {
        status,
        reason,
        retry_after_s: retry_after,
    }
}
