//! The ways of transfers that do not travel as requests of their own: in envelopes, the INVITE as
//! the body of a MESSAGE (requirement B4) and the answers to it likewise, or by tunnels, a connection
//! for each (requirement B5). All else sees the same transaction as without.

use bytes::Bytes;
use patchbay_route::transfer::{CONTROL_URI, Carrier, TRANSFER_URI, TUNNELS};
use patchbay_sip::Message;
use patchbay_sip::carried::{envelope, open};
use patchbay_sip::transaction::{ClientKey, Failure, Flow, ServerKey};
use rustc_hash::FxHashMap;
use tracing::debug;

use super::counters::Drop;
use super::reply::reply;
use super::{Effect, Moment, Signalling};

/// The transfers that travel by tunnels; as many as there are transactions at most.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    clients: FxHashMap<u64, ClientKey>,
    opened: u64,
}

impl Signalling {
    /// The way of the next transfer of a call that came over `flow`: that of the connection, or one
    /// of its own.
    pub(super) fn transfer_flow(&mut self, flow: Flow) -> Flow {
        match self.config.transfer {
            Carrier::Uri => flow,
            Carrier::Message => flow.inside(),
            Carrier::Tunnel => {
                // 2^61 tunnels are never opened.
                let connection = TUNNELS.start + self.tunnels.opened;
                self.tunnels.opened += 1;
                let flow = Flow { connection, ..flow };
                self.effects.push_back(Effect::OpenTunnel { flow });
                flow
            }
        }
    }

    /// Notes whose way a tunnel is.
    pub(super) fn took_way(&mut self, flow: Flow, client: ClientKey) {
        if TUNNELS.contains(&flow.connection) {
            self.tunnels.clients.insert(flow.connection, client);
        }
    }

    /// Gives up the way of a transfer that is over, if it has one of its own.
    pub(super) fn leave_way(&mut self, flow: Flow) {
        if TUNNELS.contains(&flow.connection) {
            self.tunnels.clients.remove(&flow.connection);
            self.effects.push_back(Effect::CloseTunnel { flow });
        }
    }

    /// Lets the transfer of a tunnel fail that is gone; false if it is no tunnel.
    pub(super) fn tunnel_failed(&mut self, flow: Flow) -> bool {
        if let Some(client) = self.tunnels.clients.remove(&flow.connection) {
            self.layer.client_lost(client);
        }
        TUNNELS.contains(&flow.connection)
    }

    /// Sends what belongs to a carried transfer.
    pub(super) fn carry(&mut self, flow: Flow, inner: Bytes, now: Moment) {
        let name = self.layer.fresh_tag();
        let message = envelope(inner.clone(), CONTROL_URI, TRANSFER_URI, &name).ok();
        let sent = message.and_then(|message| {
            let sent = self
                .layer
                .send_request(message, flow, &self.sent_by, now.at);
            sent.ok()
        });
        match sent {
            Some(client) => {
                self.envelopes.insert(client, inner);
            }
            None => {
                self.counters.drop(Drop::NotSent);
                self.undelivered(inner, Failure::Transport);
            }
        }
    }

    fn undelivered(&mut self, inner: Bytes, why: Failure) {
        if let Ok(request) = Message::parse(inner) {
            self.layer.undelivered(&request, why);
        }
    }

    /// Takes the answer to a MESSAGE; false if it is to another request.
    pub(super) fn envelope_answered(&mut self, client: ClientKey, response: &Message) -> bool {
        if !self.envelopes.contains_key(&client) {
            return false;
        }
        match response.status() {
            Some(..200) | None => {}
            Some(200..=299) => {
                self.envelopes.remove(&client);
            }
            Some(status) => {
                debug!(status, "the relay did not take a transfer by MESSAGE");
                self.envelope_failed(client, Failure::Transport);
            }
        }
        true
    }

    /// The same for one that has no answer: what it carried has not arrived.
    pub(super) fn envelope_failed(&mut self, client: ClientKey, why: Failure) -> bool {
        let Some(inner) = self.envelopes.remove(&client) else {
            return false;
        };
        self.counters.drop(Drop::CarriedLost);
        self.undelivered(inner, why);
        true
    }

    /// Takes what a relay's MESSAGE carries: an answer, and nothing else.
    pub(super) fn opens(&mut self, server: ServerKey, request: &Message, flow: Flow, now: Moment) {
        let inner = open(request).ok().filter(|inner| inner.status().is_some());
        let status = match inner {
            Some(_) => 200,
            None => {
                self.counters.drop(Drop::CarriedMalformed);
                400
            }
        };
        let tag = self.layer.fresh_tag();
        self.respond(server, reply(request, status, "", &tag), now);
        if let Some(inner) = inner {
            // The layer counts what it drops, by reason.
            let _counted = self.layer.receive(inner, flow.inside(), now.at);
        }
    }
}
