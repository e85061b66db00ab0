//! Agents that are programs (requirement D6): the server of such an agent is asked whether it takes a
//! contact, and told what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use patchbay_core::centre::Webhook;
use patchbay_core::snapshot::ContactView;
use patchbay_core::{
    AgentId, Centre, ContactId, Event, Input, OfferEnd, OfferFailure, OfferId, QueueId, Slot, Way,
    What,
};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::machine::Machine;
use crate::signalling::Moment;

/// Longest URI that a program may name, in bytes.
const MAX_URI_BYTES: usize = 512;

/// What is told to the server of a program.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Told {
    /// A contact is offered; the answer says whether it is taken ([`Reply`]).
    Offer(Box<Offered>),
    /// The offer is over: nothing is to be done for it any more.
    Cancelled {
        /// The contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Why.
        why: OfferEnd,
    },
    /// A contact that it had is over.
    Ended {
        /// The contact.
        contact: ContactId,
        /// The offer.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Why.
        cause: patchbay_core::EndCause,
    },
}

impl Told {
    /// What names the request: the same for its repetitions.
    #[must_use]
    pub fn id(&self) -> String {
        let (offer, what) = match self {
            Told::Offer(offered) => (offered.offer, "offer"),
            Told::Cancelled { offer, .. } => (*offer, "cancelled"),
            Told::Ended { offer, .. } => (*offer, "ended"),
        };
        format!("{offer}-{what}")
    }
}

/// A contact as the program sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offered {
    /// The contact.
    pub contact: ContactId,
    /// The offer: names the reservation in reports.
    pub offer: OfferId,
    /// The agent.
    pub agent: AgentId,
    /// In which medium.
    pub medium: Slot,
    /// Who carries it: `relay`, `redirect` or `outside`.
    pub carried: Way,
    /// From which queue.
    pub queue: Option<QueueId>,
    /// The call type.
    pub call_type: String,
    /// The caller's URI.
    pub from: String,
    /// The URI called.
    pub to: String,
    /// The usable media.
    pub media: Vec<String>,
    /// What the rule says of it.
    pub attributes: BTreeMap<String, String>,
    /// Whom to call, for a call-back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// How long the reservation holds.
    pub ring_seconds: u64,
}

/// What the server of a program answers to an offer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// It takes the contact.
    Accepted {
        /// Where it is served: for a call a SIP URI that is called, for others told to who carries it.
        uri: Option<String>,
    },
    /// It will report by `POST /api/v1/route/{contact}`.
    Ringing,
    /// It does not take it.
    Declined,
    /// It has no room.
    Busy,
}

/// Why the server of a program gave no good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProgramFailure {
    /// No connection, or it broke.
    Unreachable,
    /// It did not prove who it is.
    Certificate,
    /// It answered with another status than success.
    Status,
    /// Its answer is too long, or no reply.
    Malformed,
    /// It thought for too long.
    TimeLimit,
    /// Too many requests were under way.
    TooMany,
}

impl ProgramFailure {
    /// All of them, with the words that stand for them.
    pub const ALL: [(ProgramFailure, &'static str); 6] = [
        (ProgramFailure::Unreachable, "unreachable"),
        (ProgramFailure::Certificate, "certificate"),
        (ProgramFailure::Status, "status"),
        (ProgramFailure::Malformed, "malformed"),
        (ProgramFailure::TimeLimit, "time_limit"),
        (ProgramFailure::TooMany, "too_many"),
    ];
}

/// An offer to a program that is not answered for good.
#[derive(Debug)]
struct Open {
    contact: ContactId,
    agent: AgentId,
    way: Way,
    ring_for: Duration,
    /// The server's own answer is still to come.
    asked: bool,
}

/// The programs of a centre, and what is open with them.
#[derive(Debug, Default)]
pub(super) struct Programs {
    webhooks: FxHashMap<AgentId, Arc<Webhook>>,
    open: FxHashMap<OfferId, Open>,
    failures: FxHashMap<&'static str, u64>,
    late: u64,
}

impl Programs {
    pub(super) fn configure(&mut self, centre: &Centre) {
        let programs = centre.agents.iter().filter_map(|agent| {
            let webhook = Arc::new(agent.webhook.clone()?);
            Some((agent.id.clone(), webhook))
        });
        self.webhooks = programs.collect();
    }

    pub(super) fn has(&self, agent: &AgentId) -> bool {
        self.webhooks.contains_key(agent)
    }

    /// Whether its server has not answered, so that nothing else is known of the offer.
    pub(super) fn is_asked(&self, offer: OfferId) -> bool {
        self.open.get(&offer).is_some_and(|open| open.asked)
    }

    /// Answers that came when their offers were over.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// Offers without a good answer, by the reason.
    pub(super) fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |name| self.failures.get(name).copied().unwrap_or(0);
        ProgramFailure::ALL
            .into_iter()
            .map(move |(_, name)| (name, count(name)))
    }

    fn tell(&self, agent: &AgentId, told: Told) -> Option<Action> {
        let webhook = Arc::clone(self.webhooks.get(agent)?);
        Some(Action::TellProgram {
            agent: agent.clone(),
            webhook,
            told,
        })
    }

    fn failed_by(&mut self, why: ProgramFailure) {
        let names = ProgramFailure::ALL.iter();
        let name = names.filter(|(one, _)| *one == why).map(|(_, name)| *name);
        for name in name {
            *self.failures.entry(name).or_default() += 1;
        }
    }
}

impl Machine {
    /// Asks a program whether it takes a contact.
    pub(super) fn asks_program(
        &mut self,
        (contact, offer): (ContactId, OfferId),
        agent: &AgentId,
        (way, ring_for): (Way, Duration),
    ) {
        let Some(view) = self.distributor.contact(contact) else {
            return;
        };
        let promised = self.routed.get(contact).and_then(|it| it.call_back);
        let call = promised.map(|promise| promise.to);
        let offered = offered((offer, agent), view, call, ring_for);
        let open = Open {
            contact,
            agent: agent.clone(),
            way,
            ring_for,
            asked: true,
        };
        self.programs.open.insert(offer, open);
        let told = Told::Offer(Box::new(offered));
        self.actions.extend(self.programs.tell(agent, told));
    }

    /// Takes what the server of a program answered to an offer. An answer that comes when the offer is over
    /// helps nobody: its server was told so.
    pub fn program_answered(
        &mut self,
        offer: OfferId,
        answer: Result<Reply, ProgramFailure>,
        now: Moment,
    ) {
        let Some(open) = self.programs.open.get_mut(&offer) else {
            self.programs.late += 1;
            return;
        };
        if !std::mem::replace(&mut open.asked, false) {
            self.programs.late += 1;
            return;
        }
        let (contact, agent) = (open.contact, open.agent.clone());
        let carried = (open.way, open.ring_for);
        match answer {
            Ok(Reply::Accepted { uri }) => {
                let uri = uri.filter(|uri| uri.len() <= MAX_URI_BYTES);
                self.program_takes((contact, offer), &agent, carried, uri, now);
            }
            Ok(Reply::Ringing) if carried.0 == Way::Outside => {
                self.core(Input::OfferRinging { offer }, now);
            }
            Ok(Reply::Ringing) => self.program_fails(offer, OfferFailure::NotAcceptable, now),
            Ok(Reply::Declined) => self.program_fails(offer, OfferFailure::Declined, now),
            Ok(Reply::Busy) => self.program_fails(offer, OfferFailure::Busy, now),
            Err(why) => {
                self.programs.failed_by(why);
                self.program_fails(offer, OfferFailure::Unreachable, now);
            }
        }
    }

    /// An offer is taken back of which only a program knows: it ends with that.
    pub(super) fn program_not_asked(&mut self, offer: OfferId, now: Moment) {
        let (cause, code) = (OfferFailure::NoAnswer, 487);
        let over = Input::OfferFailed { offer, cause, code };
        self.distributor.handle(over, now.now);
    }

    fn program_takes(
        &mut self,
        (contact, offer): (ContactId, OfferId),
        agent: &AgentId,
        (way, ring_for): (Way, Duration),
        uri: Option<String>,
        now: Moment,
    ) {
        let sip = uri
            .as_deref()
            .filter(|uri| patchbay_sip::Uri::parse(uri).is_ok());
        match (way, sip) {
            // Its customer is called next; what comes of that is reported.
            (Way::Outside, _) if self.routed.is_call_back(contact) => {
                self.core(Input::CallBackDialled { offer }, now);
            }
            (Way::Outside, _) => {
                self.routed.served_at(contact, uri);
                self.core(Input::OfferAnswered { offer }, now);
            }
            (Way::Relay, Some(at)) => {
                self.signalling
                    .offer_at((contact, offer), agent, at, ring_for, now);
                self.run(now);
            }
            (Way::Redirect, Some(at)) => {
                self.signalling.hand_over_to(contact, offer, at, now);
                self.run(now);
            }
            // A call cannot be served nowhere.
            (Way::Relay | Way::Redirect, None) => {
                self.program_fails(offer, OfferFailure::NotAcceptable, now);
            }
        }
    }

    fn program_fails(&mut self, offer: OfferId, cause: OfferFailure, now: Moment) {
        // It knows what it said, and is told nothing of it.
        self.programs.open.remove(&offer);
        let code = 0;
        self.core(Input::OfferFailed { offer, cause, code }, now);
    }

    /// Tells programs what became of what they were offered.
    pub(super) fn tell_programs(&mut self, event: &Event) {
        let told = match &event.what {
            What::OfferFailed { offer, why, .. } => {
                let open = self.programs.open.remove(offer);
                open.map(|open| Told::Cancelled {
                    contact: open.contact,
                    offer: *offer,
                    agent: open.agent,
                    why: *why,
                })
            }
            What::ContactEnded {
                contact,
                offer,
                agent,
                cause,
                ..
            } if self.programs.has(agent) => {
                self.programs.open.remove(offer);
                Some(Told::Ended {
                    contact: *contact,
                    offer: *offer,
                    agent: agent.clone(),
                    cause: *cause,
                })
            }
            _ => None,
        };
        if let Some(told) = told {
            let agent = match &told {
                Told::Offer(offered) => offered.agent.clone(),
                Told::Cancelled { agent, .. } | Told::Ended { agent, .. } => agent.clone(),
            };
            self.actions.extend(self.programs.tell(&agent, told));
        }
    }
}

fn offered(
    (offer, agent): (OfferId, &AgentId),
    view: ContactView,
    call: Option<String>,
    ring_for: Duration,
) -> Offered {
    Offered {
        contact: view.id,
        offer,
        agent: agent.clone(),
        medium: view.medium,
        carried: view.carried,
        queue: view.queue,
        call_type: view.call_type,
        from: view.from,
        to: view.to,
        media: view.media,
        attributes: view.attributes,
        call,
        ring_seconds: ring_for.as_secs(),
    }
}
