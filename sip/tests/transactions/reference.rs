//! The server INVITE and non-INVITE machines against the tables of RFC 3261 and RFC 6026 written down
//! once more, as plainly as possible.

use crate::net::*;
use patchbay_sip::transaction::{Layer, Output, RespondError, ServerKey};
use patchbay_sip::{Message, Method, Transport};
use proptest::prelude::*;
use std::time::Duration;

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

struct Model {
    state: State,
    reliable: bool,
    invite: bool,
    clock: u64,
    end: u64,
}

impl Model {
    /// What the RFCs say of answering with `status`.
    fn respond(&mut self, status: u16) -> Result<(), RespondError> {
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
        match self.state {
            State::Completed if self.reliable => self.state = State::Gone,
            State::Completed => (self.state, self.end) = (State::Confirmed, self.clock + 5_000),
            State::Accepted | State::Gone => return true,
            _ => {}
        }
        false
    }

    fn pass(&mut self, millis: u64) {
        self.clock += millis;
        if self.state != State::Gone && self.clock >= self.end {
            self.state = State::Gone;
        }
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

/// Requests and ACKs that the layer gives to its user.
fn told(layer: &mut Layer) -> (Option<ServerKey>, usize) {
    let (mut key, mut acks) = (None, 0);
    while let Some(output) = layer.poll() {
        match output {
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
        let mut now = net.now;
        let layer = &mut net.layers[CALLEE];
        layer.receive(first.clone(), flow, now).unwrap();
        let mut key = told(layer).0.unwrap();
        let limit = if invite { 3_600_000 } else { 32_000 };
        let mut model = Model { state: State::Pending, reliable, invite, clock: 0, end: limit };
        for step in steps {
            match step {
                Step::Repeat => {
                    layer.receive(first.clone(), flow, now).unwrap();
                    let (again, _) = told(layer);
                    // A new transaction exactly where the old one is over.
                    prop_assert_eq!(again.is_some(), model.state == State::Gone);
                    if let Some(again) = again {
                        key = again;
                        let clock = 0;
                        model = Model { state: State::Pending, reliable, invite, clock, end: limit };
                    }
                }
                Step::Ack if invite => {
                    let _ = layer.receive(with_via(Method::Ack), flow, now);
                    let heard = told(layer).1 == 1;
                    prop_assert_eq!(heard, model.ack());
                }
                Step::Ack => {}
                Step::Respond(status) => {
                    let response = Message::response_to(&first, status, "");
                    prop_assert_eq!(layer.respond(key, response, now), model.respond(status));
                    told(layer);
                }
                Step::Pass(millis) => {
                    now += Duration::from_millis(millis);
                    while layer.next_wakeup().is_some_and(|at| at <= now) {
                        layer.wake(now);
                    }
                    told(layer);
                    model.pass(millis);
                }
            }
            prop_assert_eq!(layer.is_empty(), model.state == State::Gone);
        }
    }
}
