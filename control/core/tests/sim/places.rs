//! Callers who wait while control is started anew: their edges keep the places that control told, and bring
//! them to the next process, but for those who hang up first.

use super::model::Contact;
use super::oracle::Oracle;
use super::planted::CALM;
use super::{Plant, Profile, Step, UNIX_MS, World};
use patchbay_core::{ContactId, Facts, Input, KeptPlace, Output, QueueId};
use std::collections::{BTreeMap, BTreeSet};

/// What the oracle knows of places.
#[derive(Default)]
pub struct Places {
    told: BTreeMap<ContactId, KeptPlace>,
    /// Callers of the process before who have not come again yet.
    away: BTreeSet<ContactId>,
}

impl Oracle {
    /// A place is told as it is.
    pub(super) fn place_told(&mut self, place: &KeptPlace) {
        let id = place.contact;
        let contact = self.model.contacts.get(&id).expect("there");
        let queue = contact.queue.as_ref();
        assert_eq!(Some(&place.typed.queue), queue, "the queue kept for {id}");
        assert_eq!(
            place.arrived_unix_ms,
            UNIX_MS + contact.came,
            "the arrival kept for {id}"
        );
        assert_eq!(
            place.typed.priority, contact.priority,
            "the priority kept for {id}"
        );
        self.places.told.insert(id, place.clone());
    }

    /// The place of a caller who waits is known to who keeps it.
    pub(super) fn place_is_kept(&self, id: ContactId, contact: &Contact) {
        let asks = contact.asks_until.is_some() || contact.silent_since.is_some();
        let here = contact.call_back.is_none() && contact.only.is_none() && !asks;
        let Some(queue) = contact.queue.as_ref().filter(|_| here && contact.waiting()) else {
            return;
        };
        let told = self.places.told.get(&id);
        let told = told.map(|place| &place.typed.queue);
        assert_eq!(told, Some(queue), "the place of {id} is not kept");
    }

    /// Control is started anew: those who waited are kept, and wait for it. All of them, as they are now.
    pub(super) fn kept_over_restart(&mut self) -> Vec<ContactId> {
        let there = |id: &ContactId| {
            let contact = self.model.contacts.get(id);
            contact.is_some_and(|it| it.silent_since.is_none() && it.only.is_none())
        };
        let told = self.places.told.keys().copied();
        self.places.away.extend(told.filter(there));
        Vec::from_iter(self.places.away.iter().copied())
    }

    pub(super) fn is_away(&self, id: ContactId) -> bool {
        self.places.away.contains(&id)
    }

    /// A caller hangs up while control is away. False if it is not.
    pub(super) fn hangs_up_away(&mut self, id: ContactId) -> bool {
        let away = self.places.away.remove(&id);
        if away && !self.is_call_back(id) {
            self.model.answers.insert(id, 487);
        }
        away
    }

    /// A caller comes again with its place.
    pub(super) fn waits_on(&mut self, place: &KeptPlace, facts: &Facts, in_call: bool, now: u64) {
        let id = place.contact;
        self.places.away.remove(&id);
        if let Some(contact) = self.model.contacts.get_mut(&id) {
            if let Some(call_back) = contact.call_back.as_mut() {
                call_back.on_the_line = true;
            }
            return;
        }
        let queue = &place.typed.queue;
        let Some(declared) = self.model.queues.get(queue) else {
            self.arrived(id, facts, None, now);
            let seen = self.model.contacts.get_mut(&id).expect("arrived");
            (seen.hears, seen.in_call) = (in_call, in_call);
            return;
        };
        let remembers = declared.declared.sticky_seconds.is_some();
        self.arrived(id, facts, None, place.arrived_unix_ms - UNIX_MS);
        let seen = self.model.contacts.get_mut(&id).expect("arrived");
        seen.priority = place.typed.priority;
        seen.skills = place.typed.skills.clone();
        seen.from = facts.from.clone();
        (seen.hears, seen.in_call) = (in_call, in_call);
        seen.caller = remembers.then(|| facts.from.clone());
        self.enters(id, queue, place.entered_unix_ms - UNIX_MS);
    }
}

impl World {
    /// What its edge sends again if need be.
    pub(super) fn invites(&mut self, contact: ContactId, facts: &Facts) {
        self.kept.invites.insert(contact, facts.clone());
    }

    /// Callers come again, in any order.
    pub(super) fn bring_places(&mut self, kept: Vec<ContactId>) {
        for contact in kept {
            let soon = self.rng.range(0, 4_000);
            self.after(soon, Step::ComesAgain(contact, self.epoch));
        }
    }

    pub(super) fn comes_again(&mut self, contact: ContactId, epoch: u64) {
        if epoch != self.epoch || !self.oracle.is_away(contact) {
            return;
        }
        // A promise may be over by then.
        if self.oracle.model.answers.contains_key(&contact) {
            self.oracle.hangs_up_away(contact);
            return;
        }
        let place = self.oracle.places.told[&contact].clone();
        let facts = self.kept.invites[&contact].clone();
        self.tell(Input::PlaceKept {
            place: Box::new(place),
            facts: Box::new(facts),
            in_call: self.kept.in_call.contains(&contact),
        });
    }
}

/// What goes wrong with places, by what is said of it.
pub const PLANTS: [(&str, Profile, Plant); 2] = [
    ("is not kept", CALM, |_, said| {
        let before = said.len();
        said.retain(|output| !matches!(output, Output::KeepPlace(_)));
        said.len() < before
    }),
    ("the queue kept for", CALM, |_, said| {
        let wrong = said.iter_mut().find_map(|output| match output {
            Output::KeepPlace(place) => Some(place),
            _ => None,
        });
        wrong.is_some_and(|place| {
            place.typed.queue = QueueId::from("elsewhere");
            true
        })
    }),
];
