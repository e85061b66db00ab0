//! What is known of the relays: who is there, and which sessions each carries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use patchbay_core::{AgentId, ContactId, Input, LiveSession, OfferId};
use patchbay_route::session::{
    Capacity, Ended, RelayEvent, SessionEvent, SessionList, SessionNotice, SessionRef,
    SessionTransferred, SessionView,
};

/// A relay that has not been heard of for this long is taken for dead, and its sessions with it.
pub const RELAY_LOST_AFTER: Duration = Duration::from_secs(60);

/// Sessions to be ended as soon as a relay reports them.
pub const MAX_DOOMED: usize = 1024;

/// One relay.
#[derive(Debug)]
pub struct Relay {
    /// Base URL of its API.
    pub url: String,
    /// Its list was taken over and its events are followed.
    pub up: bool,
    /// Since when it is not up.
    down_since: Option<Instant>,
    /// Why it is not up.
    pub last_error: Option<String>,
    /// Its last report.
    pub capacity: Option<Capacity>,
    /// By offer, and by which of the agent's devices it was.
    sessions: BTreeMap<(OfferId, u16), Known>,
}

impl Relay {
    /// Sessions that it carries as far as is known.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The sessions of an offer: one for each device that is being called, and the one that answered.
    fn of(&self, offer: OfferId) -> impl Iterator<Item = &Known> {
        let range = (offer, 0)..=(offer, u16::MAX);
        self.sessions.range(range).map(|(_, known)| known)
    }

    /// The session that stands for an offer: the answered one, else the first.
    fn first_of(&self, offer: OfferId) -> Option<&Known> {
        let answered = self.of(offer).find(|known| known.live.answered);
        answered.or_else(|| self.of(offer).next())
    }
}

#[derive(Debug)]
struct Known {
    session: String,
    live: LiveSession,
}

/// How a session is named in its transfer: by its offer, and from the second device of the offer on
/// by which it is.
#[must_use]
pub fn attempt_name(offer: OfferId, attempt: u16) -> String {
    match attempt {
        0 => offer.to_string(),
        _ => format!("{offer}.{attempt}"),
    }
}

fn read_attempt(name: &str) -> Option<(OfferId, u16)> {
    match name.split_once('.') {
        None => Some((name.parse().ok()?, 0)),
        Some((offer, attempt)) => Some((offer.parse().ok()?, attempt.parse().ok()?)),
    }
}

/// A session on a relay, for ending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The relay's place in the configured list.
    pub relay: usize,
    /// The session's identifier there.
    pub session: String,
}

/// All relays; see the module.
#[derive(Debug, Default)]
pub struct RelayBook {
    relays: Vec<Relay>,
    doomed: BTreeSet<OfferId>,
}

impl RelayBook {
    /// Relays that nothing is known of yet.
    #[must_use]
    pub fn new(urls: impl IntoIterator<Item = String>, now: Instant) -> RelayBook {
        let relay = |url| Relay {
            url,
            up: false,
            down_since: Some(now),
            last_error: None,
            capacity: None,
            sessions: BTreeMap::new(),
        };
        RelayBook {
            relays: urls.into_iter().map(relay).collect(),
            doomed: BTreeSet::new(),
        }
    }

    /// The relays in the configured order.
    #[must_use]
    pub fn relays(&self) -> &[Relay] {
        &self.relays
    }

    /// Takes a relay's whole list. Gives the doomed sessions found in it.
    pub fn list(&mut self, relay: usize, list: &SessionList) -> Vec<Place> {
        let sessions = list
            .sessions
            .iter()
            .filter_map(|view| Some((read_attempt(&view.offer)?, known(view)?)))
            .collect();
        if let Some(entry) = self.relays.get_mut(relay) {
            entry.sessions = sessions;
            entry.up = true;
            entry.down_since = None;
            entry.last_error = None;
        }
        let doomed: Vec<OfferId> = self.doomed.iter().copied().collect();
        let found: Vec<Place> = doomed
            .iter()
            .filter_map(|offer| self.find(*offer))
            .collect();
        let relays = &self.relays;
        self.doomed
            .retain(|offer| !relays.iter().any(|relay| relay.of(*offer).next().is_some()));
        found
    }

    /// Whether the sessions of every relay are known.
    #[must_use]
    pub fn all_listed(&self) -> bool {
        self.relays.iter().all(|relay| relay.up)
    }

    /// The sessions of all relays, one for each offer. Relays that are lost have none.
    #[must_use]
    pub fn live(&self) -> Vec<LiveSession> {
        let mut sessions: Vec<LiveSession> = Vec::new();
        for relay in &self.relays {
            for (offer, _) in relay.sessions.keys() {
                let told = sessions.last().is_some_and(|last| last.offer == *offer);
                if let Some(known) = relay.first_of(*offer).filter(|_| !told) {
                    sessions.push(known.live.clone());
                }
            }
        }
        sessions
    }

    /// Whether a relay reported this session.
    #[must_use]
    pub fn find(&self, offer: OfferId) -> Option<Place> {
        self.relays.iter().enumerate().find_map(|(relay, entry)| {
            let session = entry.first_of(offer)?.session.clone();
            Some(Place { relay, session })
        })
    }

    /// The session to be ended, or `None` and it is ended when a relay reports it.
    pub fn doom(&mut self, offer: OfferId) -> Option<Place> {
        let found = self.find(offer);
        if found.is_none() {
            if self.doomed.len() >= MAX_DOOMED {
                self.doomed.pop_first();
            }
            self.doomed.insert(offer);
        }
        found
    }

    /// Takes an event: what the distributor is told, and the session if it is doomed.
    pub fn event(&mut self, relay: usize, event: &RelayEvent) -> (Option<Input>, Option<Place>) {
        match &event.event {
            SessionEvent::Started(of) | SessionEvent::Ringing(of) => {
                (None, self.seen(relay, of, false, event.unix_ms))
            }
            SessionEvent::Established(of) => (None, self.seen(relay, of, true, event.unix_ms)),
            SessionEvent::Notice(notice) => (told(notice), None),
            SessionEvent::Held(held) => {
                let offer = read_attempt(&held.of.offer).map(|(offer, _)| offer);
                let by = held.by;
                (offer.map(|offer| Input::OfferHeld { offer, by }), None)
            }
            SessionEvent::Transferred(transferred) => (sent_elsewhere(transferred), None),
            SessionEvent::Ended(ended) => (self.ended(relay, ended), None),
            // The signalling ends the contact.
            SessionEvent::Left(_) => (None, None),
            SessionEvent::Pressed(pressed) => {
                let key = pressed.key;
                let contact = pressed.contact.parse().ok();
                (
                    contact.map(|contact| Input::ContactPressed { contact, key }),
                    None,
                )
            }
        }
    }

    fn seen(&mut self, relay: usize, of: &SessionRef, answered: bool, since: u64) -> Option<Place> {
        let contact = of.contact.parse().ok()?;
        let (offer, attempt) = read_attempt(&of.offer)?;
        let agent = AgentId::new(of.agent.as_str());
        let live = LiveSession {
            contact,
            offer,
            agent,
            since,
            answered,
        };
        let session = of.session.clone();
        self.relays
            .get_mut(relay)?
            .sessions
            .insert((offer, attempt), Known { session, live });
        if self.doomed.remove(&offer) {
            self.find(offer)
        } else {
            None
        }
    }

    fn ended(&mut self, relay: usize, ended: &Ended) -> Option<Input> {
        let contact: ContactId = ended.of.contact.parse().ok()?;
        let (offer, attempt) = read_attempt(&ended.of.offer)?;
        self.doomed.remove(&offer);
        let entry = self.relays.get_mut(relay)?;
        entry.sessions.remove(&(offer, attempt));
        // One of several devices: the offer goes on with another, or its call does.
        let goes_on = match ended.answered {
            true => entry.of(offer).any(|known| known.live.answered),
            false => entry.of(offer).next().is_some(),
        };
        (!goes_on).then_some(Input::ContactEnded {
            contact,
            offer,
            cause: ended.cause.into(),
            by: Some(ended.by),
        })
    }

    /// A relay's capacity.
    pub fn capacity(&mut self, relay: usize, capacity: Capacity) {
        if let Some(entry) = self.relays.get_mut(relay) {
            entry.capacity = Some(capacity);
        }
    }

    /// A relay is not followed at the moment.
    pub fn down(&mut self, relay: usize, why: String, now: Instant) {
        if let Some(entry) = self.relays.get_mut(relay) {
            entry.up = false;
            entry.down_since.get_or_insert(now);
            entry.last_error = Some(why);
        }
    }

    /// When a relay that is down is next taken for dead.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Instant> {
        let carrying = self
            .relays
            .iter()
            .filter(|relay| !relay.sessions.is_empty());
        carrying
            .filter_map(|relay| relay.down_since)
            .map(|since| since + RELAY_LOST_AFTER)
            .min()
    }

    /// Forgets the sessions of relays that are taken for dead. True when there were any.
    pub fn wake(&mut self, now: Instant) -> bool {
        let mut lost = false;
        for relay in &mut self.relays {
            let dead = relay
                .down_since
                .is_some_and(|since| since + RELAY_LOST_AFTER <= now);
            if dead && !relay.sessions.is_empty() {
                relay.sessions.clear();
                lost = true;
            }
        }
        lost
    }
}

fn sent_elsewhere(transferred: &SessionTransferred) -> Option<Input> {
    let (offer, _) = read_attempt(&transferred.of.offer)?;
    Some(Input::OfferTransferred {
        offer,
        by: transferred.by,
        to: transferred.to.clone(),
    })
}

fn told(notice: &SessionNotice) -> Option<Input> {
    let (offer, _) = read_attempt(&notice.of.offer)?;
    Some(Input::OfferNotice {
        offer,
        state: notice.state,
        code: notice.code,
    })
}

fn known(view: &SessionView) -> Option<Known> {
    let live = LiveSession {
        contact: view.contact.parse().ok()?,
        offer: read_attempt(&view.offer)?.0,
        agent: AgentId::new(view.agent.as_str()),
        since: view.answered_unix_ms.unwrap_or(view.started_unix_ms),
        answered: view.answered_unix_ms.is_some(),
    };
    Some(Known {
        session: view.id.clone(),
        live,
    })
}
