//! The transaction layer under any sequence of messages, answers, timers and lost connections.

use std::time::{Duration, Instant};

use bytes::Bytes;
use patchbay_sip::transaction::{ClientKey, Config, Flow, Layer, Output, ServerKey};
use patchbay_sip::{HeaderError, Message, Method, ParseErrorKind, Transport};

use crate::mutate::{Choices, by_bytes, mutated};
use crate::seeds::SEEDS;

/// Few, so that the table is full now and then.
const MOST: usize = 12;

#[test]
fn sequences() {
    target!("sequences", 4_000, |input: &[u8]| {
        let mut user = User::new();
        let mut choices = by_bytes(input);
        for _ in 0..input.len() / 8 {
            user.step(&mut choices);
        }
        user.ends();
    });
}

fn is_full(kind: ParseErrorKind) -> bool {
    matches!(
        kind,
        ParseErrorKind::TooLong
            | ParseErrorKind::LineTooLong
            | ParseErrorKind::TooManyHeaders
            | ParseErrorKind::Header(HeaderError::TooMany)
    )
}

struct User {
    layer: Layer,
    now: Instant,
    servers: Vec<(ServerKey, Message)>,
    clients: Vec<ClientKey>,
    /// What was sent, to come back as it is: answers to our own requests among it.
    sent: Vec<Vec<u8>>,
}

fn flow(kind: u8) -> Flow {
    let (transport, connection) = match kind % 3 {
        0 => (Transport::Udp, 0),
        1 => (Transport::Tcp, 7),
        _ => (Transport::Tcp, 8),
    };
    Flow {
        transport,
        local: "192.0.2.2:5060".parse().unwrap(),
        remote: "192.0.2.1:5060".parse().unwrap(),
        connection,
    }
}

impl User {
    fn new() -> User {
        let config = Config {
            max_transactions: MOST,
            ..Config::default()
        };
        User {
            layer: Layer::new(config, [5; 32]),
            now: Instant::now(),
            servers: Vec::new(),
            clients: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn step<F: FnMut() -> u8>(&mut self, choices: &mut Choices<F>) {
        let over = flow(choices.byte());
        match choices.byte() % 8 {
            0 | 1 => self.receive(mutated(choices, &SEEDS), over),
            2 => self.receive(choices.one_of(&SEEDS).clone(), over),
            3 => self.answered(choices, over),
            4 => self.respond(choices),
            5 => self.send(choices, over),
            6 => {
                let millis = [1, 100, 500, 4_000, 33_000, 3_700_000];
                self.pass(*choices.one_of(&millis));
            }
            _ if !self.clients.is_empty() && !choices.byte().is_multiple_of(4) => {
                let client = *choices.one_of(&self.clients);
                self.layer.cancel(client, self.now);
            }
            _ => self.layer.flow_failed(over.connection, self.now),
        }
        self.settle();
    }

    fn receive(&mut self, bytes: Vec<u8>, over: Flow) {
        if let Ok(message) = Message::parse(Bytes::from(bytes)) {
            // What is dropped was counted.
            let _ = self.layer.receive(message, over, self.now);
        }
    }

    /// The peer answers something that we sent, or sends it back.
    fn answered<F: FnMut() -> u8>(&mut self, choices: &mut Choices<F>, over: Flow) {
        if self.sent.is_empty() {
            return;
        }
        let bytes = choices.one_of(&self.sent).clone();
        let message = Message::parse(Bytes::from(bytes.clone())).unwrap();
        if message.is_request() {
            let status = *choices.one_of(&[100, 180, 200, 302, 404, 503]);
            let mut response = Message::response_to(&message, status, "");
            response.set_to_tag("peer");
            self.receive(response.encode().to_vec(), over);
        } else {
            self.receive(mutated(choices, &[bytes]), over);
        }
    }

    fn respond<F: FnMut() -> u8>(&mut self, choices: &mut Choices<F>) {
        if self.servers.is_empty() {
            return;
        }
        let (server, request) = choices.one_of(&self.servers);
        let status = *choices.one_of(&[100, 180, 200, 408, 486, 603]);
        let mut response = Message::response_to(request, status, "");
        response.set_to_tag("we");
        // An answer that does not fit the state is refused.
        let _ = self.layer.respond(*server, response, self.now);
    }

    fn send<F: FnMut() -> u8>(&mut self, choices: &mut Choices<F>, over: Flow) {
        let method = choices
            .one_of(&[Method::Invite, Method::Bye, Method::Options])
            .clone();
        let mut request = Message::request(method.clone(), "sip:b@192.0.2.1");
        for (name, value) in [
            ("From", "<sip:a@192.0.2.2>;tag=a"),
            ("To", "<sip:b@192.0.2.1>"),
            ("Call-ID", "ours"),
        ] {
            request.headers.push(name, value);
        }
        request.headers.push("CSeq", format!("1 {method}"));
        let sent = self
            .layer
            .send_request(request, over, "192.0.2.2:5060", self.now);
        self.clients.extend(sent);
    }

    fn pass(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while let Some(at) = self.layer.next_wakeup().filter(|at| *at <= end) {
            assert!(at >= self.now || self.layer.len() <= MOST);
            self.now = self.now.max(at);
            self.layer.wake(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Takes what the layer says; what it sends can be read, and the table keeps its bound.
    fn settle(&mut self) {
        while let Some(output) = self.layer.poll() {
            match output {
                Output::Send { message, .. } => {
                    let bytes = message.bytes();
                    match Message::parse(bytes.clone()) {
                        Ok(_) => self.sent.push(bytes.to_vec()),
                        // A Via at its limit is beyond it with `received` (RFC 3261 section 18.2.1).
                        Err(why) if is_full(why.kind()) => {}
                        Err(why) => panic!("{why}: {bytes:?}"),
                    }
                    self.sent.truncate(64);
                }
                Output::Request {
                    server, request, ..
                } => self.servers.push((server, request)),
                _ => {}
            }
        }
        // A CANCEL of our own is one more than asked for.
        assert!(self.layer.len() <= 2 * MOST);
    }

    /// Whatever happened, nothing is left after the longest timers.
    fn ends(mut self) {
        self.pass(2 * 3_700_000);
        assert_eq!((self.layer.len(), self.layer.next_wakeup()), (0, None));
    }
}
