//! Calls as stories: who took part, and what was said in which order.

use std::net::SocketAddr;

use patchbay_bench::report::Paint;
use patchbay_route::trace::{TracedMessage, Way};

use super::ladder::{Look, ladder};
use super::list::list;
use super::reading::{Reading, harmless};

/// What part somebody plays; columns stand in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Caller,
    Relay,
    Control,
    Agent,
}

/// Who took part: a column.
#[derive(Clone, Debug)]
pub struct Party {
    pub role: Role,
    pub name: String,
    pub address: SocketAddr,
    /// Dialogs that it is in.
    call_ids: Vec<String>,
}

/// One arrow.
#[derive(Clone, Debug)]
pub struct Step {
    pub at_unix_us: u64,
    /// Places among the parties.
    pub from: usize,
    pub to: usize,
    pub reading: Reading,
    /// How often it was sent.
    pub times: usize,
    pub text: String,
}

/// One call.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Its first Call-ID.
    pub call: String,
    pub contact: String,
    pub parties: Vec<Party>,
    pub steps: Vec<Step>,
}

/// Steps that may still be repeated: SIP repeats for 32 s.
const REPEATED_AMONG: usize = 256;

impl Story {
    /// Adds a message; the step that it is or repeats.
    pub fn add(&mut self, message: &TracedMessage) -> &Step {
        self.call = harmless(&message.call);
        if !message.contact.is_empty() {
            self.contact.clone_from(&message.contact);
        }
        let reading = Reading::of(message);
        let mut late = self.steps.iter().rev().take(REPEATED_AMONG);
        let back = late.position(|step| step.reading.repeats(&reading));
        let at = match back {
            Some(back) => {
                let at = self.steps.len() - 1 - back;
                self.steps[at].times += 1;
                at
            }
            None => {
                let step = self.step(message, reading);
                self.steps.push(step);
                self.steps.len() - 1
            }
        };
        &self.steps[at]
    }

    fn step(&mut self, message: &TracedMessage, reading: Reading) -> Step {
        let other = match message.control {
            true => self.only(Role::Control, "control", message.remote),
            false => self.party(message, &reading),
        };
        // Control speaks to another address of the relay than phones do, which is of less interest.
        let relay = self.only(Role::Relay, "relay", message.local);
        if !message.control
            && !self
                .parties
                .iter()
                .any(|party| party.address == message.local)
        {
            self.parties[relay].address = message.local;
        }
        let (from, to) = match message.way {
            Way::In => (other, relay),
            Way::Out => (relay, other),
        };
        let bytes = message.content.bytes();
        Step {
            at_unix_us: message.at_unix_us,
            from,
            to,
            reading,
            times: 1,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    fn only(&mut self, role: Role, name: &str, address: SocketAddr) -> usize {
        let found = self.parties.iter().position(|party| party.role == role);
        found.unwrap_or_else(|| self.enter(role, name, address, ""))
    }

    fn enter(&mut self, role: Role, name: &str, address: SocketAddr, call_id: &str) -> usize {
        self.parties.push(Party {
            role,
            name: harmless(name),
            address,
            call_ids: vec![call_id.to_owned()],
        });
        self.parties.len() - 1
    }

    /// Somebody outside: found by the dialog, since a phone may speak from several places, and several
    /// phones from one. What is no call of its own belongs to who is there already.
    fn party(&mut self, message: &TracedMessage, reading: &Reading) -> usize {
        let role = match message.agent.is_empty() && message.session.is_empty() {
            true => Role::Caller,
            false => Role::Agent,
        };
        let known = |party: &Party| party.call_ids.contains(&reading.call_id);
        let there = |party: &Party| party.role == role && party.address == message.remote;
        let outside = |party: &Party| matches!(party.role, Role::Caller | Role::Agent);
        let mut parties = self.parties.iter();
        if let Some(found) = parties.position(|party| outside(party) && known(party)) {
            return found;
        }
        let found = self.parties.iter().position(there);
        if let Some(found) = found.filter(|_| !reading.begins) {
            self.parties[found].call_ids.push(reading.call_id.clone());
            return found;
        }
        let told = match (role, message.way) {
            (Role::Agent, _) if !message.agent.is_empty() => message.agent.as_str(),
            (Role::Agent, _) | (_, Way::Out) => reading.to.as_str(),
            _ => reading.from.as_str(),
        };
        self.enter(role, told, message.remote, &reading.call_id)
    }

    /// The places of the parties in the order in which they are shown.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = (0..self.parties.len()).collect();
        columns.sort_by_key(|place| self.parties[*place].role);
        columns
    }
}

/// All calls of a trace.
#[derive(Debug, Default)]
pub struct Stories {
    messages: Vec<TracedMessage>,
}

impl Stories {
    pub fn add(&mut self, message: TracedMessage) {
        self.messages.push(message);
    }

    /// How many there are.
    pub fn calls(&self) -> usize {
        self.told().len()
    }

    /// In the order in which they began.
    fn told(&self) -> Vec<Story> {
        let mut messages: Vec<&TracedMessage> = self.messages.iter().collect();
        // Several relays are read at the same time.
        messages.sort_by_key(|message| message.at_unix_us);
        let mut stories: Vec<Story> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for message in messages {
            let place = *places
                .entry((&message.relay, &message.call))
                .or_insert_with(|| {
                    stories.push(Story::default());
                    stories.len() - 1
                });
            stories[place].add(message);
        }
        stories
    }

    /// All of them as ladders, or the one that began last.
    pub fn ladders(&self, look: Look, last: bool) -> String {
        let mut stories = self.told();
        if last {
            stories.drain(..stories.len().saturating_sub(1));
        }
        let ladders: Vec<String> = stories.iter().map(|story| ladder(story, look)).collect();
        ladders.join("\n")
    }

    /// A line for each.
    pub fn list(&self, paint: Paint) -> String {
        list(&self.told(), paint)
    }
}
