//! Other centres that give agents (requirement D12). A contact that waits asks there too and keeps its
//! place here: whoever is free first, here or there, has it.
//!
//! A *door* is the way from one queue to another centre. By it ask at most so many contacts as is declared,
//! those that came first; the others stand behind. When nothing comes of asking, the door is closed for a
//! while, and opened for one alone until the other centre takes what it asks. A contact stands at a door
//! only while it waits and is offered to nobody; one that another centre sent asks nowhere.

use super::{Distributor, millis, seconds};
use crate::centre::{Centre, Site};
use crate::contact::{Contact, State, Ticket, Way};
use crate::event::{OfferEnd, What};
use crate::id::{AgentId, ContactId, OfferId, QueueId, SiteId};
use crate::limits::{LONGEST_SITE_PAUSE, SITE_PAUSE};
use crate::output::Output;
use crate::selection::Place;
use crate::site::{SiteAsk, SiteFailure};
use crate::slot::Slot;
use crate::timers::Timer;
use core::time::Duration;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The ways from the queues to other centres.
#[derive(Debug, Default)]
pub(super) struct Doors {
    list: Vec<Door>,
    by_queue: FxHashMap<QueueId, Vec<usize>>,
}

#[derive(Debug)]
struct Door {
    site: Arc<Site>,
    /// The queue's name there.
    theirs: QueueId,
    asked: BTreeSet<ContactId>,
    behind: BTreeSet<Place>,
    /// In a row.
    failures: u32,
    closed: bool,
}

impl Doors {
    fn new(sites: &[Site]) -> Self {
        let mut doors = Self::default();
        for site in sites {
            let site = Arc::new(site.clone());
            for (ours, theirs) in &site.queues {
                let of_queue = doors.by_queue.entry(ours.clone()).or_default();
                of_queue.push(doors.list.len());
                doors.list.push(Door {
                    site: Arc::clone(&site),
                    theirs: theirs.clone(),
                    asked: BTreeSet::new(),
                    behind: BTreeSet::new(),
                    failures: 0,
                    closed: false,
                });
            }
        }
        doors
    }

    /// Contacts at all doors.
    pub fn len(&self) -> usize {
        let doors = self.list.iter();
        doors.map(|door| door.asked.len() + door.behind.len()).sum()
    }

    /// Whether somebody elsewhere may serve a queue.
    pub fn lead_on(&self, queue: &QueueId) -> bool {
        let of_queue = self.by_queue.get(queue).into_iter().flatten();
        let mut doors = of_queue.filter_map(|at| self.list.get(*at));
        doors.any(|door| !door.closed)
    }

    fn of_queue(&self, queue: &QueueId) -> Vec<usize> {
        self.by_queue.get(queue).cloned().unwrap_or_default()
    }
}

impl Door {
    fn has_room(&self) -> bool {
        let most = if self.failures > 0 {
            1
        } else {
            self.site.max_at_once
        };
        !self.closed && self.asked.len() < most
    }

    fn pause(&self) -> Duration {
        let doubled = self.failures.saturating_sub(1).min(16);
        SITE_PAUSE
            .saturating_mul(1 << doubled)
            .min(LONGEST_SITE_PAUSE)
    }
}

impl Distributor {
    /// Lets a contact that waits ask other centres, at once or when it has waited here for as long as is
    /// declared.
    pub(super) fn look_elsewhere(&mut self, contact: ContactId) {
        if self.doors.list.is_empty() {
            return;
        }
        let found = self.contacts.get(&contact).filter(|it| may_ask(it));
        let Some((found, ticket)) = found.and_then(|it| Some((it, it.ticket.as_ref()?))) else {
            return;
        };
        let (since, not_before) = (found.waits_from(), ticket.elsewhere_from);
        for at in self.doors.of_queue(&ticket.typed.queue.clone()) {
            let Some(door) = self.doors.list.get(at) else {
                continue;
            };
            let due = since.saturating_add(seconds(door.site.after_seconds));
            let due = due.max(not_before);
            if due > self.now.mono {
                self.timers.set(Timer::Elsewhere(contact, at), due);
            } else {
                self.asks_by(contact, at);
            }
        }
    }

    /// A contact comes to a door.
    pub(super) fn asks_by(&mut self, contact: ContactId, at: usize) {
        let found = self.contacts.get(&contact).filter(|it| may_ask(it));
        let place = found.and_then(|it| Some(it.ticket.as_ref()?.place));
        let Some((place, door)) = place.zip(self.doors.list.get_mut(at)) else {
            return;
        };
        if !door.asked.contains(&contact) {
            door.behind.insert(place);
            self.let_in(at);
        }
    }

    /// Those who stand behind ask, as many as may, in the order of their places.
    fn let_in(&mut self, at: usize) {
        while let Some(door) = self.doors.list.get_mut(at)
            && door.has_room()
            && let Some(place) = door.behind.pop_first()
        {
            door.asked.insert(place.contact);
            let (site, theirs) = (Arc::clone(&door.site), door.theirs.clone());
            self.ask_there(place.contact, site, theirs);
        }
    }

    fn ask_there(&mut self, contact: ContactId, site: Arc<Site>, queue: QueueId) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let Some(ticket) = &found.ticket else {
            return;
        };
        let ask = Box::new(SiteAsk {
            queue,
            medium: ticket.slot,
            from: ticket.from.clone(),
            to: ticket.to.clone(),
            skills: ticket.skills().clone(),
            priority: ticket.typed.priority,
            waited: self.now.mono.saturating_sub(found.waits_from()),
        });
        let (queue, waited_ms) = (
            ticket.typed.queue.clone(),
            self.since_ms(found.waits_from()),
        );
        let id = site.id.clone();
        self.counters.sites_asked += 1;
        self.out(Output::AskSite { contact, site, ask });
        self.tell(What::SiteAsked {
            contact,
            site: id,
            queue,
            waited_ms,
        });
    }

    /// A contact does not wait any more, or not for what it asked for.
    pub(super) fn leave_doors(&mut self, contact: ContactId) {
        if self.doors.list.is_empty() {
            return;
        }
        let found = self.contacts.get(&contact);
        let Some(ticket) = found.and_then(|found| found.ticket.as_ref()) else {
            return;
        };
        let place = ticket.place;
        for at in self.doors.of_queue(&ticket.typed.queue.clone()) {
            self.timers.cancel(&Timer::Elsewhere(contact, at));
            let Some(door) = self.doors.list.get_mut(at) else {
                continue;
            };
            door.behind.remove(&place);
            if door.asked.remove(&contact) {
                let site = door.site.id.clone();
                self.out(Output::LeaveSite { contact, site });
                self.let_in(at);
            }
        }
    }

    /// A contact that stands behind has another place.
    pub(super) fn moves_at_doors(&mut self, queue: &QueueId, before: Place, now: Place) {
        for at in self.doors.of_queue(queue) {
            if let Some(door) = self.doors.list.get_mut(at)
                && door.behind.remove(&before)
            {
                door.behind.insert(now);
            }
        }
    }

    /// The door by which a contact asks a centre; what comes from there after it has left is dropped.
    fn door(&mut self, contact: ContactId, site: &SiteId) -> Option<usize> {
        let mut doors = self.doors.list.iter();
        let at = doors.position(|door| door.site.id == *site && door.asked.contains(&contact));
        self.counters.dropped_late += u64::from(at.is_none());
        at
    }

    pub(super) fn site_took(&mut self, contact: ContactId, site: &SiteId) {
        if let Some(at) = self.door(contact, site) {
            self.door_works(at);
        }
    }

    fn door_works(&mut self, at: usize) {
        if let Some(door) = self.doors.list.get_mut(at) {
            door.failures = 0;
            door.closed = false;
        }
        self.timers.cancel(&Timer::Door(at));
        self.let_in(at);
    }

    /// Another centre has reserved its agent: the contact is offered to it like to one of ours.
    pub(super) fn site_offered(&mut self, contact: ContactId, site: &SiteId, agent: &AgentId) {
        let Some(at) = self.door(contact, site) else {
            return;
        };
        let agent = AgentId::new(format!("{agent}@{site}"));
        if let Some(door) = self.doors.list.get_mut(at) {
            door.asked.remove(&contact);
        }
        self.door_works(at);
        if !self.know_agent(&agent) {
            self.counters.dropped_adoption += 1;
            return self.ask_later(contact);
        }
        self.counters.sites_offered += 1;
        self.offer(contact, &agent);
        let found = self.contacts.get(&contact);
        let offer = found.and_then(|found| found.ticket.as_ref()?.offers.last().copied());
        if let Some(leg) = offer.and_then(|offer| self.legs.get_mut(&offer)) {
            leg.site = Some(site.clone());
        }
    }

    fn ask_later(&mut self, contact: ContactId) {
        let from = self.now.mono.saturating_add(SITE_PAUSE);
        let found = self.contacts.get_mut(&contact);
        if let Some(ticket) = found.and_then(|found| found.ticket.as_mut()) {
            ticket.elsewhere_from = from;
        }
        self.look_elsewhere(contact);
    }

    pub(super) fn site_gone(&mut self, contact: ContactId, site: &SiteId, why: SiteFailure) {
        let Some(at) = self.door(contact, site) else {
            return;
        };
        if let Some(door) = self.doors.list.get_mut(at) {
            door.asked.remove(&contact);
        }
        self.door_fails(contact, at, why);
        self.asks_by(contact, at);
    }

    /// An offer to another centre's agent ended without an answer: its contact asks there again, but not at
    /// once, and nobody does if calls do not arrive there.
    pub(super) fn lost_there(&mut self, offer: OfferId, why: OfferEnd) {
        let Some(leg) = self.legs.get(&offer) else {
            return;
        };
        let (Some(site), contact) = (leg.site.clone(), leg.contact) else {
            return;
        };
        let from = self.now.mono.saturating_add(SITE_PAUSE);
        let found = self.contacts.get_mut(&contact);
        let Some(ticket) = found.and_then(|found| found.ticket.as_mut()) else {
            return;
        };
        ticket.elsewhere_from = from;
        let doors = self.doors.of_queue(&ticket.typed.queue.clone());
        let of_site = |at: &usize| {
            let door = self.doors.list.get(*at);
            door.is_some_and(|door| door.site.id == site)
        };
        let at = doors.into_iter().find(of_site);
        if let Some(at) = at.filter(|_| matches!(why, OfferEnd::Unreachable | OfferEnd::Error)) {
            self.door_fails(contact, at, SiteFailure::CallFailed);
        }
    }

    fn door_fails(&mut self, contact: ContactId, at: usize, why: SiteFailure) {
        let now = self.now.mono;
        let Some(door) = self.doors.list.get_mut(at) else {
            return;
        };
        if !door.closed {
            door.failures = door.failures.saturating_add(1);
            door.closed = true;
            let opens = now.saturating_add(door.pause());
            self.timers.set(Timer::Door(at), opens);
        }
        let (site, pause_ms) = (door.site.id.clone(), millis(door.pause()));
        self.counters.sites_failed += 1;
        self.tell(What::SiteFailed {
            contact,
            site,
            why,
            pause_ms,
        });
    }

    pub(super) fn door_opens(&mut self, at: usize) {
        if let Some(door) = self.doors.list.get_mut(at) {
            door.closed = false;
        }
        self.let_in(at);
    }

    /// Doors are made anew only where other centres were declared otherwise: what is asked there stays.
    pub(super) fn replace_doors(&mut self, centre: &Centre) {
        let before = self.centre.as_ref().map(|before| &before.sites);
        if before.unwrap_or(&Vec::new()) == &centre.sites {
            for door in &mut self.doors.list {
                // Their places are made anew.
                door.behind.clear();
            }
            return;
        }
        let doors = core::mem::replace(&mut self.doors, Doors::new(&centre.sites));
        for (at, door) in doors.list.into_iter().enumerate() {
            self.timers.cancel(&Timer::Door(at));
            for contact in door.asked {
                let site = door.site.id.clone();
                self.out(Output::LeaveSite { contact, site });
            }
            for (contact, _) in self.contacts.iter() {
                self.timers.cancel(&Timer::Elsewhere(*contact, at));
            }
        }
    }

    /// All who wait come to the doors that were made anew.
    pub(super) fn knock_again(&mut self) {
        if self.doors.list.is_empty() {
            return;
        }
        let mut waiting: BTreeMap<Place, ContactId> = BTreeMap::new();
        for (id, found) in self.contacts.iter().filter(|(_, found)| may_ask(found)) {
            if let Some(ticket) = &found.ticket {
                waiting.insert(ticket.place, *id);
            }
        }
        for contact in waiting.into_values() {
            self.look_elsewhere(contact);
        }
    }
}

/// Whether a contact may ask other centres.
fn may_ask(contact: &Contact) -> bool {
    let asks = |ticket: &Ticket| {
        let spoken = matches!(ticket.slot, Slot::Call | Slot::Video);
        let free = ticket.only.is_none() && ticket.call_back.is_none() && ticket.queue.is_some();
        spoken && free && ticket.way != Way::Outside
    };
    contact.state == State::Waiting && contact.ticket.as_ref().is_some_and(asks)
}
