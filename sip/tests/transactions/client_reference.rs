//! The client INVITE and non-INVITE machines against the figures of RFC 3261 (5 and 6) and RFC 6026 (3)
//! written down once more, as plainly as possible: what is sent and when, what the user hears, and when
//! it is over. Responses come in any order, late and twice; a CANCEL may be asked for at any time.

use crate::net::*;
use patchbay_sip::transaction::{ClientKey, Layer, Output};
use patchbay_sip::{Message, Method, Transport};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// 64 T1, and the time that an INVITE may ring, in ms.
const TIMEOUT: u64 = 32_000;
const RINGS: u64 = 3_600_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Start,
    Proceeding,
    Completed,
    Accepted,
    Gone,
}

#[derive(Clone, Debug)]
enum Step {
    Response(u16),
    Cancel,
    /// A response to the CANCEL, if one was sent.
    ToCancel(u16),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![
        Just(100),
        Just(180),
        Just(200),
        Just(202),
        Just(302),
        Just(487),
        Just(603)
    ];
    let pause = prop_oneof![0u64..600, 0u64..12_000, 30_000u64..40_000, Just(RINGS)];
    prop_oneof![
        4 => status.prop_map(Step::Response),
        1 => Just(Step::Cancel),
        1 => prop_oneof![Just(100), Just(200), Just(481)].prop_map(Step::ToCancel),
        4 => pause.prop_map(Step::Pass),
    ]
}

/// What goes out or is told, and when: a request or ACK by its name, `heard 180`, `failed`.
type Log = Vec<(u64, String)>;

/// One machine of the figures.
#[derive(Clone, Debug)]
struct Machine {
    name: &'static str,
    invite: bool,
    reliable: bool,
    /// The layer's own CANCEL: nobody hears of it.
    silent: bool,
    state: State,
    /// Timers A and E.
    again: Option<u64>,
    pause: u64,
    /// Timers B, D, F, K, M, and the end of ringing.
    end: u64,
    wanted: bool,
    cancelled: bool,
}

impl Machine {
    fn new(name: &'static str, reliable: bool, silent: bool, now: u64) -> Machine {
        Machine {
            name,
            invite: name == "INVITE",
            reliable,
            silent,
            state: State::Start,
            again: (!reliable).then_some(now + 500),
            pause: 500,
            end: now + TIMEOUT,
            wanted: false,
            cancelled: false,
        }
    }

    /// A response; true where the CANCEL that waited goes now.
    fn response(&mut self, status: u16, now: u64, log: &mut Log) -> bool {
        let pending = matches!(self.state, State::Start | State::Proceeding);
        let heard = match self.state {
            State::Start | State::Proceeding => true,
            State::Accepted => (200..300).contains(&status),
            State::Completed | State::Gone => false,
        };
        if self.state == State::Completed && self.invite && status >= 300 {
            log.push((now, "ACK".into()));
        }
        let mut cancel_now = false;
        if pending && self.invite {
            self.again = None;
            match status {
                100..200 => {
                    self.state = State::Proceeding;
                    if !self.cancelled {
                        self.end = now + RINGS;
                    }
                    cancel_now = self.wanted && !self.cancelled;
                }
                200..300 => (self.state, self.end) = (State::Accepted, now + TIMEOUT),
                _ => {
                    log.push((now, "ACK".into()));
                    (self.state, self.end) = (self.after(), now + TIMEOUT);
                }
            }
        } else if pending {
            match status {
                100..200 if self.state == State::Start => {
                    (self.state, self.pause) = (State::Proceeding, 4_000);
                }
                100..200 => {}
                _ => {
                    self.again = None;
                    (self.state, self.end) = (self.after(), now + 5_000);
                }
            }
        }
        if heard && !self.silent {
            log.push((now, format!("heard {status}")));
        }
        cancel_now
    }

    /// Timers D and K are nothing over a reliable transport.
    fn after(&self) -> State {
        if self.reliable {
            State::Gone
        } else {
            State::Completed
        }
    }

    fn next(&self) -> Option<u64> {
        match self.state {
            State::Gone => None,
            _ => Some(self.again.unwrap_or(self.end).min(self.end)),
        }
    }

    /// A timer; true where a CANCEL goes because nobody asked for one in time.
    fn fire(&mut self, now: u64, log: &mut Log) -> bool {
        if now >= self.end {
            let pending = matches!(self.state, State::Start | State::Proceeding);
            let rang = self.invite && self.state == State::Proceeding && !self.cancelled;
            if pending && !self.silent {
                log.push((now, "failed".into()));
            }
            self.state = State::Gone;
            return rang;
        }
        log.push((now, self.name.into()));
        self.pause = match (self.invite, self.state) {
            (true, _) => self.pause * 2,
            (false, State::Proceeding) => 4_000,
            (false, _) => (self.pause * 2).min(4_000),
        };
        self.again = Some(now + self.pause);
        false
    }
}

/// The transaction, and that of its CANCEL.
struct Model {
    now: u64,
    reliable: bool,
    request: Machine,
    cancel: Option<Machine>,
    log: Log,
}

impl Model {
    fn new(name: &'static str, reliable: bool) -> Model {
        Model {
            now: 0,
            reliable,
            request: Machine::new(name, reliable, false, 0),
            cancel: None,
            log: vec![(0, name.into())],
        }
    }

    fn send_cancel(&mut self) {
        self.request.cancelled = true;
        self.request.end = self.now + TIMEOUT;
        self.log.push((self.now, "CANCEL".into()));
        self.cancel = Some(Machine::new("CANCEL", self.reliable, true, self.now));
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Response(status) => {
                if self.request.response(*status, self.now, &mut self.log) {
                    self.send_cancel();
                }
            }
            Step::ToCancel(status) => {
                if let Some(cancel) = &mut self.cancel {
                    cancel.response(*status, self.now, &mut self.log);
                }
            }
            Step::Cancel if self.request.invite => match self.request.state {
                State::Start => self.request.wanted = true,
                State::Proceeding if !self.request.cancelled => self.send_cancel(),
                _ => {}
            },
            Step::Cancel => {}
            Step::Pass(millis) => self.pass(*millis),
        }
    }

    fn pass(&mut self, millis: u64) {
        let until = self.now + millis;
        loop {
            let own = self.request.next().filter(|at| *at <= until);
            let cancel = self.cancel.as_ref().and_then(Machine::next);
            let cancel = cancel.filter(|at| *at <= until);
            match (own, cancel) {
                (Some(at), other) if other.is_none_or(|other| at <= other) => {
                    self.now = at;
                    if self.request.fire(at, &mut self.log) {
                        self.send_cancel();
                    }
                }
                (_, Some(at)) => {
                    self.now = at;
                    if let Some(cancel) = &mut self.cancel {
                        cancel.fire(at, &mut self.log);
                    }
                }
                _ => break,
            }
        }
        self.now = until;
    }

    /// How many transactions there are.
    fn len(&self) -> usize {
        let machines = [Some(&self.request), self.cancel.as_ref()];
        let there = machines.into_iter().flatten();
        there.filter(|machine| machine.state != State::Gone).count()
    }
}

/// The layer, and what it was seen to do.
struct Real {
    net: Net,
    start: Instant,
    sent: Message,
    cancel: Option<Message>,
    key: ClientKey,
    log: Log,
}

impl Real {
    fn new(method: Method, reliable: bool) -> Real {
        let mut net = Net::new(if reliable {
            Transport::Tcp
        } else {
            Transport::Udp
        });
        let key = net.send(CALLER, request(method.clone()));
        let start = net.now;
        let mut real = Real {
            net,
            start,
            sent: request(method),
            cancel: None,
            key,
            log: Vec::new(),
        };
        real.settle();
        real
    }

    fn layer(&mut self) -> &mut Layer {
        &mut self.net.layers[CALLER]
    }

    fn settle(&mut self) {
        let at = u64::try_from((self.net.now - self.start).as_millis()).unwrap();
        while let Some(output) = self.layer().poll() {
            let word = match output {
                Output::Send { message, .. } => {
                    let message = message.read().unwrap();
                    let name = message.method().unwrap().to_string();
                    match name.as_str() {
                        "CANCEL" => self.cancel = Some(message),
                        "ACK" => {}
                        _ => self.sent = message,
                    }
                    name
                }
                Output::Response { response, .. } => {
                    format!("heard {}", response.status().unwrap())
                }
                Output::Failed { .. } => "failed".into(),
                other => panic!("{other:?}"),
            };
            self.log.push((at, word));
        }
    }

    fn apply(&mut self, step: &Step) {
        let (now, flow) = (self.net.now, self.net.flow(CALLER));
        match step {
            Step::Response(status) => {
                let response = Message::response_to(&self.sent, *status, "");
                // A response that is of no use is dropped and counted.
                let _ = self.layer().receive(response, flow, now);
            }
            Step::ToCancel(status) => {
                if let Some(cancel) = &self.cancel {
                    let response = Message::response_to(cancel, *status, "");
                    let _ = self.layer().receive(response, flow, now);
                }
            }
            Step::Cancel => {
                let key = self.key;
                self.layer().cancel(key, now);
            }
            Step::Pass(millis) => {
                let until = now + Duration::from_millis(*millis);
                while let Some(at) = self.layer().next_wakeup().filter(|at| *at <= until) {
                    self.net.now = at;
                    self.layer().wake(at);
                    self.settle();
                }
                self.net.now = until;
            }
        }
        self.settle();
    }
}

proptest! {
    #[test]
    fn the_client_machines_are_those_of_the_rfcs(
        invite in any::<bool>(),
        reliable in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..24),
    ) {
        let (name, method) = match invite {
            true => ("INVITE", Method::Invite),
            false => ("INFO", Method::Info),
        };
        let mut model = Model::new(name, reliable);
        let mut real = Real::new(method, reliable);
        for step in steps.iter().chain([&Step::Pass(2 * RINGS)]) {
            model.apply(step);
            real.apply(step);
            let (mut expected, mut seen) = (model.log.clone(), real.log.clone());
            // At one moment, what is sent and what is told may stand in either order.
            expected.sort();
            seen.sort();
            prop_assert_eq!(expected, seen, "after {:?}", step);
            prop_assert_eq!(model.len(), real.net.layers[CALLER].len(), "after {:?}", step);
        }
        prop_assert_eq!(real.net.layers[CALLER].next_wakeup(), None);
    }
}
