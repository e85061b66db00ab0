//! Contacts that are carried outside, as those see them who carry them (requirement D13): how each
//! stands, and what they told of it. Everything is learned from the distributor's events.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use patchbay_core::explain::Choice;
use patchbay_core::{
    AgentId, Carried, ContactId, EndCause, Event, Input, OfferId, QueueId, RefuseReason, Slot, Way,
    What,
};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::reported::{Meaning, Report, ReportError, failure};
use crate::store::contact_of;

/// How long a contact that is over is still answered for.
pub const KEEP_ROUTED: Duration = Duration::from_secs(120);

/// Contacts that are over and still answered for; beyond that the oldest are forgotten.
pub const MAX_ROUTED_KEPT: usize = 10_000;

/// Offers of one contact by whose names late reports are known as such; the oldest are forgotten.
const MAX_OFFERS_KNOWN: usize = 16;

/// A contact that is carried outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Routed {
    /// Which.
    pub contact: ContactId,
    /// Rises with each change; names the state that one who waits for a change has seen.
    pub revision: u64,
    /// How it stands.
    #[serde(flatten)]
    pub state: Stand,
}

/// How such a contact stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Stand {
    /// A server is being asked about it, or its customer's earlier contacts are looked up.
    Asking,
    /// No agent is free for it.
    Queued {
        /// Where it waits.
        queue: QueueId,
        /// Its place there, from 1.
        position: usize,
        /// How long it is expected to wait from now on, if that can be said.
        expected_ms: Option<u64>,
    },
    /// This agent is reserved for it.
    Offered {
        /// Names the reservation in reports.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Where the agent is called: its declared URI, or the Contact that its phone registered last
        /// of those with the highest `q`; none for one without a phone.
        uri: Option<String>,
        /// How long the reservation holds unless the answer is reported, from when it was made.
        ring_seconds: u64,
        /// From which queue.
        queue: QueueId,
        /// It was reported that the agent is being called.
        ringing: bool,
        /// Why this agent.
        choice: Choice,
    },
    /// The agent has it.
    Connected {
        /// The offer that was answered.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
    },
    /// It was served and is over.
    Ended {
        /// The offer that was answered.
        offer: OfferId,
        /// The agent.
        agent: AgentId,
        /// Why it ended.
        cause: EndCause,
    },
    /// Nobody will serve it.
    Refused {
        /// The SIP status that says it.
        status: u16,
        /// Why.
        why: RefuseReason,
        /// When it may be tried again, in seconds.
        retry_after_s: Option<u32>,
    },
    /// It is to go to this URI instead.
    Redirected {
        /// Where to.
        to: String,
    },
    /// Its customer gave up, or nobody asked about it.
    Abandoned,
}

#[derive(Debug)]
struct Entry {
    way: Way,
    medium: Slot,
    revision: u64,
    state: Stand,
    offers: VecDeque<OfferId>,
    queue: QueueId,
}

/// All contacts that are carried outside.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: FxHashMap<ContactId, Entry>,
    /// Those that are over, by when they ended.
    over: VecDeque<(Instant, ContactId)>,
    revisions: u64,
}

/// What is to be done after an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// Nothing.
    Nothing,
    /// Tell those who wait for a change.
    Changed,
    /// That too, and keep what is connected over a restart.
    Connected(Carried),
    /// That too, and forget it.
    Ended,
}

impl Book {
    /// Begins to follow a contact.
    pub(super) fn begin(&mut self, contact: ContactId, way: Way) {
        self.revisions += 1;
        let queue = QueueId::new("");
        let entry = Entry {
            way,
            medium: Slot::Call,
            revision: self.revisions,
            state: Stand::Asking,
            offers: VecDeque::new(),
            queue,
        };
        self.entries.insert(contact, entry);
    }

    /// Goes on with what was connected before a restart.
    pub(super) fn restore(&mut self, carried: &Carried) {
        self.begin(carried.contact, carried.way);
        if let Some(entry) = self.entries.get_mut(&carried.contact) {
            entry.medium = carried.medium;
            entry.offers.push_back(carried.offer);
            entry.state = Stand::Connected {
                offer: carried.offer,
                agent: carried.agent.clone(),
            };
        }
    }

    pub(super) fn has(&self, contact: ContactId) -> bool {
        self.entries.contains_key(&contact)
    }

    pub(super) fn get(&self, contact: ContactId) -> Option<Routed> {
        let entry = self.entries.get(&contact)?;
        Some(Routed {
            contact,
            revision: entry.revision,
            state: entry.state.clone(),
        })
    }

    /// Contacts that are followed, those that are over included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Learns where an agent is called that was just offered.
    pub(super) fn called_at(&mut self, contact: ContactId, at: Option<String>) {
        if let Some(entry) = self.entries.get_mut(&contact)
            && let Stand::Offered { uri, .. } = &mut entry.state
        {
            *uri = at;
        }
    }

    /// What a report means as the contact stands.
    pub(super) fn report(
        &self,
        contact: ContactId,
        report: &Report,
    ) -> Result<Meaning, ReportError> {
        let entry = self.entries.get(&contact);
        let entry = entry.ok_or(ReportError::Unknown(contact))?;
        let offer = match report {
            Report::Ringing { offer }
            | Report::Answered { offer }
            | Report::Failed { offer, .. }
            | Report::Ended { offer } => *offer,
            Report::Abandoned => return entry.abandoned(contact),
        };
        if !entry.offers.contains(&offer) {
            return Err(ReportError::NotItsOffer { contact, offer });
        }
        entry.means(contact, offer, report)
    }

    /// Follows an event.
    pub(super) fn follow(&mut self, event: &Event, now: Instant) -> Follow {
        let Some(contact) = contact_of(event) else {
            return Follow::Nothing;
        };
        let Some(entry) = self.entries.get_mut(&contact) else {
            return Follow::Nothing;
        };
        let Some(state) = entry.after(&event.what) else {
            return Follow::Nothing;
        };
        self.revisions += 1;
        entry.revision = self.revisions;
        entry.state = state;
        match &entry.state {
            Stand::Connected { offer, agent } => Follow::Connected(Carried {
                contact,
                offer: *offer,
                agent: agent.clone(),
                medium: entry.medium,
                way: entry.way,
                since: event.unix_ms,
            }),
            Stand::Asking | Stand::Queued { .. } | Stand::Offered { .. } => Follow::Changed,
            Stand::Ended { .. } => {
                self.keep_a_while(contact, now);
                Follow::Ended
            }
            Stand::Refused { .. } | Stand::Redirected { .. } | Stand::Abandoned => {
                self.keep_a_while(contact, now);
                Follow::Changed
            }
        }
    }

    fn keep_a_while(&mut self, contact: ContactId, now: Instant) {
        self.over.push_back((now, contact));
        while let Some((since, contact)) = self.over.front().copied()
            && (since + KEEP_ROUTED < now || self.over.len() > MAX_ROUTED_KEPT)
        {
            self.over.pop_front();
            self.entries.remove(&contact);
        }
    }
}

impl Entry {
    /// How it stands after an event; none if that changes nothing.
    fn after(&mut self, what: &What) -> Option<Stand> {
        Some(match what {
            What::ContactTyped { queue, medium, .. } => {
                self.queue = queue.clone();
                self.medium = *medium;
                self.queued(1, None)
            }
            What::ContactMoved { queue, .. } => {
                self.queue = queue.clone();
                self.queued(1, None)
            }
            What::ContactQueued {
                position,
                expected_ms,
                ..
            } => self.queued(*position, *expected_ms),
            What::ContactOffered { .. } => self.offered(what)?,
            What::OfferRinging { .. } => self.rings()?,
            What::OfferFailed { offer, .. } if self.is_offered(*offer) => self.queued(1, None),
            What::ContactConnected { offer, agent, .. } => Stand::Connected {
                offer: *offer,
                agent: agent.clone(),
            },
            What::ContactEnded {
                offer,
                agent,
                cause,
                ..
            } => Stand::Ended {
                offer: *offer,
                agent: agent.clone(),
                cause: *cause,
            },
            What::ContactRefused {
                status,
                why,
                retry_after_s,
                ..
            } => Stand::Refused {
                status: *status,
                why: *why,
                retry_after_s: *retry_after_s,
            },
            What::ContactRedirected { to, .. } => Stand::Redirected { to: to.clone() },
            What::ContactAbandoned { .. } => Stand::Abandoned,
            _ => return None,
        })
    }

    fn queued(&self, position: usize, expected_ms: Option<u64>) -> Stand {
        Stand::Queued {
            queue: self.queue.clone(),
            position,
            expected_ms,
        }
    }

    fn offered(&mut self, what: &What) -> Option<Stand> {
        let What::ContactOffered {
            offer,
            agent,
            queue,
            ring_ms,
            choice,
            ..
        } = what
        else {
            return None;
        };
        if self.offers.len() >= MAX_OFFERS_KNOWN {
            self.offers.pop_front();
        }
        self.offers.push_back(*offer);
        Some(Stand::Offered {
            offer: *offer,
            agent: agent.clone(),
            uri: None,
            ring_seconds: ring_ms / 1_000,
            queue: queue.clone(),
            ringing: false,
            choice: choice.clone(),
        })
    }

    /// Whether it is offered by this offer: the end of one that was taken back is told later.
    fn is_offered(&self, offer: OfferId) -> bool {
        matches!(&self.state, Stand::Offered { offer: of, .. } if *of == offer)
    }

    fn rings(&self) -> Option<Stand> {
        let mut state = self.state.clone();
        match &mut state {
            Stand::Offered { ringing, .. } => *ringing = true,
            _ => return None,
        }
        Some(state)
    }

    fn abandoned(&self, contact: ContactId) -> Result<Meaning, ReportError> {
        match &self.state {
            // Its caller waits here by SIP.
            Stand::Asking | Stand::Queued { .. } | Stand::Offered { .. }
                if self.way == Way::Redirect =>
            {
                Err(ReportError::Unknown(contact))
            }
            Stand::Asking | Stand::Queued { .. } | Stand::Offered { .. } => {
                Ok(Meaning::Tell(Input::ContactCancelled { contact }))
            }
            Stand::Connected { offer, .. } => Err(ReportError::Answered(*offer)),
            Stand::Ended { .. }
            | Stand::Refused { .. }
            | Stand::Redirected { .. }
            | Stand::Abandoned => Ok(Meaning::Known),
        }
    }

    /// What a report of one of its offers means.
    fn means(
        &self,
        contact: ContactId,
        offer: OfferId,
        report: &Report,
    ) -> Result<Meaning, ReportError> {
        let open = self.is_offered(offer);
        let live = matches!(&self.state, Stand::Connected { offer: of, .. } if *of == offer);
        let ended = |cause| Input::ContactEnded {
            contact,
            offer,
            cause,
            by: None,
        };
        let tell = |input| Ok(Meaning::Tell(input));
        match report {
            Report::Ringing { .. } if open => tell(Input::OfferRinging { offer }),
            Report::Answered { .. } if open => tell(Input::OfferAnswered { offer }),
            Report::Ringing { .. } | Report::Answered { .. } if live => Ok(Meaning::Known),
            Report::Ringing { .. } | Report::Answered { .. } => Err(ReportError::OfferOver(offer)),
            Report::Failed { cause, status, .. } if open => tell(Input::OfferFailed {
                offer,
                cause: failure(*cause, *status),
                code: status.unwrap_or(0),
            }),
            // Whoever was told to call the agent found that it cannot.
            Report::Failed { .. } if live => tell(ended(EndCause::Refused)),
            Report::Ended { .. } if open || live => tell(ended(EndCause::Reported)),
            Report::Failed { .. } | Report::Ended { .. } | Report::Abandoned => Ok(Meaning::Known),
        }
    }
}
