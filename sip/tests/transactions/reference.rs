//! The server INVITE and non-INVITE machines against the tables of RFC 3261 and RFC 6026 written down
//! once more, as plainly as possible.

use crate::net::*;
use patchbay_sip::transaction::{Layer, Output, RespondError, ServerKey};
use patchbay_sip::{Message, Method, Transport};
use proptest::prelude::*;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Pending,
    Accepted,
    Completed,
    Confirmed,
    Gone,
}

#[derive(Clone, Debug)]
enum Step {
    Repeat,
    Ack,
    Respond(u16),
    Pass(u64),
}

/// The time since the request, and the status that was sent.
type Sent = Vec<(u64, u16)>;

struct Model {
    state: State,
    reliable: bool,
    invite: bool,
    clock: u64,
    end: u64,
    /// When the layer's own 100 is due.
    trying: Option<u64>,
    /// Timer G, and its pause.
    again: Option<u64>,
    pause: u64,
    /// What a repeated request gets.
    last: Option<u16>,
    sent: Sent,
}

impl Model {
    fn new(invite: bool, reliable: bool) -> Model {
        Model {
            state: State::Pending,
            reliable,
            invite,
            clock: 0,
            end: if invite { 3_600_000 } else { 32_000 },
            trying: Some(if invite { 200 } else { 3_500 }),
            again: None,
            pause: 500,
            last: None,
            sent: Sent::new(),
        }
    }

    fn send(&mut self, status: u16) {
        self.sent.push((self.clock, status));
    }

    /// The request came again.
    fn repeat(&mut self) {
        if let Some(status) = self.last {
            self.send(status);
        }
    }

    /// What the RFCs say of answering with `status`.
    fn respond(&mut self, status: u16) -> Result<(), RespondError> {
        self.moves(status)?;
        self.trying = None;
        self.send(status);
        // The 2xx of an INVITE is repeated by the user, end to end.
        let by_user = self.invite && (200..300).contains(&status);
        self.last = (!by_user).then_some(status);
        if self.invite && status >= 300 && !self.reliable {
            self.again = Some(self.clock + self.pause);
        }
        Ok(())
    }

    fn moves(&mut self, status: u16) -> Result<(), RespondError> {
        match (self.state, status) {
            (State::Gone, _) => return Err(RespondError::Gone),
            (State::Pending, 100..200) if self.invite => self.end = self.clock + 3_600_000,
            (State::Pending, 101..200) => return Err(RespondError::Rfc4320),
            (State::Pending, 100) if !self.reliable && self.clock < 3_500 => {
                return Err(RespondError::Rfc4320);
            }
            (State::Pending, 100) => {}
            (State::Pending, 200..300) if self.invite => {
                (self.state, self.end) = (State::Accepted, self.clock + 32_000);
            }
            (State::Pending, _) if self.reliable && !self.invite => self.state = State::Gone,
            (State::Pending, _) => {
                (self.state, self.end) = (State::Completed, self.clock + 32_000);
            }
            (State::Accepted, 200..300) => {}
            _ => return Err(RespondError::AlreadyFinal),
        }
        Ok(())
    }

    /// What an ACK does; true where the user hears of it.
    fn ack(&mut self) -> bool {
        if self.state == State::Completed {
            (self.again, self.last) = (None, None);
        }
        match self.state {
            State::Completed if self.reliable => self.state = State::Gone,
            State::Completed => (self.state, self.end) = (State::Confirmed, self.clock + 5_000),
            State::Accepted | State::Gone => return true,
            _ => {}
        }
        false
    }

    fn pass(&mut self, millis: u64) {
        let until = self.clock + millis;
        while self.state != State::Gone {
            let due = [self.trying, self.again, Some(self.end)];
            let Some(at) = due.into_iter().flatten().min().filter(|at| *at <= until) else {
                break;
            };
            self.clock = at;
            if at == self.end {
                // RFC 4320: of requests that nobody answers only an INVITE is told so.
                if self.state == State::Pending && self.invite {
                    self.send(408);
                }
                self.state = State::Gone;
            } else if Some(at) == self.again {
                self.repeat();
                self.pause = (self.pause * 2).min(4_000);
                self.again = Some(at + self.pause);
            } else {
                self.trying = None;
                self.last = Some(100);
                self.send(100);
            }
        }
        self.clock = until;
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Repeat),
        2 => Just(Step::Ack),
        4 => prop_oneof![Just(100), Just(180), Just(200), Just(202), Just(404), Just(603)].prop_map(Step::Respond),
        3 => (0u64..12_000).prop_map(Step::Pass),
    ]
}

/// Requests and ACKs that the layer gives to its user; what it sends goes to `sent`.
fn told(layer: &mut Layer, clock: u64, sent: &mut Sent) -> (Option<ServerKey>, usize) {
    let (mut key, mut acks) = (None, 0);
    while let Some(output) = layer.poll() {
        match output {
            Output::Send { message, .. } => {
                sent.push((clock, message.read().unwrap().status().unwrap()));
            }
            Output::Request { server, .. } => key = Some(server),
            Output::Ack { .. } => acks += 1,
            _ => {}
        }
    }
    (key, acks)
}

proptest! {
    #[test]
    fn the_server_machine_is_that_of_the_rfcs(
        invite in any::<bool>(),
        reliable in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut net = Net::new(if reliable { Transport::Tcp } else { Transport::Udp });
        let flow = net.flow(CALLEE);
        let method = if invite { Method::Invite } else { Method::Info };
        let with_via = |method: Method| {
            let mut request = request(method);
            request.headers.push_front("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKref");
            request
        };
        let first = with_via(method);
        let (mut now, mut begun) = (net.now, net.now);
        let since = |now: Instant, begun: Instant| u64::try_from((now - begun).as_millis()).unwrap();
        let layer = &mut net.layers[CALLEE];
        let mut sent = Sent::new();
        layer.receive(first.clone(), flow, now).unwrap();
        let mut key = told(layer, 0, &mut sent).0.unwrap();
        let mut model = Model::new(invite, reliable);
        for step in steps {
            match step {
                Step::Repeat => {
                    layer.receive(first.clone(), flow, now).unwrap();
                    let (again, _) = told(layer, since(now, begun), &mut sent);
                    // A new transaction exactly where the old one is over.
                    prop_assert_eq!(again.is_some(), model.state == State::Gone);
                    match again {
                        Some(again) => {
                            (key, begun) = (again, now);
                            sent.clear();
                            model = Model::new(invite, reliable);
                        }
                        None => model.repeat(),
                    }
                }
                Step::Ack if invite => {
                    let _ = layer.receive(with_via(Method::Ack), flow, now);
                    let heard = told(layer, since(now, begun), &mut sent).1 == 1;
                    prop_assert_eq!(heard, model.ack());
                }
                Step::Ack => {}
                Step::Respond(status) => {
                    let response = Message::response_to(&first, status, "");
                    prop_assert_eq!(layer.respond(key, response, now), model.respond(status));
                    told(layer, since(now, begun), &mut sent);
                }
                Step::Pass(millis) => {
                    let until = now + Duration::from_millis(millis);
                    while let Some(at) = layer.next_wakeup().filter(|at| *at <= until) {
                        layer.wake(at);
                        told(layer, since(at, begun), &mut sent);
                    }
                    now = until;
                    model.pass(millis);
                }
            }
            prop_assert_eq!(&sent, &model.sent, "times and statuses");
            prop_assert_eq!(layer.is_empty(), model.state == State::Gone);
        }
    }
}
