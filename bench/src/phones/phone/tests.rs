//! Two phones, wired together without sockets, on a clock that the test moves.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use patchbay_sip::Transport;

use super::super::g711::Law;
use super::super::studio::Role;
use super::*;

const CALLER: usize = 0;
const CALLEE: usize = 1;
const MS: Duration = Duration::from_millis(1);

type Loss = Box<dyn FnMut(usize, &str) -> bool>;

/// Two phones, the time, and everything they said.
struct World {
    phones: [Phone; 2],
    now: Instant,
    events: Vec<(usize, PhoneEvent)>,
    talks: Vec<(usize, Law, bool)>,
    /// Tells whether a message is lost: sender and first line.
    lose: Loss,
    sent: Vec<String>,
}

fn address(index: usize) -> SocketAddr {
    format!("127.0.0.1:{}", 6_000 + index).parse().unwrap()
}

fn phone(index: usize) -> Phone {
    let config = PhoneConfig {
        index: index as u32,
        user: ["carla", "anna"][index].to_owned(),
        domain: address(1 - index).to_string(),
        password: None,
        local: address(index),
        transport: Transport::Udp,
        proxy: address(1 - index),
        behaviour: Behaviour::Answer {
            after: 50 * MS,
            talk: None,
        },
        lines: 1,
        laws: vec![Law::Mu, Law::A],
        expires_s: 60,
        seed: 11,
    };
    Phone::new(config, Config::default())
}

impl World {
    fn new() -> Self {
        Self {
            phones: [phone(CALLER), phone(CALLEE)],
            now: Instant::now(),
            events: Vec::new(),
            talks: Vec::new(),
            lose: Box::new(|_, _| false),
            sent: Vec::new(),
        }
    }

    fn call(&mut self, spec: &CallSpec) -> CallRef {
        let call = CallRef(1);
        self.phones[CALLER].call(call, spec, self.now).unwrap();
        self.settle();
        call
    }

    /// Delivers all that is to be delivered now.
    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            quiet = 0;
            for index in [CALLER, CALLEE] {
                match self.phones[index].poll() {
                    Some(output) => self.act(index, output),
                    None => quiet += 1,
                }
            }
        }
    }

    fn act(&mut self, index: usize, output: PhoneOutput) {
        let now = self.now;
        let phone = &mut self.phones[index];
        match output {
            PhoneOutput::Send { flow, bytes } => {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                let line = text.lines().next().unwrap().to_owned();
                let lost = (self.lose)(index, &line);
                self.sent.push(line);
                if !lost {
                    assert_eq!(flow.remote, address(1 - index));
                    let (local, remote) = (flow.remote, flow.local);
                    let flow = Flow {
                        local,
                        remote,
                        ..flow
                    };
                    self.phones[1 - index].receive(bytes, flow, now);
                }
            }
            PhoneOutput::Event(event) => self.events.push((index, event)),
            PhoneOutput::OpenMedia { call, role } => {
                assert_eq!(role, [Role::Caller, Role::Agent][index]);
                let rtp = SocketAddr::new(address(0).ip(), 7_000 + 2 * index as u16);
                let rtcp = SocketAddr::new(address(0).ip(), 7_001 + 2 * index as u16);
                phone.media(call, Some(MediaAddresses { rtp, rtcp }), now);
            }
            PhoneOutput::Talk {
                to, law, talking, ..
            } => {
                assert_eq!(to.rtp.port(), 7_002 - 2 * index as u16);
                self.talks.push((index, law, talking));
            }
            PhoneOutput::FinishMedia(call) => phone.media_finished(call, now),
            PhoneOutput::CloseMedia(_) => {}
        }
    }

    /// Lets time pass, stopping wherever a phone wants to be woken.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let next = self.phones.iter().filter_map(Phone::next_wakeup).min();
            self.now = next.map_or(end, |next| next.max(self.now).min(end));
            for index in [CALLER, CALLEE] {
                self.phones[index].wake(self.now);
            }
            self.settle();
            if self.now == end {
                return;
            }
        }
    }

    fn outcomes(&self) -> [Vec<Outcome>; 2] {
        [CALLER, CALLEE].map(|wanted| {
            let of_wanted = self.events.iter().filter(|(index, _)| *index == wanted);
            let outcomes = of_wanted.filter_map(|(_, event)| match event {
                PhoneEvent::Ended { outcome, .. } => Some(outcome.clone()),
                _ => None,
            });
            outcomes.collect()
        })
    }

    fn count(&self, start: &str) -> usize {
        self.sent
            .iter()
            .filter(|line| line.starts_with(start))
            .count()
    }

    /// Both phones have forgotten the call, timers and transactions included.
    fn assert_forgotten(&mut self) {
        self.pass(Duration::from_secs(120));
        for phone in &self.phones {
            assert_eq!(phone.calls(), 0);
            assert!(phone.clients.is_empty() && phone.servers.is_empty());
            assert!(phone.dialogs.is_empty() && phone.layer.is_empty());
        }
    }
}

fn spec(talk_ms: u32) -> CallSpec {
    CallSpec::new("sip:anna@127.0.0.1:6001", MS * talk_ms)
}

fn completed(by_us: bool) -> Vec<Outcome> {
    vec![Outcome::Completed { by_us }]
}

#[test]
fn a_call_is_placed_answered_and_hung_up() {
    let mut world = World::new();
    let call = world.call(&spec(1_000));
    world.pass(2_000 * MS);
    assert!(
        world
            .events
            .contains(&(CALLER, PhoneEvent::Progress { call, status: 180 }))
    );
    assert!(world.events.contains(&(
        CALLER,
        PhoneEvent::Answered {
            call,
            setup: 50 * MS
        }
    )));
    assert_eq!(world.outcomes(), [completed(true), completed(false)]);
    assert_eq!(world.talks.len(), 2);
    assert!(
        world
            .talks
            .iter()
            .all(|(_, law, talking)| *law == Law::Mu && *talking)
    );
    world.assert_forgotten();
}

#[test]
fn the_called_side_may_hang_up_and_choose_the_law() {
    let mut world = World::new();
    let talk = Some(300 * MS);
    world.phones[CALLEE].behave(Behaviour::Answer {
        after: Duration::ZERO,
        talk,
    });
    world.phones[CALLEE].config.laws = vec![Law::A];
    world.call(&spec(60_000));
    world.pass(1_000 * MS);
    assert_eq!(world.outcomes(), [completed(false), completed(true)]);
    assert!(world.talks.iter().all(|(_, law, _)| *law == Law::A));
    world.assert_forgotten();
}

#[test]
fn both_sides_hanging_up_at_once_is_a_normal_end() {
    let mut world = World::new();
    let talk = Some(1_000 * MS);
    world.phones[CALLEE].behave(Behaviour::Answer {
        after: 50 * MS,
        talk,
    });
    world.call(&spec(1_000));
    world.pass(3_000 * MS);
    let both = world.outcomes();
    assert!(
        both.iter()
            .all(|outcomes| matches!(outcomes[..], [Outcome::Completed { .. }]))
    );
    world.assert_forgotten();
}

#[test]
fn busy_declined_and_other_refusals_reach_the_caller() {
    for (behaviour, status) in [
        (Behaviour::Busy, 486),
        (Behaviour::Decline, 603),
        (Behaviour::Refuse(404), 404),
    ] {
        let mut world = World::new();
        world.phones[CALLEE].behave(behaviour);
        world.call(&spec(1_000));
        world.pass(100 * MS);
        let [caller, callee] = world.outcomes();
        for outcomes in [caller, callee] {
            assert!(matches!(outcomes[..], [Outcome::Refused { status: s, .. }] if s == status));
        }
        world.assert_forgotten();
    }
}

#[test]
fn a_second_call_to_one_line_is_busy() {
    let mut world = World::new();
    world.call(&spec(60_000));
    world.pass(100 * MS);
    world.phones[CALLER]
        .call(CallRef(2), &spec(1), world.now)
        .unwrap();
    world.pass(100 * MS);
    let [caller, _] = world.outcomes();
    assert!(matches!(caller[..], [Outcome::Refused { status: 486, .. }]));
    assert_eq!(world.phones[CALLEE].calls(), 1);
}

#[test]
fn impatience_cancels() {
    let mut world = World::new();
    world.phones[CALLEE].behave(Behaviour::NoAnswer);
    world.call(&CallSpec {
        patience: Some(500 * MS),
        ..spec(1_000)
    });
    world.pass(400 * MS);
    assert_eq!(world.phones[CALLEE].calls(), 1);
    world.pass(400 * MS);
    assert_eq!(
        world.outcomes(),
        [vec![Outcome::Cancelled], vec![Outcome::Cancelled]]
    );
    assert_eq!(world.count("CANCEL"), 1);
    world.assert_forgotten();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_hung_up() {
    let mut world = World::new();
    // The CANCEL is lost; the answer comes while it is repeated.
    world.lose = Box::new(|_, line| line.starts_with("CANCEL"));
    world.phones[CALLEE].behave(Behaviour::Answer {
        after: 600 * MS,
        talk: None,
    });
    world.call(&CallSpec {
        patience: Some(500 * MS),
        ..spec(1_000)
    });
    world.pass(2_000 * MS);
    assert_eq!(world.outcomes()[CALLER], [Outcome::Cancelled]);
    assert_eq!((world.count("BYE"), world.talks.len()), (1, 1));
    world.assert_forgotten();
}

#[test]
fn a_lost_invite_answer_and_ack_are_repeated() {
    for lost in ["INVITE", "SIP/2.0 200", "ACK"] {
        let mut world = World::new();
        let mut times = 0;
        world.lose = Box::new(move |_, line| {
            times += usize::from(line.starts_with(lost));
            line.starts_with(lost) && times <= 2
        });
        world.call(&spec(3_000));
        world.pass(Duration::from_secs(10));
        assert_eq!(
            world.outcomes(),
            [completed(true), completed(false)],
            "{lost}"
        );
        assert!(world.count(lost) >= 3, "{lost}");
        world.assert_forgotten();
    }
}

#[test]
fn a_caller_that_never_acknowledges_is_left() {
    let mut world = World::new();
    world.lose = Box::new(|index, line| index == CALLER && line.starts_with("ACK"));
    world.call(&spec(600_000));
    world.pass(Duration::from_secs(40));
    assert_eq!(
        world.outcomes()[CALLEE],
        [Outcome::Failed(CallFailure::NoAck)]
    );
    assert_eq!(world.outcomes()[CALLER], completed(false));
    world.assert_forgotten();
}

#[test]
fn silence_is_a_timeout() {
    let mut world = World::new();
    world.lose = Box::new(|_, _| true);
    world.call(&spec(1_000));
    world.pass(Duration::from_secs(40));
    assert_eq!(
        world.outcomes()[CALLER],
        [Outcome::Failed(CallFailure::Timeout)]
    );
    world.assert_forgotten();
}

#[test]
fn hold_silences_the_other_side_and_ends_again() {
    let mut world = World::new();
    let call = world.call(&CallSpec {
        hold_after: Some(300 * MS),
        ..spec(1_000)
    });
    world.pass(2_000 * MS);
    let renegotiated = |held| (CALLER, PhoneEvent::Renegotiated { call, held });
    assert!(world.events.contains(&renegotiated(true)));
    assert!(world.events.contains(&renegotiated(false)));
    let callee: Vec<bool> = world
        .talks
        .iter()
        .filter(|talk| talk.0 == CALLEE)
        .map(|talk| talk.2)
        .collect();
    assert_eq!(callee.first(), Some(&true));
    assert!(
        callee.contains(&false),
        "the held side goes on talking: {callee:?}"
    );
    assert_eq!(callee.last(), Some(&true));
    assert_eq!(world.outcomes(), [completed(true), completed(false)]);
    world.assert_forgotten();
}

#[test]
fn an_offer_without_a_shared_law_is_488() {
    let mut world = World::new();
    world.phones[CALLEE].config.laws = vec![Law::A];
    world.call(&CallSpec {
        laws: vec![Law::Mu],
        ..spec(1_000)
    });
    let [caller, callee] = world.outcomes();
    assert!(matches!(caller[..], [Outcome::Refused { status: 488, .. }]));
    assert!(callee.is_empty());
    world.assert_forgotten();
}

#[test]
fn no_media_port_fails_the_call_alone() {
    let mut world = World::new();
    let now = world.now;
    world.phones[CALLER]
        .call(CallRef(1), &spec(1_000), now)
        .unwrap();
    world.phones[CALLER].media(CallRef(1), None, now);
    while let Some(output) = world.phones[CALLER].poll() {
        if let PhoneOutput::Event(event) = output {
            world.events.push((CALLER, event));
        }
    }
    assert_eq!(
        world.outcomes()[CALLER],
        [Outcome::Failed(CallFailure::NoMediaPort)]
    );
    world.assert_forgotten();
}

#[test]
fn strangers_get_the_answers_the_rfc_asks_for() {
    for (method, to_tag, expected) in [
        ("OPTIONS", "", "SIP/2.0 200"),
        ("BYE", ";tag=x", "SIP/2.0 481"),
        ("INVITE", ";tag=x", "SIP/2.0 481"),
        ("MESSAGE", "", "SIP/2.0 405"),
    ] {
        let mut world = World::new();
        let text = format!(
            "{method} sip:anna@127.0.0.1:6001 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:anna@y>{to_tag}\r\nCall-ID: q\r\n\
             CSeq: 1 {method}\r\nContact: <sip:x@127.0.0.1:6000>\r\nContent-Length: 0\r\n\r\n"
        );
        let flow = Flow {
            transport: Transport::Udp,
            local: address(CALLEE),
            remote: address(CALLER),
            connection: 0,
        };
        let now = world.now;
        world.phones[CALLEE].receive(text.into(), flow, now);
        world.settle();
        assert!(
            world.sent[0].starts_with(expected),
            "{method}: {:?}",
            world.sent
        );
    }
}
