//! Being called (RFC 3261 section 13.3).

use std::cmp::Reverse;
use std::time::Instant;

use patchbay_sip::dialog::{Dialog, Retransmit, RetransmitStep};
use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{HeaderName, Message};

use super::super::studio::Role;
use super::call::{Call, Stage, Unacknowledged};
use super::sdp::{self, AudioSdp};
use super::{
    ALLOW, Behaviour, CallFailure, CallRef, MAX_CALLS, Outcome, Phone, PhoneEvent, PhoneOutput,
    Timer,
};

impl Phone {
    /// An INVITE outside any dialog.
    pub(super) fn invited(
        &mut self,
        server: ServerKey,
        request: &Message,
        flow: Flow,
        now: Instant,
    ) {
        if self.merged(request) {
            self.reply(server, request, 482, None, now);
            return;
        }
        let offer = match self.offer_in(request) {
            Ok(offer) => offer,
            Err(status) => {
                self.reply(server, request, status, None, now);
                return;
            }
        };
        self.received_calls = self.received_calls.wrapping_add(1);
        let name = (u64::from(self.config.index) + 1) << 32 | u64::from(self.received_calls);
        let call = CallRef(name);
        self.announce(call, request);
        let status = match self.config.behaviour {
            _ if self.is_full() || self.calls.len() >= MAX_CALLS => 486,
            Behaviour::Busy => 486,
            Behaviour::Decline => 603,
            Behaviour::Refuse(status) => status.clamp(300, 699),
            Behaviour::Answer { .. } | Behaviour::NoAnswer => {
                self.alert(call, server, request, offer, flow, now);
                return;
            }
        };
        self.reply(server, request, status, None, now);
        self.tell(PhoneEvent::Ended {
            call,
            outcome: refused(status),
        });
    }

    fn announce(&mut self, call: CallRef, request: &Message) {
        let from = request
            .from()
            .map(|from| from.uri.to_string())
            .unwrap_or_default();
        let to = request
            .to()
            .map(|to| to.uri.to_string())
            .unwrap_or_default();
        self.tell(PhoneEvent::Incoming { call, from, to });
    }

    /// The same INVITE came by another way already (RFC 3261 section 8.2.2.2).
    fn merged(&self, request: &Message) -> bool {
        let (id, tag) = (request.call_id().ok(), request.from_tag());
        self.servers.values().any(|call| {
            let waiting = self.calls.get(call).map(|record| &record.invite);
            waiting.is_some_and(|invite| invite.call_id().ok() == id && invite.from_tag() == tag)
        })
    }

    /// The offer of an INVITE; `None` if it leaves the offer to us.
    fn offer_in(&self, request: &Message) -> Result<Option<AudioSdp>, u16> {
        if request.body.is_empty() {
            return Ok(None);
        }
        let offer = sdp::read(&request.body).ok_or(488_u16)?;
        let shared = offer.laws.iter().any(|law| self.config.laws.contains(law));
        if shared { Ok(Some(offer)) } else { Err(488) }
    }

    /// All lines are taken. A call that we are leaving takes none up any more.
    fn is_full(&self) -> bool {
        let lines = self.config.lines;
        // Counting is only worth while where it can matter.
        self.calls.len() >= lines
            && self
                .calls
                .values()
                .filter(|call| call.stage != Stage::Leaving)
                .count()
                >= lines
    }

    fn alert(
        &mut self,
        call: CallRef,
        server: ServerKey,
        request: &Message,
        offer: Option<AudioSdp>,
        flow: Flow,
        now: Instant,
    ) {
        let (tag, session) = (self.draws.word(), self.draws.number() >> 1);
        let Ok(dialog) = Dialog::uas(request, &tag) else {
            self.reply(server, request, 400, None, now);
            self.tell(PhoneEvent::Ended {
                call,
                outcome: refused(400),
            });
            return;
        };
        self.dialogs
            .insert((dialog.call_id.to_string(), tag.clone()), call);
        self.servers.insert(server, call);
        let mut record = Call::new(Stage::Alerting(server), flow, request.clone(), now);
        // We answer with the first law of the offer that we have.
        let ours = &self.config.laws;
        record.laws = match &offer {
            Some(offer) => offer
                .laws
                .iter()
                .copied()
                .filter(|law| ours.contains(law))
                .collect(),
            None => ours.clone(),
        };
        record.remote = offer;
        record.server = Some(server);
        record.dialog = Some(dialog);
        record.tag.clone_from(&tag);
        record.session = session;
        if let Behaviour::Answer { after, talk } = self.config.behaviour {
            record.talk = talk;
            record.media_open = true;
            self.outputs.push_back(PhoneOutput::OpenMedia {
                call,
                role: Role::Agent,
            });
            self.at(now + after, Timer::Answer(call));
        }
        self.calls.insert(call, record);
        self.reply(server, request, 180, Some(&tag), now);
    }

    /// Answers a call that rings: what [`Behaviour::Answer`] does by itself.
    pub(super) fn answer_now(&mut self, call: CallRef, now: Instant) {
        let contact = self.contact();
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        let Stage::Alerting(server) = record.stage else {
            return;
        };
        let Some(answer) = record.answer() else {
            record.answer_due = true;
            return;
        };
        let mut response = Message::response_to(&record.invite, 200, "");
        response.set_to_tag(&record.tag);
        response.headers.push(HeaderName::Contact, contact);
        response.headers.push(HeaderName::Allow, ALLOW);
        response
            .headers
            .push(HeaderName::ContentType, "application/sdp");
        response.body = sdp::write(&answer, record.session, record.version).into();
        record.stage = Stage::Accepted(server);
        self.accept(call, server, response, now);
    }

    /// Sends a 2xx and goes on sending it until its ACK comes.
    pub(super) fn accept(
        &mut self,
        call: CallRef,
        server: ServerKey,
        response: Message,
        now: Instant,
    ) {
        if self.layer.respond(server, response.clone(), now).is_err() {
            self.end(call, Outcome::Failed(CallFailure::NotSent));
            return;
        }
        if let Some(record) = self.calls.get_mut(&call) {
            let clock = Retransmit::new(&self.transactions, now);
            let due = clock.next_wakeup();
            record.unacknowledged = Some(Unacknowledged {
                server,
                response,
                clock,
            });
            self.timers
                .extend(due.map(|due| Reverse((due, Timer::Resend(call)))));
        }
    }

    /// The ACK has not come yet.
    pub(super) fn resend(&mut self, call: CallRef, now: Instant) {
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        let Some(waiting) = &mut record.unacknowledged else {
            return;
        };
        let step = waiting.clock.wake(now);
        let due = waiting.clock.next_wakeup();
        match step {
            RetransmitStep::Resend => {
                let (server, response) = (waiting.server, waiting.response.clone());
                // If the transaction is gone, so is the caller; the clock gives up in the end.
                let _ = self.layer.respond(server, response, now);
            }
            RetransmitStep::GaveUp => {
                record.unacknowledged = None;
                record.fault = Some(CallFailure::NoAck);
                self.bye(call, now);
                return;
            }
            RetransmitStep::Idle => {}
        }
        self.timers
            .extend(due.map(|due| Reverse((due, Timer::Resend(call)))));
    }

    /// An ACK for a 2xx.
    pub(super) fn acknowledged(&mut self, ack: &Message, now: Instant) {
        let Some(call) = self.find(ack) else {
            return;
        };
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        if record.unacknowledged.take().is_none() {
            return;
        }
        if !ack.body.is_empty() {
            record.remote = sdp::read(&ack.body);
        }
        let first = matches!(record.stage, Stage::Accepted(_));
        if first {
            record.stage = Stage::Talking;
            if let Some(server) = record.server.take() {
                self.servers.remove(&server);
            }
        }
        if record.law().is_none() {
            record.fault = Some(CallFailure::BadAnswer);
            self.bye(call, now);
            return;
        }
        if first {
            let setup = now.saturating_duration_since(record.started);
            self.tell(PhoneEvent::Answered { call, setup });
            self.begin_talking(call, now);
        } else {
            self.talk(call);
        }
    }

    /// The caller gave up.
    pub(super) fn cancelled(&mut self, server: ServerKey, now: Instant) {
        let Some(call) = self.servers.get(&server).copied() else {
            return;
        };
        let Some(record) = self.calls.get(&call) else {
            return;
        };
        if !matches!(record.stage, Stage::Alerting(_)) {
            return;
        }
        let (invite, tag) = (record.invite.clone(), record.tag.clone());
        self.reply(server, &invite, 487, Some(&tag), now);
        self.end(call, Outcome::Cancelled);
    }

    /// Says no to a call that rings.
    pub(super) fn refuse_alerting(
        &mut self,
        call: CallRef,
        server: ServerKey,
        status: u16,
        now: Instant,
    ) {
        if let Some(record) = self.calls.get(&call) {
            let (invite, tag) = (record.invite.clone(), record.tag.clone());
            self.reply(server, &invite, status, Some(&tag), now);
            self.end(call, refused(status));
        }
    }

    /// The caller's connection is gone, or it did not acknowledge our refusal.
    pub(super) fn server_failed(&mut self, server: ServerKey) {
        let Some(call) = self.servers.remove(&server) else {
            return;
        };
        let alerting = self
            .calls
            .get(&call)
            .is_some_and(|record| matches!(record.stage, Stage::Alerting(_)));
        if alerting {
            self.end(call, Outcome::Failed(CallFailure::Transport));
        }
    }
}

fn refused(status: u16) -> Outcome {
    let reason = patchbay_sip::status::reason(status).to_owned();
    Outcome::Refused {
        status,
        reason,
        retry_after_s: None,
    }
}
