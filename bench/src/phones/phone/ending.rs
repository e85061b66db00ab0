//! Talking, and hanging up (RFC 3261 section 15).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use patchbay_sip::dialog::Dialog;
use patchbay_sip::transaction::{ClientKey, Flow};
use patchbay_sip::{Message, Method, Uri};

use super::call::Stage;
use super::{CallFailure, CallRef, Outcome, Phone, PhoneEvent, PhoneOutput, Purpose, Timer};

impl Phone {
    /// The call is established: audio starts, and so do the clocks that end it.
    pub(super) fn begin_talking(&mut self, call: CallRef, now: Instant) {
        let Some(record) = self.calls.get(&call) else {
            return;
        };
        let (talk, hold) = (record.talk, record.hold_after);
        self.talk(call);
        if let Some(talk) = talk {
            self.at(now + talk, Timer::HangUp(call));
        }
        if let Some(hold) = hold {
            self.at(now + hold, Timer::Hold(call, true));
        }
    }

    /// Tells the studio where to send, and whether.
    pub(super) fn talk(&mut self, call: CallRef) {
        let Some(record) = self.calls.get(&call) else {
            return;
        };
        let (Some(remote), Some(law)) = (&record.remote, record.law()) else {
            return;
        };
        let output = PhoneOutput::Talk {
            call,
            to: remote.media,
            law,
            talking: remote.hears,
        };
        self.outputs.push_back(output);
    }

    /// Ends a call in whatever way its state asks for.
    pub fn hang_up(&mut self, call: CallRef, now: Instant) {
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        match record.stage {
            Stage::Dialling { .. } => self.give_up(call, now),
            Stage::Alerting(server) => self.refuse_alerting(call, server, 603, now),
            // RFC 3261 section 15: not before the ACK.
            Stage::Accepted(_) => record.talk = Some(Duration::ZERO),
            Stage::Talking if record.media_open => {
                record.stage = Stage::Finishing;
                self.outputs.push_back(PhoneOutput::FinishMedia(call));
            }
            Stage::Talking => self.bye(call, now),
            Stage::Finishing | Stage::Leaving => {}
        }
        self.work(now);
    }

    /// Both sides are silent, as [`PhoneOutput::FinishMedia`] asked.
    pub fn media_finished(&mut self, call: CallRef, now: Instant) {
        let stage = self.calls.get(&call).map(|record| record.stage);
        if stage == Some(Stage::Finishing) {
            self.bye(call, now);
        }
        self.work(now);
    }

    pub(super) fn bye(&mut self, call: CallRef, now: Instant) {
        let Some(record) = self.calls.get_mut(&call) else {
            return;
        };
        let Some(dialog) = &mut record.dialog else {
            self.end(call, Outcome::Failed(CallFailure::NotSent));
            return;
        };
        let bye = dialog.request(Method::Bye);
        let dialog = dialog.clone();
        record.stage = Stage::Leaving;
        let flow = self.dialog_flow(call, &dialog);
        match self.send(bye, flow, now) {
            Ok(client) => {
                self.clients.insert(client, (call, Purpose::Bye));
            }
            Err(_) => self.end(call, Outcome::Failed(CallFailure::NotSent)),
        }
    }

    pub(super) fn bye_answered(&mut self, call: CallRef, client: ClientKey, response: &Message) {
        let status = response.status().unwrap_or(0);
        if status < 200 {
            return;
        }
        self.clients.remove(&client);
        // 481: the other side has hung up at the same time.
        let outcome = if status < 300 || status == 481 {
            Outcome::Completed { by_us: true }
        } else {
            Outcome::Failed(CallFailure::ByeFailed)
        };
        self.end(call, outcome);
    }

    /// Where requests inside a dialog go: the first route, else the remote target. Over TCP the
    /// call's own connection serves if its far end is that address.
    pub(super) fn dialog_flow(&mut self, call: CallRef, dialog: &Dialog) -> Flow {
        let fallback = self.calls.get(&call).map(|record| record.flow);
        let hop: &str = dialog
            .route_set
            .first()
            .map_or(&dialog.remote_target, |route| route);
        match (next_hop(hop), fallback) {
            (Some(remote), Some(flow)) if flow.remote == remote => flow,
            (Some(remote), _) => self.flow_to(remote),
            (None, Some(flow)) => flow,
            (None, None) => self.flow_to(self.config.proxy),
        }
    }

    /// Forgets a call and tells how it ended.
    pub(super) fn end(&mut self, call: CallRef, outcome: Outcome) {
        let Some(record) = self.calls.remove(&call) else {
            return;
        };
        for client in &record.clients {
            self.clients.remove(client);
        }
        if let Some(server) = record.server {
            self.servers.remove(&server);
        }
        if let Some(dialog) = &record.dialog {
            let key = (dialog.call_id.to_string(), dialog.local_tag.to_string());
            self.dialogs.remove(&key);
        }
        if record.media_open {
            self.outputs.push_back(PhoneOutput::CloseMedia(call));
        }
        let cancelled = record.client.is_some() && record.remote.is_none();
        let outcome = match (outcome, record.fault) {
            (Outcome::Completed { .. }, Some(fault)) => Outcome::Failed(fault),
            // The 200 had crossed our CANCEL.
            (Outcome::Completed { by_us: true }, None) if cancelled => Outcome::Cancelled,
            (outcome, _) => outcome,
        };
        self.tell(PhoneEvent::Ended { call, outcome });
    }
}

/// The address in a URI or in `<URI>`, if it is a number and not a name.
fn next_hop(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    let uri = match text.split_once('<') {
        Some((_, rest)) => rest.split('>').next()?,
        None => text,
    };
    let uri = Uri::parse(uri).ok()?;
    Some(SocketAddr::new(uri.host.ip()?, uri.port.unwrap_or(5060)))
}
