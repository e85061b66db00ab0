//! The simulated relay with the agents' phones and the callers behind it.

use super::rng::Rng;
use patchbay_core::{AgentId, ContactId, EndCause, LiveSession, OfferFailure, OfferId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// How agents treat offers: in percent; the rest is answered.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    pub busy: u64,
    pub declined: u64,
    pub unacceptable: u64,
    pub relay_full: u64,
    pub error: u64,
    /// Of those that ring: not answered.
    pub silent: u64,
    /// How long a phone rings before it is answered, at most, in ms.
    pub answer_ms: u64,
    pub talk: Talk,
}

/// How long calls last.
#[derive(Clone, Copy, Debug)]
pub enum Talk {
    /// Anything up to that, in ms.
    UpTo(u64),
    /// Log-normal, with that mean in seconds and that deviation of the logarithm.
    LogNormal(f64, f64),
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            busy: 5,
            declined: 5,
            unacceptable: 3,
            relay_full: 2,
            error: 2,
            silent: 21,
            answer_ms: 26_000,
            talk: Talk::UpTo(40_000),
        }
    }
}

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
    sessions: BTreeMap<OfferId, Session>,
    /// How many sessions each agent has.
    held: FxHashMap<AgentId, usize>,
    /// Sessions that are over, until somebody asks.
    gone: Vec<OfferId>,
    pub manners: Manners,
    /// How many calls a phone takes at a time, if not one.
    pub lines: FxHashMap<AgentId, usize>,
    /// INVITEs seen: a repeated one is a retransmission.
    seen: FxHashSet<OfferId>,
    pub registered: BTreeMap<AgentId, bool>,
}

impl Relay {
    pub fn has(&self, offer: OfferId) -> bool {
        self.sessions.contains_key(&offer)
    }

    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The sessions that ended since the last call.
    pub fn take_gone(&mut self) -> Vec<OfferId> {
        core::mem::take(&mut self.gone)
    }

    fn open(&mut self, offer: OfferId, session: Session) {
        *self.held.entry(session.agent.clone()).or_default() += 1;
        self.sessions.insert(offer, session);
    }

    fn close(&mut self, offer: OfferId) -> Option<Session> {
        let session = self.sessions.remove(&offer)?;
        *self.held.entry(session.agent.clone()).or_default() -= 1;
        self.gone.push(offer);
        Some(session)
    }

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
                    self.close(offer);
                    let failed = Up::Failed(offer, OfferFailure::NoAnswer, 487);
                    effects.up.push(failed);
                }
            }
            Down::Ack(offer) => {
                if let Some(session) = self.sessions.get_mut(&offer)
                    && !session.acknowledged
                {
                    session.acknowledged = true;
                    let talk = match self.manners.talk {
                        Talk::UpTo(most) => rng.range(10, most),
                        Talk::LogNormal(mean, spread) => {
                            (rng.log_normal(mean, spread) * 1_000.0) as u64
                        }
                    };
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
        let lines = self.lines.get(&agent).copied().unwrap_or(1);
        let busy = self.held.get(&agent).is_some_and(|held| *held >= lines);
        let registered = self.registered.get(&agent).copied().unwrap_or(true);
        let session = Session {
            contact,
            agent,
            since: now,
            answered: false,
            acknowledged: false,
        };
        self.open(offer, session);
        match self.treated(busy, registered, rng) {
            Some((after, failure, code)) => {
                let refusal = Later::Refuse(offer, failure, code);
                effects.later.push((after, refusal));
            }
            None => self.rings(offer, rng, effects),
        }
    }

    /// How the offer is refused, and when; none if the phone rings.
    fn treated(
        &self,
        busy: bool,
        registered: bool,
        rng: &mut Rng,
    ) -> Option<(u64, OfferFailure, u16)> {
        use OfferFailure as F;
        let manners = self.manners;
        if busy {
            return Some((20, F::Busy, 486));
        }
        if !registered {
            return Some((20, F::Unreachable, 404));
        }
        let cases = [
            (manners.busy, 1, 200, F::Busy, 486),
            (manners.declined, 500, 9_000, F::Declined, 603),
            (manners.unacceptable, 1, 200, F::NotAcceptable, 488),
            (manners.relay_full, 0, 0, F::RelayFull, 503),
            (manners.error, 1, 3_000, F::Error, 500),
        ];
        let mut left = rng.range(0, 99);
        for (percent, soonest, latest, failure, code) in cases {
            if left < percent {
                return Some((rng.range(soonest, latest), failure, code));
            }
            left -= percent;
        }
        None
    }

    fn rings(&self, offer: OfferId, rng: &mut Rng, effects: &mut Effects) {
        if rng.percent(self.manners.silent) {
            effects.later.push((rng.range(20, 400), Later::Ring(offer)));
            let limit = rng.range(20_000, 200_000);
            effects.later.push((limit, Later::GiveUpRinging(offer)));
            return;
        }
        if rng.percent(80) {
            effects.later.push((rng.range(20, 400), Later::Ring(offer)));
        }
        let after = rng.range(30, self.manners.answer_ms);
        effects.later.push((after, Later::Answer(offer)));
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
                self.close(offer);
                effects.up.push(Up::Failed(offer, failure, code));
            }
            Later::GiveUpRinging(_) if !session.answered => {
                self.close(offer);
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
        if let Some(session) = self.close(offer) {
            effects.up.push(Up::Ended(session.contact, offer, cause));
        }
    }

    /// Control is gone: calls whose callers have not heard that they were answered are over, and so is
    /// what rings for those callers.
    pub fn end_unheard(&mut self, kept: &[ContactId]) {
        let theirs = self.sessions.iter();
        let theirs = theirs.filter(|(_, session)| kept.contains(&session.contact));
        for offer in Vec::from_iter(theirs.map(|(offer, _)| *offer)) {
            self.close(offer);
        }
    }

    /// A restart of the relay: all sessions are gone, and nobody is told.
    pub fn crash(&mut self) {
        for offer in Vec::from_iter(self.sessions.keys().copied()) {
            self.close(offer);
        }
    }
}
