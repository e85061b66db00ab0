//! Ended offers and contacts, remembered for a while so that late and repeated events are
//! recognised.

use crate::id::{AgentId, ContactId, OfferId};
use crate::limits::{MAX_REMEMBERED, REMEMBER};
use core::time::Duration;
use patchbay_sip::shards::Shards;
use std::collections::VecDeque;

/// An offer that is over.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    /// What it was; none for a session that ended before it was known here.
    pub of: Option<(ContactId, AgentId)>,
    /// When it ended.
    pub ended: Duration,
    /// Its session on the relay is over: a late answer means nothing. Otherwise our side gave up
    /// and an answer may still come.
    pub session_over: bool,
}

#[derive(Clone, Copy, Debug)]
enum Key {
    Offer(OfferId),
    Contact(ContactId),
}

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    offers: Shards<OfferId, Past>,
    contacts: Shards<ContactId, Duration>,
    order: VecDeque<(Duration, Key)>,
}

impl Memory {
    /// Remembers an offer. Returns how many others had to be forgotten early.
    pub fn offer(&mut self, offer: OfferId, past: Past) -> u64 {
        self.order.push_back((past.ended, Key::Offer(offer)));
        self.offers.insert(offer, past);
        self.shrink()
    }

    /// Remembers a contact. Returns how many others had to be forgotten early.
    pub fn contact(&mut self, contact: ContactId, now: Duration) -> u64 {
        self.order.push_back((now, Key::Contact(contact)));
        self.contacts.insert(contact, now);
        self.shrink()
    }

    pub fn past(&self, offer: OfferId) -> Option<&Past> {
        self.offers.get(&offer)
    }

    pub fn forget_offer(&mut self, offer: OfferId) {
        self.offers.remove(&offer);
    }

    pub fn had_contact(&self, contact: ContactId) -> bool {
        self.contacts.contains_key(&contact)
    }

    /// Forgets what is older than [`REMEMBER`].
    pub fn expire(&mut self, now: Duration) {
        while self
            .order
            .front()
            .is_some_and(|(at, _)| at.saturating_add(REMEMBER) < now)
        {
            self.forget_first();
        }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    fn shrink(&mut self) -> u64 {
        let mut forgotten = 0;
        while self.order.len() > MAX_REMEMBERED {
            self.forget_first();
            forgotten += 1;
        }
        forgotten
    }

    fn forget_first(&mut self) {
        match self.order.pop_front() {
            // An offer may have ended once more since; then a later entry stands for it.
            Some((at, Key::Offer(offer)))
                if self.offers.get(&offer).is_some_and(|p| p.ended == at) =>
            {
                self.offers.remove(&offer);
            }
            Some((at, Key::Contact(contact))) if self.contacts.get(&contact) == Some(&at) => {
                self.contacts.remove(&contact);
            }
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_in_time_and_number() {
        let mut memory = Memory::default();
        for number in 0..(MAX_REMEMBERED as u64 + 10) {
            memory.contact(ContactId(number), Duration::from_secs(1));
        }
        assert_eq!(memory.len(), MAX_REMEMBERED);
        assert!(!memory.had_contact(ContactId(9)) && memory.had_contact(ContactId(10)));
        memory.expire(Duration::from_secs(1) + REMEMBER);
        assert_eq!(memory.len(), MAX_REMEMBERED);
        memory.expire(Duration::from_secs(2) + REMEMBER);
        assert_eq!((memory.len(), memory.contacts.len()), (0, 0));
    }
}
