//! What is known of the relays: who is there, and which sessions each carries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use patchbay_core::{AgentId, ContactId, Input, LiveSession, OfferId};
use patchbay_route::session::{
    Capacity, Ended, RelayEvent, SessionEvent, SessionList, SessionRef, SessionView,
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
    sessions: BTreeMap<OfferId, Known>,
}

impl Relay {
    /// Sessions that it carries as far as is known.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }
}

#[derive(Debug)]
struct Known {
    session: String,
    live: LiveSession,
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
            .filter_map(known)
            .map(|k| (k.live.offer, k))
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
        self.doomed
            .retain(|offer| !self.relays.iter().any(|r| r.sessions.contains_key(offer)));
        found
    }

    /// All sessions of all relays. Relays that are lost have none.
    #[must_use]
    pub fn live(&self) -> Vec<LiveSession> {
        let sessions = self.relays.iter().flat_map(|relay| relay.sessions.values());
        sessions.map(|known| known.live.clone()).collect()
    }

    /// Whether a relay reported this session.
    #[must_use]
    pub fn find(&self, offer: OfferId) -> Option<Place> {
        self.relays.iter().enumerate().find_map(|(relay, entry)| {
            let session = entry.sessions.get(&offer)?.session.clone();
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
            SessionEvent::Ended(ended) => (self.ended(relay, ended), None),
        }
    }

    fn seen(&mut self, relay: usize, of: &SessionRef, answered: bool, since: u64) -> Option<Place> {
        let contact = of.contact.parse().ok()?;
        let offer: OfferId = of.offer.parse().ok()?;
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
            .insert(offer, Known { session, live });
        if self.doomed.remove(&offer) {
            self.find(offer)
        } else {
            None
        }
    }

    fn ended(&mut self, relay: usize, ended: &Ended) -> Option<Input> {
        let contact: ContactId = ended.of.contact.parse().ok()?;
        let offer: OfferId = ended.of.offer.parse().ok()?;
        self.doomed.remove(&offer);
        self.relays.get_mut(relay)?.sessions.remove(&offer);
        Some(Input::ContactEnded {
            contact,
            offer,
            cause: ended.cause.into(),
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

fn known(view: &SessionView) -> Option<Known> {
    let live = LiveSession {
        contact: view.contact.parse().ok()?,
        offer: view.offer.parse().ok()?,
        agent: AgentId::new(view.agent.as_str()),
        since: view.answered_unix_ms.unwrap_or(view.started_unix_ms),
        answered: view.answered_unix_ms.is_some(),
    };
    Some(Known {
        session: view.id.clone(),
        live,
    })
}
