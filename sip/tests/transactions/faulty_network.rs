use std::collections::HashMap;

use crate::net::*;
use patchbay_sip::dialog::{Retransmit, RetransmitStep};
use patchbay_sip::transaction::{ClientKey, Config, Failure, Output, ServerKey};
use patchbay_sip::{Message, Method, Transport};
use proptest::prelude::*;
use std::time::Duration;

/// A network, and what is done over it.
#[derive(Clone, Debug)]
struct Trial {
    seed: u64,
    loss_percent: u64,
    duplicate_percent: u64,
    jitter_ms: u64,
    calls: u64,
    /// Every so manieth INVITE rings for ever, and is cancelled; 0: none.
    cancels: u64,
    transport: Transport,
}

/// A thousand transactions through loss, duplication and reordering: each request reaches the other
/// user once, each client learns of one final answer or failure, and both tables are empty at the end.
#[test]
fn every_transaction_ends_once() {
    for seed in 0..10 {
        let trial = Trial {
            seed,
            loss_percent: 25,
            duplicate_percent: 25,
            jitter_ms: 700,
            calls: 100,
            cancels: 0,
            transport: Transport::Udp,
        };
        assert!(run(&trial).values().all(|count| *count == 1), "{trial:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The same over any network, with INVITEs that are cancelled, and over one that loses nothing.
    #[test]
    fn every_transaction_ends_once_whatever_the_network_does(
        seed in any::<u64>(),
        loss_percent in 0u64..60,
        duplicate_percent in 0u64..60,
        jitter_ms in 0u64..1_500,
        calls in 1u64..24,
        cancels in 0u64..4,
        reliable in any::<bool>(),
    ) {
        let transport = if reliable { Transport::Tcp } else { Transport::Udp };
        let of = |share: u64| if reliable { 0 } else { share };
        let trial = Trial {
            seed,
            loss_percent: of(loss_percent),
            duplicate_percent: of(duplicate_percent),
            // A stream keeps its order.
            jitter_ms: of(jitter_ms),
            calls,
            cancels,
            transport,
        };
        let seen = run(&trial);
        // The last copy leaves after 31.5 s (timer E, timer A), and is absorbed for 32 s after the
        // first came (timers J and L): one that is on its way for longer than that leaves is taken for new.
        let most = if trial.jitter_ms < 499 { 1 } else { 2 };
        prop_assert!(seen.values().all(|count| (1..=most).contains(count)), "{seen:?}");
    }
}

/// How often each request reached the callee's user.
fn run(trial: &Trial) -> HashMap<(String, Option<Method>), u32> {
    let mut net = Net::with(trial.transport, Config::default(), trial.seed);
    net.faults = Faults {
        loss_percent: trial.loss_percent,
        duplicate_percent: trial.duplicate_percent,
        jitter_ms: trial.jitter_ms,
    };
    let methods = [
        Method::Invite,
        Method::Bye,
        Method::Options,
        Method::Message,
    ];
    let mut ends = HashMap::new();
    for call in 0..trial.calls {
        let method = methods[usize::try_from(call % 4).unwrap()].clone();
        let cancelled = method == Method::Invite && trial.is_cancelled(call);
        let client = net.send(CALLER, numbered(method, call));
        ends.insert(client, 0);
        if cancelled {
            let now = net.now;
            net.layers[CALLER].cancel(client, now);
        }
    }
    let mut callee = Callee {
        trial: trial.clone(),
        seen: HashMap::new(),
        repeats: Vec::new(),
        ringing: HashMap::new(),
        random: Random(trial.seed),
    };
    // The last step is longer than what rings for ever.
    let steps = (1..=600u32).map(|step| step * Duration::from_millis(500));
    for until in steps.chain([Duration::from_secs(2 * 3600)]) {
        net.run(until, |net, side, output| {
            heard(net, side, output, &mut callee, &mut ends);
        });
        callee.repeat_2xx(&mut net);
    }
    assert!(
        ends.values().all(|count| *count == 1),
        "{trial:?}: {ends:?}"
    );
    net.assert_empty();
    callee.seen
}

/// What the users of both sides do with what they are told.
fn heard(
    net: &mut Net,
    side: usize,
    output: Output,
    callee: &mut Callee,
    ends: &mut HashMap<ClientKey, u32>,
) {
    match output {
        Output::Request {
            server, request, ..
        } => callee.answer(net, side, server, &request),
        Output::Cancelled { server, .. } => {
            if let Some(invite) = callee.ringing.remove(&server) {
                net.respond(side, server, &invite, 487);
            }
        }
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
        other => panic!("{other:?}"),
    }
}

impl Trial {
    fn is_cancelled(&self, call: u64) -> bool {
        self.cancels > 0 && (call / 4).is_multiple_of(self.cancels)
    }
}

/// The callee's user: answers at once, and repeats a 2xx until its ACK.
struct Callee {
    trial: Trial,
    /// Those that wait to be cancelled.
    ringing: HashMap<ServerKey, Message>,
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
        let number = request.call_id().unwrap();
        let number = number.trim_start_matches("call-").split('@').next();
        let number = number.and_then(|digits| digits.parse().ok()).unwrap();
        if invite && self.trial.is_cancelled(number) {
            self.ringing.insert(server, request.clone());
            return;
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
