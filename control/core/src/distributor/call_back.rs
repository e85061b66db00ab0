//! Customers who are to be called (requirement E5): a promise keeps the place of its contact, and an
//! agent that is free for it is reserved like for any other contact.
//!
//! A caller who asks for it on the line is let go when the promise is written down, and no agent is
//! looked for before. When the customer does not answer, the agent is free and the contact waits for its
//! next time with the place of its arrival.

use super::{Distributor, seconds};
use crate::call_back::CallBack;
use crate::centre::{CallBacks, OverflowWhen, plausible};
use crate::contact::{LegState, State, Ticket, Way};
use crate::event::{OfferEnd, What};
use crate::facts::CallBackWish;
use crate::id::{ContactId, OfferId, QueueId};
use crate::limits::{MAX_CALL_BACK_URI_BYTES, PROMISE_GUARD};
use crate::output::{Output, RefuseReason};
use crate::slot::Slot;
use crate::timers::Timer;
use core::time::Duration;
use patchbay_route::waiting::{Part, Say};

impl Distributor {
    /// What a wish comes to; it is not promised yet.
    pub(super) fn wished(&self, wish: &CallBackWish) -> CallBack {
        let due_unix_ms = wish.at_unix_ms.unwrap_or(0).max(self.now.unix_ms);
        let due = self.mono_at(due_unix_ms);
        CallBack {
            to: wish.to.clone(),
            due,
            due_unix_ms,
            waits_from: due,
            tries: 0,
            on_the_line: false,
        }
    }

    /// A customer who has no caller on the line: promised a call, or refused.
    pub(super) fn promise_asked(&mut self, contact: ContactId) {
        match self.no_promise(contact) {
            Some(why) => self.refuse_waiting(contact, why),
            None => {
                self.promise(contact, None);
                self.schedule(contact);
            }
        }
    }

    /// A caller who waits is called back instead. False if that cannot be: it stays.
    pub(super) fn calls_back(&mut self, contact: ContactId, when: OverflowWhen) -> bool {
        let now = self.now;
        let Some(found) = self.contacts.get_mut(&contact) else {
            return false;
        };
        let arrived = found.arrived;
        let Some(ticket) = found.ticket.as_mut().filter(|it| it.way != Way::Outside) else {
            return false;
        };
        ticket.call_back = Some(Box::new(CallBack {
            to: ticket.from.clone(),
            due: now.mono,
            due_unix_ms: now.unix_ms,
            waits_from: arrived,
            tries: 0,
            on_the_line: true,
        }));
        if self.no_promise(contact).is_some() {
            if let Some(ticket) = self.ticket_mut(contact) {
                ticket.call_back = None;
            }
            return false;
        }
        self.forget_agent_before(contact);
        self.leave_queue(contact);
        self.becomes_call_back(contact);
        self.promise(contact, Some(when));
        let guard = self.now.mono.saturating_add(PROMISE_GUARD);
        self.timers.set(Timer::LetGo(contact), guard);
        true
    }

    fn becomes_call_back(&mut self, contact: ContactId) {
        let Some(ticket) = self.ticket_mut(contact) else {
            return;
        };
        (ticket.slot, ticket.way) = (Slot::CallBack, Way::Outside);
        ticket.place.late = false;
        let (queue, skills) = (ticket.typed.queue.clone(), ticket.skills().clone());
        let class = self.class_of(&queue, &skills, Slot::CallBack);
        self.set_class(contact, class);
        if let Some(found) = self.contacts.get_mut(&contact) {
            found.state = State::Scheduled;
        }
    }

    /// Why a customer may not be promised a call.
    fn no_promise(&self, contact: ContactId) -> Option<RefuseReason> {
        let ticket = self.contacts.get(&contact)?.ticket.as_ref()?;
        let wanted = ticket.call_back.as_ref()?;
        let Some(queue) = ticket.queue.and_then(|queue| self.queues.get(queue)) else {
            return Some(RefuseReason::QueueRemoved);
        };
        let Some(terms) = &queue.declared.call_back else {
            return Some(RefuseReason::NoCallBacks);
        };
        let latest = seconds(terms.ahead_seconds).saturating_add(self.now.mono);
        let at_most = usize::try_from(terms.at_most).unwrap_or(usize::MAX);
        if !callable(&wanted.to) || wanted.due > latest {
            Some(RefuseReason::CannotCallBack)
        } else if self.promises.find(&queue.declared.id, &wanted.to).is_some() {
            Some(RefuseReason::PromisedBefore)
        } else if self.promises.count(&queue.declared.id) >= at_most {
            Some(RefuseReason::CallBacksFull)
        } else {
            None
        }
    }

    fn promise(&mut self, contact: ContactId, when: Option<OverflowWhen>) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let waited_ms = self.since_ms(found.arrived);
        let Some((queue, wanted)) = found.ticket.as_ref().and_then(wanted) else {
            return;
        };
        let (queue, to, due_unix_ms) = (queue.clone(), wanted.to.clone(), wanted.due_unix_ms);
        self.promises.insert(&queue, &to, contact);
        self.counters.call_backs += 1;
        self.tell(What::CallBackPromised {
            contact,
            queue,
            to,
            due_unix_ms,
            when,
            waited_ms,
        });
        self.keep_promise(contact);
    }

    /// The promise of a contact is kept, or over.
    pub(super) fn forget_promise(&mut self, contact: ContactId) {
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        let Some((queue, wanted)) = ticket.and_then(wanted) else {
            return;
        };
        let (queue, to) = (queue.clone(), wanted.to.clone());
        if self.promises.remove(&queue, &to, contact) {
            self.timers.cancel(&Timer::Due(contact));
            self.out(Output::ForgetCallBack { contact });
        }
    }

    /// The promise to a caller is safe: the caller hears so, and is let go.
    pub(super) fn promise_written(&mut self, contact: ContactId) {
        let terms = self.terms(contact);
        let Some(ticket) = self.ticket_mut(contact) else {
            return;
        };
        let hears = ticket.hears;
        if !ticket.call_back.as_ref().is_some_and(|it| it.on_the_line) {
            return;
        }
        self.schedule(contact);
        // It may be over at once.
        let there = self.contacts.contains_key(&contact);
        if !hears || !there || terms.say_seconds == 0 {
            return self.let_caller_go(contact);
        }
        let say = Say {
            parts: terms.say.into_iter().map(Part::Recording).collect(),
            ..Say::default()
        };
        self.out(Output::Say { contact, say });
        let due = self.now.mono.saturating_add(seconds(terms.say_seconds));
        self.timers.set(Timer::LetGo(contact), due);
    }

    /// Ends the call of the caller who is to be called back.
    pub(super) fn let_caller_go(&mut self, contact: ContactId) {
        if !self.hangs_up(contact) {
            return;
        }
        let why = RefuseReason::CalledBack;
        self.out(Output::Refuse {
            contact,
            status: why.status(),
            retry_after_s: None,
            why,
        });
        self.schedule(contact);
    }

    /// The caller is not on the line any more. Says whether it was.
    pub(super) fn hangs_up(&mut self, contact: ContactId) -> bool {
        self.timers.cancel(&Timer::LetGo(contact));
        let ticket = self.ticket_mut(contact);
        let wanted = ticket.and_then(|ticket| ticket.call_back.as_mut());
        wanted.is_some_and(|it| core::mem::replace(&mut it.on_the_line, false))
    }

    /// A caller who is to be called back has hung up. False if the contact is no call-back.
    pub(super) fn caller_of_call_back_gone(&mut self, contact: ContactId) -> bool {
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        if ticket.is_none_or(|ticket| ticket.call_back.is_none()) {
            return false;
        }
        match self.hangs_up(contact) {
            true => self.schedule(contact),
            false => self.counters.dropped_late += 1,
        }
        true
    }

    /// A contact whose time may have come.
    pub(super) fn schedule(&mut self, contact: ContactId) {
        let Some(found) = self.contacts.get(&contact) else {
            return;
        };
        let wanted = found.ticket.as_ref().and_then(wanted);
        let Some(due) = wanted.map(|(_, wanted)| wanted.due) else {
            return;
        };
        if found.state != State::Scheduled {
            return;
        }
        match due <= self.now.mono {
            true => self.comes_due(contact),
            false => self.timers.set(Timer::Due(contact), due),
        }
    }

    /// Its time has come: it waits in its queue, in the place of its arrival.
    pub(super) fn comes_due(&mut self, contact: ContactId) {
        let keep = seconds(self.terms(contact).keep_seconds);
        let Some(found) = self.contacts.get_mut(&contact) else {
            return;
        };
        if found.state != State::Scheduled {
            return;
        }
        found.state = State::Waiting;
        let Some(ticket) = found.ticket.as_mut() else {
            return;
        };
        let due = ticket
            .call_back
            .as_ref()
            .map_or(ticket.deadline, |it| it.due);
        let deadline = due.saturating_add(keep);
        ticket.deadline = deadline;
        let Some(queue) = ticket.queue.and_then(|queue| self.queues.get_mut(queue)) else {
            return self.refuse_waiting(contact, RefuseReason::QueueRemoved);
        };
        let remembered = queue.declared.sticky_seconds.is_some();
        ticket.caller = remembered.then(|| ticket.from.as_str().into());
        queue.places.insert(ticket.place);
        if deadline <= self.now.mono {
            return self.refuse_waiting(contact, RefuseReason::WaitedTooLong);
        }
        self.timers.set(Timer::MaxWait(contact), deadline);
        self.set_relax_timer(contact);
        self.stick(contact);
        self.start_waiting(contact);
    }

    /// The agent has taken the call-back: from now on it is the customer's phone that rings.
    pub(super) fn dialled(&mut self, offer: OfferId) {
        let Some(leg) = self.legs.get_mut(&offer) else {
            self.counters.dropped_unknown_offer += 1;
            return;
        };
        let open = matches!(leg.state, LegState::Offering { .. }) && !leg.dialled;
        let (contact, agent) = (leg.contact, leg.agent.clone());
        let terms = self.terms(contact);
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        let wanted = ticket.and_then(wanted).filter(|_| open);
        let Some(to) = wanted.map(|(_, wanted)| wanted.to.clone()) else {
            self.counters.dropped_late += 1;
            return;
        };
        if let Some(leg) = self.legs.get_mut(&offer) {
            leg.dialled = true;
        }
        self.let_caller_go(contact);
        let due = seconds(terms.answer_seconds).saturating_add(self.now.mono);
        self.timers.set(Timer::Ring(offer), due);
        self.tell(What::CallBackDialled {
            contact,
            offer,
            agent,
            to,
        });
    }

    /// The customer did not answer: the agent is free, and the contact waits for its next time.
    pub(super) fn customer_away(&mut self, offer: OfferId, code: u16) {
        let Some(leg) = self.remove_leg(offer, true) else {
            return;
        };
        self.tell_failed(offer, &leg, OfferEnd::CustomerAway, code);
        if let Some(agent) = self.agents.get_mut(&leg.agent) {
            agent.idle_since = self.now.mono;
        }
        self.put_off(leg.contact);
        self.refresh(&leg.agent);
    }

    fn put_off(&mut self, contact: ContactId) {
        let terms = self.terms(contact);
        self.forget_agent_before(contact);
        self.leave_queue(contact);
        let retry = seconds(terms.retry_seconds);
        let due = self.now.mono.saturating_add(retry);
        let due_unix_ms = self.unix_at(due);
        let Some(found) = self.contacts.get_mut(&contact) else {
            return;
        };
        found.state = State::Scheduled;
        let Some(ticket) = found.ticket.as_mut() else {
            return;
        };
        let queue = ticket.typed.queue.clone();
        let Some(wanted) = ticket.call_back.as_mut() else {
            return self.cancelled(contact);
        };
        wanted.tries += 1;
        (wanted.due, wanted.waits_from, wanted.due_unix_ms) = (due, due, due_unix_ms);
        let tries = wanted.tries;
        if tries >= terms.attempts {
            return self.refuse_waiting(contact, RefuseReason::CustomerAway);
        }
        self.tell(What::CallBackPutOff {
            contact,
            queue,
            due_unix_ms,
            tries,
        });
        self.keep_promise(contact);
        self.schedule(contact);
    }

    /// What the queue of a contact says of call-backs.
    fn terms(&self, contact: ContactId) -> CallBacks {
        let ticket = self.contacts.get(&contact).and_then(|c| c.ticket.as_ref());
        let queue = ticket.and_then(|ticket| self.queues.get(ticket.queue?));
        let declared = queue.and_then(|queue| queue.declared.call_back.clone());
        declared.unwrap_or_default()
    }

    fn ticket_mut(&mut self, contact: ContactId) -> Option<&mut Ticket> {
        self.contacts.get_mut(&contact)?.ticket.as_mut()
    }

    /// The clock's reading at a moment of Unix time, if that is not set meanwhile.
    pub(super) fn mono_at(&self, unix_ms: u64) -> Duration {
        let now = self.now;
        let ahead = Duration::from_millis(unix_ms.saturating_sub(now.unix_ms));
        let ago = Duration::from_millis(now.unix_ms.saturating_sub(unix_ms));
        now.mono.saturating_sub(ago).saturating_add(ahead)
    }
}

fn wanted(ticket: &Ticket) -> Option<(&QueueId, &CallBack)> {
    Some((&ticket.typed.queue, ticket.call_back.as_deref()?))
}

/// Whether an address can be called: a SIP URI, or a number (RFC 3966).
fn callable(to: &str) -> bool {
    let number = |rest: &str| {
        let digits = rest.strip_prefix('+').unwrap_or(rest);
        let sign = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '(' | ')');
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(sign)
    };
    let anonymous = to.to_ascii_lowercase().contains("@anonymous.invalid");
    let known = to
        .strip_prefix("tel:")
        .map_or_else(|| plausible(to), number);
    known && !anonymous && to.len() <= MAX_CALL_BACK_URI_BYTES
}
