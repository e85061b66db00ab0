use std::collections::HashMap;

use crate::net::*;
use patchbay_sip::dialog::{Retransmit, RetransmitStep};
use patchbay_sip::transaction::{Config, Failure, Output, ServerKey};
use patchbay_sip::{Message, Method, Transport};
use std::time::Duration;

/// A thousand transactions through loss, duplication and reordering: each request reaches the other
/// user once, each client learns of one final answer or failure, and both tables are empty at the end.
#[test]
fn every_transaction_ends_once() {
    for seed in 0..10 {
        one_run(seed);
    }
}

fn one_run(seed: u64) {
    let mut net = Net::with(Transport::Udp, Config::default(), seed);
    net.faults = Faults {
        loss_percent: 25,
        duplicate_percent: 25,
        jitter_ms: 700,
    };
    let methods = [
        Method::Invite,
        Method::Bye,
        Method::Options,
        Method::Message,
    ];
    let mut ends = HashMap::new();
    for call in 0..100u64 {
        let method = methods[usize::try_from(call % 4).unwrap()].clone();
        let client = net.send(CALLER, numbered(method, call));
        ends.insert(client, 0);
    }
    let mut callee = Callee {
        seen: HashMap::new(),
        repeats: Vec::new(),
        random: Random(seed),
    };
    for step in 1..=600u32 {
        net.run(
            step * Duration::from_millis(500),
            |net, side, output| match output {
                Output::Request {
                    server, request, ..
                } => callee.answer(net, side, server, &request),
                Output::Ack { ack, .. } => {
                    callee
                        .repeats
                        .retain(|(_, _, request)| request.call_id() != ack.call_id());
                }
                Output::Response {
                    client, response, ..
                } => {
                    let invite = response.cseq().unwrap().method == Method::Invite;
                    match response.status().unwrap() {
                        100..200 => {}
                        // A 2xx may come again. Its ACK is the user's.
                        200..300 if invite => {
                            let flow = net.flow(side);
                            net.layers[side].send_ack(ack(&response), flow, SENT_BY[side]);
                            ends.insert(client, 1);
                        }
                        _ => *ends.get_mut(&client).unwrap() += 1,
                    }
                }
                Output::Failed {
                    client,
                    why: Failure::Timeout,
                } => {
                    *ends.get_mut(&client).unwrap() += 1;
                }
                Output::ServerFailed { .. } => {}
                other => panic!("seed {seed}: {other:?}"),
            },
        );
        callee.repeat_2xx(&mut net);
    }
    assert!(
        ends.values().all(|count| *count == 1),
        "seed {seed}: {ends:?}"
    );
    assert!(
        callee.seen.values().all(|count| *count == 1),
        "seed {seed}: {:?}",
        callee.seen
    );
    net.assert_empty();
}

/// The callee's user: answers at once, and repeats a 2xx until its ACK.
struct Callee {
    seen: HashMap<(String, Option<Method>), u32>,
    repeats: Vec<(Retransmit, ServerKey, Message)>,
    random: Random,
}

impl Callee {
    fn answer(&mut self, net: &mut Net, side: usize, server: ServerKey, request: &Message) {
        let key = (
            request.call_id().unwrap().to_owned(),
            request.method().cloned(),
        );
        *self.seen.entry(key).or_insert(0) += 1;
        let invite = request.method() == Some(&Method::Invite);
        if invite && self.random.percent(50) {
            net.respond(side, server, request, 180);
        }
        let accept = self.random.percent(50);
        net.respond(side, server, request, if accept { 200 } else { 486 });
        if accept && invite {
            let timer = Retransmit::new(&Config::default(), net.now);
            self.repeats.push((timer, server, request.clone()));
        }
    }

    fn repeat_2xx(&mut self, net: &mut Net) {
        self.repeats
            .retain_mut(|(timer, server, request)| match timer.wake(net.now) {
                RetransmitStep::Resend => {
                    net.respond(CALLEE, *server, request, 200);
                    true
                }
                RetransmitStep::GaveUp => false,
                RetransmitStep::Idle => true,
            });
    }
}
