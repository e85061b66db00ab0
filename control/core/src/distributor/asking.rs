//! Contacts about which a server is being asked (requirement D13), or whose callers' earlier contacts
//! are being looked up (A3).
//!
//! ```text
//! (arrived) ─► asking ─► typed, refused or redirected     as the server decides
//!     │           ├────► typed by the rules               it decides nothing, or failed
//!     │           └────► abandoned                        the caller gave up
//!     └──────────────────► typed by the rules              nobody is to be asked
//! ```

use super::arrive::{Came, Outcome, Refusal, clipped};
use super::untyped::view;
use super::{Distributor, millis};
use crate::asking::{Answer, AskFailure, Decision, Failed, ServerView};
use crate::centre::Ask;
use crate::event::What;
use crate::explain::Typed;
use crate::facts::{Earlier, Facts};
use crate::id::{AskId, ContactId, QueueId, RuleId};
use crate::limits::{EARLIER_TIME, MAX_ASKING, MAX_SHOWN_BYTES};
use crate::media::Usable;
use crate::output::{Output, RefuseReason};
use crate::snapshot::{ContactState, ContactView};
use crate::timers::Timer;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A contact that waits for what others know of it.
#[derive(Debug)]
pub(super) struct Asking {
    facts: Arc<Facts>,
    came: Came,
    /// The server whose answer it waits for.
    ask: Option<Arc<Ask>>,
    /// It waits for its caller's earlier contacts.
    looks_back: bool,
}

/// What becomes of a contact by what a server said, unless the rules decide.
enum Ruling {
    Typed(Outcome),
    Redirect(String),
}

impl Distributor {
    /// Asks what others know of a contact that has arrived, if there is anybody to ask; else it is
    /// typed.
    pub(super) fn ask_or_type(
        &mut self,
        contact: ContactId,
        came: Came,
        facts: Box<Facts>,
        usable: &Usable,
    ) {
        let room = self.asking.len() < MAX_ASKING;
        let looks_back =
            self.looks_back && !facts.from.is_empty() && facts.earlier == Earlier::default();
        self.counters.without_earlier += u64::from(looks_back && !room);
        let mut asking = Asking {
            facts: facts.into(),
            came,
            ask: None,
            looks_back: looks_back && room,
        };
        if asking.looks_back {
            let from = clipped(&asking.facts.from);
            self.out(Output::LookUp { contact, from });
        }
        match self.server_for(&asking.facts, usable, room) {
            None => self.go_on(contact, asking),
            Some((ask, Some(why))) => {
                self.falls_back(contact, &ask, asking, &Failed::new(why, ""));
            }
            Some((ask, None)) => {
                self.ask(contact, &ask, &asking.facts);
                asking.ask = Some(ask);
                self.go_on(contact, asking);
            }
        }
    }

    /// The server that is to be asked about a contact, or why it cannot be asked.
    fn server_for(
        &mut self,
        facts: &Facts,
        usable: &Usable,
        room: bool,
    ) -> Option<(Arc<Ask>, Option<AskFailure>)> {
        let (now, unix_ms) = (self.now.mono, self.now.unix_ms);
        let (calendars, failed) = (
            self.rules.calendars(),
            &mut self.counters.expressions_failed,
        );
        let server = self.servers.of(facts, usable, unix_ms, calendars, failed)?;
        let why = match room {
            false => Some(AskFailure::TooMany),
            true if !server.may_be_asked(now) => Some(AskFailure::Paused),
            true => None,
        };
        server.asked += u64::from(why.is_none());
        Some((Arc::clone(&server.declared), why))
    }

    fn ask(&mut self, contact: ContactId, ask: &Arc<Ask>, facts: &Arc<Facts>) {
        self.tell(What::ContactAsking {
            contact,
            ask: ask.id.clone(),
            from: clipped(&facts.from),
            to: clipped(facts.called()),
        });
        self.out(Output::Ask {
            contact,
            ask: Arc::clone(ask),
            facts: Arc::clone(facts),
        });
    }

    /// The contact waits for what is still to come, or is typed by the rules.
    fn go_on(&mut self, contact: ContactId, asking: Asking) {
        let limit = asking.ask.as_ref().map_or(Duration::ZERO, |ask| {
            Duration::from_millis(u64::from(ask.time_limit_ms))
        });
        let limit = match (&asking.ask, asking.looks_back) {
            (None, false) => {
                self.timers.cancel(&Timer::Asked(contact));
                let usable = Usable::of(&asking.facts);
                return self.type_by_rules(contact, asking.came, (&asking.facts, &usable));
            }
            (_, true) => limit.max(EARLIER_TIME),
            (Some(_), false) => limit,
        };
        let due = asking.came.at.saturating_add(limit);
        self.timers.set(Timer::Asked(contact), due);
        self.asking.insert(contact, asking);
    }

    /// What came of a question.
    pub(super) fn answered_about(
        &mut self,
        contact: ContactId,
        answer: Result<Box<Answer>, Failed>,
    ) {
        let Some(mut asking) = self.asking.remove(&contact) else {
            self.counters.dropped_late_answer += 1;
            return;
        };
        let Some(ask) = asking.ask.take() else {
            self.counters.dropped_late_answer += 1;
            self.asking.insert(contact, asking);
            return;
        };
        let usable = Usable::of(&asking.facts);
        let ruled = answer.and_then(|answer| {
            answer.check()?;
            let ruling = self.ruling(&ask.id, &usable, answer.decision.as_ref())?;
            Ok((answer, ruling))
        });
        let (answer, ruling) = match ruled {
            Ok(ruled) => ruled,
            Err(failed) => return self.falls_back(contact, &ask, asking, &failed),
        };
        self.takes(contact, &ask.id, &mut asking, *answer);
        match ruling {
            None => self.go_on(contact, asking),
            Some(ruling) => self.follow(contact, &asking, &usable, ruling),
        }
    }

    /// Takes what a good answer says into the facts, and tells of it.
    fn takes(&mut self, contact: ContactId, ask: &AskId, asking: &mut Asking, answer: Answer) {
        if let Some(server) = self.servers.get_mut(ask) {
            server.answers();
            server.answered += 1;
        }
        let facts = Arc::make_mut(&mut asking.facts);
        let added = answer.add_to(facts);
        let decision = answer.decision.as_ref().map(Decision::told);
        if let Some(agent) = answer.decision.and_then(|decision| decision.agent) {
            facts.wanted_agent.get_or_insert(agent);
        }
        self.tell(What::ContactAsked {
            contact,
            ask: ask.clone(),
            took_ms: self.since_ms(asking.came.at),
            facts: added,
            decision,
            failure: None,
            detail: String::new(),
        });
    }

    /// Does what a server decided.
    fn follow(&mut self, contact: ContactId, asking: &Asking, usable: &Usable, ruling: Ruling) {
        self.timers.cancel(&Timer::Asked(contact));
        match ruling {
            Ruling::Redirect(to) => self.redirect_new(contact, asking.came, to),
            Ruling::Typed(outcome) => {
                self.settle(contact, asking.came, (&asking.facts, usable), outcome);
            }
        }
    }

    /// The earlier contacts of a caller.
    pub(super) fn earlier_found(&mut self, contact: ContactId, earlier: Option<Earlier>) {
        let Some(mut asking) = self.asking.remove(&contact) else {
            self.counters.dropped_late_answer += 1;
            return;
        };
        if core::mem::take(&mut asking.looks_back) {
            match earlier {
                Some(earlier) => Arc::make_mut(&mut asking.facts).earlier = earlier,
                None => self.counters.without_earlier += 1,
            }
        }
        self.go_on(contact, asking);
    }

    /// What has not come yet is not waited for any more.
    pub(super) fn asking_too_long(&mut self, contact: ContactId) {
        let Some(mut asking) = self.asking.remove(&contact) else {
            return;
        };
        let late = core::mem::take(&mut asking.looks_back);
        self.counters.without_earlier += u64::from(late);
        match asking.ask.take() {
            None => self.go_on(contact, asking),
            Some(ask) => {
                let detail = format!("{} ms", ask.time_limit_ms);
                let failed = Failed::new(AskFailure::TimeLimit, detail);
                self.falls_back(contact, &ask, asking, &failed);
            }
        }
    }

    /// The caller gave up while a server was being asked; false if none is.
    pub(super) fn cancelled_while_asking(&mut self, contact: ContactId) -> bool {
        let Some(asking) = self.asking.remove(&contact) else {
            return false;
        };
        self.timers.cancel(&Timer::Asked(contact));
        self.untyped_gone(contact, asking.came);
        true
    }

    /// The server that would be asked about a contact.
    pub(super) fn would_ask(&self, facts: &Facts, usable: &Usable, unix_ms: u64) -> Option<AskId> {
        let calendars = self.rules.calendars();
        let asked = self.servers.would_ask(facts, usable, unix_ms, calendars);
        asked.cloned()
    }

    /// Contacts about which a server is being asked.
    pub(super) fn asking_views(&self) -> impl Iterator<Item = ContactView> {
        let contacts = self.asking.iter();
        contacts.map(|(id, one)| view(*id, ContactState::Asking, &one.facts, &one.came))
    }

    /// How each server did.
    pub fn servers(&self) -> Vec<ServerView> {
        let waiting = |id: &AskId| {
            let asks = self.asking.values().filter_map(|one| one.ask.as_ref());
            asks.filter(|ask| ask.id == *id).count()
        };
        let servers = self.servers.iter();
        servers
            .map(|server| server.view(waiting(&server.declared.id)))
            .collect()
    }

    /// The contact does without the answer: as the declaration says, or by the rules.
    fn falls_back(&mut self, contact: ContactId, ask: &Ask, asking: Asking, failed: &Failed) {
        let now = self.now.mono;
        if let Some(server) = self.servers.get_mut(&ask.id) {
            if failed.why == AskFailure::Invalid {
                server.answers();
            }
            server.fails(failed.why, now);
        }
        let detail = &failed.detail;
        let end = detail.floor_char_boundary(MAX_SHOWN_BYTES);
        self.tell(What::ContactAsked {
            contact,
            ask: ask.id.clone(),
            took_ms: self.since_ms(asking.came.at),
            facts: Vec::new(),
            decision: None,
            failure: Some(failed.why),
            detail: detail.get(..end).unwrap_or_default().to_owned(),
        });
        let declared = |queue: &&QueueId| self.queue_at(queue).is_some();
        let Some(queue) = ask.on_failure.as_ref().filter(declared) else {
            return self.go_on(contact, asking);
        };
        let because = format!(
            "{} {}; its on_failure says queue {queue}",
            ask.id,
            failed.why.text()
        );
        let typed = typed(&ask.id, queue, &Decision::default());
        let usable = Usable::of(&asking.facts);
        let outcome = Ok(((typed, Arc::default()), vec![because]));
        self.follow(contact, &asking, &usable, Ruling::Typed(outcome));
    }

    /// What becomes of a contact by a decision; none without one.
    fn ruling(
        &mut self,
        ask: &AskId,
        usable: &Usable,
        decision: Option<&Decision>,
    ) -> Result<Option<Ruling>, Failed> {
        let Some(decision) = decision else {
            return Ok(None);
        };
        let queues = self.queues.iter().map(|queue| &queue.declared.id);
        let agents = &self.agents;
        let knows = |agent: &_| agents.get(agent).is_some_and(|one| one.in_declaration);
        decision.check(&queues.collect::<BTreeSet<_>>(), knows)?;
        if let Some(status) = decision.refuse {
            let why = RefuseReason::ByServer;
            return Ok(Some(Ruling::Typed(Err(Refusal { why, status }))));
        }
        if let Some(to) = &decision.redirect {
            return Ok(Some(Ruling::Redirect(to.clone())));
        }
        let Some(queue) = &decision.queue else {
            return Ok(None);
        };
        if !self.can_wish(queue, &decision.skills) {
            let detail = "servers have asked for too many different skills";
            return Err(Failed::new(AskFailure::Invalid, detail));
        }
        if let Some(why) = self.cannot_type(usable) {
            return Ok(Some(Ruling::Typed(Err(why.into()))));
        }
        let because = vec![format!("asked {ask}: {}", decision.told())];
        let outcome = Ok(((typed(ask, queue, decision), Arc::default()), because));
        Ok(Some(Ruling::Typed(outcome)))
    }

    /// Tells the caller of a contact that reached no queue whom to call instead.
    fn redirect_new(&mut self, contact: ContactId, came: Came, to: String) {
        self.counters.redirected += 1;
        self.counters.forgotten_early += self.memory.contact(contact, self.now.mono);
        let uri = to.clone();
        self.out(Output::Redirect { contact, to: uri });
        self.tell(What::ContactRedirected {
            contact,
            queue: None,
            to,
            when: None,
            waited_ms: millis(self.now.mono.saturating_sub(came.at)),
        });
    }
}

/// What a contact is by a decision, or by the lack of one.
fn typed(ask: &AskId, queue: &QueueId, decision: &Decision) -> Typed {
    let name = decision.call_type.clone();
    Typed {
        rule: RuleId::new(ask.as_str()),
        call_type: name.unwrap_or_else(|| ask.to_string()),
        queue: queue.clone(),
        skills: decision.skills.clone(),
        priority: decision.priority,
        attributes: decision.attributes.clone(),
    }
}
