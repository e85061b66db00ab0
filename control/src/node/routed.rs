//! Contacts that are carried outside, as those see them who carry them (requirement D13): how each
//! stands, and what they told of it. Everything is learned from the distributor's events.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use patchbay_core::{
    Carried, ContactId, EndCause, Event, Input, OfferId, QueueId, Slot, Way, What,
};
use rustc_hash::FxHashMap;

use super::reported::{Meaning, Report, ReportError, failure};
use super::stand::{Promise, Routed, Stand};
use crate::store::contact_of;

/// How long a contact that is over is still answered for.
pub const KEEP_ROUTED: Duration = Duration::from_secs(120);

/// Contacts that are over and still answered for; beyond that the oldest are forgotten.
pub const MAX_ROUTED_KEPT: usize = 10_000;

/// Offers of one contact by whose names late reports are known as such; the oldest are forgotten.
const MAX_OFFERS_KNOWN: usize = 16;

#[derive(Debug)]
struct Entry {
    way: Way,
    medium: Slot,
    revision: u64,
    state: Stand,
    offers: VecDeque<OfferId>,
    queue: QueueId,
    call_back: Option<Promise>,
    asked_by: Option<String>,
    /// Where a program serves it.
    served_at: Option<String>,
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
            call_back: None,
            asked_by: None,
            served_at: None,
        };
        self.entries.insert(contact, entry);
    }

    /// Remembers which token asked for a contact.
    pub(super) fn asked_by(&mut self, contact: ContactId, token: String) {
        if let Some(entry) = self.entries.get_mut(&contact) {
            entry.asked_by = Some(token);
        }
    }

    /// Goes on with what was connected before a restart.
    pub(super) fn restore(&mut self, carried: &Carried) {
        self.begin(carried.contact, carried.way);
        if let Some(entry) = self.entries.get_mut(&carried.contact) {
            entry.medium = carried.medium;
            entry.asked_by = carried.asked_by.clone();
            entry.offers.push_back(carried.offer);
            entry.state = Stand::Connected {
                offer: carried.offer,
                agent: carried.agent.clone(),
                uri: None,
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
            asked_by: entry.asked_by.clone(),
            call_back: entry.call_back.clone(),
            state: entry.state.clone(),
        })
    }

    /// Contacts whose customers are to be called and have not been reached.
    pub(super) fn promised(&self) -> impl Iterator<Item = ContactId> {
        let open = self.entries.iter().filter(|(_, entry)| {
            let open = matches!(
                entry.state,
                Stand::Scheduled { .. } | Stand::Queued { .. } | Stand::Offered { .. }
            );
            open && entry.call_back.is_some()
        });
        open.map(|(contact, _)| *contact)
    }

    /// Whether its customer is to be called.
    pub(super) fn is_call_back(&self, contact: ContactId) -> bool {
        let entry = self.entries.get(&contact);
        entry.is_some_and(|entry| entry.call_back.is_some())
    }

    /// What says that nobody wants the contact any more.
    pub(super) fn given_up(&self, contact: ContactId) -> Input {
        match self.is_call_back(contact) {
            true => Input::CallBackWithdrawn { contact },
            false => Input::ContactCancelled { contact },
        }
    }

    /// Contacts that are followed, those that are over included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Learns where an agent is called that was just offered.
    pub(super) fn called_at(&mut self, contact: ContactId, at: Option<String>, by: Option<String>) {
        if let Some(entry) = self.entries.get_mut(&contact)
            && let Stand::Offered { uri, claim, .. } = &mut entry.state
        {
            (*uri, *claim) = (at, by);
        }
    }

    /// Whoever asked for a contact has called here, and the relay carries it from now on.
    pub(super) fn claimed(&mut self, contact: ContactId) {
        if let Some(entry) = self.entries.get_mut(&contact) {
            entry.way = Way::Relay;
        }
    }

    /// Whether that is so.
    pub(super) fn is_claimed(&self, contact: ContactId) -> bool {
        let entry = self.entries.get(&contact);
        entry.is_some_and(|entry| entry.way == Way::Relay)
    }

    /// Learns where a program serves a contact that it takes.
    pub(super) fn served_at(&mut self, contact: ContactId, at: Option<String>) {
        if let Some(entry) = self.entries.get_mut(&contact) {
            entry.served_at = at;
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
        if entry.way == Way::Relay {
            return Err(ReportError::Claimed(contact));
        }
        let offer = match report {
            Report::Ringing { offer }
            | Report::Calling { offer }
            | Report::Answered { offer }
            | Report::Failed { offer, .. }
            | Report::Ended { offer } => *offer,
            Report::Abandoned => {
                return entry.abandoned(contact, || self.given_up(contact));
            }
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
            Stand::Connected { .. } if entry.way == Way::Relay => Follow::Changed,
            Stand::Connected { offer, agent, .. } => Follow::Connected(Carried {
                contact,
                offer: *offer,
                agent: agent.clone(),
                medium: entry.medium,
                way: entry.way,
                since: event.unix_ms,
                asked_by: entry.asked_by.clone(),
            }),
            Stand::Asking
            | Stand::Scheduled { .. }
            | Stand::Queued { .. }
            | Stand::Offered { .. } => Follow::Changed,
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
            What::CallBackPromised { .. }
            | What::CallBackKept { .. }
            | What::CallBackPutOff { .. } => self.promised(what)?,
            What::ContactOffered { .. } => self.offered(what)?,
            What::OfferRinging { .. } | What::CallBackDialled { .. } => self.rings()?,
            What::OfferFailed { offer, .. } if self.is_offered(*offer) => self.queued(1, None),
            What::ContactConnected { offer, agent, .. } => Stand::Connected {
                offer: *offer,
                agent: agent.clone(),
                uri: self.served_at.take(),
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

    fn promised(&mut self, what: &What) -> Option<Stand> {
        let (queue, due, tries) = match what {
            What::CallBackPromised {
                queue, due_unix_ms, ..
            } => (queue, due_unix_ms, 0),
            What::CallBackKept {
                queue,
                due_unix_ms,
                tries,
                ..
            }
            | What::CallBackPutOff {
                queue,
                due_unix_ms,
                tries,
                ..
            } => (queue, due_unix_ms, *tries),
            _ => return None,
        };
        if let What::CallBackPromised { to, .. } | What::CallBackKept { to, .. } = what {
            self.call_back = Some(Promise {
                to: to.clone(),
                due_unix_ms: *due,
                tries,
            });
            self.medium = Slot::CallBack;
        }
        if let Some(promise) = &mut self.call_back {
            (promise.due_unix_ms, promise.tries) = (*due, tries);
        }
        self.queue = queue.clone();
        Some(Stand::Scheduled {
            queue: queue.clone(),
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
            claim: None,
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

    fn abandoned(
        &self,
        contact: ContactId,
        given_up: impl FnOnce() -> Input,
    ) -> Result<Meaning, ReportError> {
        match &self.state {
            Stand::Scheduled { .. } => Ok(Meaning::Tell(given_up())),
            // Its caller waits here by SIP.
            Stand::Asking | Stand::Queued { .. } | Stand::Offered { .. }
                if self.way == Way::Redirect =>
            {
                Err(ReportError::Unknown(contact))
            }
            Stand::Asking | Stand::Queued { .. } | Stand::Offered { .. } => {
                Ok(Meaning::Tell(given_up()))
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
            Report::Calling { .. } if self.call_back.is_none() => {
                Err(ReportError::NotACallBack(contact))
            }
            Report::Calling { .. } if open => tell(Input::CallBackDialled { offer }),
            Report::Answered { .. } if open => tell(Input::OfferAnswered { offer }),
            Report::Ringing { .. } | Report::Calling { .. } | Report::Answered { .. } if live => {
                Ok(Meaning::Known)
            }
            Report::Ringing { .. } | Report::Calling { .. } | Report::Answered { .. } => {
                Err(ReportError::OfferOver(offer))
            }
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
