//! What callers hear who wait, and the keys that they press (requirement D14).

use super::{Distributor, seconds};
use crate::centre::{EXPECTED_WAIT, Overflow, POSITION, Waiting};
use crate::contact::{State, Ticket, Way};
use crate::event::What;
use crate::id::ContactId;
use crate::output::{Output, RefuseReason};
use crate::timers::Timer;
use patchbay_route::waiting::{Part, Say};

/// The medium in which anything can be heard.
const AUDIBLE: &str = "audio";

/// Whether its caller can hear anything: nobody else carries it, and there is audio.
fn hears(ticket: &Ticket) -> bool {
    let here = ticket.way != Way::Outside;
    here && ticket.media.iter().any(|kind| kind == AUDIBLE)
}

impl Distributor {
    /// Lets the caller of a contact that waits hear what its queue declares, unless it does already.
    pub(super) fn let_hear(&mut self, contact: ContactId) {
        let Some(waiting) = self.heard_by(contact) else {
            return;
        };
        let (music, language) = (waiting.music.clone(), waiting.language.clone());
        let answer = waiting.answer;
        let first = seconds(waiting.first_seconds);
        let found = self.contacts.get_mut(&contact);
        let Some(ticket) = found.and_then(|found| found.ticket.as_mut()) else {
            return;
        };
        if std::mem::replace(&mut ticket.hears, true) {
            return;
        }
        ticket.picked_up = answer;
        let due = self.now.mono.saturating_add(first);
        self.timers.set(Timer::Announce(contact), due);
        self.out(Output::Hear {
            contact,
            music,
            language,
            answer,
        });
    }

    /// The caller waits in another queue now: it hears what is heard there, from the next
    /// announcement on.
    pub(super) fn hear_anew(&mut self, contact: ContactId) {
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        if !ticket.is_some_and(|ticket| ticket.hears) {
            return;
        }
        self.timers.cancel(&Timer::Announce(contact));
        let Some(waiting) = self.heard_by(contact) else {
            return;
        };
        let say = Say {
            parts: Vec::new(),
            music: Some(waiting.music.clone()),
            language: Some(waiting.language.clone()),
        };
        let due = self.now.mono.saturating_add(seconds(waiting.first_seconds));
        self.timers.set(Timer::Announce(contact), due);
        self.out(Output::Say { contact, say });
    }

    fn heard_by(&self, contact: ContactId) -> Option<&Waiting> {
        let ticket = self.contacts.get(&contact)?.ticket.as_ref()?;
        let queue = self.queues.get(ticket.queue.filter(|_| hears(ticket))?)?;
        queue.declared.waiting.as_ref()
    }

    /// Says to a caller who goes what its queue declares.
    pub(super) fn says_farewell(&mut self, contact: ContactId, overflow: &Overflow) {
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        let Some(ticket) = ticket.filter(|it| hears(it) && !overflow.say.is_empty()) else {
            return;
        };
        let queue = ticket.queue.and_then(|queue| self.queues.get(queue));
        let waiting = queue.and_then(|queue| queue.declared.waiting.clone());
        let parts = overflow.say.iter().cloned().map(Part::Recording);
        self.out(Output::Farewell {
            contact,
            language: waiting.unwrap_or_default().language,
            say: Say {
                parts: parts.collect(),
                ..Say::default()
            },
            lasts: seconds(overflow.say_seconds),
        });
    }

    /// The time of an announcement has come. While a phone rings nothing is said.
    pub(super) fn announce(&mut self, contact: ContactId) {
        if self.says_menu(contact) {
            return;
        }
        let Some(waiting) = self.heard_by(contact) else {
            return;
        };
        let every = waiting.every_seconds;
        let say = self.announcement(contact, waiting);
        if let Some(say) = say.filter(|say| !say.parts.is_empty()) {
            self.out(Output::Say { contact, say });
        }
        if every > 0 {
            let due = self.now.mono.saturating_add(seconds(every));
            self.timers.set(Timer::Announce(contact), due);
        }
    }

    fn announcement(&self, contact: ContactId, waiting: &Waiting) -> Option<Say> {
        let found = self.contacts.get(&contact)?;
        let waits = found.state == State::Waiting;
        let ticket = found.ticket.as_ref().filter(|_| waits)?;
        let parts = waiting
            .say
            .iter()
            .filter_map(|name| self.part(ticket, name));
        Some(Say {
            parts: parts.collect(),
            ..Say::default()
        })
    }

    fn part(&self, ticket: &Ticket, name: &str) -> Option<Part> {
        match name {
            POSITION => u32::try_from(self.position(ticket))
                .ok()
                .map(Part::Position),
            // One that is not known is not said.
            EXPECTED_WAIT => {
                let expected = self.expected(ticket)?;
                Some(Part::ExpectedWait(expected.as_secs()))
            }
            sound => Some(Part::Recording(sound.to_owned())),
        }
    }

    /// A caller who waits has pressed a key. While a phone rings for it, it is told and no more.
    pub(super) fn pressed(&mut self, contact: ContactId, key: char) {
        if self.chooses(contact, key) {
            return;
        }
        let Some(found) = self.contacts.get(&contact) else {
            self.counters.dropped_unknown_contact += 1;
            return;
        };
        let waits = found.state == State::Waiting;
        let hears = |ticket: &&Ticket| ticket.hears && ticket.call_back.is_none();
        let Some(ticket) = found.ticket.as_ref().filter(hears) else {
            self.counters.dropped_late += 1;
            return;
        };
        let queue = ticket.typed.queue.clone();
        let declared = ticket.queue.and_then(|queue| self.queues.get(queue));
        let chosen = declared
            .and_then(|queue| queue.declared.overflow_for(key))
            .cloned();
        self.tell(What::ContactPressed {
            contact,
            queue,
            key,
        });
        if let Some(overflow) = chosen.filter(|_| waits) {
            self.goes(contact, overflow, RefuseReason::ByKey);
        }
    }
}
