//! The relay's side of transfers that do not travel as requests of their own: scenes look the same.

use bytes::Bytes;
use patchbay_route::transfer::{CONTROL_URI, Carrier, TRANSFER_URI, TUNNELS};
use patchbay_sip::carried::{envelope, is_envelope, open};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{HeaderName, Message, Method};

use super::Scene;

/// Runs each test once for every way by which transfers travel.
macro_rules! in_each_form {
    ($($name:ident),* $(,)?) => {
        mod uri {
            $(#[test] fn $name() { super::$name(patchbay_route::transfer::Carrier::Uri) })*
        }
        mod message {
            $(#[test] fn $name() { super::$name(patchbay_route::transfer::Carrier::Message) })*
        }
        mod tunnel {
            $(#[test] fn $name() { super::$name(patchbay_route::transfer::Carrier::Tunnel) })*
        }
    };
}

impl Scene {
    /// Control sends envelopes from now on, and the test sees them as they are.
    pub fn carries_by_message(&mut self) {
        let centre = std::sync::Arc::clone(self.machine.centre());
        let mut scene = Scene::by(Carrier::Message, "");
        scene.transfer = Carrier::Uri;
        scene.run(|machine, now| machine.configure(centre, 1, now));
        *self = scene;
    }

    /// Control gets this, and must answer so.
    pub fn receive_raw(&mut self, message: &Message, status: u16) {
        let before = std::mem::replace(&mut self.transfer, Carrier::Uri);
        self.receive(message);
        self.transfer = before;
        let answer = self.next().expect("an answer");
        assert_eq!(answer.status(), Some(status), "{answer:?}");
    }

    /// Takes an envelope apart and says so to control; answers to our own must say the same.
    pub(super) fn sent_by_control(&mut self, flow: Flow, message: Message) {
        if TUNNELS.contains(&flow.connection) {
            assert!(
                self.standing().contains(&flow),
                "sent by a tunnel that does not stand"
            );
            self.tunnels.insert(branch(&message), flow);
        }
        if self.transfer != Carrier::Message {
            return self.sent.push_back(message);
        }
        if is_envelope(&message) {
            assert_eq!(message.uri(), Some(TRANSFER_URI));
            self.sent.push_back(open(&message).unwrap());
            let ok = Message::response_to(&message, 200, "");
            return self.receive_bytes(ok.encode());
        }
        match (message.status(), message.cseq().unwrap().method) {
            (Some(status), Method::Message) => assert_eq!(status, 200),
            _ => self.sent.push_back(message),
        }
    }

    /// Where the relay sends a message: by its tunnel what belongs to one.
    pub(super) fn way_of(&self, message: &Message) -> Flow {
        let tunnel = self.tunnels.get(&branch(message));
        tunnel.copied().unwrap_or(self.flow)
    }

    /// Tunnels that control has opened and not closed.
    pub fn standing(&self) -> Vec<Flow> {
        let standing = self
            .opened
            .iter()
            .filter(|flow| !self.closed.contains(flow));
        standing.copied().collect()
    }

    /// An answer to a transfer as the relay sends it, if not as it is.
    pub(super) fn packed(&mut self, message: &Message) -> Option<Bytes> {
        let method = message.cseq().ok()?.method;
        let to_transfer =
            message.status().is_some() && matches!(method, Method::Invite | Method::Cancel);
        if self.transfer != Carrier::Message || !to_transfer {
            return None;
        }
        self.branches += 1;
        let name = format!("envelope{}", self.branches);
        let mut envelope = envelope(message.encode(), TRANSFER_URI, CONTROL_URI, &name).unwrap();
        let via = format!("SIP/2.0/TCP 127.0.0.1:40001;branch=z9hG4bK{name}");
        envelope.headers.push_front(HeaderName::Via, via);
        Some(envelope.encode())
    }
}

/// Empty where the message, which may be one that was changed at random, has none.
fn branch(message: &Message) -> String {
    let via = message.top_via().ok();
    let branch = via.as_ref().and_then(|via| via.branch());
    branch.unwrap_or_default().to_owned()
}
