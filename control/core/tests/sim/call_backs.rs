//! Customers who are to be called: how the oracle follows what is promised to them, and what those do who
//! call them.

use super::asker::Report;
use super::invariants::LATE_MS;
use super::oracle::{Oracle, Touched};
use super::planted::{CALM, double, told};
use super::{Plant, Profile, Step, World};
use patchbay_core::limits::PROMISE_GUARD;
use patchbay_core::{
    CallBackWish, ContactId, Facts, Input, OfferFailure, OfferId, Output, Promised, RefuseReason,
    Slot, What,
};

/// What the oracle knows of a promise.
#[derive(Clone, Debug)]
pub struct CallBack {
    /// When its time comes, while it has not.
    pub scheduled: Option<u64>,
    /// The time that it was promised for.
    pub due: u64,
    /// Its caller has not been told yet.
    pub on_the_line: bool,
    /// The customer does not want it any more.
    pub withdrawn: bool,
}

/// Of a hundred call-backs that an agent has taken, those that are never heard of again.
const UNTOLD: u64 = 10;
/// Of a hundred promises, those that the customer withdraws.
const WITHDRAWN: u64 = 15;
/// Of a hundred promises, those of which it is not told that they are written.
const UNWRITTEN: u64 = 5;

impl Oracle {
    /// Of a promise.
    pub(super) fn promises(&mut self, what: &What, told_at: u64, now: u64) {
        match what {
            What::CallBackPromised {
                contact,
                due_unix_ms,
                when,
                ..
            } => {
                self.model.unstick(*contact);
                let found = self.model.contacts.get_mut(contact).expect("typed");
                found.slot = Slot::CallBack;
                found.silent_since = None;
                let due = now + due_unix_ms.saturating_sub(told_at);
                found.call_back = Some(CallBack {
                    scheduled: Some(due),
                    due,
                    on_the_line: when.is_some(),
                    withdrawn: false,
                });
                self.scheduled(*contact, due);
            }
            What::CallBackPutOff {
                contact,
                due_unix_ms,
                ..
            } => {
                let found = self.model.contacts.get_mut(contact).expect("promised");
                let due = now + due_unix_ms.saturating_sub(told_at);
                let call_back = found.call_back.as_mut().expect("promised");
                (call_back.scheduled, call_back.due) = (Some(due), due);
                self.model.unstick(*contact);
                self.scheduled(*contact, due);
            }
            What::CallBackDialled { contact, offer, .. } => {
                let terms = self.terms(*contact);
                self.bound_outside(*offer, now, u64::from(terms.answer_seconds) * 1_000);
            }
            _ => {}
        }
    }

    /// It is in no queue until its time comes.
    fn scheduled(&mut self, id: ContactId, due: u64) {
        self.model.leave(id);
        let found = self.model.contacts.get_mut(&id).expect("promised");
        found.skips.clear();
        found.deadline = u64::MAX;
        let guard = PROMISE_GUARD.as_millis() as u64;
        self.later(due + guard + LATE_MS + 1, Touched::Contact(id));
        self.touch_contact(id);
    }

    /// What is said of a scheduled contact means that its time has come.
    pub(super) fn comes_due(&mut self, id: ContactId, now: u64) {
        let found = self.model.contacts.get_mut(&id);
        let Some(call_back) = found.and_then(|found| found.call_back.as_mut()) else {
            return;
        };
        let Some(due) = call_back.scheduled.take() else {
            return;
        };
        assert!(due <= now, "{id} comes {} ms too soon", due - now);
        let keep = u64::from(self.terms(id).keep_seconds) * 1_000;
        self.model.enter_again(id);
        let found = self.model.contacts.get_mut(&id).expect("promised");
        let due = found.call_back.as_ref().map_or(0, |it| it.due);
        found.deadline = due + keep;
        let late = found.deadline + LATE_MS + 1;
        found.caller = None;
        let caller = found.from.clone();
        self.later(late, Touched::Contact(id));
        self.sticks(id, &caller, now);
        self.touch_contact(id);
    }

    fn terms(&self, id: ContactId) -> patchbay_core::centre::CallBacks {
        let contact = self.model.contacts.get(&id);
        let queue = contact.and_then(|contact| self.model.queues.get(contact.queue.as_ref()?));
        let declared = queue.and_then(|queue| queue.declared.call_back.clone());
        declared.unwrap_or_default()
    }

    /// The caller of what is a call-back has its answer, or has hung up. False if it is none.
    pub(super) fn caller_gone(&mut self, id: ContactId) -> bool {
        let found = self.model.contacts.get_mut(&id);
        let call_back = found.and_then(|found| found.call_back.as_mut());
        call_back.is_some_and(|it| {
            it.on_the_line = false;
            true
        })
    }

    /// It passes over nobody for what failed before the promise, which is told later.
    pub(super) fn is_call_back(&self, id: ContactId) -> bool {
        let found = self.model.contacts.get(&id);
        found.is_some_and(|found| found.call_back.is_some())
    }

    /// The caller is told that it will be called.
    pub(super) fn let_go(&mut self, id: ContactId) {
        let found = self.model.contacts.get(&id);
        let call_back = found.and_then(|found| found.call_back.as_ref());
        let on_the_line = call_back.is_some_and(|it| it.on_the_line);
        assert!(on_the_line, "{id} is let go and is not on the line");
        self.caller_gone(id);
    }

    pub(super) fn withdrawn(&mut self, id: ContactId) {
        let found = self.model.contacts.get_mut(&id);
        if let Some(call_back) = found.and_then(|found| found.call_back.as_mut()) {
            call_back.withdrawn = true;
        }
    }

    /// A promise of the process before.
    pub(super) fn goes_on(&mut self, promised: &Promised, now: u64) {
        let id = promised.contact;
        let came = promised.arrived_unix_ms - super::UNIX_MS;
        let facts = Facts {
            medium: Some(Slot::CallBack),
            ..Facts::default()
        };
        self.arrived(id, &facts, None, came);
        assert!(self.model.promised.remove(&id), "{id} was promised nothing");
        let due = (promised.due_unix_ms - super::UNIX_MS).max(came);
        let found = self.model.contacts.get_mut(&id).expect("arrived");
        found.priority = promised.typed.priority;
        found.skills = promised.typed.skills.clone();
        found.queue = Some(promised.typed.queue.clone());
        found.from = promised.from.clone();
        found.call_back = Some(CallBack {
            scheduled: Some(due),
            due,
            on_the_line: false,
            withdrawn: false,
        });
        self.scheduled(id, due.max(now));
    }

    /// What is kept of promises is what is promised.
    pub fn keeps_promises(&self, kept: impl Iterator<Item = ContactId>) {
        let contacts = self.model.contacts.iter();
        let promised = contacts.filter(|(_, contact)| contact.call_back.is_some());
        let mut promised: Vec<ContactId> = promised.map(|(id, _)| *id).collect();
        promised.sort_unstable();
        let kept: Vec<ContactId> = kept.collect();
        assert_eq!(kept, promised, "what is kept of promises");
    }

    /// What the process before promised goes on.
    pub fn none_forgotten(&self) {
        let lost = &self.model.promised;
        assert!(lost.is_empty(), "promises are lost: {lost:?}");
    }

    /// A promise is forgotten when it is kept, or over.
    pub(super) fn forgotten_rightly(&mut self) {
        for id in self.forgotten.drain(..) {
            let over = self.model.answers.contains_key(&id);
            assert!(over, "the promise to {id} is forgotten");
        }
    }
}

impl World {
    /// Some of those who ask from outside want to be called.
    pub(super) fn wishes(&mut self, facts: &mut Facts) {
        if facts.medium != Some(Slot::CallBack) || !self.rng.percent(70) {
            return;
        }
        let later = self.rng.percent(40).then(|| self.rng.range(0, 90_000));
        facts.call_back = Some(CallBackWish {
            to: facts.from.clone(),
            at_unix_ms: later.map(|ahead| self.now().unix_ms + ahead),
        });
    }

    /// A promise is to be kept.
    pub(super) fn keep_call_back(&mut self, promised: Promised) {
        let contact = promised.contact;
        self.kept.promises.insert(contact, promised);
        if !self.rng.percent(UNWRITTEN) {
            let soon = self.rng.range(0, 120);
            self.after(soon, Step::Written(contact, self.epoch));
        }
        if self.rng.percent(WITHDRAWN) {
            let after = self.rng.range(0, 60_000);
            self.after(after, Step::Withdraw(contact));
        }
    }

    /// An agent was found for a call-back: it takes it and calls the customer, or not.
    pub(super) fn found_for_customer(&mut self, offer: OfferId) {
        let taken = self.rng.range(5, 3_000);
        if self.rng.percent(20) {
            return self.tells(taken, Report::Failed(offer, OfferFailure::Declined));
        }
        if self.rng.percent(80) {
            self.tells(taken, Report::Calling(offer));
        }
        let after = taken + self.rng.range(500, 25_000);
        match self.rng.range(0, 99) {
            0..30 => self.tells(after, Report::Failed(offer, OfferFailure::CustomerAway)),
            30.. if self.rng.percent(UNTOLD) => {}
            _ => self.tells(after, Report::Answered(offer)),
        }
    }

    /// A new control process goes on with what was promised.
    pub(super) fn restore_promises(&mut self) {
        let mut promised = Vec::from_iter(self.kept.promises.values().cloned());
        promised.sort_by_key(|one| (one.arrived_unix_ms, one.contact));
        for one in promised {
            self.tell(Input::CallBackKept(Box::new(one)));
        }
        self.oracle.none_forgotten();
    }
}

/// Whose time has come waits, unless its promise is still being written.
pub fn waits_in_time(id: ContactId, call_back: &CallBack, now: u64) {
    let guard = PROMISE_GUARD.as_millis() as u64;
    let in_time = |due: u64| now <= due + LATE_MS + guard;
    assert!(
        call_back.scheduled.is_none_or(in_time),
        "{id} is called too late"
    );
}

/// What goes wrong with promises, by what is said of it.
pub const PLANTS: [(&str, Profile, Plant); 4] = [
    ("is let go and is not on the line", CALM, |_, said| {
        double(said, |output| {
            matches!(
                output,
                Output::Refuse {
                    why: RefuseReason::CalledBack,
                    ..
                }
            )
        })
    }),
    ("is forgotten", CALM, |oracle, said| {
        let contact = a_scheduled_one(oracle);
        said.extend(contact.map(|contact| Output::ForgetCallBack { contact }));
        contact.is_some()
    }),
    ("ms too soon", CALM, |oracle, said| {
        let contact = a_scheduled_one(oracle);
        said.extend(contact.map(|contact| Output::Queued {
            contact,
            queue: "sales".into(),
            position: 1,
        }));
        contact.is_some()
    }),
    ("is called too late", CALM, |oracle, said| {
        let due = |contact: &ContactId| {
            let found = oracle.model.contacts.get(contact);
            found.is_some_and(|found| found.scheduled())
        };
        let of_it = |output: &Output| match output {
            Output::Queued { contact, .. } => due(contact),
            output => {
                matches!(told(output), Some(What::ContactQueued { contact, .. }) if due(contact))
            }
        };
        // With others there, the places that they are told give it away before.
        let alone = oracle.model.contacts.len() == 1 && said.len() == 2;
        let there = alone && said.iter().all(of_it);
        if there {
            said.clear();
        }
        there
    }),
];

/// A contact whose time is far away.
fn a_scheduled_one(oracle: &Oracle) -> Option<ContactId> {
    let mut contacts: Vec<_> = oracle.model.contacts.iter().collect();
    contacts.sort_unstable_by_key(|(id, _)| **id);
    let later = |contact: &super::model::Contact| {
        let call_back = contact.call_back.as_ref();
        let far = |it: &CallBack| it.scheduled.is_some_and(|due| due > contact.came + 1_000);
        call_back.is_some_and(|it| !it.on_the_line && far(it))
    };
    let found = contacts.into_iter().find(|(_, contact)| later(contact));
    found.map(|(id, _)| *id)
}
