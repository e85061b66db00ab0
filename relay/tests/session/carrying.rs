//! Control's side of transfers that do not travel as requests of their own: beds look the same.
use crate::support::{Bed, CONTROL, control, nonsense};

use bytes::Bytes;
use patchbay_relay::net::Ending;
use patchbay_route::transfer::{CONTROL_URI, Carrier, TRANSFER_URI, TUNNELS, is_transfer};
use patchbay_sip::carried::{envelope, is_envelope, open};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{HeaderName, Message, Method};

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

/// A message in an envelope, with the Via of who sends it.
pub fn in_envelope(inner: &Message, sent_by: &str, name: &str) -> Message {
    let mut message = envelope(inner.encode(), CONTROL_URI, TRANSFER_URI, name).unwrap();
    let via = format!("SIP/2.0/{sent_by};branch=z9hG4bK{name}");
    message.headers.push_front(HeaderName::Via, via);
    message
}

impl Bed {
    /// What is received in the place of a message, whoever sends it.
    pub fn packed(&mut self, flow: Flow, message: &Message) -> (Flow, Bytes) {
        let transfer = message.uri().is_some_and(is_transfer);
        if transfer && flow == control() && self.transfer == Carrier::Tunnel {
            return (self.tunnel(message), message.encode());
        }
        if self.transfer != Carrier::Message || !transfer {
            return (flow, message.encode());
        }
        self.envelopes += 1;
        let name = format!("envelope{}", self.envelopes);
        let transport = if flow.connection == 0 { "UDP" } else { "TCP" };
        let sent_by = format!("{transport} {}", flow.remote);
        (flow, in_envelope(message, &sent_by, &name).encode())
    }

    /// The tunnel of a transfer: its CANCEL and ACK come where its INVITE came.
    pub fn tunnel(&mut self, message: &Message) -> Flow {
        let via = message.top_via().unwrap();
        let branch = via.branch().unwrap().to_owned();
        let connection = TUNNELS.start + self.tunnels.len() as u64;
        let fresh = Flow {
            connection,
            ..control()
        };
        *self.tunnels.entry(branch).or_insert(fresh)
    }

    /// Control dies: all that leads to it is gone.
    pub fn lose_control(&mut self) {
        let tunnels: Vec<u64> = self.tunnels.values().map(|flow| flow.connection).collect();
        for connection in std::iter::once(CONTROL).chain(tunnels) {
            let now = self.now();
            self.core.closed(connection, Ending::Gone, now);
            self.collect();
        }
    }

    /// Takes an envelope apart and says so to the relay; answers to our own must say the same.
    pub fn sent_by_relay(&mut self, flow: Flow, bytes: &Bytes) {
        let message = Message::parse(bytes.clone()).unwrap_or_else(|error| nonsense(&error));
        if self.transfer != Carrier::Message || flow.connection != CONTROL {
            return self.sent.push((flow, message));
        }
        if is_envelope(&message) {
            assert_eq!(message.uri(), Some(CONTROL_URI));
            self.sent.push((flow, open(&message).unwrap()));
            let ok = Message::response_to(&message, 200, "");
            return self.core.receive(ok.encode(), control(), self.now());
        }
        match (message.status(), message.cseq().unwrap().method) {
            (Some(status), Method::Message) => assert_eq!(status, 200),
            _ => self.sent.push((flow, message)),
        }
    }
}
