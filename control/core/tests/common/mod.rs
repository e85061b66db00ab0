//! A centre with a clock in hand, for tests of one scenario each.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod asked;

use patchbay_core::{
    AgentId, Centre, ContactId, Distributor, EndCause, Facts, Input, LiveSession, Medium, Now,
    OfferFailure, OfferId, Output, RefuseReason, Snapshot, Status, What, validate,
};
use std::time::Duration;

/// Two agents with static URIs in one queue, rings of 10 s, waits of 60 s.
pub const TWO_AGENTS: &str = r#"
queue = [{ id = "q", ring_seconds = 10, max_wait_seconds = 60, max_length = 3 }]
agent = [
  { id = "anna", uri = "sip:anna@192.0.2.1" },
  { id = "bert", uri = "sip:bert@192.0.2.2" },
]
rule = [{ id = "all", then = { queue = "q" } }]
"#;

/// The same with one agent.
pub const ONE_AGENT: &str = r#"
queue = [{ id = "q", ring_seconds = 10, max_wait_seconds = 60, max_length = 3 }]
agent = [{ id = "anna", uri = "sip:anna@192.0.2.1" }]
rule = [{ id = "all", then = { queue = "q" } }]
"#;

pub struct Desk {
    pub distributor: Distributor,
    pub ms: u64,
    /// Everything that was said and not yet looked at.
    pub said: Vec<Output>,
}

pub fn centre(text: &str) -> Centre {
    let centre: Centre = toml::from_str(text).unwrap();
    assert_eq!(validate(&centre), []);
    centre
}

pub fn call_to(user: &str) -> Facts {
    Facts {
        request_uri: format!("sip:{user}@centre.example"),
        to: format!("sip:{user}@centre.example"),
        from: "sip:carl@example.net".into(),
        media: vec![Medium {
            kind: "audio".into(),
            port: 4000,
            protocol: "RTP/AVP".into(),
            codecs: vec!["PCMU".into()],
        }],
        ..Facts::default()
    }
}

impl Desk {
    pub fn new(text: &str) -> Self {
        let mut desk = Self::bare();
        desk.tell(Input::Configure(centre(text)));
        desk.said.clear();
        desk
    }

    pub fn bare() -> Self {
        Self {
            distributor: Distributor::new(1),
            ms: 1_000,
            said: Vec::new(),
        }
    }

    pub fn now(&self) -> Now {
        Now {
            mono: Duration::from_millis(self.ms),
            unix_ms: 1_780_000_000_000 + self.ms,
        }
    }

    pub fn tell(&mut self, input: Input) {
        let now = self.now();
        self.distributor.handle(input, now);
        while let Some(output) = self.distributor.poll() {
            self.said.push(output);
        }
    }

    /// Lets time pass, timer by timer.
    pub fn pass(&mut self, ms: u64) {
        let end = self.ms + ms;
        while let Some(due) = self.distributor.next_wakeup() {
            let due = due.as_millis() as u64;
            if due > end {
                break;
            }
            self.ms = self.ms.max(due);
            let now = self.now();
            self.distributor.wake(now);
            while let Some(output) = self.distributor.poll() {
                self.said.push(output);
            }
        }
        self.ms = end;
    }

    pub fn call(&mut self, contact: u64) -> ContactId {
        self.call_as(contact, call_to("q"))
    }

    pub fn call_as(&mut self, contact: u64, facts: Facts) -> ContactId {
        let contact = ContactId(contact);
        self.tell(Input::ContactArrived {
            contact,
            facts: Box::new(facts),
        });
        contact
    }

    /// The one offer said since the last look.
    pub fn offer(&mut self) -> (ContactId, OfferId, String) {
        let offers = self.offers();
        assert_eq!(offers.len(), 1, "{offers:?}");
        offers.into_iter().next().unwrap()
    }

    /// The offers said since the last look.
    pub fn offers(&mut self) -> Vec<(ContactId, OfferId, String)> {
        let offers = self.said.iter().filter_map(|output| match output {
            Output::Offer {
                contact,
                offer,
                agent,
                ..
            } => Some((*contact, *offer, agent.to_string())),
            _ => None,
        });
        let offers = offers.collect();
        self.said
            .retain(|output| !matches!(output, Output::Offer { .. }));
        offers
    }

    /// What was said since the last look, without events.
    pub fn orders(&mut self) -> Vec<Output> {
        let orders = self.said.drain(..);
        orders
            .filter(|output| !matches!(output, Output::Event(_)))
            .collect()
    }

    pub fn events(&self) -> Vec<What> {
        let events = self.said.iter().filter_map(|output| match output {
            Output::Event(event) => Some(event.what.clone()),
            _ => None,
        });
        events.collect()
    }

    pub fn refusals(&mut self) -> Vec<(ContactId, u16, Option<u32>, RefuseReason)> {
        let orders = self.orders().into_iter();
        let refusals = orders.filter_map(|output| match output {
            Output::Refuse {
                contact,
                status,
                retry_after_s,
                why,
            } => Some((contact, status, retry_after_s, why)),
            _ => None,
        });
        refusals.collect()
    }

    pub fn answered(&mut self, offer: OfferId) {
        self.tell(Input::OfferAnswered { offer });
    }

    pub fn failed(&mut self, offer: OfferId, cause: OfferFailure, code: u16) {
        self.tell(Input::OfferFailed { offer, cause, code });
    }

    pub fn ended(&mut self, contact: ContactId, offer: OfferId) {
        let cause = EndCause::Bye;
        self.tell(Input::ContactEnded {
            contact,
            offer,
            cause,
            by: None,
        });
    }

    pub fn gone(&mut self, contact: ContactId) {
        self.tell(Input::ContactCancelled { contact });
    }

    pub fn status(&mut self, agent: &str, status: Status) {
        let agent = agent.into();
        self.tell(Input::AgentStatus { agent, status });
    }

    pub fn reachable(&mut self, agent: &str, reachable: bool) {
        let agent = agent.into();
        self.tell(Input::AgentReachable { agent, reachable });
    }

    pub fn list(&mut self, sessions: Vec<LiveSession>) {
        let asked = Duration::from_millis(self.ms);
        self.tell(Input::SessionsLive { sessions, asked });
    }

    pub fn snapshot(&self) -> Snapshot {
        self.distributor.snapshot(self.now())
    }

    /// `idle`, `reserved`, `in_call`… as the API says.
    pub fn activity(&self, agent: &str) -> String {
        let snapshot = self.snapshot();
        let id = AgentId::from(agent);
        let view = snapshot.agents.iter().find(|view| view.id == id);
        let json = serde_json::to_value(&view.unwrap().activity).unwrap();
        json["activity"].as_str().unwrap().to_string()
    }

    pub fn waiting(&self) -> Vec<u64> {
        let snapshot = self.snapshot();
        let waiting = snapshot.queues[0].waiting.iter();
        waiting.map(|view| view.contact.0).collect()
    }
}

pub fn session(contact: ContactId, offer: OfferId, agent: &str, answered: bool) -> LiveSession {
    LiveSession {
        contact,
        offer,
        agent: agent.into(),
        since: 1_780_000_000_000,
        answered,
    }
}
