//! The simulated relay with the agents' phones and the callers behind it.

use super::rng::Rng;
use patchbay_core::{AgentId, ContactId, EndCause, LiveSession, OfferFailure, OfferId};
use std::collections::{BTreeMap, BTreeSet};

/// A session on the relay.
#[derive(Clone, Debug)]
pub struct Session {
    pub contact: ContactId,
    pub agent: AgentId,
    pub since: u64,
    pub answered: bool,
    pub acknowledged: bool,
}

/// What control sends to the relay.
#[derive(Clone, Debug)]
pub enum Down {
    Invite {
        contact: ContactId,
        offer: OfferId,
        agent: AgentId,
    },
    Cancel(OfferId),
    Ack(OfferId),
    End(OfferId),
    List {
        asked: u64,
        epoch: u64,
    },
}

/// What the relay sends to control.
#[derive(Clone, Debug)]
pub enum Up {
    Ringing(OfferId),
    Answered(OfferId),
    Failed(OfferId, OfferFailure, u16),
    Ended(ContactId, OfferId, EndCause),
    Sessions {
        sessions: Vec<LiveSession>,
        asked: u64,
        epoch: u64,
    },
}

/// What happens on the relay later.
#[derive(Clone, Debug)]
pub enum Later {
    Ring(OfferId),
    Answer(OfferId),
    Refuse(OfferId, OfferFailure, u16),
    GiveUpRinging(OfferId),
    NoAck(OfferId),
    Bye(OfferId),
}

/// What the relay does at once, and what comes later (in ms).
#[derive(Default)]
pub struct Effects {
    pub up: Vec<Up>,
    pub later: Vec<(u64, Later)>,
}

#[derive(Default)]
pub struct Relay {
    pub sessions: BTreeMap<OfferId, Session>,
    /// INVITEs seen: a repeated one is a retransmission.
    seen: BTreeSet<OfferId>,
    pub registered: BTreeMap<AgentId, bool>,
}

impl Relay {
    pub fn receive(&mut self, message: Down, now: u64, rng: &mut Rng) -> Effects {
        let mut effects = Effects::default();
        match message {
            Down::Invite {
                contact,
                offer,
                agent,
            } => {
                if self.seen.insert(offer) {
                    self.invite(contact, offer, agent, now, rng, &mut effects);
                }
            }
            Down::Cancel(offer) => {
                if self.sessions.get(&offer).is_some_and(|s| !s.answered) {
                    self.sessions.remove(&offer);
                    let failed = Up::Failed(offer, OfferFailure::NoAnswer, 487);
                    effects.up.push(failed);
                }
            }
            Down::Ack(offer) => {
                if let Some(session) = self.sessions.get_mut(&offer)
                    && !session.acknowledged
                {
                    session.acknowledged = true;
                    let talk = rng.range(10, 40_000);
                    effects.later.push((talk, Later::Bye(offer)));
                }
            }
            Down::End(offer) => self.end(offer, EndCause::Api, &mut effects),
            Down::List { asked, epoch } => effects.up.push(Up::Sessions {
                sessions: self.list(),
                asked,
                epoch,
            }),
        }
        effects
    }

    fn list(&self) -> Vec<LiveSession> {
        self.sessions
            .iter()
            .map(|(offer, session)| LiveSession {
                contact: session.contact,
                offer: *offer,
                agent: session.agent.clone(),
                since: session.since,
                answered: session.answered,
            })
            .collect()
    }

    fn invite(
        &mut self,
        contact: ContactId,
        offer: OfferId,
        agent: AgentId,
        now: u64,
        rng: &mut Rng,
        effects: &mut Effects,
    ) {
        use OfferFailure as F;
        let busy = self.sessions.values().any(|s| s.agent == agent);
        let registered = self.registered.get(&agent).copied().unwrap_or(true);
        let session = Session {
            contact,
            agent,
            since: now,
            answered: false,
            acknowledged: false,
        };
        self.sessions.insert(offer, session);
        let mut refuse = |after, failure, code| {
            let refusal = Later::Refuse(offer, failure, code);
            effects.later.push((after, refusal));
        };
        match rng.range(0, 99) {
            _ if busy => refuse(20, F::Busy, 486),
            _ if !registered => refuse(20, F::Unreachable, 404),
            0..5 => refuse(rng.range(1, 200), F::Busy, 486),
            5..10 => refuse(rng.range(500, 9_000), F::Declined, 603),
            10..13 => refuse(rng.range(1, 200), F::NotAcceptable, 488),
            13..15 => refuse(0, F::RelayFull, 503),
            15..17 => refuse(rng.range(1, 3_000), F::Error, 500),
            17..35 => {
                effects.later.push((rng.range(20, 400), Later::Ring(offer)));
                let limit = rng.range(20_000, 200_000);
                effects.later.push((limit, Later::GiveUpRinging(offer)));
            }
            _ => {
                if rng.percent(80) {
                    effects.later.push((rng.range(20, 400), Later::Ring(offer)));
                }
                let after = rng.range(30, 26_000);
                effects.later.push((after, Later::Answer(offer)));
            }
        }
    }

    pub fn later(&mut self, what: Later, now: u64, rng: &mut Rng) -> Effects {
        let mut effects = Effects::default();
        let offer = match &what {
            Later::Ring(offer)
            | Later::Answer(offer)
            | Later::Refuse(offer, ..)
            | Later::GiveUpRinging(offer)
            | Later::NoAck(offer)
            | Later::Bye(offer) => *offer,
        };
        let Some(session) = self.sessions.get_mut(&offer) else {
            return effects;
        };
        match what {
            Later::Ring(_) => effects.up.push(Up::Ringing(offer)),
            Later::Answer(_) if !session.answered => {
                session.answered = true;
                session.since = now;
                effects.up.push(Up::Answered(offer));
                effects.later.push((32_000, Later::NoAck(offer)));
            }
            Later::Refuse(_, failure, code) if !session.answered => {
                self.sessions.remove(&offer);
                effects.up.push(Up::Failed(offer, failure, code));
            }
            Later::GiveUpRinging(_) if !session.answered => {
                self.sessions.remove(&offer);
                let failed = Up::Failed(offer, OfferFailure::NoAnswer, 480);
                effects.up.push(failed);
            }
            Later::NoAck(_) if !session.acknowledged => {
                self.end(offer, EndCause::NoAck, &mut effects);
            }
            Later::Bye(_) => {
                let cause = *rng.pick(&[EndCause::Bye, EndCause::MediaTimeout]);
                self.end(offer, cause, &mut effects);
            }
            _ => {}
        }
        effects
    }

    fn end(&mut self, offer: OfferId, cause: EndCause, effects: &mut Effects) {
        if let Some(session) = self.sessions.remove(&offer) {
            effects.up.push(Up::Ended(session.contact, offer, cause));
        }
    }

    /// A restart of the relay: all sessions are gone, and nobody is told.
    pub fn crash(&mut self) {
        self.sessions.clear();
    }
}
