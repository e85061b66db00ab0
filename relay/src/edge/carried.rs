//! Transfers in envelopes: the INVITE of a transfer as the body of a MESSAGE (requirement B4), and
//! the answers to it likewise. Sessions see the same transaction as without.

use super::counters::EdgeDrop;
use super::{Core, Now, Refusal};
use patchbay_route::transfer::{CONTROL_URI, TRANSFER_URI, is_transfer};
use patchbay_sip::carried::{envelope, open};
use patchbay_sip::transaction::{ClientKey, Flow, ServerKey};
use patchbay_sip::{Message, Method};
use rustc_hash::FxHashSet;

/// The MESSAGEs under way to control; as many as there are transactions at most.
#[derive(Default)]
pub(super) struct Envelopes(FxHashSet<ClientKey>);

impl Core {
    /// Takes what a MESSAGE of control carries; from anybody else, whatever may be in it is refused
    /// if it is a transfer. False if the MESSAGE is to be treated like others.
    pub(super) fn opens(
        &mut self,
        server: ServerKey,
        request: &Message,
        flow: Flow,
        now: Now,
    ) -> bool {
        let inner = open(request).ok().filter(belongs_to_transfer);
        let refusal = match (self.is_control(&flow), inner) {
            (false, None) => return false,
            (false, Some(_)) => Refusal::forged(),
            (true, None) => {
                self.counters.drop(EdgeDrop::CarriedMalformed);
                Refusal::plain(400, "No Transfer")
            }
            (true, Some(inner)) => {
                let ok = Message::response_to(request, 200, "OK");
                self.take_inner(server, ok, inner, flow, now);
                return true;
            }
        };
        self.refuse(server, request, refusal, now);
        true
    }

    fn take_inner(
        &mut self,
        server: ServerKey,
        mut ok: Message,
        inner: Message,
        flow: Flow,
        now: Now,
    ) {
        ok.set_to_tag(&self.layer.fresh_tag());
        // The connection may be gone already; then nobody waits for the answer.
        let _ = self.layer.respond(server, ok, now.instant);
        // The layer answers what it does not take, and counts it.
        if self
            .layer
            .receive(inner, flow.inside(), now.instant)
            .is_err()
        {
            self.counters.drop(EdgeDrop::Transaction);
        }
    }

    /// Sends an answer to a carried transfer.
    pub(super) fn carry(&mut self, flow: Flow, inner: bytes::Bytes, now: Now) {
        let name = self.layer.fresh_tag();
        let sent = envelope(inner, TRANSFER_URI, CONTROL_URI, &name)
            .ok()
            .and_then(|message| {
                let sent_by = flow.local.to_string();
                let sent = self
                    .layer
                    .send_request(message, flow, &sent_by, now.instant);
                sent.ok()
            });
        match sent {
            Some(client) => {
                self.envelopes.0.insert(client);
            }
            None => self.counters.drop(EdgeDrop::CarriedLost),
        }
    }

    /// Takes the answer to a MESSAGE; false if it is to another request.
    pub(super) fn envelope_answered(&mut self, client: ClientKey, response: &Message) -> bool {
        if !self.envelopes.0.contains(&client) {
            return false;
        }
        if let Some(status) = response.status().filter(|status| *status >= 200) {
            self.envelopes.0.remove(&client);
            if status >= 300 {
                self.counters.drop(EdgeDrop::CarriedLost);
            }
        }
        true
    }

    /// The same for one that has no answer.
    pub(super) fn envelope_failed(&mut self, client: ClientKey) -> bool {
        let known = self.envelopes.0.remove(&client);
        if known {
            self.counters.drop(EdgeDrop::CarriedLost);
        }
        known
    }
}

/// Whether a message is one that control sends for a transfer: its INVITE, or the CANCEL or ACK of
/// that, which have the same Request-URI (RFC 3261 sections 9.1 and 17.1.1.3).
pub(super) fn belongs_to_transfer(message: &Message) -> bool {
    let known = match message.method() {
        Some(Method::Invite) => message.to_tag().is_none(),
        Some(Method::Cancel | Method::Ack) => true,
        _ => false,
    };
    known && message.uri().is_some_and(is_transfer)
}
