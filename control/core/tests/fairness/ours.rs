//! The distributor itself on the bed.

use super::bed::{self, Load, Order, Reaction};
use patchbay_core::centre::{Agent, Centre, Late, Many, Queue, Rule, ServiceLevel, Strategy, Then};
use patchbay_core::{
    AgentId, ContactId, Distributor, EndCause, Facts, Input, Medium, Now, OfferFailure, OfferId,
    Output,
};
use std::collections::BTreeMap;
use std::time::Duration;

pub struct Ours {
    distributor: Distributor,
    orders: Vec<Order>,
    /// Offers by caller and agent.
    offers: BTreeMap<(usize, usize), OfferId>,
    agents: BTreeMap<AgentId, usize>,
}

/// One queue for each skill, as the others have, with the same settings.
fn centre(load: Load, strategy: Strategy, late: Late) -> Centre {
    let queue = |skill: usize| Queue {
        strategy,
        service_level: Some(ServiceLevel {
            seconds: bed::IN_TIME_MS.div_ceil(1_000) as u32,
            percent: 80,
            late,
        }),
        ring_at_once: 50,
        ring_seconds: (bed::RING_MS / 1_000) as u32,
        wrap_up_seconds: (bed::WRAP_UP_MS / 1_000) as u32,
        max_wait_seconds: 86_400,
        max_length: 10_000,
        ..Queue::new(format!("q{skill}").as_str())
    };
    let agent = |number: usize| {
        let serves = load.skills_of(number).into_iter();
        Agent {
            queues: Some(serves.map(|s| format!("q{s}").as_str().into()).collect()),
            uri: Some("sip:a@192.0.2.1".into()),
            ..Agent::new(format!("a{number}").as_str())
        }
    };
    let rule = |skill: usize| {
        let mut rule = Rule {
            id: format!("r{skill}").as_str().into(),
            when: Default::default(),
            then: Then {
                queue: Some(format!("q{skill}").as_str().into()),
                ..Then::default()
            },
        };
        // The last one takes the rest.
        let last = skill + 1 == load.skills;
        rule.when.to = (!last).then(|| Many::One(format!("q{skill}@*")));
        rule
    };
    Centre {
        queues: (0..load.skills).map(queue).collect(),
        agents: (0..load.agents).map(agent).collect(),
        rules: (0..load.skills).map(rule).collect(),
        ..Centre::default()
    }
}

impl Ours {
    pub fn new(load: Load, strategy: Strategy, late: Late) -> Self {
        let centre = centre(load, strategy, late);
        assert_eq!(patchbay_core::validate(&centre), []);
        let agents = centre.agents.iter().enumerate();
        let mut ours = Self {
            distributor: Distributor::new(load.seed),
            orders: Vec::new(),
            offers: BTreeMap::new(),
            agents: agents
                .map(|(number, agent)| (agent.id.clone(), number))
                .collect(),
        };
        ours.tell(Input::Configure(centre), 0);
        ours
    }

    fn tell(&mut self, input: Input, now: u64) {
        self.distributor.handle(input, at(now));
        self.listen(now);
    }

    fn listen(&mut self, now: u64) {
        while let Some(output) = self.distributor.poll() {
            match output {
                Output::Offer {
                    contact,
                    offer,
                    agent,
                    ..
                } => {
                    let (caller, agent) = (contact.0 as usize, self.agents[&agent]);
                    self.offers.insert((caller, agent), offer);
                    self.orders.push(Order::Ring { caller, agent });
                }
                Output::CancelOffer { contact, offer } => self.stop(contact.0 as usize, offer, now),
                Output::Accept { contact, offer } => {
                    let (caller, agent) = self.whose(offer);
                    assert_eq!(caller, contact.0 as usize);
                    self.orders.push(Order::Connect { caller, agent });
                }
                _ => {}
            }
        }
    }

    fn whose(&self, offer: OfferId) -> (usize, usize) {
        let mut offers = self.offers.iter();
        let found = offers.find(|(_, other)| **other == offer);
        *found.expect("an offer of ours").0
    }

    /// The phone stops, and the relay says so.
    fn stop(&mut self, caller: usize, offer: OfferId, now: u64) {
        let (_, agent) = self.whose(offer);
        self.offers.remove(&(caller, agent));
        self.orders.push(Order::Stop { caller, agent });
        let (cause, code) = (OfferFailure::NoAnswer, 487);
        self.tell(Input::OfferFailed { offer, cause, code }, now);
    }
}

fn at(now: u64) -> Now {
    Now {
        mono: Duration::from_millis(now),
        unix_ms: 1_780_000_000_000 + now,
    }
}

impl bed::Distributor for Ours {
    fn called(&mut self, caller: usize, skill: usize, now: u64) {
        let facts = Facts {
            request_uri: format!("sip:q{skill}@centre.example"),
            to: format!("sip:q{skill}@centre.example"),
            from: "sip:carl@example.net".into(),
            media: vec![Medium {
                kind: "audio".into(),
                port: 4_000,
                protocol: "RTP/AVP".into(),
                codecs: vec!["PCMU".into()],
            }],
            ..Facts::default()
        };
        let (contact, facts) = (ContactId(caller as u64), Box::new(facts));
        self.tell(Input::ContactArrived { contact, facts }, now);
    }

    fn gave_up(&mut self, caller: usize, now: u64) {
        let contact = ContactId(caller as u64);
        self.tell(Input::ContactCancelled { contact }, now);
    }

    fn reacted(&mut self, caller: usize, agent: usize, how: Reaction, now: u64) {
        let offer = self.offers[&(caller, agent)];
        let (cause, code) = match how {
            Reaction::Answers => return self.tell(Input::OfferAnswered { offer }, now),
            Reaction::Declines => (OfferFailure::Declined, 603),
            Reaction::Busy => (OfferFailure::Busy, 486),
            Reaction::Silent => (OfferFailure::NoAnswer, 480),
        };
        self.offers.remove(&(caller, agent));
        self.tell(Input::OfferFailed { offer, cause, code }, now);
    }

    fn hung_up(&mut self, caller: usize, agent: usize, now: u64) {
        let offer = self.offers.remove(&(caller, agent)).expect("a call");
        let ended = Input::ContactEnded {
            contact: ContactId(caller as u64),
            offer,
            cause: EndCause::Bye,
            by: None,
        };
        self.tell(ended, now);
    }

    fn wake(&mut self, now: u64) {
        self.distributor.wake(at(now));
        self.listen(now);
    }

    fn next(&self) -> Option<u64> {
        let next = self.distributor.next_wakeup();
        next.map(|at| at.as_nanos().div_ceil(1_000_000) as u64)
    }

    fn orders(&mut self) -> Vec<Order> {
        core::mem::take(&mut self.orders)
    }
}
